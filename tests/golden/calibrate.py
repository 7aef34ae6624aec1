"""`vinci calibrate`: a stack's constants from published tables, and what they predict."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VinciTest  # noqa: E402

TABLES = DATA / "benchmarks"
MINDIE = MODELS / "qwq-32b-mindie"


class Calibrate(VinciTest):
    def within(self, value, published, tolerance):
        self.assertLess(abs(value / published - 1), tolerance, f"{value} for {published}")

    def test_run_b_predicts_run_a(self):
        stack = self.scratch / "fitted.yaml"
        report = json.loads(self.succeed("calibrate", TABLES / "mindie-run-b.txt", "--model", MINDIE, "--into", "mindie-1.0.t71-ms", "-o",
                                         stack, "--name", "fitted-to-b", "--format", "json").stdout)
        gap, launch = report["constants"]
        self.assertEqual((gap["constant"], launch["constant"]), ("serving_gap", "launch_per_op"))
        for row in (gap, launch):
            self.assertTrue(row["determined"])
            self.assertLessEqual(row["low_us"], row["after_us"])
            self.assertLessEqual(row["after_us"], row["high_us"])
        for row in report["runs"]:
            self.within(row["simulated"], row["measured"], 0.02 if row["figure"] in ("first_token_ms", "token_gap_ms") else 0.05)
        # Another version of the stack, which cannot batch, at settings of its own: nothing of run A was seen.
        predicted = json.loads(self.succeed("simulate", MINDIE / "deployment-run-a.json", "--stack", stack, "--format", "json").stdout)
        self.assertEqual(predicted["stack"], "fitted-to-b")
        self.within(predicted["output_tokens_per_s"], 35.9032, 0.1)
        self.within(predicted["elapsed_s"], 2502.9557, 0.1)
        self.within(predicted["e2e_ms"]["mean"], 122445.6956, 0.1)
        self.within(predicted["largest_gap_ms"]["mean"], 110540.058, 0.1)

    def test_what_a_table_cannot_tell_stays(self):
        # A decode captured as a graph and long prompts: nothing is launched one by one that would show.
        report = json.loads(self.succeed("calibrate", TABLES / "evalscope.txt", "--model", MODELS / "qwen3-235b-w8a8", "--format",
                                         "json").stdout)
        gap, launch = report["constants"]
        self.assertTrue(gap["determined"])
        self.assertFalse(launch["determined"])
        self.assertEqual(launch["before_us"], launch["after_us"])

    def test_errors(self):
        bad = self.scratch / "bad.txt"
        bad.write_text((TABLES / "mindie-run-b.txt").read_text().replace("29.1162 ms", "soon"))
        self.expect_error(("calibrate", bad, "--model", MINDIE), 1, "bad.txt:3:16: error: DecodeTime is 'soon'; a number of ms is expected")
        bad.write_text("nothing\n")
        self.expect_error(("calibrate", bad, "--model", MINDIE), 1, "there is no table")
        self.expect_error(("calibrate", self.scratch / "none.txt", "--model", MINDIE), 1, "none.txt")
        self.expect_error(("calibrate", TABLES / "mindie-run-b.txt"), 2, "--model is required")
        self.expect_error(("calibrate", "--model", MINDIE), 2, "LOG is required")
        self.expect_error(("calibrate", TABLES / "mindie-run-b.txt", "--model", MINDIE, "--stack", "nope"), 1, "nope")


if __name__ == "__main__":
    unittest.main()
