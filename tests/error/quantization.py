"""Mistakes in quant_model_description.json and in the tensors it promises: one error line each."""
import json
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import MODELS, VinciTest  # noqa: E402
from quantise import DYNAMIC, FLOAT, STATIC, as_published  # noqa: E402

DENSE, MOE = MODELS / "austen-qwen3", MODELS / "austen-qwen3-moe"
SUPPORTED = "FLOAT, W8A8, W8A8_DYNAMIC and W8A16 are supported"
Q, K, DOWN = (f"model.layers.2.{name}" for name in ("self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"))
NORM = "model.layers.0.input_layernorm"
EXPERT = "model.layers.1.mlp.experts.7."
DELETE = object()


def of_linear(linear, scheme):
    """Entries that make a linear of another scheme."""
    return {**{f"{linear}.{part}": DELETE for part in quantise.PARTS[STATIC]},
            **{f"{linear}.{part}": scheme for part in quantise.PARTS[scheme]}}


# (changed entries, words of the message)
GENERAL_CASES = [
    ({"model_quant_type": "W8A8_MIX"}, ["model_quant_type is \"W8A8_MIX\"", SUPPORTED]),
    ({"model_quant_type": 8}, ["model_quant_type", "8", "string"]),
    ({"version": "2.0.0"}, ["version is \"2.0.0\"", "1.x is supported"]),
    ({"version": 1}, ["version", "1", "string"]),
    ({"group_size": 64}, ["group_size is 64", "0, a scale for each output channel"]),
    ({"group_size": "64"}, ["group_size", "\"64\" (a string)", "integer"]),
    ({"kv_quant_type": "C8"}, ["kv_quant_type is \"C8\"", "a quantised KV cache is not supported"]),
    ({"kv_cache_type": "C8"}, ["kv_cache_type is \"C8\"", "a quantised KV cache is not supported"]),
    ({"fa_quant_type": "FAQuant"}, ["fa_quant_type is \"FAQuant\"", "quantised attention is not supported"]),
    ({"reduce_quant_type": "per_channel"}, ["reduce_quant_type is \"per_channel\"", "quantised communication is not supported"]),
    ({"metadata": {"quarot": {"kronecker_rotation": {"layers": [3]}}}},
     ["metadata.quarot.kronecker_rotation.layers is an array of 1", "rotations at run time are not supported"]),
    ({"metadata": {"quarot": {"heads_rotation": {"layers": [0, 1]}}}}, ["metadata.quarot.heads_rotation.layers is an array of 2"]),
]

