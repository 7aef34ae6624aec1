"""Streams, events and prefetches: what a plan says of them, and that they change times alone."""
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, TRAINED, VinciTest  # noqa: E402

W8A8 = MODELS / "qwen3-235b-w8a8"
PREFETCH = ("--set", "execution.prefetch_qkv=1", "--set", "execution.prefetch_o=1", "--set", "execution.prefetch_gate_up=0.8")
STREAMS = ("--passes", "+assign-streams")


class Streams(VinciTest):
    def compile(self, model, *options):
        plan = self.scratch / "streams.plan"
        self.succeed("compile", model, "-o", plan, *options)
        return plan

    def inspect(self, plan, *options):
        return json.loads(self.succeed("inspect", plan, *options, "--format", "json").stdout)

    def ids(self, plan, model, *options):
        result = self.succeed("run", plan, "--model", model, "--prompt-ids", "4,8,15,16,23,42", "--max-tokens", "6", "--ignore-eos",
                              "--format", "json", *options)
        return json.loads(result.stdout)["output_ids"]

    def test_same_ids(self):
        for model in TRAINED:
            for tp in (1, 2, 4):
                with self.subTest(model=model.name, tp=tp):
                    expected = self.ids(self.compile(model, "--tp", tp), model)
                    # Unfused there is more that can run side by side.
                    for options in ((*PREFETCH, *STREAMS), (*STREAMS[:1], "-all,+assign-streams")):
                        plan = self.compile(model, "--tp", tp, *options)
                        self.assertIn("cube", self.inspect(plan)["streams"])
                        self.assertEqual(self.ids(plan, model), expected)
                        # One arena for all streams: nothing reads what another has freed.
                        self.assertEqual(self.ids(plan, model, "--poison"), expected)

    def test_systems_launch_on_one_stream(self):
        for model in ("qwq-32b-300i-duo", "qwq-32b-mindie", "qwen2.5-7b", "qwen3-235b-a3/qwen3_235b_16tp.yaml"):
            with self.subTest(model=model):
                plan = self.compile(MODELS / model, "--no-weights")
                self.assertEqual(self.inspect(plan)["streams"], ["compute"])
        # One of them fetches weights ahead.
        summary = self.inspect(self.compile(W8A8, "--no-weights"))
        self.assertEqual(summary["streams"], ["compute", "prefetch"])
        self.assertEqual({row["entry"]: row["prefetches"] for row in summary["per_step"]}["decode"], 94 * 3 + 1)
        off = self.inspect(self.compile(W8A8, "--no-weights", "--passes", "-insert-prefetches"))
        self.assertEqual(off["streams"], ["compute"])
        self.assertEqual(off["arena_bytes"], summary["arena_bytes"])

    def test_prefetches_of_system_003(self):
        plan = self.compile(W8A8, "--no-weights")
        report = self.inspect(plan, "--commands")
        layer = [row for row in report["commands"] if "decoder_layer" in row["body"] and row["stream"] == "prefetch"]
        self.assertEqual({(row["operands"], row["tiles"]) for row in layer},
                         {("@next.qkv_proj", "1 of it"), ("@o_proj", "1 of it"), ("@gate_up_proj", "0.7 of it, from 96 tokens")})
        for row in layer:
            # An event lets it begin when the stream of everything else has come so far.
            self.assertEqual(row["events"], row["waits"])
        body = layer[0]["body"]
        explained = json.loads(self.succeed("inspect", plan, "--explain", f"{body}:{layer[0]['command']}", "--format", "json").stdout)
        self.assertEqual((explained["op"], explained["stream"]), ("npu.prefetch", "prefetch"))
        self.assertIn("insert-prefetches", explained["passes"])
        self.assertIn("config.json:", explained["location"])
        weights = {row["weight"] for row in explained["weights"]}
        self.assertTrue(all("_proj" in weight for weight in weights), weights)

    def test_a_plan_resumes_from_any_phase(self):
        whole = self.scratch / "whole.plan"
        options = ("--no-weights", *STREAMS)
        self.succeed("compile", W8A8, "-o", whole, *options)
        for phase in ("fuse", "lower", "schedule", "memory"):
            ir, plan = self.scratch / f"{phase}.mlir", self.scratch / f"{phase}.plan"
            self.succeed("compile", W8A8, "-o", ir, *options, "--stop-after", phase)
            self.succeed("compile", ir, "-o", plan, *(STREAMS if phase in ("fuse", "lower") else ()))
            self.assertEqual(plan.read_bytes(), whole.read_bytes(), phase)
        self.expect_error(("compile", self.scratch / "schedule.mlir", "-o", self.scratch / "x.plan", *STREAMS), 1,
                          "has gone through the phase schedule", "--passes with assign-streams")

    def test_ir_shows_events(self):
        folder = self.scratch / "ir"
        self.succeed("compile", W8A8, "-o", self.scratch / "x.plan", "--no-weights", "--dump-ir", folder, *STREAMS)
        after = {path.name.split("-", 1)[1]: path.read_text() for path in folder.iterdir()}
        self.assertIn("npu.prefetch", after["insert-prefetches.mlir"])
        self.assertNotIn("stream", after["insert-prefetches.mlir"])
        self.assertIn("stream compute", after["schedule-commands.mlir"])
        self.assertIn("stream communication", after["assign-streams.mlir"])
        self.assertNotIn("npu.record", after["assign-streams.mlir"])
        text = after["insert-events.mlir"]
        self.assertEqual(len(re.findall(r"npu\.record \d+", text)) > 0, True)
        self.assertGreaterEqual(len(re.findall(r"npu\.wait \d+", text)), len(re.findall(r"npu\.record \d+", text)))

    def test_diff(self):
        report = json.loads(self.succeed("diff", W8A8, "--b", "--passes=-insert-prefetches", "--format", "json").stdout)
        self.assertEqual({row["op"] for row in report["commands"]}, {"prefetch"})
        self.assertEqual({row["side"] for row in report["commands"]}, {"-"})
        self.assertEqual([row["what"] for row in report["settings"]], ["streams"])
        self.assertNotIn("offsets", report)

    def simulate(self, *options, requests=32):
        return json.loads(self.succeed("simulate", W8A8, "--requests", requests, "--output-len", "fixed:16", "--format", "json",
                                       *options).stdout)

    def test_the_trace_shows_the_overlap(self):
        trace = self.scratch / "trace.json"
        self.simulate("--trace", trace, "--trace-steps", "2", "--input-len", "fixed:128", requests=1)
        events = json.loads(trace.read_text())["traceEvents"]
        (rank,) = [event["pid"] for event in events if event["name"] == "process_name" and event["args"]["name"] == "rank 0"]
        names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name" and event["pid"] == rank}
        self.assertLessEqual({"steps", "compute", "prefetch"}, set(names.values()))
        slices = {name: [(event["ts"], event["ts"] + event["dur"], event["name"]) for event in events
                         if event["ph"] == "X" and event["pid"] == rank and names[event["tid"]] == name] for name in ("compute", "prefetch")}
        fetched = [slice for slice in slices["prefetch"] if slice[1] > slice[0]]
        self.assertGreater(len(fetched), 94)
        # Beside what leaves the memory alone, and never beside a product.
        products = [slice for slice in slices["compute"] if "matmul" in slice[2]]
        for begin, end, _ in fetched[:200]:
            self.assertTrue(any(a < end and begin < b for a, b, _ in slices["compute"]))
            self.assertFalse(any(a + 0.01 < end and begin + 0.01 < b for a, b, _ in products), (begin, end))
        for stream in slices.values():
            for (_, end, _), (begin, _, _) in zip(sorted(stream), sorted(stream)[1:]):
                self.assertLessEqual(end, begin + 1e-3)

    def test_times(self):
        base = self.simulate()
        off = self.simulate("--passes", "-insert-prefetches")
        self.assertGreater(off["decode_step"]["device_ms"], base["decode_step"]["device_ms"])
        self.assertEqual(off["decode_step"]["prefetched_bytes"], 0)
        # What does not wait for each other runs side by side: never slower, unfused faster.
        streams = self.simulate(*STREAMS)
        self.assertLessEqual(streams["decode_step"]["device_ms"], base["decode_step"]["device_ms"] * 1.000001)
        one = self.simulate("--passes=-all")
        several = self.simulate("--passes=-all,+assign-streams")
        self.assertLess(several["decode_step"]["device_ms"], one["decode_step"]["device_ms"])


if __name__ == "__main__":
    unittest.main()
