"""Precision policies in numbers and in bytes, against models/train/precision_goldens.py (numpy, shares no code with Vinci).

The reference rounds where the specification rounds; it differs in the order of float32 sums, and in that its softmax knows
no chunks. A sum in another order falls on the other side of a rounding now and then, and one that does spreads. So there
are two tolerances, for the logsumexp of every position and for the best logits:

Runs are for avx2, whose sums are in the reference's order; targets that multiply bfloat16 in pairs have others.

EXACT, where none does: prompts within one chunk of the softmax, in bfloat16, and in float16 on the small random
checkpoints. Measured: 0.0002; a policy that differs in a single region is 0.004 and more away.
ROUNDING, elsewhere. Measured: 0.018 in float16 (700 tokens), 0.030 in bfloat16 (150 tokens).

A bfloat16 checkpoint on a device without bfloat16 (--target 310p3) computes in float16 with float32 regions; what its cast
loses is counted, and the counts are compared with counts of the checkpoint's bits made here.
"""
import array
import json
import math
import os
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import DATA, RANDOM, TRAINED, VinciTest, read_json, read_npy  # noqa: E402

EXACT = 0.001
ROUNDING = {"float16": 0.03, "bfloat16": 0.05}
ROUTING = 0.0005  # between the router's logits of two experts; 4 of 700 tokens are closer
CHUNK = 64
MODELS = [model for model in TRAINED + RANDOM if (DATA / "precision" / f"{model.name}.json").exists()]
HALF = "compute=float16,layernorm=float16,softmax=float16,rotary=float16"
ROTARY = "compute=bfloat16,layernorm=float32,softmax=float32,rotary=bfloat16"
ON_310P3 = "compute=float16,layernorm=float32,softmax=float32,rotary=float32"
DEFAULT = "compute=bfloat16,layernorm=float32,softmax=float32,rotary=float32"


def logsumexp(row):
    largest = max(row)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in row))


def goldens():
    """(model, prompt, {policy: its case}) of every prompt."""
    for model in MODELS:
        golden = read_json(DATA / "precision" / f"{model.name}.json")
        for number, prompt in enumerate(golden["prompts"]):
            yield model, prompt, {policy["precision"]: policy["cases"][number] for policy in golden["policies"]}


def is_exact(model, prompt, policy):
    return len(prompt) <= CHUNK and (policy == ROTARY or policy == HALF and model in RANDOM)


def distance(case, logsumexps, last_logits):
    """The largest difference in the logsumexp of any position and in the best logits of the last one.

    A token that could as well go to another expert is left out: after a rounding on the other side it does.
    """
    pairs = list(zip(case["logsumexp_per_position"], logsumexps, strict=True))
    pairs = [pair for pair, margin in zip(pairs, case.get("routing_margin", [1] * len(pairs)), strict=True) if margin >= ROUTING]
    pairs += [(value, last_logits[index]) for index, value in zip(case["best_ids"], case["best_logits"])]
    return max(abs(a - b) for a, b in pairs)