DENSE_CASES = [
    ({f"{DOWN}.weight": "W8A16"}, [f"{DOWN}.weight_scale is W8A8_DYNAMIC, but its linear is W8A16; they must be equal"]),
    ({f"{DOWN}.weight": "W4A16"}, [f"{DOWN}.weight is \"W4A16\"", SUPPORTED]),
    ({f"{DOWN}.weight": "W4A8_DYNAMIC"}, [f"{DOWN}.weight is \"W4A8_DYNAMIC\"", SUPPORTED]),
    ({f"{DOWN}.weight": "W8A8S"}, [f"{DOWN}.weight is \"W8A8S\"", SUPPORTED]),
    ({f"{DOWN}.weight": "W8A8_MIX"}, [f"{DOWN}.weight is \"W8A8_MIX\"", SUPPORTED]),
    ({f"{DOWN}.weight": "int8"}, [f"{DOWN}.weight is \"int8\"", SUPPORTED]),
    ({f"{DOWN}.weight": None}, [f"{DOWN}.weight", "null", "string"]),
    ({f"{DOWN}.weight": 8}, [f"{DOWN}.weight", "8", "string"]),
    ({f"{DOWN}.weight": DELETE}, [f"{DOWN}.weight has no entry"]),
    ({"model.norm.weight": DELETE}, ["model.norm.weight has no entry"]),
    ({f"{Q}.input_scale": DELETE}, [f"{Q}.input_scale has no entry"]),
    ({f"{Q}.input_offset": DELETE}, [f"{Q}.input_offset has no entry"]),
    ({f"{Q}.quant_bias": DELETE}, [f"{Q}.quant_bias has no entry"]),
    ({f"{Q}.deq_scale": DELETE}, [f"{Q}.deq_scale has no entry"]),
    ({f"{DOWN}.weight_scale": DELETE}, [f"{DOWN}.weight_scale has no entry"]),
    ({f"{DOWN}.weight_offset": DELETE}, [f"{DOWN}.weight_offset has no entry"]),
    ({f"{Q}.deq_scale": DYNAMIC}, [f"{Q}.deq_scale is W8A8_DYNAMIC, but its linear is W8A8"]),
    (of_linear(K, DYNAMIC), [f"{K}.weight is W8A8_DYNAMIC, but {Q}.weight is W8A8 (", "q, k and v must have one scheme"]),
    (of_linear("model.layers.0.mlp.up_proj", STATIC),
     ["model.layers.0.mlp.up_proj.weight is W8A8, but model.layers.0.mlp.gate_proj.weight is W8A8_DYNAMIC (",
      "gate and up, of all experts, must have one scheme"]),
    ({"model.layers.0.self_attn.q_norm.bias": FLOAT},
     ["\"model.layers.0.self_attn.q_norm.bias\" is the bias of a norm that has a weight alone", "may have a bias"]),
    ({"model.norm.module.bias": FLOAT}, ["\"model.norm.module.bias\" is the bias of a norm that has a weight alone"]),
    ({f"{NORM}.bias": FLOAT, f"{NORM}.module.bias": STATIC, f"{NORM}.module.weight": STATIC},
     [f"{NORM}.module.bias has an entry, and so has {NORM}.bias (", "a norm has one bias"]),
    ({f"{NORM}.module.bias": STATIC}, [f"{NORM}.module.bias has an entry, but not {NORM}.module.weight; legal are both or none"]),
    ({f"{NORM}.module.weight": STATIC}, [f"{NORM}.module.weight has an entry, but not {NORM}.module.bias"]),
    ({f"{NORM}.bias": "W4A4"}, [f"{NORM}.bias is \"W4A4\"", SUPPORTED]),
    ({"model.layers.2.mlp.gate_proj.bias": FLOAT},
     ["model.layers.2.mlp.gate_proj.bias has an entry, but model.layers.2.mlp.up_proj.bias has none",
      "gate_proj, up_proj have biases or none of them"]),
    ({f"{DOWN}.bias": STATIC}, [f"{DOWN}.bias is W8A8, but its linear is W8A8_DYNAMIC"]),
    ({"model.embed_tokens.weight": STATIC}, ["model.embed_tokens.weight is W8A8: not supported yet; it must be FLOAT"]),
    ({"lm_head.weight": DYNAMIC}, ["lm_head.weight is W8A8_DYNAMIC, but config.json ties the head to the embedding (tie_word_embeddings)",
                                   "a quantised head is a matrix of its own"]),
    ({"model.norm.weight": STATIC}, ["model.norm.weight is W8A8: not supported yet"]),
    ({"model.layers.3.self_attn.q_norm.weight": STATIC}, ["model.layers.3.self_attn.q_norm.weight is W8A8: not supported yet"]),
]

MOE_CASES = [
    ({"lm_head.weight": STATIC}, ["lm_head.weight is W8A8: not supported yet; it must be FLOAT or W8A8_DYNAMIC"]),
    ({"lm_head.weight": DYNAMIC}, ["lm_head.weight_scale has no entry"]),
    ({"model.layers.1.mlp.gate.weight": DYNAMIC}, ["model.layers.1.mlp.gate.weight is W8A8_DYNAMIC: not supported yet"]),
    ({f"{EXPERT}down_proj.weight": DELETE}, [f"{EXPERT}down_proj.weight has no entry"]),
    ({f"{EXPERT}down_proj.weight_scale": DELETE}, [f"{EXPERT}down_proj.weight_scale has no entry"]),
    (of_linear(f"{EXPERT}down_proj", FLOAT),
     [f"{EXPERT}down_proj.weight is FLOAT, but model.layers.1.mlp.experts.0.down_proj.weight is W8A8_DYNAMIC (",
      "all experts must have one scheme"]),
    (of_linear(f"{EXPERT}up_proj", FLOAT),
     [f"{EXPERT}up_proj.weight is FLOAT, but model.layers.1.mlp.experts.0.gate_proj.weight is W8A8_DYNAMIC ("]),
    ({f"{EXPERT}gate_proj.bias": FLOAT}, [f"{EXPERT}gate_proj.bias is the bias of an expert; experts have weights alone"]),
    ({f"model.layers.1.post_attention_layernorm.module.{part}": DYNAMIC for part in ("weight", "bias")},
     ["model.layers.1.post_attention_layernorm.module.bias is of a layer with experts, whose router reads the norm of the float model",
      "model.layers.1.post_attention_layernorm.bias would be for all of them"]),
    (of_linear(f"{EXPERT}gate_proj", STATIC), [f"{EXPERT}gate_proj.weight is W8A8; experts may be FLOAT, W8A8_DYNAMIC and W8A16"]),
]

# (whole text, words)
TEXTS = [
    ("", ["JSON"]),
    ("[]", [":1:1: error", "an object"]),
    ('{\n "model.norm.weight": "FLOAT",\n "model.norm.weight": "W8A8"\n}', [":3:2: error", "model.norm.weight"]),
    ("{}", [":1:1: error", "model.layers.0.self_attn.q_proj.weight has no entry; every tensor of the model needs one"]),
    ('{"a":' * 100000, [":1:", "deeper than"]),
    ('{"model.layers.*.self_attn.q_proj.weight": "W8A8"}', ["model.layers.0.self_attn.k_proj.weight has no entry"]),
]


