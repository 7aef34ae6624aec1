"""Models on ranks with fusions on and off: greedy ids and logits are those of one device without fusions, in float32.

What varies: the deployment (a model with degrees --tp and --ep that are legal for it), each pass that `vinci passes` lists as one
that can be switched, --threads. A pairwise cover: each deployment meets each fusion on and off, and any two fusions meet in any
state. tests/exhaustive runs all combinations.

Ids must agree up to the first step at which the two best logits are less than MARGIN apart, logits within TOLERANCE.
A token whose router is less than ROUTING from another choice is skipped and counted.
"""
import itertools
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import routing  # noqa: E402
from harness import TRAINED, VinciTest, read_json, read_npy, vinci  # noqa: E402

TOLERANCE = 1e-4
MARGIN = 0.01
ROUTING = 1e-5
REFERENCE = 2e-3  # between the plain forward pass that says where routers decide and the unfused plan
TOKENS = 8
PROMPT = [1446, 364, 258, 1947, 475, 301, 538, 287, 387, 1326, 11, 40]
DEGREES = (1, 2, 4, 8)
MOST_CASES = 80


class Shape:
    """What decides whether degrees are legal for a model, from its config.json."""

    def __init__(self, model):
        self.config = read_json(model / "config.json")
        self.experts = self.config.get("num_experts", 0)

    def problem(self, tp, ep):
        """The message that these degrees must be refused with, as a regular expression; None if they are legal."""
        world = max(tp, ep)
        if world % ep:
            return f"expert parallelism {ep} does not divide the world of {world} ranks; legal: "
        if world % tp:
            return rf"\b{tp}\b.*\b{world}\b.*; legal: "
        heads = self.config["num_attention_heads"]
        if heads % tp:
            return rf"config.json:\d+:\d+: error: num_attention_heads {heads} cannot be divided among the {tp} ranks of .*legal for"
        if self.experts and self.experts % ep:
            return rf"config.json:\d+:\d+: error: num_experts {self.experts} cannot be divided among the {ep} ranks of .*legal for"
        return None


def pairwise(factors):
    """Rows, a value of each factor, in which every two values of two factors meet. Greedy, and always the same."""
    def pair(i, a, j, b):
        return (i, a, j, b) if i < j else (j, b, i, a)

    open_pairs = {(i, a, j, b): True for i, j in itertools.combinations(range(len(factors)), 2)
                  for a, b in itertools.product(factors[i], factors[j])}
    rows = []
    while open_pairs:
        i, a, j, b = next(iter(open_pairs))
        row = {i: a, j: b}
        for k, values in enumerate(factors):
            if k not in row:  # what closes most pairs with what is chosen
                row[k] = max(values, key=lambda value: sum(pair(k, value, m, row[m]) in open_pairs for m in row))
        rows.append([row[k] for k in range(len(factors))])
        for m, n in itertools.combinations(range(len(factors)), 2):
            open_pairs.pop((m, row[m], n, row[n]), None)
    return rows


