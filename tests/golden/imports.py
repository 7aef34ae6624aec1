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

    def test_every_folder_compiles_without_weights(self):
        for folder in FOLDERS:
            with self.subTest(model=folder.name):
                plan = self.scratch / f"{folder.name}.plan"
                self.succeed("compile", folder, "-o", plan, "--no-weights", "--no-cache")
                self.succeed("verify", plan)

    def test_a_plan_is_the_same_from_the_folder_and_from_what_it_resolves_to(self):
        for folder in TRAINED:
            with self.subTest(model=folder.name):
                resolved = self.scratch / "same.json"
                resolved.write_text(self.resolved(folder), encoding="utf-8")
                plans = [self.scratch / "folder.plan", self.scratch / "resolved.plan"]
                for source, plan in zip((folder, resolved), plans):
                    self.succeed("compile", source, "-o", plan, "--no-weights", "--no-cache")
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