class Quantization(VinciTest):
    def folder(self, source, entries=None):
        folder = self.scratch / "model"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(source / "config.json", folder)
        if entries is not None:
            quantise.write_description(folder, entries)
        return folder

    def refused(self, folder, *words, file="quant_model_description.json"):
        error = self.expect_error(("inspect", folder), 1, *words).stderr
        self.assertRegex(error, rf"(?m)^{folder}/{file}:[0-9]+:[0-9]+: error: ")
        return error

    def check(self, source, cases):
        entries = quantise.description_of(quantise.read_checkpoint(source), as_published)
        self.succeed("inspect", self.folder(source, entries))
        for changes, words in cases:
            with self.subTest(str(changes)):
                changed = {**entries, **changes}
                self.refused(self.folder(source, {key: value for key, value in changed.items() if value is not DELETE}), *words)

    def test_general_keys(self):
        self.check(DENSE, GENERAL_CASES)

    def test_dense(self):
        self.check(DENSE, DENSE_CASES)

    def test_mixture_of_experts(self):
        self.check(MOE, MOE_CASES)

    def test_texts(self):
        for text, words in TEXTS:
            with self.subTest(text[:60]):
                folder = self.folder(DENSE)
                (folder / "quant_model_description.json").write_text(text)
                self.refused(folder, *words)

    def test_general_keys_that_say_nothing(self):
        entries = quantise.description_of(quantise.read_checkpoint(DENSE), as_published)
        entries.update({"kv_quant_type": None, "kv_cache_type": "", "fa_quant_type": "FLOAT", "reduce_quant_type": None,
                        "metadata": {"quarot": {"max_tp_size": 4, "heads_rotation": {"layers": []}}}, "optional": {}})
        for key in ("model_quant_type", "version", "group_size"):
            del entries[key]
        self.assertEqual(self.succeed("inspect", self.folder(DENSE, entries)).stderr, "")

    def test_both_places_of_a_contradiction_are_named(self):
        entries = quantise.description_of(quantise.read_checkpoint(DENSE), as_published)
        entries.update({f"{K}.weight": DYNAMIC})
        folder = self.folder(DENSE, entries)
        lines = (folder / "quant_model_description.json").read_text().splitlines()
        places = []
        for linear in (K, Q):
            line = next(number for number, text in enumerate(lines, 1) if f'"{linear}.weight"' in text)
            places.append(f"{folder}/quant_model_description.json:{line}:{lines[line - 1].index(': ') + 3}")
        error = self.refused(folder)
        self.assertIn(f"{places[0]}: error: ", error)
        self.assertIn(f"({places[1]})", error)

    def test_names_win_over_stars(self):
        """Layer 2 alone is dynamic; in layer 1 one expert says so for itself, and contradicts the others."""
        stars = quantise.with_stars(quantise.description_of(quantise.read_checkpoint(DENSE), as_published))
        stars.update({f"model.layers.2.self_attn.{name}.{part}": DYNAMIC for name in ("q_proj", "k_proj", "v_proj", "o_proj")
                      for part in quantise.PARTS[DYNAMIC]})
        report = json.loads(self.succeed("inspect", self.folder(DENSE, stars), "--format", "json").stdout)
        self.assertEqual([row["layers"] for row in report["quantisation"]], ["0-1", "2-2", "3-3"])
        stars = quantise.with_stars(quantise.description_of(quantise.read_checkpoint(MOE), as_published))
        stars["model.layers.*.mlp.experts.7.up_proj.weight"] = FLOAT
        stars["model.layers.0.mlp.experts.*.up_proj.weight"] = DYNAMIC  # the layer's number wins over the expert's
        self.refused(self.folder(MOE, stars), f"{EXPERT}up_proj.weight is FLOAT, but")

    def test_other_entries_are_one_warning(self):
        entries = quantise.description_of(quantise.read_checkpoint(DENSE), as_published)
        others = {"model.layers.4.self_attn.q_proj.weight": DYNAMIC, "model.layers.0.mlp.gate.weight": FLOAT, "x.outdim": 3}
        folder = self.folder(DENSE, {**entries, **others})
        result = self.succeed("compile", folder, "-o", "-", "--stop-after", "import")
        warnings = [line for line in result.stderr.splitlines() if "warning: " in line]
        self.assertEqual(len(warnings), 1, result.stderr)
        self.assertRegex(warnings[0], r"quant_model_description\.json:[0-9]+:3: warning: \"model\.layers\.4\.self_attn\.q_proj\.weight\" "
                                      r"names no tensor of the model and is ignored, and neither do 2 further entries")

    def test_sums_that_do_not_fit_into_int32(self):
        folder = self.folder(DENSE)
        config = json.loads((DENSE / "config.json").read_text())
        config["intermediate_size"] = 131072
        (folder / "config.json").write_text(json.dumps(config))
        quantise.write_description(folder, quantise.description_of(quantise.read_checkpoint(DENSE), as_published))
        self.refused(folder, "model.layers.0.mlp.down_proj.weight is W8A8_DYNAMIC", "131072", "int32", "at most 131071")

    def test_a_config_that_says_quantize(self):
        entries = quantise.description_of(quantise.read_checkpoint(DENSE), as_published)
        for value, description, words in (("w8a8", None, ["quantize is \"w8a8\"", "no quant_model_description.json beside"]),
                                          ("w4a16", entries, ["quantize is \"w4a16\"", "\"w8a8\" and \"w8a8_dynamic\""]),
                                          (8, entries, ["quantize", "8", "string"]),
                                          ("w8a8", entries, None), ("float", None, None), (None, None, None)):
            with self.subTest(value=value):
                folder = self.folder(DENSE, description)
                config = json.loads((DENSE / "config.json").read_text())
                config["quantize"] = value
                (folder / "config.json").write_text(json.dumps(config, indent=2))
                if words:
                    self.refused(folder, *words, file="config.json")
                else:
                    self.assertEqual(self.succeed("inspect", folder).stderr, "")


