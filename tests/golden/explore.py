"""`vinci explore`: the search over degrees, batch, chunk, quantisation and graph mode."""
import itertools
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, vinci  # noqa: E402

DENSE = MODELS / "qwen2.5-7b"
MOE = MODELS / "qwen3-30b-a3b"
SMALL = ("--target", "910b3", "--tp", "1,2", "--batch", "1,8,32", "--chunk", "512,2048", "--quant", "checkpoint", "--graph-mode",
         "none,full-decode-only", "--input-len", "fixed:512", "--output-len", "fixed:128")


class Explore(VinciTest):
    reports = {}

    def report(self, *arguments):
        if arguments not in self.reports:
            self.reports[arguments] = json.loads(self.succeed("explore", *arguments, "--format", "json").stdout)
        return self.reports[arguments]

    def test_counts_and_front(self):
        report = self.report(DENSE, *SMALL, "--rows", 100)
        self.assertEqual(report["configurations"], 2 * 3 * 2 * 2)
        self.assertEqual(report["programs"], 2)
        self.assertEqual(report["fit"], 24)
        front = report["front"]
        self.assertEqual(len(front), report["front_size"])
        times = [row["tpot_ms"] for row in front]
        throughputs = [row["tokens_per_s_per_device"] for row in front]
        self.assertEqual(times, sorted(times))
        self.assertEqual(throughputs, sorted(throughputs))
        self.assertGreater(throughputs[-1], 3 * throughputs[0])
        self.assertTrue(all(row["graph_mode"] == "full-decode-only" for row in front), "eager decode is never better")

    def test_front_is_that_of_brute_force(self):
        # Each configuration alone is its own front; the front of all has those that no other beats.
        alone = []
        for tp, batch in itertools.product((1, 2), (1, 8, 32)):
            alone += self.report(DENSE, "--target", "910b3", "--tp", tp, "--batch", batch, "--chunk", 512, "--quant", "checkpoint",
                                 "--graph-mode", "full-decode-only", "--input-len", "fixed:512", "--output-len", "fixed:128")["front"]
        together = self.report(DENSE, "--target", "910b3", "--tp", "1,2", "--batch", "1,8,32", "--chunk", 512, "--quant", "checkpoint",
                               "--graph-mode", "full-decode-only", "--input-len", "fixed:512", "--output-len", "fixed:128")["front"]

        def beaten(row):
            return any(other["tpot_ms"] <= row["tpot_ms"] and other["tokens_per_s_per_device"] >= row["tokens_per_s_per_device"]
                       and other is not row for other in alone)
        self.assertEqual(len(alone), 6)
        self.assertEqual(sorted((row for row in alone if not beaten(row)), key=lambda row: row["tpot_ms"]), together)

    def test_estimate_is_near_the_simulation(self):
        for row in self.report(DENSE, *SMALL, "--rows", 100)["front"]:
            with self.subTest(row=row):
                self.assertAlmostEqual(row["tpot_ms"] / row["simulated_tpot_ms"], 1, delta=0.15)

    def test_objectives_hold(self):
        report = self.report(DENSE, *SMALL, "--tpot-ms", 20, "--ttft-ms", 500)
        self.assertLess(report["within_objectives"], report["fit"])
        for row in report["front"]:
            self.assertLessEqual(row["tpot_ms"], 20)
            self.assertLessEqual(row["ttft_ms"], 500)

    def test_experts_and_quantisation(self):
        report = self.report(MOE, "--target", "910b3", "--tp", "1,2", "--batch", "16", "--chunk", "1024", "--graph-mode", "full",
                             "--input-len", "fixed:512", "--output-len", "fixed:128", "--rows", 100)
        self.assertEqual(report["programs"], 6)  # (1, 1), (2, 1), (2, 2); as it is and in int8
        quants = {row["quant"] for row in report["front"]}
        self.assertIn("w8a8-dynamic", quants)

    def test_recommendation_keeps_the_objectives(self):
        few = self.report(DENSE, *SMALL, "--tpot-ms", 30, "--recommend", "--rate", 2)["recommended"]
        many = self.report(DENSE, *SMALL, "--tpot-ms", 30, "--recommend", "--rate", 40)["recommended"]
        for row in (few, many):
            self.assertLessEqual(row["simulated_tpot_ms"], 30)
            self.assertEqual(row["devices"], row["instances"] * row["tp"])
        self.assertGreater(many["devices"], few["devices"])

    def test_same_bytes(self):
        runs = [self.succeed("explore", DENSE, *SMALL, "--format", "json").stdout for _ in range(2)]
        self.assertEqual(*runs)

    def test_errors(self):
        for arguments, code, message in (
                ((MODELS / "qwen3-8b",), 2, "the model names no NPU to simulate"),
                ((DENSE, *SMALL, "--tpot-ms", "0"), 1, "--tpot-ms is 0; a number above 0 is expected"),
                ((DENSE, *SMALL, "--tpot-ms", "0.01"), 1, "of 24 configurations 24 fit, and none keeps --ttft-ms and --tpot-ms"),
                ((DENSE, *SMALL, "--rate", "3"), 2, "--rate goes with --recommend"),
                ((DENSE, *SMALL, "--recommend"), 2, "--recommend needs --rate, the requests per second to serve"),
                ((DENSE, "--target", "910b3", "--batch", "0"), 1, "--batch is 0; numbers from 1 to 1048576 are legal"),
                ((DENSE, "--target", "910b3", "--quant", "int3"), 1,
                 "--quant 'int3' is unknown; legal are checkpoint, float, w8a8-dynamic, w8a8-dynamic+head and w8a16"),
                ((DENSE, "--target", "910b3", "--graph-mode", "half"), 1,
                 "--graph-mode 'half' is not searched; legal are none, full-decode-only and full"),
                ((DENSE, "--target", "910b3", "--tp", "3", "--quant", "checkpoint"), 1,
                 "fits the device; the first program was refused"),
                ((MODELS / "qwen3-235b-a3", "--tp", "1", "--ep", "1", "--batch", "1", "--chunk", "512", "--quant", "checkpoint"), 1,
                 "the model does not fit a3")):
            with self.subTest(arguments=arguments):
                result = vinci("explore", *arguments)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(message, result.stderr)


if __name__ == "__main__":
    unittest.main()