class Cover(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        passes = json.loads(cls().succeed("passes", "--format", "json").stdout)
        cls.fusions = [entry["pass"] for entry in passes if entry["default"] in ("on", "off")]
        cls.models = {model.name: model for model in TRAINED}
        cls.shapes = {model.name: Shape(model) for model in TRAINED}
        deployments = [deployment for deployment in itertools.product(cls.models, DEGREES, DEGREES) if cls.legal(*deployment)]
        cls.factors = [deployments] + [("+", "-")] * len(cls.fusions) + [(1, 2)]
        cls.whole, cls.skipped = {}, 0

    @classmethod
    def legal(cls, name, tp, ep):
        """A model without experts has none to divide: --ep says nothing there."""
        return (cls.shapes[name].experts or ep == 1) and cls.shapes[name].problem(tp, ep) is None

    def options(self, row):
        (_, tp, ep), *signs, threads = row
        passes = ",".join(sign + fusion for sign, fusion in zip(signs, self.fusions, strict=True))
        return [*self.degrees(tp, ep), f"--passes={passes}", "--threads", threads]

    @staticmethod
    def degrees(tp, ep):
        return ["--tp", tp, "--ep", ep] if ep > 1 else ["--tp", tp]

    def generate(self, model, *options):
        """(greedy ids, a row of logits for each position)"""
        file = self.scratch / "logits.npy"
        result = self.succeed("run", model, "--dtype", "float32", "--max-seq-len", 64, "--prompt-ids", ",".join(map(str, PROMPT)),
                              "--max-tokens", TOKENS, "--ignore-eos", "--temperature", 0, "--logits", file, "--format", "json",
                              *options)
        (rows, columns), logits = read_npy(file)
        return json.loads(result.stdout)["output_ids"], [logits[i * columns:(i + 1) * columns] for i in range(rows)]

    def expected(self, name):
        """Ids, logits and margins of routers on one device without fusions; how many ids must agree."""
        if name not in self.whole:
            model = self.models[name]
            ids, logits = self.generate(model, "--passes=-all", "--threads", 1)
            self.assertEqual(len(logits), len(PROMPT) + TOKENS - 1)
            margins = [1.0] * len(logits)
            if self.shapes[name].experts:
                forward = routing.Forward(model)
                for token in PROMPT + ids[:-1]:
                    forward.step(token)
                worst = max(abs(a - b) for row, plain in zip(logits, forward.logits, strict=True) for a, b in zip(row, plain, strict=True))
                self.assertLess(worst, REFERENCE)
                margins = forward.margins
            best = [sorted(row)[-2:] for row in logits[len(PROMPT) - 1:]]
            steps = next((step for step, (second, first) in enumerate(best) if first - second < MARGIN), TOKENS)
            self.assertGreater(steps, TOKENS // 2, "the prompt must be one with clear decisions")
            self.whole[name] = ids, logits, margins, steps
        return self.whole[name]

    def check(self, row):
        name = row[0][0]
        ids, logits, margins, steps = self.expected(name)
        found_ids, found = self.generate(self.models[name], *self.options(row))
        self.assertEqual(found_ids[:steps], ids[:steps])
        same = next((step for step, pair in enumerate(zip(ids, found_ids)) if pair[0] != pair[1]), TOKENS)
        for position in range(len(PROMPT) + min(same, TOKENS - 1)):  # behind another id, other logits
            if margins[position] < ROUTING:
                type(self).skipped += 1
                continue
            worst = max(abs(a - b) for a, b in zip(logits[position], found[position], strict=True))
            self.assertLess(worst, TOLERANCE, f"position {position}")

    def test_the_cover_covers(self):
        rows = pairwise(self.factors)
        self.assertEqual(rows, pairwise(self.factors))
        self.assertLessEqual(len(rows), MOST_CASES)
        self.assertGreaterEqual(len(rows), 2 * len(self.factors[0]))
        for i, j in itertools.combinations(range(len(self.factors)), 2):
            self.assertEqual({(row[i], row[j]) for row in rows}, set(itertools.product(self.factors[i], self.factors[j])))

    def test_every_pair(self):
        rows = pairwise(self.factors)
        for row in rows:
            with self.subTest(model=row[0][0], options=" ".join(map(str, self.options(row)))):
                self.check(row)
        print(f"{len(rows)} cases, {self.skipped} tokens skipped", file=sys.stderr)

    def test_degrees_that_do_not_divide(self):
        refused = 0
        for name, tp, ep in itertools.product(self.models, (1, 3, 5, 6, 8, 16), (1, 3, 8, 16, 32)):
            problem = self.shapes[name].problem(tp, ep)
            if problem is None or (ep > 1 and not self.shapes[name].experts):
                continue
            refused += 1
            with self.subTest(model=name, tp=tp, ep=ep):
                result = vinci("compile", self.models[name], "-o", self.scratch / "x.mlir", "--stop-after", "partition",
                               *self.degrees(tp, ep))
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertRegex(result.stderr, problem)
        self.assertGreater(refused, 20)


if __name__ == "__main__":
    unittest.main()
