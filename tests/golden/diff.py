"""`vinci diff`: what a flag changes is shown, and nothing else."""
import json
import pathlib
import re
import sys
import unittest
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, vinci  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
MOE = MODELS / "austen-qwen3-moe"
QWEN = MODELS / "qwen3-235b-w8a8"
LAYERS = 4  # of AUSTEN, in two bodies: the first layer has no sum to norm


def ops(report, side):
    """How often the commands of each op on a side run in a step."""
    counts = Counter()
    for row in report.get("commands", []):
        if row["side"] == side:
            counts[row["op"]] += row["calls"]
    return counts


class Diff(VinciTest):
    def report(self, *arguments):
        return json.loads(self.succeed("diff", *arguments, "--format", "json").stdout)

    def sections(self, report):
        return set(report) - {"a", "b", "same"}

    def test_a_plan_does_what_it_does(self):
        plan, other = self.scratch / "a.plan", self.scratch / "b.plan"
        for path in (plan, other):
            self.succeed("compile", AUSTEN, "-o", path)
        for report in (self.report(plan), self.report(plan, other), self.report(AUSTEN, plan)):
            self.assertTrue(report["same"])
            self.assertEqual(self.sections(report), set())

    def test_one_fusion_is_all_that_is_shown(self):
        expected = {
            "fuse-swiglu": ({"swiglu": LAYERS}, {"silu": LAYERS, "mul": LAYERS}),
            "fuse-add-rms-norm": None,
            "fuse-kv-append": ({"append_qkv": LAYERS}, {"split_qkv": LAYERS, "kv_append": LAYERS}),
        }
        for name, layer in expected.items():
            with self.subTest(fusion=name):
                # What takes the fused op to be done is off on both sides.
                others = ",-concat-gate-up" if name == "fuse-swiglu" else ""
                report = self.report(AUSTEN, f"--a=--passes=+fuse-rope{others}", f"--b=--passes=-{name}{others}")
                self.assertFalse(report["same"])
                # Without sums to norm, the first layer is one like the others.
                self.assertLessEqual(self.sections(report),
                                     {"work", "commands", "memory"} | ({"calls"} if name == "fuse-add-rms-norm" else set()))
                self.assertEqual(ops(report, "~"), {}, report["commands"])
                if layer:
                    self.assertEqual((ops(report, "-"), ops(report, "+")), layer)
                else:
                    # The norm of the first layer is one without a sum on both sides, in another body.
                    self.assertEqual(ops(report, "-")["add_rms_norm"] + ops(report, "-")["rms_norm"], ops(report, "+")["rms_norm"])
                    self.assertLessEqual(set(ops(report, "+")), {"add", "rms_norm", "gather_rows"})
                launches = {row["entry"]: row["change"] for row in report["work"] if row["what"] == "launches"}
                self.assertEqual(set(launches), {"prefill", "decode", "score"})
                self.assertTrue(all(change > 0 for change in launches.values()))

    def leaves(self, plan, rows):
        """The ops of the model that commands of a diff's rows stand for, and the passes that made those commands."""
        ops, passes = set(), set()
        for row in rows:
            made = json.loads(self.succeed("inspect", plan, "--explain", f"{row['body']}:{row['command']}", "--format", "json").stdout)
            # What only renames memory runs nothing.
            ops |= {(part["op"], part["role"]) for part in made["origin"]
                    if part["made_by"] in ("", "partition") and part["op"] not in ("llm.split_heads", "llm.merge_heads")}
            passes |= set(made["passes"])
        return ops, passes

    def test_every_fusion_is_all_that_is_shown(self):
        """Plans that differ in one fusion: what the commands of one side stand for is what those of the other do, and no kernel is
        on both sides. An NPU's kernels for experts in int8, and those of the host."""
        fusions = [row["pass"] for row in json.loads(self.succeed("passes", "--format", "json").stdout) if row["phase"] == "fuse" and row["default"] != "always"]
        shown = set()
        for model, options in ((QWEN, ()), (AUSTEN, ("--tp", "2", "--dtype", "float32")), (AUSTEN, ("--target", "310p3", "--dtype", "float16"))):
            whole = self.scratch / "whole.plan"
            self.succeed("compile", model, "-o", whole, "--no-weights", "--passes=+all", *options)
            for name in (fusion for fusion in fusions if fusion not in shown):
                with self.subTest(model=model.name, options=options, fusion=name):
                    plan = self.scratch / "without.plan"
                    self.succeed("compile", model, "-o", plan, "--no-weights", f"--passes=+all,-{name}", *options)
                    report = self.report(whole, plan)
                    self.assertLessEqual(self.sections(report), {"work", "calls", "commands", "weights", "memory"})
                    if report["same"]:
                        continue # the target has no kernel for it, or the model nothing to fuse
                    shown.add(name)
                    self.assertEqual(ops(report, "~"), {}, report["commands"])
                    bodies = [{row["body"] for row in self.commands(side)} for side in (whole, plan)]
                    rows = {side: [row for row in report["commands"] if row["side"] == side and all(row["body"] in names for names in bodies)]
                            for side in "-+"}
                    (gone, passes), (instead, _) = self.leaves(whole, rows["-"]), self.leaves(plan, rows["+"])
                    if name == "fuse-add-rms-norm": # rows are gathered of both parts of a sum, where a sum is
                        instead.add(("llm.gather_rows", ""))
                    self.assertEqual(gone, instead)
                    self.assertIn(name, passes)
                    kernels = [{(row["body"], row["what"], row["reads"]) for row in rows[side]} for side in "-+"]
                    self.assertEqual(kernels[0] & kernels[1], set())
        # The last one is for dense layers in int8: tests/golden/fusion.py.
        self.assertEqual(shown, set(fusions) - {"fuse-swiglu-quant"})

    def commands(self, plan):
        return json.loads(self.succeed("inspect", plan, "--commands", "--format", "json").stdout)["commands"]

    def test_work_is_that_of_the_commands(self):
        report = self.report(AUSTEN, "--b=--passes=-fuse-kv-append")
        decode = {row["what"]: row["change"] for row in report["work"] if row["entry"] == "decode"}
        change = sum((ops(report, "+") - ops(report, "-")).values()) - sum((ops(report, "-") - ops(report, "+")).values())
        self.assertEqual(decode, {"commands": change, "launches": change})

    def test_concatenation_shows_in_weights_of_all_layers_at_once(self):
        report = self.report(AUSTEN, "--a=--passes=-all", "--b=--passes=-all,+concat-qkv")
        rows = [(row["side"], row["weight"].split(".")[-1], row["count"]) for row in report["weights"]]
        self.assertEqual({count for _, _, count in rows}, {LAYERS})
        self.assertEqual(sorted(row[:2] for row in rows),
                         [("+", "qkv_proj"), ("-", "k_proj"), ("-", "q_proj"), ("-", "v_proj")])
        self.assertEqual(ops(report, "-"), {"matmul": 3 * LAYERS})
        self.assertEqual(ops(report, "+"), {"matmul": LAYERS, "split_qkv": LAYERS})
        self.assertEqual(ops(report, "~"), {})

    def test_limits_change_settings_and_memory(self):
        report = self.report(AUSTEN, "--b=--max-tokens-per-step 64")
        self.assertEqual([row["what"] for row in report["settings"]], ["max_tokens_per_step"])
        self.assertEqual(self.sections(report), {"settings", "memory", "offsets"})

    def test_ranks(self):
        report = self.report(MOE, "--b=--tp 2")
        self.assertLessEqual({"ranks", "mesh"}, {row["what"] for row in report["settings"]})
        self.assertIn("all_reduce", ops(report, "+"))
        self.assertEqual({row["change"] > 0 for row in report["work"] if row["what"] == "collectives"}, {True})

    def test_ir_of_two_passes(self):
        dump = self.scratch / "dump"
        self.succeed("compile", AUSTEN, "-o", self.scratch / "c.plan", "--dump-ir", dump)
        files = sorted(dump.iterdir())
        (after,) = [i for i, path in enumerate(files) if re.search(r"\d-fuse-swiglu\.", path.name)]
        report = self.report(files[after - 1], files[after])
        self.assertEqual((ops(report, "-"), ops(report, "+"), ops(report, "~")), ({"silu": LAYERS, "mul": LAYERS}, {"swiglu": LAYERS}, {}))
        self.assertTrue(self.report(files[after], files[after])["same"])

    def test_text(self):
        text = self.succeed("diff", AUSTEN, "--b=--passes=-fuse-kv-append").stdout
        self.assertRegex(text, r"(?m)^same +false$")
        self.assertRegex(text, r"(?m)^ *\S+ +\d+ +- +\d+ +append_qkv ")

    def test_errors(self):
        plan, ir = self.scratch / "d.plan", self.scratch / "d.mlir"
        self.succeed("compile", AUSTEN, "-o", plan)
        self.succeed("compile", AUSTEN, "-o", ir, "--stop-after", "fuse")
        for arguments, code, message in (
                ((plan, ir), 1, "d.mlir: error: IR is compared with IR; .*d.plan is none"),
                ((plan, plan, "--b=--tp 2"), 1, "this plan is compiled already; compile options go with a model directory"),
                ((ir, ir, "--tp", "2"), 1, "IR is compared as it is; compile options go with a model directory"),
                ((AUSTEN, "--b=--nope"), 2, "--b '--nope': .*legal are compile options and --model"),
                ((AUSTEN, self.scratch / "none.plan"), 1, "none.plan: error: there is no such file or folder")):
            with self.subTest(arguments=arguments):
                result = vinci("diff", *arguments)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertRegex(result.stderr, message)


if __name__ == "__main__":
    unittest.main()
