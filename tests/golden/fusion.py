"""Fused plans against unfused ones: the same greedy ids and the same bits in every logit, with each fusion alone, each left out,
and all of them."""
import concurrent.futures
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import DATA, MODELS, TRAINED, VinciTest, read_npy  # noqa: E402

IDS = list(range(40, 90))
TOKENS = 8
WORKERS = 2


def all_dynamic(linear):
    return quantise.DYNAMIC


def all_static(linear):
    return quantise.STATIC


class Fusion(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.passes = json.loads(cls().succeed("passes", "--format", "json").stdout)
        cls.fusions = [entry["pass"] for entry in cls.passes if entry["default"] in ("on", "off")]

    def run_with(self, model, passes, *options):
        """Greedy ids and logits of a prompt in two steps and a few decoded tokens."""
        name = "-".join([model.name, passes.replace(",", "_"), *map(str, options)])
        file = self.scratch / f"{name}.npy"
        result = self.succeed("run", model, "--prompt-ids", ",".join(map(str, IDS)), "--max-tokens", TOKENS, "--ignore-eos",
                              "--prefill-chunk", 32, "--logits", file, "--format", "json", f"--passes={passes}", *options)
        shape, logits = read_npy(file)
        return json.loads(result.stdout)["output_ids"], shape, logits.tobytes()

    def expect_equal(self, model, variants, *options):
        expected = self.run_with(model, "-all", *options)
        self.assertEqual(expected[1][0], len(IDS) + TOKENS - 1)
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            results = pool.map(lambda passes: self.run_with(model, passes, *options), variants)
            for passes, result in zip(variants, results):
                with self.subTest(model=model.name, passes=passes, options=options):
                    self.assertEqual(result[0], expected[0], "greedy ids")
                    self.assertTrue(result[1:] == expected[1:], "the logits differ")

    def test_all_in_float32(self):
        for model in TRAINED:
            self.expect_equal(model, ["+all"], "--dtype", "float32")

    def test_each_alone(self):
        experts = {"fuse-moe-gating", "fuse-moe-routing", "fuse-grouped-matmul-gather", "fuse-moe-finalize"}
        self.assertLessEqual(experts, set(self.fusions))
        for name, fusions in (("austen-qwen3", [f for f in self.fusions if f not in experts]), ("austen-qwen3-moe", experts)):
            self.expect_equal(MODELS / name, [f"-all,+{fusion}" for fusion in sorted(fusions)])

    def test_each_left_out(self):
        for name in ("austen-qwen2", "austen-qwen3-moe"):  # with biases and without norms of heads; with experts
            self.expect_equal(MODELS / name, [f"+all,-{fusion}" for fusion in self.fusions] + ["+all"])

    def quantised(self, name, scheme_of, **options):
        """The folder of a quantised model; made once."""
        folder = self.scratch / "-".join([name, scheme_of.__name__, *options])
        return folder if folder.exists() else quantise.quantise(MODELS / name, folder, scheme_of, **options)

    def fused_launches(self, model, *options):
        """The kernels of a fused plan."""
        ir = self.succeed("compile", model, "-o", "-", "--stop-after", "lower", "--no-weights", *options).stdout
        return set(re.findall(r'npu.launch "(\w+)"', ir))

    def test_quantised(self):
        quantising = [f for f in self.fusions if f in ("merge-quantize", "fuse-norm-quant", "fuse-grouped-matmul-swiglu", "fuse-swiglu-quant")]
        self.assertEqual(len(quantising), 4)
        for name, scheme_of, kernels in (
                ("austen-qwen3-moe", quantise.as_published, {"rms_norm_quant", "grouped_matmul_swiglu_quant"}),
                ("austen-qwen3", all_static, {"rms_norm_quant", "swiglu_quant"}),
                ("austen-qwen2", all_dynamic, {"rms_norm_quant", "swiglu_quant"})):
            model = self.quantised(name, scheme_of)
            self.assertLessEqual(kernels, self.fused_launches(model))
            here = quantising + (["fuse-grouped-matmul-gather"] if "moe" in name else [])
            self.expect_equal(model, ["+all"] + [f"-all,+{fusion}" for fusion in here] + [f"+all,-{fusion}" for fusion in here])

    def test_quantised_with_biases_of_norms(self):
        for name, scheme_of, options in (("austen-qwen3-moe", quantise.as_published, ()), ("austen-qwen3", all_static, ("--tp", 2)),
                                         ("austen-qwen2", all_dynamic, ())):
            model = self.quantised(name, scheme_of, shift="")
            self.assertIn("rms_norm_quant", self.fused_launches(model, *options))
            self.expect_equal(model, ["+all", "-all,+fuse-add-rms-norm", "-all,+fuse-norm-quant", "+all,-fuse-norm-quant"], *options)

    def test_quantised_ranks(self):
        # Heads and the width of experts in two; experts among ranks; a dense MLP in two.
        for name, scheme_of, options in (("austen-qwen3-moe", quantise.as_published, ("--tp", 2)),
                                         ("austen-qwen3-moe", quantise.as_published, ("--tp", 2, "--ep", 2)),
                                         ("austen-qwen3", all_static, ("--tp", 2)),
                                         ("austen-qwen2", all_dynamic, ("--tp", 2))):
            model = self.quantised(name, scheme_of)
            self.assertIn("rms_norm_quant", self.fused_launches(model, *options))
            self.expect_equal(model, ["+all"], *options)

    def test_quantised_on_targets(self):
        # What quantises on the way does so on the NPUs that can.
        for target, fuses in (("310p3", False), ("910b3", True), ("a3", True)):
            model = self.quantised("austen-qwen3-moe", quantise.as_published)
            kernels = self.fused_launches(model, "--target", target)
            self.assertEqual({"rms_norm_quant", "grouped_matmul_swiglu_quant"} <= kernels, fuses, kernels)
            self.expect_equal(model, ["+all"], "--target", target)

    def test_ranks(self):
        # Fewer KV heads than ranks, and experts spread over them.
        self.expect_equal(MODELS / "austen-qwen3", ["+all"], "--tp", 8)
        self.expect_equal(MODELS / "austen-qwen3-moe", ["+all"], "--tp", 2, "--ep", 2)

    def test_regions_in_float16(self):
        half = "compute=float16,layernorm=float16,softmax=float16,rotary=float16"
        for model in (MODELS / "austen-qwen3", DATA / "qwen3-head80", DATA / "llama-head6"):
            self.expect_equal(model, ["+all"], "--precision", half)

    def test_targets(self):
        # 310p3 lacks kernels that the others have; where they are missing, nothing else may change.
        for target in ("310p3", "910b3", "a3"):
            self.expect_equal(MODELS / "austen-qwen3", ["+all"], "--target", target)
        self.expect_equal(MODELS / "austen-qwen3-moe", ["+all"], "--target", "310p3")

    def test_passes_are_listed_in_order(self):
        self.assertEqual([entry["phase"] for entry in self.passes if entry["default"] == "always"],
                         ["partition", "partition", "partition", "fuse", "lower", "lower", "schedule", "schedule", "memory"])
        for entry in self.passes:
            self.assertEqual(list(entry), ["pass", "phase", "default", "needs", "summary"])
            self.assertTrue(entry["summary"])
        text = self.succeed("passes").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in text[1:]], [entry["pass"] for entry in self.passes])

    def test_switches(self):
        def ir(*options):
            return self.succeed("inspect", MODELS / "austen-qwen3", "--ir", *options).stdout
        plain = ir()
        self.assertNotIn("llm.swiglu", plain)
        self.assertNotIn("llm.phase", plain)
        self.assertEqual(ir("--passes=-all"), plain.replace("{llm.limits", '{llm.limits', 1).replace(
            ", llm.precision", ', llm.phase = "fuse", llm.precision', 1))
        alone = ir("--passes=-all,+fuse-swiglu")
        self.assertIn("llm.swiglu", alone)
        self.assertEqual(alone, ir("--passes=+fuse-swiglu,-all,+fuse-swiglu"))

    def test_ir_takes_switches_before_it_is_fused(self):
        model = DATA / "llama-plain"
        imported, fused = self.scratch / "imported.mlir", self.scratch / "fused.mlir"
        self.succeed("compile", model, "-o", imported, "--stop-after", "import")
        self.succeed("compile", imported, "-o", fused, "--stop-after", "fuse", "--passes=-all")
        self.assertNotIn("llm.swiglu", fused.read_text())
        plans = [self.scratch / name for name in ("model.plan", "imported.plan", "fused.plan", "default.plan")]
        self.succeed("compile", model, "-o", plans[0], "--passes=-all")
        self.succeed("compile", imported, "-o", plans[1], "--passes=-all")
        self.succeed("compile", fused, "-o", plans[2])
        self.succeed("compile", model, "-o", plans[3])
        bytes_of = [plan.read_bytes() for plan in plans]
        self.assertEqual(bytes_of[0], bytes_of[1])
        self.assertEqual(bytes_of[0], bytes_of[2])
        self.assertNotEqual(bytes_of[0], bytes_of[3])
        self.expect_error(("compile", fused, "-o", plans[0], "--passes=+all"), 1, "fused.mlir", "has gone through the phase fuse", "--passes")

    def test_remarks(self):
        plan = self.scratch / "remarks.plan"
        silent = self.succeed("compile", MODELS / "austen-qwen3", "-o", plan, "--target", "310p3").stderr
        self.assertNotIn("remark: ", silent)
        spoken = self.succeed("compile", MODELS / "austen-qwen3", "-o", plan, "--target", "310p3", "--remarks").stderr
        self.assertRegex(spoken, r"config\.json\S*: remark: fused 1 of silu and mul")
        spoken = self.succeed("compile", MODELS / "austen-qwen3-moe", "-o", plan, "--target", "310p3", "--remarks").stderr
        self.assertRegex(spoken, r"config\.json:\d+:\d+: remark: not fused: 310p3 has no kernel for softmax and top-k in one")


if __name__ == "__main__":
    unittest.main()
