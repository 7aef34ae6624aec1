"""`vinci simulate`: the reference systems' published figures, and what settings do to them.

Constants are those of runtime/device/specs and runtime/serving/stacks; none is tuned for a row here. A tolerance is that of the
comparison with the published figure, not of the computation, which is the same to the bit each time.
"""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, vinci  # noqa: E402

MINDIE = MODELS / "qwq-32b-mindie"
W8A8 = MODELS / "qwen3-235b-w8a8"
RECIPE = MODELS / "qwen3-235b-a3"
# The stack that could not batch, and the setting that it forced.
NO_BATCHES = ("--stack", "mindie-1.0.t71-ms", "--set", "ScheduleConfig.maxPrefillBatchSize=1")


class Simulate(VinciTest):
    reports = {}

    def report(self, *arguments):
        """Simulations are deterministic: each is run once."""
        key = tuple(map(str, arguments))
        if key not in self.reports:
            result = self.succeed("simulate", *arguments, "--format", "json")
            self.reports[key] = json.loads(result.stdout)
        return self.reports[key]

    def within(self, value, published, tolerance):
        self.assertLess(abs(value / published - 1), tolerance, f"{value} for {published}")

    def test_tuned_mindie(self):
        report = self.report(MINDIE)
        self.within(report["output_tokens_per_s"], 327.3, 0.08)
        self.within(report["inter_token_ms"]["mean"], 29.1, 0.08)
        self.within(report["ttft_ms"]["mean"], 97.1, 0.25)

    def test_mindie_that_cannot_batch(self):
        report = self.report(MINDIE, *NO_BATCHES)
        self.within(report["output_tokens_per_s"], 35.9, 0.08)
        self.within(report["largest_gap_ms"]["mean"], 110.5e3, 0.08)
        self.within(report["e2e_ms"]["mean"], 122.4e3, 0.08)

    def test_more_memory_is_no_cure(self):
        less = self.report(MINDIE, *NO_BATCHES, "--set", "npuMemSize=8")
        self.assertEqual(less["memory"]["kv_blocks"], 1024)
        more = self.report(MINDIE, *NO_BATCHES)
        self.assertEqual(more["memory"]["kv_blocks"], 4480)
        self.assertEqual(more["memory"]["kv_tokens"], 573440)
        self.within(more["output_tokens_per_s"], less["output_tokens_per_s"], 0.01)

    def test_one_prompt_at_a_time_alone_is_no_harm(self):
        report = self.report(MINDIE, "--set", "scheduler.max_prefill_seqs=1")
        self.within(report["output_tokens_per_s"], 330, 0.08)

    def test_system_003_decodes(self):
        report = self.report(W8A8)
        self.within(1000 / report["step_ms"], 17.5, 0.08)

    def test_int8_is_timed_as_int8(self):
        # What multiplies int8 has the constants of int8, which the router's product has not.
        decides = {row["op"]: row["decided_by"] for row in self.report(W8A8)["ops"]}
        products = {op for op in decides if "matmul" in op and op != "matmul"}
        self.assertEqual(products, {"quant_matmul", "grouped_matmul_swiglu_quant", "grouped_dynamic_quant_matmul"})
        for op in products:
            self.assertTrue(decides[op].endswith("int8"), decides)
        self.assertTrue(decides["matmul"].endswith("float"), decides)

    def test_system_004_is_host_bound_when_eager(self):
        eager = self.report(RECIPE, "--set", "execution.graph_mode=none")
        graph = self.report(RECIPE)
        self.assertLess(graph["step_ms"], 20)
        self.assertGreater(eager["decode_step"]["host_ms"], eager["decode_step"]["device_ms"])
        self.assertGreater(eager["host_bound_share"], 2 * graph["host_bound_share"])
        self.assertGreater(eager["step_ms"], graph["step_ms"])

    def test_a_step_is_its_ops(self):
        report = self.report(MINDIE)
        self.assertAlmostEqual(sum(row["us"] for row in report["ops"]) / 1e3, report["decode_step"]["device_ms"], 3)
        self.assertAlmostEqual(sum(row["share"] for row in report["ops"]), 1, 4)
        self.assertEqual(sum(row["calls"] for row in report["ops"]), report["decode_step"]["launches"])
        for row in report["ops"]:
            self.assertLessEqual(row["p10_us"], row["us"])
            self.assertLessEqual(row["us"], row["p90_us"])

    def test_a_chip_from_its_ini(self):
        ini = self.scratch / "Ascend910X.ini"
        ini.write_text("[version]\nSoC_version=Ascend910X\n[SoCInfo]\nai_core_cnt=10\nl2_size=201326592\n[AICoreSpec]\ncube_freq=1800\n")
        load = ("--target", "910b3", "--requests", 2, "--concurrency", 1, "--input-len", "fixed:2048", "--output-len", "fixed:8")
        half, whole = (self.report(MODELS / "qwen2.5-7b", *load, *device) for device in (("--device", ini), ()))
        self.assertIn("Ascend910X", half["device"])
        # Half the cores of a 910B3 take longer for a prompt, and as long for what the memory bounds.
        self.assertGreater(half["ttft_ms"]["mean"], 1.5 * whole["ttft_ms"]["mean"])
        self.within(half["step_ms"], whole["step_ms"], 0.05)

    def test_same_input_same_bytes(self):
        runs = []
        for name in ("a.json", "b.json"):
            trace = self.scratch / name
            out = self.succeed("simulate", MINDIE, "--requests", 20, "--trace", trace, "--format", "json").stdout
            runs.append((out, trace.read_bytes()))
        self.assertEqual(*runs)
        events = json.loads(runs[0][1])["traceEvents"]
        kernels = [event for event in events if event["pid"] == 1 and event.get("tid", 0) > 0 and event["ph"] == "X"]
        steps = [event for event in events if event["pid"] == 1 and event.get("tid") == 0 and event["ph"] == "X"]
        self.assertGreater(len(kernels), 1000)
        # The kernels of a step fill the device's time of it.
        first = steps[0]
        inside = [event for event in kernels if first["ts"] <= event["ts"] < first["ts"] + first["args"]["device_us"]]
        self.assertAlmostEqual(sum(event["dur"] for event in inside), first["args"]["device_us"], delta=1)
        requests = [event for event in events if event["pid"] == 3 and event["name"] == "first token"]
        self.assertEqual(len(requests), 20)

    def test_text_has_the_benchmarks_tables(self):
        text = self.succeed("simulate", MINDIE, "--requests", 20).stdout
        for row in ("FirstTokenTime", "DecodeTime", "GenerateSpeed", "PrefillBatchsize", "QueueWaitTime"):
            self.assertIn(row, text)

    def test_errors(self):
        for arguments, code, message in (
                ((MODELS / "qwen3-8b",), 2, "the model names no NPU to simulate; --target is 310p3, 910b3 or a3"),
                ((MODELS / "qwen3-8b", "--target", "910b3"), 2, "--input-len is missing, and the deployment does not say it"),
                ((MINDIE, "--set", "nope=1"), 1, "--set 'nope=1': there is no setting nope"),
                ((MINDIE, "--set", "execution.async_scheduling=maybe"), 1, "--set:1:1: error: execution.async_scheduling is .maybe."),
                ((MINDIE, "--device", "none.ini"), 1, "none.ini"),
                ((MINDIE, "--set", "npuMemSize"), 1, "--set 'npuMemSize' has no value; name=value is expected"),
                ((MINDIE, "--set", "scheduler.max_num_seqs=0"), 1, "max_num_seqs"),
                ((MINDIE, "--stack", "mindie-1.0.t71-ms"), 1,
                 r"scheduleParam.maxPrefillBatchSize \[50\] is out of bound \[1\]"),
                ((MINDIE, "--stack", "nope"), 1, "nope"),
                ((MINDIE, "--device", "nope"), 1, "nope"),
                ((MINDIE, "--tp", "1", "--world", "1", "--set", "npuMemSize=-1"), 1, "the model does not fit 910b3"),
                ((MINDIE, "--set", "npuMemSize=0"), 1, "memory.kv_gib is 0, less than a block of the KV cache, 0.01 GiB"),
                ((MINDIE, "--rate", "1", "--concurrency", "2"), 2, "--concurrency excludes --rate"),
                ((MINDIE, "--input-len", "fixed:0"), 1, "--input-len")):
            with self.subTest(arguments=arguments):
                result = vinci("simulate", *arguments)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertRegex(result.stderr, message)


if __name__ == "__main__":
    unittest.main()
