"""Reference numbers of transformers against whole runs of the binary, for every checkpoint with a golden.json.

float32 must agree within 2e-4 (logsumexp of every position) and 1e-3 (last logits), and greedily generate the same ids
wherever the two best logits are at least 0.01 apart; bfloat16 validation loss must stay within 0.01, float32 within 0.0005.
"""
import json
import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, RANDOM, TRAINED, VinciTest, read_json, read_npy  # noqa: E402

LOGSUMEXP_TOLERANCE = 2e-4
LOGIT_TOLERANCE = 1e-3
MARGIN = 0.01


def logsumexp(row):
    largest = max(row)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in row))


def comparable_steps(margins):
    """How many greedy steps must agree: up to and without the first close call."""
    return next((step for step, margin in enumerate(margins) if margin < MARGIN), len(margins))


class Numbers(VinciTest):
    def run_ids(self, model, ids, max_tokens, *options):
        file = self.scratch / "logits.npy"
        result = self.succeed("run", model, "--dtype", "float32", "--prompt-ids", ",".join(map(str, ids)), "--max-tokens",
                              max_tokens, "--ignore-eos", "--logits", file, "--format", "json", *options)
        shape, logits = read_npy(file)
        rows = [logits[i * shape[1]:(i + 1) * shape[1]] for i in range(shape[0])]
        return json.loads(result.stdout), rows

    def test_float32_logits_and_greedy_ids(self):
        for model in TRAINED + RANDOM:
            for number, case in enumerate(read_json(model / "golden.json")["cases"]):
                with self.subTest(model=model.name, case=number):
                    ids = case.get("ids") or case["prompt"]
                    report, rows = self.run_ids(model, ids, len(case["greedy"]))
                    self.assertEqual(len(rows), len(ids) + len(case["greedy"]) - 1)
                    for row, expected in zip(rows, case["logsumexp_per_position"]):
                        self.assertAlmostEqual(logsumexp(row), expected, delta=LOGSUMEXP_TOLERANCE)
                    for value, expected in zip(rows[len(ids) - 1], case["last_logits"], strict=True):
                        self.assertAlmostEqual(value, expected, delta=LOGIT_TOLERANCE)
                    steps = comparable_steps(case["greedy_margin"])
                    self.assertEqual(report["output_ids"][:steps], case["greedy"][:steps])

    def test_prefill_in_chunks_and_decode_agree(self):
        for model in TRAINED + RANDOM:
            case = max(read_json(model / "golden.json")["cases"], key=lambda case: len(case.get("ids") or case["prompt"]))
            ids = (case.get("ids") or case["prompt"]) + case["greedy"]
            _, whole = self.run_ids(model, ids, 1)
            for chunk in (1, 7, 128):
                with self.subTest(model=model.name, chunk=chunk):
                    _, rows = self.run_ids(model, ids, 1, "--prefill-chunk", chunk)
                    self.assertEqual(len(rows), len(whole))
                    worst = max(abs(a - b) for left, right in zip(rows, whole) for a, b in zip(left, right))
                    self.assertLessEqual(worst, 1e-4)

    def test_decoding_step_by_step_gives_the_prefill_logits(self):
        for model in TRAINED + RANDOM:
            with self.subTest(model=model.name):
                case = read_json(model / "golden.json")["cases"][0]
                ids = case.get("ids") or case["prompt"]
                report, decoded = self.run_ids(model, ids, 20)
                _, prefilled = self.run_ids(model, ids + report["output_ids"][:-1], 1)
                self.assertEqual(len(decoded), len(prefilled))
                worst = max(abs(a - b) for left, right in zip(decoded, prefilled) for a, b in zip(left, right))
                self.assertLessEqual(worst, 1e-4)

    def test_limits_threads_and_targets_do_not_change_the_numbers(self):
        for name in ("llama-hidden80", "qwen3moe-5"):
            case = max(read_json(DATA / name / "golden.json")["cases"], key=lambda case: len(case["prompt"]))
            for options in (("--block-size", 16), ("--max-tokens-per-step", 16), ("--threads", 1), ("--threads", 3), ("--cpu", "avx2")):
                with self.subTest(model=name, options=options):
                    report, rows = self.run_ids(DATA / name, case["prompt"], 24, *options)
                    for row, expected in zip(rows, case["logsumexp_per_position"]):
                        self.assertAlmostEqual(logsumexp(row), expected, delta=LOGSUMEXP_TOLERANCE)
                    steps = comparable_steps(case["greedy_margin"])
                    self.assertEqual(report["output_ids"][:steps], case["greedy"][:steps])

    def test_any_of_several_end_tokens_stops(self):
        model = DATA / "llama-15-3"
        ends = read_json(model / "generation_config.json")["eos_token_id"]
        stopped = set()
        for case in read_json(model / "golden.json")["cases"]:
            ids = case["greedy"][:comparable_steps(case["greedy_margin"])]
            end = next((step for step, token in enumerate(ids) if token in ends), None)
            if end is None:
                continue
            result = self.succeed("run", model, "--dtype", "float32", "--prompt-ids", ",".join(map(str, case["prompt"])),
                                  "--max-tokens", len(ids), "--format", "json")
            report = json.loads(result.stdout)
            self.assertEqual(report["finish_reason"], "stop")
            self.assertEqual(report["output_ids"], ids[:end + 1])
            stopped.add(ids[end])
        self.assertEqual(len(stopped), 2, "the checkpoint is made to meet two of its end tokens")

    def test_validation_loss(self):
        for dtype, tolerance in (("float32", 0.0005), ("bfloat16", 0.01), ("float16", 0.01)):
            for model in TRAINED:
                with self.subTest(model=model.name, dtype=dtype):
                    golden = read_json(model / "golden.json")
                    result = self.succeed("eval", model, "--dtype", dtype, "--ids", model / "validation_ids.json",
                                          "--window", golden["validation_window"])
                    report = json.loads(result.stdout)
                    self.assertEqual(report["tokens"], golden["validation_tokens"])
                    self.assertAlmostEqual(report["nll"], golden["validation_nll_fp32"], delta=tolerance)


if __name__ == "__main__":
    unittest.main()
