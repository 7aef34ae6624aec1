"""What importing promises: its JSON is a fixed point, folders compile, and plans do not depend on how a model was named."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, ROOT, TRAINED, VinciTest  # noqa: E402

FOLDERS = sorted(path.parent for path in MODELS.glob("*/config.json"))
DEPLOYMENTS = sorted(path for path in MODELS.glob("*/deployment*.json"))
VENDOR_FILES = sorted(path for pattern in ("*.yaml", "launch.sh", "mindie_config.json", "quant_model_description.json") for path in MODELS.glob(f"*/{pattern}"))

STATIC = ("weight", "input_scale", "input_offset", "quant_bias", "deq_scale")


def entries(linears, scheme, parts):
    return {f"{linear}.{part}": scheme for linear in linears for part in parts}


def attention(layer):
    return [f"model.layers.{layer}.self_attn.{name}_proj" for name in "qkv"]


# Descriptions as vendors publish them, cut short: name, entries, how many weights are of which scheme.
DESCRIPTIONS = [
    ("quantised attention",
     {"model_quant_type": "W8A8", "fa_quant_type": "FAQuant", "model.embed_tokens.weight": "FLOAT",
      **entries(attention(0), "W8A8", STATIC)}, "1 FLOAT, 3 W8A8"),
    ("linear attention",
     {**{f"model.layers.0.linear_attn.{name}": "FLOAT"
         for name in ("dt_bias", "A_log", "conv1d.weight", "in_proj_ba.weight", "norm.weight", "out_proj.weight")},
      **entries(["model.layers.0.linear_attn.in_proj_qkvz", "model.layers.0.mlp.experts.0.gate_proj"], "W8A8_DYNAMIC",
                ("weight", "weight_scale", "weight_offset")), "model.layers.0.mlp.gate.weight": "FLOAT"},
     "5 FLOAT, 2 W8A8_DYNAMIC"),
    ("experts, rotated",
     {"model_quant_type": "W8A8_DYNAMIC", "version": "1.0.0", "group_size": 0, "kv_quant_type": None,
      "metadata": {"quarot": {"max_tp_size": 4, "heads_rotation": {"layers": []}, "kronecker_rotation": {"layers": []}}},
      **entries([*attention(0), *attention(1)], "W8A8", (*STATIC, "weight_scale", "weight_offset")),
      **entries([f"model.layers.{layer}.mlp.experts.{expert}.{name}_proj" for layer in (0, 1) for expert in (0, 1)
                 for name in ("gate", "up", "down")], "W8A8_DYNAMIC", ("weight", "weight_scale", "weight_offset")),
      "lm_head.weight": "FLOAT"}, "1 FLOAT, 6 W8A8, 12 W8A8_DYNAMIC"),
]


class Imports(VinciTest):
    def resolved(self, *arguments):
        return self.succeed("import", *arguments, "--format", "json").stdout

    def test_reading_its_own_output_changes_nothing(self):
        for source in FOLDERS + DEPLOYMENTS + VENDOR_FILES:
            with self.subTest(source=str(source.relative_to(ROOT))):
                first = self.resolved(source)
                again = self.scratch / "resolved.json"
                again.write_text(first, encoding="utf-8")
                self.assertEqual(self.resolved(again), first)

    def test_descriptions_of_quantised_checkpoints_are_read_without_a_model(self):
        for name, content, counts in DESCRIPTIONS:
            with self.subTest(name):
                file = self.scratch / "quant_model_description.json"
                file.write_text(json.dumps(content, indent=2))
                self.assertIn(f"tensors by scheme: {counts};", self.succeed("import", file).stdout)
                self.assertEqual(json.loads(self.resolved(file))["weights"]["quantization"]["value"], "ascend")

    def test_every_folder_compiles_without_weights(self):
        for folder in FOLDERS:
            with self.subTest(model=folder.name):
                plan = self.scratch / f"{folder.name}.plan"
                self.succeed("compile", folder, "-o", plan, "--no-weights")
                self.succeed("verify", plan)

    def test_a_plan_is_the_same_from_the_folder_and_from_what_it_resolves_to(self):
        for folder in TRAINED:
            with self.subTest(model=folder.name):
                resolved = self.scratch / "same.json"
                resolved.write_text(self.resolved(folder), encoding="utf-8")
                plans = [self.scratch / "folder.plan", self.scratch / "resolved.plan"]
                for source, plan in zip((folder, resolved), plans):
                    self.succeed("compile", source, "-o", plan, "--no-weights")
                self.assertEqual(plans[0].read_bytes(), plans[1].read_bytes())

    def test_every_folder_has_a_page_and_a_row(self):
        table = (MODELS / "README.md").read_text(encoding="utf-8")
        for folder in FOLDERS:
            with self.subTest(model=folder.name):
                self.assertTrue((folder / "README.md").exists())
                self.assertIn(f"[{folder.name}]({folder.name})", table)

    def test_strict_turns_a_contradiction_into_an_error(self):
        folder = MODELS / "qwq-32b-300i-duo"
        findings = json.loads(self.resolved(folder))["findings"]
        self.assertTrue(any(finding["kind"] == "contradiction" for finding in findings))
        self.expect_error(("import", folder, "--strict"), 1, "--strict makes this an error")
        self.expect_error(("compile", folder, "-o", self.scratch / "x.plan", "--no-weights", "--strict"), 1, "--strict")


if __name__ == "__main__":
    unittest.main()
