"""Compiling twice gives the same bytes, wherever and however the model lies; running twice gives the same tokens."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, TRAINED, VINCI, VinciTest  # noqa: E402


class Determinism(VinciTest):
    def compile(self, model, name, *options):
        plan = self.scratch / name
        self.succeed("compile", model, "-o", plan, *options)
        return plan.read_bytes()

    def test_plans_are_byte_identical(self):
        # Four compilations each: one more of every family, the sharded checkpoint among them. The last is without the kernels that
        # all tests share (harness.py): LLVM must make the same ones again.
        for model in TRAINED + [DATA / name for name in ("llama-15-3", "qwen2-prime", "qwen3-wide", "qwen3moe-13")]:
            with self.subTest(model=model.name):
                first = self.compile(model, "first.plan")
                renamed = self.copy_model(model, "another-name")
                self.assertEqual(first, self.compile(renamed, "second.plan"))
                for file in renamed.glob("*.safetensors*"):
                    file.unlink()
                self.assertEqual(first, self.compile(renamed, "third.plan", "--no-weights"))
                self.assertEqual(first, self.compile(renamed, "fourth.plan", "--no-weights", "--no-cache"))

    def test_sampled_runs_repeat(self):
        arguments = ("run", TRAINED[1], "--prompt", "She had", "--max-tokens", 40, "--temperature", 0.9, "--top-p", 0.95,
                     "--seed", 7, "--format", "json")
        outputs = [json.loads(self.succeed(*arguments, "--threads", threads).stdout)["output_ids"] for threads in (1, 2, 2)]
        self.assertEqual(outputs[0], outputs[1])
        self.assertEqual(outputs[1], outputs[2])
        other = json.loads(self.succeed(*arguments[:-4], "--seed", 8, "--format", "json").stdout)["output_ids"]
        self.assertNotEqual(outputs[0], other)

    def test_running_a_plan_never_maps_mlir(self):
        plan = self.scratch / "austen.plan"
        self.succeed("compile", TRAINED[1], "-o", plan)
        trace = self.succeed("run", plan, "--model", TRAINED[1], "--prompt", "It", "--max-tokens", 2,
                             env={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(self.scratch / "maps")})
        self.assertTrue(trace.stdout)
        maps = "".join(file.read_text(errors="replace") for file in self.scratch.glob("maps.*"))
        self.assertIn("libtbb", maps)
        self.assertNotIn("libMLIR", maps)
        self.assertNotIn("libvinci-compiler", maps)


if __name__ == "__main__":
    unittest.main()
