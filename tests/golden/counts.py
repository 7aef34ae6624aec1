"""The table of launches and collectives in passes/README.md is what the compiler makes of every shipped deployment."""
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, ROOT, VinciTest  # noqa: E402

ROW = re.compile(r"\| `([\w.\-/]+)` \| (\d+) \| (\d+) \+ (\d+) \| (\d+) \+ (\d+) \| (\d+) \+ (\d+) \|$")


def table():
    """{deployment: (ranks, unfused layer, fused layer, fused step)}, the last three as (launches, collectives)"""
    rows = {}
    for line in (ROOT / "passes" / "README.md").read_text(encoding="utf-8").splitlines():
        if match := ROW.match(line):
            name, *numbers = match.groups()
            ranks, *pairs = map(int, numbers)
            rows[name] = (ranks, *zip(pairs[::2], pairs[1::2]))
    return rows


class Counts(VinciTest):
    def program(self, model, *options):
        """(ranks, {body: (launches, collectives)}, bodies that a decode step calls)"""
        if model.endswith(".yaml"):
            options += ("--target", "a3")
        text = self.succeed("compile", MODELS / model, "-o", "-", "--stop-after", "lower", "--no-weights", *options).stdout
        mesh = re.search(r"#llm.mesh<axes = \[([\d, ]+)\]", text)
        ranks = 1
        for size in mesh.group(1).split(", ") if mesh else []:
            ranks *= int(size)
        bodies, calls, name, entry = {}, [], None, None
        for line in text.splitlines():
            if match := re.match(r" *npu\.(body|entry) @([\w.]+)", line):
                name, entry = (match.group(2), None) if match.group(1) == "body" else (None, match.group(2))
                if name:
                    bodies[name] = [0, 0]
            elif "npu.launch " in line:
                bodies[name][" over [" in line] += 1
            elif entry == "decode" and (match := re.match(r" *npu\.call @([\w.]+)", line)):
                calls.append(match.group(1))
        return ranks, {body: tuple(counts) for body, counts in bodies.items()}, calls

    def test_table(self):
        rows = table()
        for name, (ranks, unfused, fused, step) in rows.items():
            with self.subTest(deployment=name):
                found, bodies, _ = self.program(name, "--passes=-all")
                layers = {counts for body, counts in bodies.items() if "layer" in body}
                self.assertEqual((found, layers), (ranks, {unfused}))
                _, bodies, calls = self.program(name)
                layers = {counts for body, counts in bodies.items() if "layer" in body}
                self.assertEqual(layers, {fused})
                self.assertEqual(tuple(sum(bodies[call][i] for call in calls) for i in (0, 1)), step)

    def test_every_deployment_is_in_it(self):
        deployments = {path.parent.name for path in MODELS.glob("*/deployment.json")} - {"qwen3-235b-a3"}
        deployments |= {f"qwen3-235b-a3/{path.name}" for path in (MODELS / "qwen3-235b-a3").glob("*.yaml")}
        deployments |= {path.parent.name for path in MODELS.glob("*/config.json")} - {"qwen3-235b-a3"}
        self.assertEqual(set(table()), {name for name in deployments if not name.startswith("austen")})


if __name__ == "__main__":
    unittest.main()