class Tensors(VinciTest):
    """Checkpoints that break what their description promises."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = quantise.quantise(DENSE, cls.scratch / "model", as_published)
        cls.file = cls.model / "quant_model_weights.safetensors"
        cls.tensors = quantise.read_checkpoint(cls.model)

    def write(self, changes):
        changed = {**self.tensors, **changes}
        quantise.write_checkpoint(self.file, {key: value for key, value in changed.items() if value is not DELETE})

    def refused(self, changes, *words):
        self.write(changes)
        self.expect_error(("compile", self.model, "-o", self.scratch / "x.plan"), 1, "does not fit the model", *words)

    def test_missing_tensors(self):
        self.refused({f"{Q}.deq_scale": DELETE, f"{DOWN}.weight_scale": DELETE},
                     "missing (2)", f'"{Q}.deq_scale"', f'"{DOWN}.weight_scale"')

    def test_a_float_weight_under_an_int8_name(self):
        (dtype, shape, raw) = quantise.read_checkpoint(DENSE)[f"{Q}.weight"]
        self.refused({f"{Q}.weight": (dtype, shape, raw)}, f'"{Q}.weight" is BF16, expected I8')

    def test_an_int8_weight_under_a_float_name(self):
        _, shape, raw = self.tensors["model.norm.weight"]
        self.refused({"model.norm.weight": ("I8", shape, raw[::2])}, '"model.norm.weight" is I8, expected F32 or F16 or BF16')

    def test_other_dtypes(self):
        _, shape, raw = self.tensors[f"{Q}.quant_bias"]
        self.refused({f"{Q}.quant_bias": ("F32", shape, raw), f"{K}.deq_scale": ("I32", self.tensors[f"{K}.deq_scale"][1],
                                                                               self.tensors[f"{K}.deq_scale"][2])},
                     "of another dtype (2)", f'"{Q}.quant_bias" is F32, expected I32',
                     f'"{K}.deq_scale" is I32, expected F32 or F16 or BF16 or I64')

    def test_other_shapes(self):
        _, (rows,), raw = self.tensors[f"{Q}.deq_scale"]
        self.refused({f"{Q}.deq_scale": ("F32", [1, rows], raw), f"{Q}.input_scale": ("F32", [2], bytes(8))},
                     f'"{Q}.deq_scale" is [1, {rows}], expected [{rows}]', f'"{Q}.input_scale" is [2], expected [1]')

    def test_offsets_of_weights(self):
        _, shape, raw = self.tensors[f"{DOWN}.weight_offset"]
        self.refused({f"{DOWN}.weight_offset": ("F32", shape, b"\0\0\x80\x3f" + raw[4:])},
                     f'not zero, as offsets of int8 weights must be (1): "{DOWN}.weight_offset"')

    def test_what_is_tolerated(self):
        """Shapes with and without ones at their end, tensors that nothing reads left out."""
        changes = {}
        for name, (dtype, shape, raw) in self.tensors.items():
            if name.endswith((".input_scale", ".input_offset")):
                changes[name] = (dtype, [], raw)
            elif name.endswith(".weight_scale") and ".mlp." in name:
                changes[name] = (dtype, shape[:1], raw)
            elif name.endswith((".weight_scale", ".weight_offset")):
                changes[name] = DELETE
        self.write(changes)
        self.succeed("compile", self.model, "-o", self.scratch / "x.plan")


if __name__ == "__main__":
    unittest.main()
