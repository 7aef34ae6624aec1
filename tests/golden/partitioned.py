"""Partitioned plans compute what the whole model computes: same greedy ids, logits within 1e-4 of one device's, in float32.

Degrees that do not divide a model are refused with those that do; every other combination runs.
"""
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import DATA, RANDOM, TRAINED, VinciTest, read_npy, vinci  # noqa: E402

TOLERANCE = 1e-4
TOKENS = 8
PROMPT = [5, 3, 8, 1, 9, 2, 7, 4, 6, 11, 13, 10]


def tp(degree):
    return ("--tp", degree)


def mixed(world, moe_tp):
    return ("--tp", world, "--ep", world // moe_tp)


class Partitioned(VinciTest):
    def generate(self, model, *options, prompt=PROMPT):
        """(greedy ids, logits of all positions of the prompt)"""
        logits = self.scratch / "logits.npy"
        result = self.succeed("run", model, "--dtype", "float32", "--prompt-ids", ",".join(map(str, prompt)), "--max-tokens",
                              TOKENS, "--ignore-eos", "--temperature", 0, "--logits", logits, "--format", "json", *options)
        return json.loads(result.stdout)["output_ids"], read_npy(logits)[1]

    def compare(self, model, *options, prompt=PROMPT):
        if (model, len(prompt)) not in self.whole:
            self.whole[model, len(prompt)] = self.generate(model, prompt=prompt)
        ids, logits = self.generate(model, *options, prompt=prompt)
        expected_ids, expected = self.whole[model, len(prompt)]
        self.assertEqual(ids, expected_ids)
        self.assertEqual(len(logits), len(expected))
        self.assertLess(max(abs(a - b) for a, b in zip(logits, expected)), TOLERANCE)

    whole = {}

    def test_trained_models_on_2_4_and_8_ranks(self):
        for model in TRAINED:
            for degree in (2, 4, 8):
                with self.subTest(model=model.name, tp=degree):
                    self.compare(model, *tp(degree))

    def test_experts_by_width_and_among_ranks(self):
        model = TRAINED[2]
        for world in (2, 4, 8):
            for moe_tp in (1, 2, 4):
                if world % moe_tp == 0 and world != moe_tp:
                    with self.subTest(world=world, moe_tp=moe_tp):
                        self.compare(model, *mixed(world, moe_tp))

    def test_random_models_on_every_legal_degree(self):
        legal = 0
        for model in RANDOM:
            for degree in (2, 3, 4, 5, 7):
                with self.subTest(model=model.name, tp=degree):
                    result = vinci("compile", model, "-o", self.scratch / "x.mlir", "--stop-after", "partition", "--tp", degree)
                    if result.returncode == 0:
                        legal += 1
                        self.compare(model, *tp(degree))
                        continue
                    self.assertRegex(result.stderr, rf"config.json:\d+:\d+: error: \w+ \d+ cannot be divided among the {degree} "
                                                    r"ranks of .*; legal for this model: 1")
                    degrees = re.search(r"legal for this model: ([\d, ]+)", result.stderr).group(1).split(", ")
                    self.assertNotIn(str(degree), degrees)
        self.assertEqual(legal, 10)

    def test_static_w8a8(self):
        # Sums of int8 products are exact; a rank scales its own. (Dynamic scales: dynamic_scales.py.)
        model = quantise.quantise(TRAINED[0], self.scratch / "w8a8", lambda linear: quantise.STATIC)
        for degree in (2, 8):
            with self.subTest(tp=degree):
                self.compare(model, *tp(degree))

    def test_compiling_twice_gives_the_same_bytes(self):
        for options in (("--tp", 4), mixed(4, 2), ("--world", 8, "--attn-tp", 2, "--ep", 8)):
            plans = []
            for model in (TRAINED[2], self.copy_model(TRAINED[2], "elsewhere")):
                self.succeed("compile", model, "-o", self.scratch / "x.plan", *options)
                plans.append((self.scratch / "x.plan").read_bytes())
            self.assertEqual(*plans)

    def test_bits_do_not_depend_on_threads(self):
        model = TRAINED[2]
        self.assertEqual(self.generate(model, "--tp", 4, "--threads", 1), self.generate(model, "--tp", 4, "--threads", 3))

    def test_data_parallel_groups_and_replicated_vocabularies(self):
        model = TRAINED[2]
        for options in (("--world", 4, "--attn-tp", 2, "--ep", 4), ("--world", 4, "--attn-tp", 1, "--ep", 4),
                        ("--world", 4, "--attn-tp", 2, "--moe-tp", 4), ("--tp", 4, "--embed-tp", 1), ("--tp", 4, "--lm-head-tp", 2)):
            with self.subTest(options=options):
                self.compare(model, *options)

    def test_data_parallel_groups_have_tokens_of_their_own(self):
        # Prompts of other lengths in each group, more of them than groups, and fewer.
        prompts = self.scratch / "prompts.jsonl"
        texts = [PROMPT[:length] for length in (12, 1, 7, 3, 10)]
        for count in (1, 2, 5):
            prompts.write_text("".join(json.dumps({"prompt_ids": ids}) + "\n" for ids in texts[:count]))

            def ids(*options):
                result = self.succeed("run", TRAINED[2], "--dtype", "float32", "--prompts", prompts, "--max-tokens", TOKENS,
                                      "--ignore-eos", "--temperature", 0, "--max-batch", 2, "--format", "json", *options)
                return [run["output_ids"] for run in json.loads(result.stdout)]

            whole = ids()
            for options in (("--world", 4, "--attn-tp", 2, "--ep", 4), ("--world", 4, "--attn-tp", 1, "--ep", 4),
                            ("--world", 8, "--attn-tp", 2, "--embed-tp", 4, "--lm-head-tp", 2, "--moe-tp", 4),
                            ("--world", 4, "--attn-tp", 2, "--ep", 4, "--sequence-parallel"),
                            ("--world", 4, "--attn-tp", 1, "--ep", 4, "--graph-mode", "piecewise", "--graph-batch-sizes", "2,8"),
                            ("--world", 4, "--attn-tp", 2, "--ep", 4, "--poison")):
                with self.subTest(prompts=count, options=options):
                    self.assertEqual(ids(*options), whole)

    def test_evaluation_is_spread_over_groups(self):
        ids = self.scratch / "ids.json"
        ids.write_text(json.dumps(json.loads((TRAINED[2] / "validation_ids.json").read_text())[:200]))

        def nll(*options):
            return json.loads(self.succeed("eval", TRAINED[2], "--dtype", "float32", "--ids", ids, "--window", 30, "--format", "json",
                                           *options).stdout)

        one, groups = nll(), nll("--world", 4, "--attn-tp", 1, "--ep", 4)
        self.assertAlmostEqual(one["nll"], groups["nll"], 5)

    def test_sequence_parallel(self):
        # Shares of the tokens that are even, short and empty.
        for degree in (2, 4, 8):
            for tokens in range(1, 10):
                with self.subTest(tp=degree, tokens=tokens):
                    self.compare(TRAINED[0], *tp(degree), "--sequence-parallel", prompt=PROMPT[:tokens])
        for options in (tp(4), mixed(4, 2), ("--world", 4, "--attn-tp", 2, "--ep", 4), tp(4) + ("--passes=-all",)):
            with self.subTest(options=options):
                self.compare(TRAINED[2], *options, "--sequence-parallel")

    def test_sequence_parallel_gives_the_same_bits(self):
        for model in TRAINED:
            self.assertEqual(self.generate(model, *tp(4), "--sequence-parallel"), self.generate(model, *tp(4)))

    def test_what_sequence_parallel_moves(self):
        def layer(*options):
            self.succeed("compile", TRAINED[0], "-o", self.scratch / "x.plan", "--tp", 4, *options)
            rows = json.loads(self.succeed("inspect", self.scratch / "x.plan", "--format", "json").stdout)["collectives"]
            return [(row["op"], row["count"], row["whole"], row["bytes"]) for row in rows if row["body"] == "decoder_layer"]

        hidden, limit = 256, 512
        whole = hidden * limit * 2  # in bfloat16
        self.assertEqual(layer(), [("all_reduce", f"{hidden}*tokens", None, whole)] * 2)
        scattered = [(op, f"{hidden}*token_shares", f"{hidden}*tokens", whole) for op in ("all_gather", "reduce_scatter")]
        self.assertEqual(layer("--sequence-parallel"), scattered * 2)

    def test_sequence_parallel_needs_tokens_and_an_embedding_to_divide(self):
        for options, message in (((), "the module is for one device; legal is attn_tp 2 or more"),
                                 (("--world", 2, "--attn-tp", 1, "--ep", 2), "each rank has a step of its own; legal is attn_tp 2"),
                                 (("--tp", 2, "--embed-tp", 1), "config.json:")):
            with self.subTest(options=options):
                result = vinci("compile", TRAINED[2], "-o", self.scratch / "x.plan", "--sequence-parallel", *options)
                self.assertEqual(result.returncode, 1)
                self.assertIn(message, result.stderr)
        self.assertIn("embed_tp 2", result.stderr)

    def test_a_deployment_may_ask_for_sequence_parallel(self):
        model = self.copy_model(TRAINED[0], "deployed")

        def partitioned(parallel, *options):
            (model / "deployment.json").write_text(f'{{"vinci_deployment": 1,\n "parallel": {{{parallel}}}}}')
            return self.succeed("compile", model, "-o", "-", "--stop-after", "partition", *options)

        sequence = '"attn_tp": 2, "sequence": true'
        self.assertIn("token_shares = 2", partitioned(sequence).stdout)
        for options in (("--no-sequence-parallel",), ("--tp", 2)):
            self.assertNotIn("token_shares", partitioned(sequence, *options).stdout)
        self.assertIn("token_shares = 2", partitioned('"attn_tp": 2', "--sequence-parallel").stdout)
        for degrees, message in (('"attn_tp": 2, "embed_tp": 1', "2 and 1"), ('"attn_tp": 1', "1 and 1")):
            result = partitioned(degrees + ', "sequence": true')
            self.assertNotIn("token_shares", result.stdout)
            self.assertRegex(result.stderr, r"deployment.json:2:\d+: warning: sequence parallelism needs attn_tp 2 or more and as much "
                                            rf"embed_tp, but they are {message}; the tokens of a step are not divided")

    def test_a_product_that_sums_its_parts(self):
        for model in TRAINED:
            fused = ("--passes=+fuse-matmul-all-reduce",)
            self.assertEqual(self.generate(model, *tp(4), *fused), self.generate(model, *tp(4)))
        self.compare(TRAINED[0], *tp(4), *fused, "--threads", 1)

    def test_sixteen_devices_on_one_thread(self):
        self.compare(DATA / "qwen3-wide", *tp(16), "--threads", 1)


if __name__ == "__main__":
    unittest.main()
