"""Fused plans against unfused ones: the same greedy ids and the same bits in every logit, with each fusion alone, each left out,
and all of them."""
import concurrent.futures
import json
import pathlib
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
        self.expect_equal(MODELS / "austen-qwen3", [f"-all,+{fusion}" for fusion in self.fusions])

    def test_each_left_out(self):
        for name in ("austen-qwen2", "austen-qwen3-moe"):  # with biases and without norms of heads; with experts
            self.expect_equal(MODELS / name, [f"+all,-{fusion}" for fusion in self.fusions] + ["+all"])

    def test_quantised(self):
        for source, scheme_of in ((MODELS / "austen-qwen3-moe", quantise.as_published), (MODELS / "austen-qwen2", all_dynamic)):
            model = quantise.quantise(source, self.scratch / f"{source.name}-{scheme_of.__name__}", scheme_of)
            self.expect_equal(model, ["+all"])

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

    def test_passes_are_listed_in_order(self):
        self.assertEqual([entry["phase"] for entry in self.passes if entry["default"] == "always"],
                         ["partition", "partition", "fuse", "lower", "schedule", "memory"])
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


if __name__ == "__main__":
    unittest.main()
