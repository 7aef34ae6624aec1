"""Captured graphs: whatever is captured, for whatever sizes, the ids are those of kernels launched one by one."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, TRAINED, VinciTest  # noqa: E402

MODES = ("piecewise", "full-decode-only", "full-and-piecewise", "full")
W8A8 = MODELS / "qwen3-235b-w8a8"


class Graphs(VinciTest):
    def prompts(self, count):
        path = self.scratch / f"{count}.json"
        if not path.exists():
            path.write_text(json.dumps([{"ids": [(i * 37 + j * 11) % 4000 + 1 for j in range(1 + i * 3 % 7)], "max_tokens": 3 + i % 4}
                                        for i in range(count)]))
        return path

    def run_ids(self, plan, model, count):
        result = self.succeed("run", plan, "--model", model, "--prompts", self.prompts(count), "--format", "json", "--threads", "1")
        reports = json.loads(result.stdout)
        return [report["output_ids"] for report in reports], reports[0]["graphs"], result.stderr

    def test_same_ids(self):
        # Batches below, at and between the sizes, and one past the largest.
        for index, model in enumerate(TRAINED):
            for tp in (1, 2, 4):
                if tp > 2 and "moe" in model.name:
                    options = ("--tp", tp, "--ep", tp)
                else:
                    options = ("--tp", tp)
                eager = self.scratch / "eager.plan"
                self.succeed("compile", model, "-o", eager, *options, "--max-batch", "6")
                # Everything of one model; of the others two modes, and the batch that is larger than all graphs.
                everything = index == 1
                expected = {count: self.run_ids(eager, model, count)[0] for count in ((1, 3, 6) if everything else (6,))}
                for mode in MODES if everything else MODES[index // 2::2]:
                    plan = self.scratch / "graph.plan"
                    self.succeed("compile", model, "-o", plan, *options, "--max-batch", "6", "--graph-mode", mode,
                                 "--graph-batch-sizes", "1,2,4")
                    for count, ids in expected.items():
                        with self.subTest(model=model.name, tp=tp, mode=mode, prompts=count):
                            found, use, stderr = self.run_ids(plan, model, count)
                            self.assertEqual(found, ids)
                            self.assertEqual((use["mode"], use["batch_sizes"]), (mode, [1, 2, 4]))
                            self.assertGreater(use["replayed_steps"], 0)
                            past = count > 4
                            self.assertEqual(use["eager_decode_steps"] > 0, past)
                            self.assertEqual(stderr.count("larger than the largest captured graph, 4"), int(past))

    def test_nothing_is_captured_unless_asked_for(self):
        model = TRAINED[1]
        report = json.loads(self.succeed("run", model, "--prompt-ids", "1,2", "--max-tokens", "2", "--format", "json").stdout)
        self.assertEqual(report["graphs"], {"mode": "none", "batch_sizes": [], "replayed_steps": 0, "padded_tokens": 0,
                                            "eager_decode_steps": 0, "eager_prefill_steps": 0})
        report = json.loads(self.succeed("run", model, "--prompt-ids", "1,2,3", "--max-tokens", "4", "--format", "json",
                                         "--graph-mode", "full", "--max-batch", "5").stdout)
        self.assertEqual(report["graphs"]["batch_sizes"], [1, 2, 4, 5, 8])
        self.assertEqual((report["graphs"]["replayed_steps"], report["graphs"]["padded_tokens"]), (4, 1))

    def test_a_plan_says_what_is_captured(self):
        plans = []
        for name, options in (("a", ()), ("b", ("--graph-mode", "piecewise", "--graph-batch-sizes", "1,8"))):
            plans.append(self.scratch / f"{name}.plan")
            self.succeed("compile", TRAINED[1], "-o", plans[-1], *options)
        summary = json.loads(self.succeed("inspect", plans[1], "--format", "json").stdout)
        self.assertEqual((summary["graph_mode"], summary["graph_batch_sizes"]), ("piecewise", [1, 8]))
        changes = json.loads(self.succeed("diff", *plans, "--format", "json").stdout)
        self.assertEqual([row["what"] for row in changes["settings"]], ["graph_mode", "graph_batch_sizes"])
        # The deployment's mode holds where no flag says another.
        found = {}
        for option in ((), ("--graph-mode", "none"), ("--graph-mode", "full")):
            plan = self.scratch / "deployment.plan"
            self.succeed("compile", MODELS / "qwen2.5-7b", "-o", plan, "--no-weights", *option)
            found[option[1:]] = json.loads(self.succeed("inspect", plan, "--format", "json").stdout).get("graph_mode")
        self.assertEqual(found, {(): "full", ("none",): None, ("full",): "full"})

    def test_ir_has_its_graphs(self):
        ir, direct, again = (self.scratch / name for name in ("graphs.mlir", "direct.plan", "again.plan"))
        options = ("--graph-mode", "full", "--graph-batch-sizes", "2,4")
        self.succeed("compile", TRAINED[1], "-o", ir, "--stop-after", "import", *options)
        self.succeed("compile", TRAINED[1], "-o", direct, *options)
        self.succeed("compile", ir, "-o", again)
        self.assertEqual(direct.read_bytes(), again.read_bytes())

    def test_streams_of_a_device(self):
        out = ("-o", self.scratch / "x.plan", "--no-weights")
        sizes = ",".join(map(str, range(8, 128, 8)))
        # 94 layers, tensor parallelism, vector cores: 1800 / 95 / 2.
        result = self.expect_error(("compile", W8A8, *out, "--graph-mode", "piecewise", "--graph-batch-sizes", sizes), 1,
                                   "15 batch sizes are to be captured", "hold 9 in graph mode piecewise with 94 layers",
                                   "--graph-batch-sizes 8,")
        fits = result.stderr.split("--graph-batch-sizes ")[1].split()[0]
        self.assertEqual(len(fits.split(",")), 9)
        self.succeed("compile", W8A8, *out, "--graph-mode", "piecewise", "--graph-batch-sizes", fits)
        self.succeed("compile", W8A8, *out, "--graph-mode", "full-decode-only", "--graph-batch-sizes", sizes)
        # A step on several streams takes one more: 1800 / 95 / 3.
        self.expect_error(("compile", W8A8, *out, "--graph-mode", "piecewise", "--graph-batch-sizes", fits, "--passes", "+assign-streams"), 1,
                          "9 batch sizes are to be captured", "hold 6 in graph mode piecewise with 94 layers")
        # vLLM's own sizes are thinned, and that is said.
        result = self.succeed("compile", W8A8, *out, "--graph-mode", "piecewise")
        self.assertIn("graphs are captured for 9 of", result.stderr)

    def test_errors(self):
        compile_ = ("compile", TRAINED[1], "-o", self.scratch / "x.plan")
        for options, words in (
                (("--graph-mode", "all"), ["--graph-mode 'all'", "piecewise", "full-and-piecewise"]),
                (("--graph-mode", "full", "--graph-batch-sizes", "1,x"), ["--graph-batch-sizes '1,x'", "'x' is no size"]),
                (("--graph-mode", "full", "--graph-batch-sizes", "4,2"), ["'2' is no size", "ascending"]),
                (("--graph-mode", "full", "--graph-batch-sizes", "100000"), ["'100000' is no size", "65536"]),
                (("--graph-mode", "full-decode-only", "--graph-batch-sizes", "64"), ["no size that a step can have", "1 to 16"])):
            with self.subTest(options=options):
                self.expect_error((*compile_, *options), 1, *words)
        result = self.succeed(*compile_, "--graph-mode", "full-decode-only", "--graph-batch-sizes", "8,64")
        self.assertIn("no graph is captured for 64: a decode has at most 16 tokens (max_batch)", result.stderr)
        result = self.succeed(*compile_, "--graph-batch-sizes", "8")
        self.assertIn("graph_batch_sizes has no effect: graph_mode is none", result.stderr)


if __name__ == "__main__":
    unittest.main()
