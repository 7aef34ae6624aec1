"""`vinci bench`: the tests that were asked for, with figures that agree with each other, from checkpoints, plans and configs alone.

Nothing here is about how fast anything is.
"""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest  # noqa: E402

SMALL = ("-p", "24", "-n", "3", "-b", "1,2", "-d", "40", "-r", "2")
NAMES = ["pp24", "tg3", "tg64@d40", "tg32@b1", "tg32@b2"]


class Bench(VinciTest):
    def bench(self, *arguments):
        result = self.succeed("bench", *arguments, "--format", "json")
        return json.loads(result.stdout), result.stderr

    def check(self, tests, names, weights=None):
        self.assertEqual([test["test"] for test in tests], names)
        for test in tests:
            speed = test["tokens_per_s"]
            self.assertLess(0, speed["min"])
            self.assertLessEqual(speed["min"], speed["median"])
            self.assertLessEqual(speed["median"], speed["max"])
            for key in ("gb_per_s", "tflops", "of_peak"):
                self.assertGreater(test[key], 0, key)
            self.assertEqual(test["of_peak"], max(test["of_read_peak"], test["of_multiply_peak"]))
            if test["test"].startswith("tg3") and weights and "@b" not in test["test"]:
                # A token reads all that is multiplied, and a little KV.
                read = test["gb_per_s"] * 1e9 / speed["median"]
                least, most = weights
                self.assertLess(least, read * 1.35)
                self.assertLess(read, most * 1.35)
            if "ops" in test:
                self.assertAlmostEqual(sum(op["share"] for op in test["ops"]), 1, places=2)
                matmuls = [op for op in test["ops"] if "matmul" in op["op"]]
                self.assertTrue(matmuls)
                for op in matmuls:
                    self.assertGreater(op["roofline_us"], 0)
                    self.assertGreater(op["predicted_us"], 0)

    def test_a_model(self):
        tests, _ = self.bench(MODELS / "austen-qwen3", *SMALL)
        # 4.2 million parameters in one and a half bytes, and some tiles that stay in two: the head is the
        # embedding, whose table is looked up, not read.
        self.check(tests, NAMES, weights=(1.5 * 4197120, 1.7 * 4197120))
        self.assertIn("ops", tests[0])
        self.assertEqual(tests[0]["predicted_device"], "910b3")

    def test_experts_and_ranks(self):
        tests, _ = self.bench(MODELS / "austen-qwen3-moe", *SMALL, "--tp", "2", "--no-ops")
        self.check(tests, NAMES)
        self.assertEqual(tests[0]["ranks"], 2)
        self.assertNotIn("ops", tests[0])
        by_name = {test["test"]: test for test in tests}
        # Two sequences hit more experts than one, and fewer than twice as many.
        one, two = (by_name[name]["gb_per_s"] / by_name[name]["tokens_per_s"]["median"] * batch
                    for name, batch in (("tg32@b1", 1), ("tg32@b2", 2)))
        self.assertGreater(two, one * 0.9)

    def test_a_plan(self):
        plan = self.scratch / "austen.plan"
        self.succeed("compile", MODELS / "austen-qwen3", "-o", plan)
        tests, notes = self.bench(plan, "-n", "2", "-r", "1", "--no-ops")
        self.check(tests, ["pp512", "tg2", "tg32@b1", "tg32@b8"])
        self.assertIn("tg64@d2048 is left out: it needs max_seq_len 2112, and there are 2048", notes)
        self.assertIn("tg32@b32 is left out: it needs max_batch 32, and there are 16", notes)
        self.check(self.bench(plan, "--random-weights", *SMALL[:-1], "1", "--no-ops")[0], NAMES)

    def test_random_weights(self):
        """Layers of the true shapes, without a checkpoint; in float, in int8, and with experts."""
        few = ("--set", "model.num_hidden_layers=2", "--set", "model.vocab_size=4096", "--random-weights", "-p", "16", "-n", "2", "-b", "0",
               "-d", "0", "-r", "1")
        for model, more in (("qwen3-0.6b", ()), ("qwen2.5-0.5b", ("--quant", "w8a8-dynamic")), ("qwen3-30b-a3b", ("--dtype", "float32",))):
            with self.subTest(model):
                tests, _ = self.bench(MODELS / model, *few, *more, "--set", "model.eos_token_id=[1]", "--set", "model.bos_token_id=1",
                                      "--set", "model.pad_token_id=1")
                self.check(tests, ["pp16", "tg2"])
                self.assertEqual("int8_tops" in tests[0]["peak"], model == "qwen2.5-0.5b")

    def test_tables(self):
        text = self.succeed("bench", MODELS / "austen-qwen3", "-p", "8", "-n", "0", "-b", "0", "-d", "0", "-r", "1").stdout
        self.assertIn("\npp8 ", text)
        self.assertIn("pp8, a step by op", text)
        markdown = self.succeed("bench", MODELS / "austen-qwen3", "-p", "8", "-n", "0", "-b", "0", "-d", "0", "-r", "1", "--no-ops",
                                "--format", "markdown").stdout
        self.assertIn("\n| pp8 ", markdown)
        self.assertIn("|----", markdown)


if __name__ == "__main__":
    unittest.main()
