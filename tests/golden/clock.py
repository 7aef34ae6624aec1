"""`vinci run` on an NPU target: what the same steps take by the virtual clock, beside what they took here."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VinciTest  # noqa: E402

DENSE = MODELS / "austen-qwen3"
MOE = MODELS / "austen-qwen3-moe"
PLAIN = DATA / "llama-plain"
IDS = "1,2,3,4,5,6,7,8"


class Clock(VinciTest):
    def run_json(self, model, *options):
        result = self.succeed("run", model, "--prompt-ids", IDS, "--max-tokens", 8, "--ignore-eos", *options, "--format", "json")
        return json.loads(result.stdout)

    def test_both_times_of_one_run(self):
        report = self.run_json(DENSE, "--target", "910b3")
        self.assertEqual(list(report["virtual_timing"]), ["prefill_ms", "decode_ms", "tokens_per_s"])
        clock = report["clock"]
        self.assertEqual(list(clock), ["device", "stack", "steps", "virtual_ms", "steps_ms", "device_ms", "host_ms", "measured_ms"])
        self.assertEqual(clock["device"], "910b3")
        self.assertEqual(clock["steps"], 8)  # one prefill and seven decodes
        total = report["virtual_timing"]["prefill_ms"] + report["virtual_timing"]["decode_ms"]
        self.assertAlmostEqual(total, clock["virtual_ms"], 2)
        self.assertAlmostEqual(report["virtual_timing"]["tokens_per_s"], 7e3 / report["virtual_timing"]["decode_ms"], 0)
        self.assertGreater(clock["measured_ms"], 0)
        # vllm-ascend's gap of 4.07 ms comes after each step.
        self.assertEqual(clock["stack"], "vllm-ascend-0.18")
        self.assertAlmostEqual(clock["virtual_ms"] - clock["steps_ms"], 8 * 4.07, 2)

    def test_virtual_time_is_the_same_every_time(self):
        # The second run finds the plan in the cache, the others have other threads or none of it.
        options = ("--target", "910b3")
        first = self.run_json(MOE, *options)
        for more in ((), ("--threads", 1), ("--no-cache",)):
            again = self.run_json(MOE, *options, *more)
            self.assertEqual(again["virtual_timing"], first["virtual_timing"])
            self.assertEqual(again["output_ids"], first["output_ids"])

    def test_the_clock_changes_no_token(self):
        on = self.run_json(MOE, "--target", "910b3")
        off = self.run_json(MOE, "--target", "910b3", "--clock", "off")
        self.assertEqual(on["output_ids"], off["output_ids"])
        self.assertNotIn("clock", off)
        self.assertNotIn("virtual_timing", off)

    def test_off_for_the_host_on_with_a_device(self):
        self.assertNotIn("clock", self.run_json(PLAIN))
        plan = self.scratch / "plain.plan"
        self.succeed("compile", PLAIN, "-o", plan)
        self.assertNotIn("clock", self.run_json(plan))
        self.assertEqual(self.run_json(plan, "--device", "a3")["clock"]["device"], "a3")

    def test_as_text_on_stderr(self):
        result = self.succeed("run", DENSE, "--prompt-ids", IDS, "--max-tokens", 4, "--ignore-eos", "--target", "910b3")
        self.assertRegex(result.stderr, r"4 steps take [0-9.]+ ms on 910b3 \(device [0-9.]+, host beside it [0-9.]+\), [0-9.]+ ms behind "
                                       r"vllm-ascend-0\.18; here [0-9.]+ ms")

    def test_as_simulated(self):
        # One request, the same lengths: what `simulate` says of a step is what `run` says of it.
        run = self.run_json(DENSE, "--target", "910b3")
        simulated = json.loads(self.succeed(
            "simulate", DENSE, "--target", "910b3", "--input-len", "fixed:8", "--output-len", "fixed:8", "--concurrency", 1,
            "--format", "json").stdout)
        self.assertAlmostEqual(run["virtual_timing"]["decode_ms"] / 7 / simulated["tpot_ms"]["mean"], 1, 3)
        tokenizer = 3
        self.assertAlmostEqual(run["virtual_timing"]["prefill_ms"] + tokenizer, simulated["ttft_ms"]["mean"], 2)

    def test_experts_that_were_really_hit(self):
        trace = self.scratch / "moe.json"
        self.run_json(MOE, "--target", "910b3", "--trace", trace, "--trace-steps", 100)
        events = json.loads(trace.read_text())["traceEvents"]
        grouped = {}
        for event in events:
            if event["ph"] == "X" and event["name"].startswith("grouped_matmul"):
                grouped.setdefault(event["name"], set()).add(round(event["dur"], 6))
        # One token hits as many experts in each layer, a prompt of eight hits others: at least two times.
        self.assertTrue(grouped)
        self.assertTrue(all(len(times) > 1 for times in grouped.values()), grouped)
        steps = [event for event in events if event["ph"] == "X" and event["pid"] == 1 and event["tid"] == 0]
        here = [event for event in events if event["ph"] == "X" and event["pid"] == 4]
        self.assertEqual(len(steps), 8)
        self.assertEqual(len(here), 8)
        # The kernels of a step fill its device time, one after another.
        for step in steps:
            inside = [event for event in events if event["ph"] == "X" and event["pid"] == 1 and event["tid"] > 0
                      and step["ts"] <= event["ts"] < step["ts"] + step["dur"]]
            self.assertAlmostEqual(sum(event["dur"] for event in inside), step["args"]["device_us"], 3)
        names = {event["args"]["name"] for event in events if event["name"] == "process_name"}
        self.assertEqual(names, {"910b3, virtual", "its host, virtual", "requests, virtual", "this machine, measured"})

    def test_ranks_and_batches(self):
        prompts = self.scratch / "prompts.jsonl"
        prompts.write_text("\n".join(json.dumps({"ids": list(range(1, 4 + i)), "max_tokens": 4 + i}) for i in range(3)) + "\n")
        results = json.loads(self.succeed("run", MOE, "--prompts", prompts, "--ignore-eos", "--tp", 2, "--target", "910b3", "--format",
                                          "json").stdout)
        clock = results[0]["clock"]
        for result in results:
            self.assertEqual(result["clock"], clock)
            self.assertLessEqual(result["virtual_timing"]["prefill_ms"] + result["virtual_timing"]["decode_ms"],
                                 clock["virtual_ms"] + 0.01)

    def test_errors(self):
        run = ("run", PLAIN, "--prompt-ids", "1", "--max-tokens", "1")
        self.expect_error((*run, "--clock", "maybe"), 1, "--clock is 'maybe'; on and off are legal")
        self.expect_error((*run, "--clock", "on"), 2, "the clock has no NPU: --target is 310p3, 910b3 or a3, or --device")
        self.expect_error((*run, "--trace", "t.json"), 2, "the clock has no NPU")
        self.expect_error((*run, "--clock", "off", "--device", "a3"), 1, "--clock off contradicts --device and --trace")
        self.expect_error((*run, "--device", "nope"), 1, "nope")
        self.expect_error((*run, "--device", "310p3"), 1, "310p3 has no bfloat16 matmul")


if __name__ == "__main__":
    unittest.main()
