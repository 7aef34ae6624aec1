"""`vinci compare`: plans of one model agree tensor by tensor, and one damaged weight is found where it is.

What agrees: ranks with one device within rounding, fused with unfused plans to the bit.
"""
import json
import pathlib
import re
import shutil
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import DATA, MODELS, TRAINED, VinciTest, vinci  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
MOE = MODELS / "austen-qwen3-moe"


def erase_row(folder, tensor):
    """Zeros the first row of this tensor in a model of one file."""
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8:8 + length])[tensor]
    begin, end = entry["data_offsets"]
    row = (end - begin) // entry["shape"][0]
    raw[8 + length + begin:8 + length + begin + row] = bytes(row)
    path.write_bytes(raw)


class Compare(VinciTest):
    def report(self, *arguments):
        return json.loads(self.succeed("compare", *arguments, "--format", "json").stdout)

    def difference(self, *arguments):
        """The report, and the message that ends a comparison with a difference."""
        result = vinci("compare", *arguments, "--format", "json")
        self.assertEqual(result.returncode, 1, result.stderr)
        (message,) = re.findall("error: (.*)", result.stderr)
        return json.loads(result.stdout), message

    def compile(self, name, *options):
        plan = self.scratch / name
        self.succeed("compile", AUSTEN, "-o", plan, "--dtype", "float32", *options)
        return plan

    def expect_agreement(self, report, a_ranks, b_ranks):
        self.assertEqual((report["a_ranks"], report["b_ranks"]), (a_ranks, b_ranks))
        self.assertEqual(report["tolerance"], 1e-4)
        self.assertEqual(report["beyond_tolerance"], 0)
        self.assertIsNone(report["first_beyond"])
        self.assertNotIn("replicas", report)
        self.assertGreater(report["compared"], 100)
        self.assertEqual([row["step"] for row in report["logits"]], ["prefill 0..15", "decode 16..16"])
        self.assertTrue(all(row["max_error"] < 1e-4 for row in report["logits"]))
        # Rounding in another order shows: else nothing would have been compared with anything.
        self.assertLess(report["same_bits"], report["compared"])
        self.assertGreater(report["worst"][0]["max_error"], 0)

    def test_ranks_agree_with_one_device(self):
        for model in TRAINED:
            for ranks in (2, 4):
                with self.subTest(model=model.name, ranks=ranks):
                    report = self.report(model, "--dtype", "float32", "--b", f"--tp {ranks}")
                    self.expect_agreement(report, 1, ranks)
                    a, b = report["not_compared"]
                    self.assertEqual(b["unmatched"], 0)
                    self.assertGreater(b["partial_sums"], 0)
                    self.assertEqual(a["unmatched_names"], ["down_proj"] if model == MOE else [])

    def test_ranks_agree_with_ranks(self):
        # Eight ranks share four KV heads: two hold the same.
        self.expect_agreement(self.report(AUSTEN, "--dtype", "float32", "--a", "--tp 2", "--b", "--tp 8"), 2, 8)

    def test_experts_among_ranks(self):
        report = self.report(MOE, "--dtype", "float32", "--b", "--tp 4 --ep 4")
        self.expect_agreement(report, 1, 4)
        a, b = report["not_compared"]
        self.assertEqual((a["by_expert"], b["unmatched"]), (0, 0))
        self.assertGreater(b["by_expert"], 0)
        self.assertIn("gate_proj", a["unmatched_names"])

    def test_groups_of_ranks_with_sequences_of_their_own(self):
        self.expect_agreement(self.report(MOE, "--dtype", "float32", "--b", "--world 4 --attn-tp 2 --ep 4"), 1, 4)

    def test_fused_and_unfused_have_the_same_bits(self):
        for model, options, swallowed in ((AUSTEN, "", 34), (MOE, " --tp 4", 58)):
            with self.subTest(model=model.name, options=options):
                report = self.report(model, "--tolerance", 0, "--a", "--passes=-all" + options, "--b", "--passes=+all" + options)
                self.assertEqual(report["same_bits"], report["compared"])
                self.assertGreater(report["compared"], 100)
                self.assertEqual(report["worst"], [])
                a, b = report["not_compared"]
                # What one side has and the other never stores: what fusions swallow, and sums of the last layer.
                self.assertIn("gate_proj.silu", a["unmatched_names"])
                if model == MOE:
                    self.assertLessEqual({"router.softmax", "router.top_k", "post_attention_layernorm.permute_tokens"},
                                         set(a["unmatched_names"]))
                for side, few in ((a, swallowed), (b, 3)):
                    self.assertLessEqual(side["unmatched"], few)

    def test_fused_and_unfused_are_matched_by_name_in_int8(self):
        model = quantise.quantise(MOE, self.scratch / "quantised", quantise.as_published)
        for options in ("", " --tp 2"):
            with self.subTest(options=options):
                report = self.report(model, "--tolerance", 0, "--a", "--passes=-all,+merge-quantize" + options, "--b",
                                     "--passes=+all" + options)
                self.assertEqual(report["same_bits"], report["compared"])
                self.assertGreater(report["compared"], 50)
                a, b = report["not_compared"]
                # What is between the ops that became one; what quantises on the way has the names that it had.
                self.assertTrue({"input_layernorm", "gate_proj", "gate_proj.swiglu"} <= set(a["unmatched_names"]), a)
                self.assertFalse([name for name in b["unmatched_names"] if "quantize" in name], b)

    def test_steps_and_prompt(self):
        report = self.report(AUSTEN, "--prompt-ids", "5,3,8,1,9", "--max-tokens-per-step", 4, "--max-batch", 2, "--decode", 2)
        self.assertEqual(report["steps"], ["prefill 0..3", "prefill 4..4", "decode 5..5", "decode 6..6"])
        self.assertEqual(report["same_bits"], report["compared"])
        self.assertEqual((report["a"], report["b"]), (str(AUSTEN), str(AUSTEN)))
        tokenized = json.loads(self.succeed("tokenize", AUSTEN, "--text", "It is a truth").stdout)["ids"]
        report = self.report(AUSTEN, "--prompt", "It is a truth", "--decode", 0)
        self.assertEqual(report["steps"], [f"prefill 0..{len(tokenized) - 1}"])

    def test_tolerance_follows_the_types(self):
        for dtype, tolerance in (("float32", 1e-4), ("float16", 1e-2), ("bfloat16", 5e-2)):
            report = self.report(AUSTEN, "--dtype", "float32", "--b", f"--dtype {dtype}")
            self.assertEqual(report["tolerance"], tolerance)
        report, message = self.difference(AUSTEN, "--dtype", "float32", "--b", "--dtype bfloat16", "--tolerance", 1e-4)
        self.assertIn("relative", message)
        self.assertIn("0.0001 is tolerated", message)

    def test_damaged_weight_is_named(self):
        damaged = self.copy_model(AUSTEN)
        erase_row(damaged, "model.layers.2.mlp.up_proj.weight")
        plan = self.compile("damaged.plan")
        ranked = self.compile("damaged-ranked.plan", "--tp", 4)
        for a, b in ((plan, plan), (plan, ranked), (ranked, plan)):
            with self.subTest(a=a.name, b=b.name):
                report, message = self.difference(a, b, "--model", AUSTEN, "--b", f"--model {damaged}", "--worst", 3)
                first = report["first_beyond"]
                self.assertEqual((first["tensor"], first["layer"], first["op"]), ("up_proj", "2", "llm.matmul"))
                self.assertEqual(first["step"], "prefill 0..15")
                self.assertRegex(first["location"], r"^config\.json:\d+:\d+$")
                self.assertGreater(first["max_error"], first["mean_error"])
                self.assertFalse(first["within"])
                self.assertEqual(len(report["worst"]), 3)
                self.assertGreater(report["beyond_tolerance"], 10)
                self.assertIn(f"A and B differ from up_proj of layer 2 (llm.matmul, {first['location']}) in step prefill 0..15 on: "
                              "max error ", message)
        text = vinci("compare", plan, "--model", AUSTEN, "--b", f"--model {damaged}").stdout
        for word in ("first_beyond", "not_compared", "unmatched_names", "logits", "worst", "up_proj"):
            self.assertIn(word, text)

    def test_ranks_that_should_have_the_same(self):
        # Rank 1 of B gets its weights from a model with another norm.
        damaged = self.copy_model(AUSTEN)
        erase_row(damaged, "model.layers.1.post_attention_layernorm.weight")
        plan = self.compile("replicas.plan", "--tp", 2)
        packs = [self.scratch / name for name in ("whole", "damaged")]
        for model, folder in zip((AUSTEN, damaged), packs):
            self.succeed("pack", plan, "--model", model, "-o", folder)
        second = sorted(path.name for path in packs[0].iterdir() if "1" in path.name)
        self.assertEqual(len(second), 1, list(packs[0].iterdir()))
        shutil.copy(packs[1] / second[0], packs[0] / second[0])
        report, message = self.difference(plan, "--model", AUSTEN, "--b", f"--model {packs[0]}")
        row = report["replicas"][0]
        self.assertEqual((row["side"], row["tensor"], row["layer"], row["rank"], row["other"]),
                         ("b", "post_attention_layernorm", "1", 0, 1))
        self.assertIn("ranks 0 and 1 of B should have the same post_attention_layernorm of layer 1 (llm.add_rms_norm, ", message)

    def test_what_cannot_be_compared(self):
        only = "only plans of one model can be compared"
        self.expect_error(("compare", AUSTEN, MODELS / "austen-qwen2"), 1, "A is a qwen3 and B a qwen2; ", only)
        self.expect_error(("compare", DATA / "qwen3-tiny", AUSTEN), 1, "A has vocab_size 7 and B 4096; ", only)
        self.expect_error(("compare", DATA / "llama-plain", "--prompt", "hello"), 1, "llama-plain", "no tokenizer")
        for name, value in (("hidden_size", 128), ("num_hidden_layers", 3)):
            other = self.copy_model(AUSTEN, f"other-{name}")
            config = json.loads((other / "config.json").read_text())
            expected = f"A has {name} {config[name]} and B {value}; "
            (other / "config.json").write_text(json.dumps({**config, name: value}))
            (other / "model.safetensors").unlink()
            self.expect_error(("compare", AUSTEN, other), 1, expected, only)


if __name__ == "__main__":
    unittest.main()
