"""`vinci compare`: plans of one model agree tensor by tensor, and one damaged weight is found where it is.

What agrees: ranks with one device within rounding, fused with unfused plans to the bit, all of them with the reference within
rounding.
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
from harness import DATA, MODELS, RANDOM, TRAINED, VinciTest, read_json, vinci  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
MOE = MODELS / "austen-qwen3-moe"


def erase_row(folder, tensor):
    """Zeros the first row of this tensor."""
    index = folder / "model.safetensors.index.json"
    path = folder / (read_json(index)["weight_map"][tensor] if index.exists() else "model.safetensors")
    raw = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8:8 + length])[tensor]
    begin, end = entry["data_offsets"]
    row = (end - begin) // entry["shape"][0]
    raw[8 + length + begin:8 + length + begin + row] = bytes(row)
    path.write_bytes(raw)


class Comparing(VinciTest):
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


class Compare(Comparing):
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
                    # Experts that are cut below 32 columns keep their activation apart.
                    apart = {"gate_proj", "up_proj"} if model == MOE and ranks == 4 else set()
                    self.assertEqual(set(b["unmatched_names"]), apart)
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
        self.assertIn("gate_proj.swiglu", a["unmatched_names"])

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
        for options in ("", " --tp 2", " --tp 2 --dynamic-scales rank"):
            with self.subTest(options=options):
                report = self.report(model, "--tolerance", 0, "--a", "--passes=-all,+merge-quantize,+fuse-grouped-matmul-gather" + options, "--b",
                                     "--passes=+all" + options)
                self.assertEqual(report["same_bits"], report["compared"])
                self.assertGreater(report["compared"], 50)
                a, b = report["not_compared"]
                # What is between the ops that became one; what quantises on the way has the names that it had. Ranks agree on scales in between.
                between = {"input_layernorm"} if options == " --tp 2" else {"input_layernorm", "gate_proj", "gate_proj.swiglu"}
                self.assertTrue(between <= set(a["unmatched_names"]), a)
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


class Reference(Comparing):
    def expect_agreement(self, model, *options):
        """With the reference in float32: the residual stream after every layer and the logits of every token among all."""
        report = self.report(model, "--reference", "--dtype", "float32", "--worst", 1000, *options)
        self.assertEqual(report["a"], "reference")
        self.assertEqual(report["tolerance"], 1e-4)
        self.assertEqual((report["beyond_tolerance"], report["first_beyond"]), (0, None))
        self.assertNotIn("replicas", report)
        self.assertEqual([row["step"] for row in report["logits"]], report["steps"])
        self.assertTrue(all(row["max_error"] < 1e-4 for row in report["logits"]))
        # Sums in double never have all the bits of sums in float32, so that what was compared is in the table.
        residuals = {row["layer"] for row in report["worst"] if row["step"].startswith("score")
                     and row["tensor"] in ("down_proj.sum", "down_proj.moe_combine.sum")}
        layers = read_json(model / "config.json")["num_hidden_layers"]
        self.assertEqual(residuals, {str(layer) for layer in range(layers)})
        return report

    def test_every_family_agrees(self):
        for model in RANDOM:
            if model.name == "qwen3-tiny":  # so small that bits may be the same by chance
                continue
            with self.subTest(model=model.name):
                report = self.expect_agreement(model, "--prompt-ids", "5,3,8,1,9,2,6", "--decode", 2)
                self.assertEqual(report["steps"], ["score 0..6", "prefill 0..6", "decode 7..7", "decode 8..8"])

    def test_ranks_and_fusions_agree(self):
        for model, ranks, options in (
                (AUSTEN, 1, ["--passes=-all"]), (AUSTEN, 4, ["--tp", 4]), (AUSTEN, 8, ["--tp", 8, "--passes=-all"]),
                (MODELS / "austen-qwen2", 2, ["--tp", 2, "--passes=+all"]), (MOE, 4, ["--tp", 4, "--ep", 4]),
                (MOE, 4, ["--world", 4, "--attn-tp", 2, "--ep", 4, "--passes=+all"]), (MOE, 2, ["--tp", 2, "--passes=-all"])):
            with self.subTest(model=model.name, options=options):
                report = self.expect_agreement(model, *options)
                self.assertEqual(report["b_ranks"], ranks)
                self.assertEqual("router_margin" in report, model == MOE)

    def test_chunks_of_a_prompt(self):
        report = self.expect_agreement(AUSTEN, "--prompt-ids", "5,3,8,1,9", "--max-tokens-per-step", 4, "--max-batch", 2, "--decode", 0)
        self.assertEqual(report["steps"], ["score 0..3", "prefill 0..3", "score 4..4", "prefill 4..4"])
        self.assertEqual(report["ids"], [5, 3, 8, 1, 9])

    def test_decodes_the_most_likely_tokens_of_transformers(self):
        golden = read_json(MODELS / "austen-qwen3" / "golden.json")["cases"][0]
        report = self.expect_agreement(AUSTEN, "--prompt-ids", ",".join(map(str, golden["ids"])), "--decode", 4)
        self.assertEqual(report["ids"], golden["ids"] + golden["greedy"][:4])

    def test_router_margin(self):
        report = self.report(MOE, "--reference", "--dtype", "float32", "--decode", 0)
        self.assertGreater(report["router_margin"], 0)
        self.assertLess(report["router_margin"], 0.1)
        self.assertRegex(report["router_margin_at"], r"^layer [0-3], token ([0-9]|1[0-5])$")

    def test_tolerance_follows_the_types(self):
        for dtype, tolerance in (("float16", 1e-2), ("bfloat16", 5e-2)):
            report = self.report(AUSTEN, "--reference", "--dtype", dtype)
            self.assertEqual((report["tolerance"], report["beyond_tolerance"]), (tolerance, 0))
        _, message = self.difference(AUSTEN, "--reference", "--dtype", "bfloat16", "--tolerance", 1e-4)
        self.assertIn("the reference and the plan differ from ", message)
        self.assertIn("0.0001 is tolerated", message)

    def test_quantised_models_agree(self):
        def static_attention_dynamic_mlp(linear):
            return quantise.as_published(linear)

        def all_static(linear):
            return quantise.STATIC

        for source, scheme_of, shift, options in (
                (AUSTEN, all_static, None, []), (MODELS / "austen-qwen2", all_static, None, ["--tp", 2]),
                (AUSTEN, static_attention_dynamic_mlp, None, []), (MOE, static_attention_dynamic_mlp, None, []),
                # With biases of norms.
                (AUSTEN, all_static, "", ["--tp", 2]), (AUSTEN, static_attention_dynamic_mlp, "module.", []),
                (MODELS / "austen-qwen2", static_attention_dynamic_mlp, "", [])):
            with self.subTest(model=source.name, scheme=scheme_of.__name__, shift=shift):
                model = self.scratch / f"{source.name}-{scheme_of.__name__}-{shift}"
                quantise.quantise(source, model, scheme_of, shift=shift)
                report = self.report(model, "--reference", "--dtype", "float32", *options)
                self.assertEqual((report["tolerance"], report["beyond_tolerance"]), (0.1, 0))
                # Int8 rounds alike on both sides but for ties, so that far less is left than the tolerance.
                self.assertTrue(all(row["relative"] < 0.02 for row in report["logits"]), report["logits"])

    def expect_first(self, message, report, tensor, layer, op):
        first = report["first_beyond"]
        self.assertEqual((first["tensor"], first["layer"], first["op"], first["step"]), (tensor, layer, op, "score 0..15"))
        self.assertIn(f"the reference and the plan differ from {tensor} of layer {layer} ({op}, ", message)
        self.assertIn("max error ", message)
        self.assertIn(", mean ", message)

    def test_damaged_weight_is_found_in_its_layer(self):
        damaged = self.copy_model(AUSTEN)
        erase_row(damaged, "model.layers.2.mlp.up_proj.weight")
        for options in ([], ["--passes=-all"], ["--tp", 4]):
            with self.subTest(options=options):
                report, message = self.difference(damaged, "--reference", "--reference-model", AUSTEN, "--dtype", "float32", *options)
                self.expect_first(message, report, "up_proj", "2", "llm.matmul")
        # The other way round, with a finished plan.
        plan = self.compile("whole.plan", "--tp", 2)
        report, message = self.difference(plan, "--model", AUSTEN, "--reference", "--reference-model", damaged)
        self.expect_first(message, report, "up_proj", "2", "llm.matmul")
        # And found by itself where the plan was compiled from.
        self.assertEqual(self.report(plan, "--reference")["beyond_tolerance"], 0)

    def test_damaged_expert_and_norm_are_found(self):
        damaged = self.copy_model(MOE)
        for expert in range(read_json(MOE / "config.json")["num_experts"]):
            erase_row(damaged, f"model.layers.1.mlp.experts.{expert}.down_proj.weight")
        for options, op in (([], "llm.moe_combine"), (["--tp", 4, "--ep", 4], "llm.all_reduce")):
            with self.subTest(options=options):
                report, message = self.difference(damaged, "--reference", "--reference-model", MOE, "--dtype", "float32", *options)
                self.expect_first(message, report, "down_proj.moe_combine", "1", op)
        damaged = self.copy_model(MODELS / "austen-qwen2")
        erase_row(damaged, "model.layers.3.input_layernorm.weight")
        report, message = self.difference(damaged, "--reference", "--reference-model", MODELS / "austen-qwen2", "--dtype", "float32",
                                          "--passes=-all")
        self.expect_first(message, report, "input_layernorm", "3", "llm.rms_norm")

    def test_what_the_reference_cannot_be_of(self):
        plan = self.compile("austen.plan", "--tp", 2)
        packed = self.scratch / "packed"
        self.succeed("pack", plan, "--model", AUSTEN, "-o", packed)
        self.expect_error(("compare", plan, "--model", packed, "--reference"), 1, f"{packed}: error: the weights here are packed for "
                          "a plan; name the folder of the model with --reference-model")
        report = self.report(plan, "--model", packed, "--reference", "--reference-model", AUSTEN)
        self.assertEqual(report["beyond_tolerance"], 0)
        self.expect_error(("compare", plan, "--model", AUSTEN, "--reference", "--reference-model", plan), 1,
                          f"{plan}: error: --reference-model takes a model: the reference reads its config and its checkpoint")
        self.expect_error(("compare", AUSTEN, "--reference", "--reference-model", MOE), 1,
                          "the reference is a qwen3_moe and the plan a qwen3; it must be the plan's model")
        self.expect_error(("compare", DATA / "qwen3-head80", "--reference", "--reference-model", AUSTEN), 1, "the reference has vocab_size "
                          "4096 and the plan ", "it must be the plan's model")
        without = self.copy_model(AUSTEN, "without")
        (without / "model.safetensors").unlink()
        self.expect_error(("compare", AUSTEN, "--reference", "--reference-model", without), 1, str(without), "safetensors")
        empty = self.scratch / "empty"
        empty.mkdir()
        self.expect_error(("compare", AUSTEN, "--reference", "--reference-model", empty), 1, str(empty), "config.json")


if __name__ == "__main__":
    unittest.main()