class Precision(VinciTest):
    def run_ids(self, model, ids, max_tokens, *options, cpu="avx2"):
        file = self.scratch / "logits.npy"
        result = self.succeed("run", model, "--prompt-ids", ",".join(map(str, ids)), "--max-tokens", max_tokens, "--ignore-eos",
                              "--logits", file, "--format", "json", "--cpu", cpu, *options)
        shape, logits = read_npy(file)
        rows = [logits[i * shape[1]:(i + 1) * shape[1]] for i in range(len(ids))]
        return json.loads(result.stdout), rows

    def test_numbers_of_every_policy(self):
        self.assertEqual(len(MODELS), 5)
        for model, prompt, cases in goldens():
            for policy, case in cases.items():
                with self.subTest(model=model.name, tokens=len(prompt), policy=policy):
                    tolerance = EXACT if is_exact(model, prompt, policy) else ROUNDING[policy.split(",")[0].split("=")[1]]
                    # What a bfloat16 checkpoint gets by default must be what it got before there were policies.
                    options = {DEFAULT: ("--dtype", "bfloat16"), ON_310P3: ("--target", "310p3")}.get(policy, ("--precision", policy))
                    report, rows = self.run_ids(model, prompt, len(case["greedy"]), *options)
                    self.assertLess(distance(case, [logsumexp(row) for row in rows], rows[-1]), tolerance)
                    close = (step for step, margin in enumerate(case["greedy_margin"]) if margin < 2 * tolerance)
                    steps = next(close, len(case["greedy"]))
                    self.assertEqual(report["output_ids"][:steps], case["greedy"][:steps])

    def test_policies_are_further_apart_than_the_tolerance(self):
        compared = 0
        for model, prompt, cases in goldens():
            float32 = next((case for case in read_json(model / "golden.json")["cases"]
                            if (case.get("ids") or case["prompt"]) == prompt), None)
            for policy, case in cases.items():
                if not is_exact(model, prompt, policy):
                    continue
                self.assertGreater(distance(case, float32["logsumexp_per_position"], float32["last_logits"]), 4 * EXACT)
                for other, rival in cases.items():
                    if other != policy:
                        apart = max(abs(a - b) for a, b in zip(case["logsumexp_per_position"], rival["logsumexp_per_position"]))
                        self.assertGreater(apart, 2 * EXACT, (model.name, policy, other))
                        compared += 1
        self.assertEqual(compared, 36)  # 9 prompts in bfloat16, 3 in float16, three rivals each

    def counted(self, model, tensors):
        """What the cast of a bfloat16 checkpoint to float16 must be said to lose: bits are counted here, none are cast."""
        sizes = {name: array.array("H", raw) for name, (dtype, _, raw) in tensors.items()}
        lost = {name: sum(0 < (value & 0x7fff) <= 0x3300 for value in values) for name, values in sizes.items()}  # to 2^-25
        return (f"warning: cast to float16: {sum(lost.values())} of {sum(map(len, sizes.values()))} values "
                f"(in {sum(map(bool, lost.values()))} tensors; most in tensor ")

    def test_a_device_without_bfloat16_counts_what_its_cast_loses(self):
        for model in TRAINED:
            with self.subTest(model=model.name):
                os.environ["VINCI_CACHE_DIR"] = self.new_cache(f"counted-{model.name}")  # packed anew: counts are said once
                command = ("run", model, "--target", "310p3", "--prompt-ids", "1,2", "--max-tokens", "1")
                said = [line for line in self.succeed(*command).stderr.splitlines() if "cast to float16: " in line]
                self.assertEqual(len(said), 1)
                self.assertTrue(said[0].startswith(self.counted(model, quantise.read_checkpoint(model))), said)
                self.assertTrue(said[0].endswith(" become zero"), said)

    def test_a_device_without_bfloat16_refuses_what_overflows(self):
        model = self.copy_model(DATA / "qwen3-head80")
        tensors = quantise.read_checkpoint(model)
        name = "model.layers.1.mlp.up_proj.weight"
        dtype, shape, raw = tensors[name]
        # 65280, the largest bfloat16 that float16 has, and what is above: the first is none of the four.
        large = struct.pack("<5H", 0x477f, 0x4780, 0xc780, 0x7f7f, 0xff7f)
        tensors[name] = (dtype, shape, large + raw[len(large):])
        (file,) = model.glob("*.safetensors")
        quantise.write_checkpoint(file, tensors)
        values = sum(len(raw) // 2 for _, _, raw in tensors.values())
        self.expect_error(("run", model, "--target", "310p3", "--prompt-ids", "1", "--max-tokens", "1"), 1,
                          f'cast to float16: 4 of {values} values (in 1 tensor; most in tensor "{name}") overflow')

    def test_an_unknown_part_follows_the_checkpoint(self):
        model = DATA / "qwen3-head80"
        plans = {}
        for name, options in (("default", ()), ("named", ("--precision", DEFAULT)), ("half", ("--precision", HALF)),
                              ("half from dtype", ("--dtype", "float16", "--precision", HALF.partition(",")[2]))):
            path = self.scratch / "x.plan"
            self.succeed("compile", model, "-o", path, *options)
            plans[name] = path.read_bytes()
        self.assertEqual(plans["default"], plans["named"])
        self.assertEqual(plans["half"], plans["half from dtype"])
        self.assertNotEqual(plans["default"], plans["half"])

    def test_bytes_and_reports(self):
        model = DATA / "qwen3-head80"  # bfloat16, one KV head of 80
        sizes = {}
        for policy in (DEFAULT, ROTARY, HALF + ",keep_origin=true", "compute=float32"):
            path = self.scratch / "x.plan"
            self.succeed("compile", model, "-o", path, "--precision", policy)
            summary = json.loads(self.succeed("inspect", path, "--format", "json").stdout)
            self.assertEqual(list(summary["precision"]),
                             ["compute", "layernorm", "softmax", "rotary", "parameters", "keep_origin"])
            for item in policy.split(","):
                name, value = item.split("=")
                self.assertEqual(str(summary["precision"][name]).lower(), value)
            self.assertEqual(summary["precision"]["parameters"], summary["precision"]["compute"])
            memory = json.loads(self.succeed("inspect", path, "--memory", "--format", "json").stdout)["memory"]
            rope = next(row for row in memory["arena"] if row["buffer"] == "rope")
            hidden = next(row for row in memory["arena"] if row["buffer"] == "hidden")
            sizes[policy] = (rope["bytes"], hidden["bytes"], memory["kv_cache_bytes"], summary["weight_bytes"])
        rope, hidden, cache, weights = sizes[DEFAULT]
        self.assertEqual(sizes[ROTARY], (rope // 2, hidden, cache, weights))
        self.assertEqual(sizes[HALF + ",keep_origin=true"][:3], (rope // 2, hidden, cache))
        # The panels of bfloat16 have tables of exponents, those of float16 none.
        self.assertLess(sizes[HALF + ",keep_origin=true"][3], weights)
        self.assertLess(weights, 1.01 * sizes[HALF + ",keep_origin=true"][3])
        self.assertEqual(sizes["compute=float32"][:3], (rope, 2 * hidden, 2 * cache))
        report = json.loads(self.succeed("inspect", model, "--format", "json").stdout)
        self.assertEqual(report["precision"], {"compute": "bfloat16", "layernorm": "float32", "softmax": "float32",
                                               "rotary": "float32", "parameters": "bfloat16", "keep_origin": False})

    def test_chunks_targets_and_decoding_do_not_change_the_bits(self):
        model = DATA / "llama-hidden80"
        prompt = next(prompt for name, prompt, _ in goldens() if name == model and len(prompt) == 70)
        for policy in (HALF, ROTARY):
            report, rows = self.run_ids(model, prompt, 20, "--precision", policy)
            here = [target["target"] for target in json.loads(self.succeed("targets", "--format", "json").stdout)
                    if target["runs_here"]]
            for cpu, options in (("avx2", ("--prefill-chunk", 7)), ("avx2", ("--threads", 1)), ("avx512", ())):
                if cpu not in here:
                    continue
                with self.subTest(policy=policy, cpu=cpu, options=options):
                    again, same = self.run_ids(model, prompt, 20, "--precision", policy, *options, cpu=cpu)
                    self.assertEqual(again["output_ids"], report["output_ids"])
                    self.assertEqual(same, rows)
            _, prefilled = self.run_ids(model, prompt + report["output_ids"][:-1], 1, "--precision", policy)
            self.assertEqual(prefilled[:len(rows)], rows)


if __name__ == "__main__":
    unittest.main()
