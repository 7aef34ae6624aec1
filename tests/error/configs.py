"""Mistakes in config.json and generation_config.json: one error line with the place, the value and what would be legal."""
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest  # noqa: E402

DENSE = MODELS / "austen-qwen3"
MOE = MODELS / "austen-qwen3-moe"
DELETE = object()

# (changed keys, words of the message); every message also names config.json:line:col of the key's value, or of the object
# where a key is missing.
DENSE_CASES = [
    ({"model_type": "gpt2"}, ["model_type", '"gpt2"', "llama", "qwen2", "qwen3", "qwen3_moe"]),
    ({"model_type": 7}, ["model_type", "7", "string"]),
    ({"architectures": ["Qwen3ForSequenceClassification"]}, ["Qwen3ForSequenceClassification", "Qwen3ForCausalLM"]),
    ({"architectures": "Qwen3ForCausalLM"}, ["architectures", "array of class names"]),
    ({"hidden_size": "256"}, ["hidden_size", '"256" (a string)', "integer from 1"]),
    ({"hidden_size": 256.5}, ["hidden_size", "256.5", "integer"]),
    ({"hidden_size": 0}, ["hidden_size", "0", "integer from 1"]),
    ({"hidden_size": -256}, ["hidden_size", "-256", "integer from 1"]),
    ({"hidden_size": 1 << 62}, ["hidden_size", str(1 << 62), "integer from 1 to"]),
    ({"hidden_size": 1 << 70}, ["hidden_size", "integer from 1 to"]),
    ({"num_hidden_layers": 1 << 40}, ["num_hidden_layers", str(1 << 40), "integer from 1 to"]),
    ({"num_hidden_layers": [4]}, ["num_hidden_layers", "an array of 1", "integer"]),
    ({"intermediate_size": True}, ["intermediate_size", "true", "integer"]),
    ({"num_attention_heads": 0}, ["num_attention_heads", "0", "integer from 1"]),
    ({"num_key_value_heads": 3}, ["num_attention_heads 8", "multiple of num_key_value_heads 3"]),
    ({"num_key_value_heads": -4}, ["num_key_value_heads", "-4"]),
    ({"head_dim": 15}, ["head_dim", "15", "even number"]),
    ({"head_dim": 1 << 20}, ["head_dim", str(1 << 20)]),
    ({"vocab_size": 0}, ["vocab_size", "0"]),
    ({"max_position_embeddings": -1}, ["max_position_embeddings", "-1"]),
    ({"rms_norm_eps": -1e-6}, ["rms_norm_eps", "-1e-06", "number from"]),
    ({"rms_norm_eps": "tiny"}, ["rms_norm_eps", '"tiny" (a string)', "number"]),
    ({"dtype": "float16"}, ["torch_dtype", '"bfloat16"', "dtype", '"float16"', "other spelling"]),
    ({"torch_dtype": "float64"}, ["torch_dtype", '"float64"', "float32, bfloat16 or float16"]),
    ({"rope_parameters": {"rope_type": "default", "rope_theta": 5000}}, ["rope_theta", "5000", "1000000", "other spelling"]),
    ({"rope_theta": 0}, ["rope_theta", "0", "number from 1"]),
    ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, ["rope_scaling.rope_type", '"yarn"', '"default"']),
    ({"rope_scaling": {"type": "linear", "factor": 2}}, ["rope_scaling.type", '"linear"', '"default"']),
    ({"rope_scaling": 4}, ["rope_scaling", "4", "an object or null"]),
    ({"partial_rotary_factor": 0.5}, ["partial_rotary_factor", "0.5", "1 would be"]),
    ({"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 0}, ["use_sliding_window", "64", "not supported"]),
    ({"layer_types": ["sliding_attention"] * 4}, ["layer_types[0]", '"sliding_attention"', '"full_attention"']),
    ({"layer_types": ["full_attention"]}, ["layer_types", "an array of 4"]),
    ({"hidden_act": "gelu"}, ["hidden_act", '"gelu"', '"silu"']),
    ({"quantization_config": {"quant_method": "awq"}}, ["quantization_config", "not supported"]),
    ({"attention_bias": "no"}, ["attention_bias", '"no" (a string)', "true or false"]),
    ({"tie_word_embeddings": 1}, ["tie_word_embeddings", "1", "true or false"]),
    ({"eos_token_id": 4096}, ["eos_token_id", "4096", "from 0 to 4095"]),
    ({"eos_token_id": [4093, -1]}, ["eos_token_id", "-1", "from 0 to 4095"]),
    ({"eos_token_id": {"id": 3}}, ["eos_token_id", "a token id or an array"]),
    ({"bos_token_id": "first"}, ["bos_token_id", '"first" (a string)', "integer"]),
    ({"hidden_size": DELETE}, ["hidden_size", "missing"]),
    ({"vocab_size": None}, ["vocab_size", "null"]),
    ({"head_dim": None, "num_attention_heads": 12}, ["hidden_size 256", "num_attention_heads 12", "head_dim is not given"]),
    ({"hidden_size": 1 << 20, "intermediate_size": 1 << 20, "num_hidden_layers": 1000},
     ["parameters", "at most"]),
]

MOE_CASES = [
    ({"num_experts_per_tok": 50}, ["num_experts_per_tok 50", "num_experts"]),
    ({"num_experts_per_tok": 100}, ["num_experts_per_tok is 100", "integer from 1 to 64"]),
    ({"num_experts_per_tok": 0}, ["num_experts_per_tok", "0", "integer from 1"]),
    ({"num_local_experts": 3}, ["num_local_experts", "3", "num_experts", "other spelling"]),
    ({"num_experts": DELETE}, ["num_experts", "missing"]),
    ({"moe_intermediate_size": 0}, ["moe_intermediate_size", "0"]),
    ({"decoder_sparse_step": 0}, ["decoder_sparse_step", "0"]),
    ({"mlp_only_layers": 1}, ["mlp_only_layers", "1", "array of layer numbers"]),
    ({"mlp_only_layers": [-1]}, ["mlp_only_layers", "-1"]),
    ({"norm_topk_prob": "yes"}, ["norm_topk_prob", '"yes"', "true or false"]),
]

# (whole text, words); the place is part of the words.
TEXTS = [
    (b"", [":1:1: error", "JSON"]),
    (b"{\n  \"model_type\": \"qwen3\",\n  \"hidden_size\": 256,,\n}", [":3:22: error", "JSON"]),
    (b"{\n  \"model_type\": \"qwen3\"\n", [":3:", "JSON"]),
    (b"{\n \"hidden_size\": NaN\n}", [":2:", "JSON"]),
    (b"{\n \"rms_norm_eps\": 1e999\n}", [":2:"]),
    (b"{\n \"hidden_size\": -Infinity\n}", [":2:", "JSON"]),
    (b"{\n \"hidden_size\": 256,\n \"hidden_size\": 512\n}", [":3:2: error", "hidden_size"]),
    (b"{\n \"model_type\": \"qw\xff\xfeen3\"\n}", [":2:"]),
    (b"[" * 100000, [":1:", "deeper than"]),
    (b'{"a":' * 100000, [":1:", "deeper than"]),
    (b'{"model_type": "qwen3"} trailing', [":1:", "JSON"]),
    (b"[1, 2]", [":1:1: error", "an object"]),
    (b'"qwen3"', [":1:1: error", "an object"]),
    (b"{}", [":1:1: error", "model_type is missing", "qwen3_moe"]),
    (b'{"model_type": "qwen3\x00"}', ["NUL"]),
    (b"\x89PNG\r\n\x1a\n", [":1:", "JSON"]),
    (b" " * (5 << 20), ["4194304"]),
]

GENERATION_CASES = [
    ('{\n "eos_token_id": [4093, 4096]\n}', [":2:25: error", "eos_token_id", "4096", "from 0 to 4095"]),
    ('{\n "temperature": -0.5\n}', [":2:17: error", "temperature", "-0.5", "number from 0"]),
    ('{\n "top_k": 2.5\n}', [":2:11: error", "top_k", "2.5", "integer"]),
    ('{\n "top_p": 1.5\n}', [":2:11: error", "top_p", "1.5", "number from 0 to 1"]),
    ('{\n "do_sample": "true"\n}', [":2:15: error", "do_sample", '"true" (a string)', "true or false"]),
    ('{\n "repetition_penalty": 0\n}', [":2:24: error", "repetition_penalty", "number from"]),
    ("[]", [":1:1: error", "an object"]),
    ("{", [":1:", "JSON"]),
    ('{"a":' * 100000, [":1:", "deeper than"]),
]


class Configs(VinciTest):
    def folder(self, name):
        path = self.scratch / name
        path.mkdir(exist_ok=True)
        return path

    def refused(self, folder, *words):
        """inspect and compile read a config with the same eyes, so one of them stands for both."""
        return self.expect_error(("inspect", folder), 1, *words).stderr

    def changed(self, source, changes):
        """A folder with the source's config, changed; and what the message must begin with."""
        config = json.loads((source / "config.json").read_text())
        for key, value in changes.items():
            config.pop(key, None) if value is DELETE else config.__setitem__(key, value)
        folder = self.folder("changed")
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        return folder

    def check_changes(self, source, cases):
        for changes, words in cases:
            with self.subTest(str(changes)):
                folder = self.changed(source, changes)
                error = self.refused(folder, *words)
                self.assertRegex(error, rf"(?m)^{folder}/config\.json:[0-9]+:[0-9]+: error: ")

    def test_unchanged_configs_are_fine(self):
        for source in (DENSE, MOE):
            self.succeed("inspect", self.changed(source, {}))

    def test_dense(self):
        self.check_changes(DENSE, DENSE_CASES)

    def test_mixture_of_experts(self):
        self.check_changes(MOE, MOE_CASES)

    def test_the_place_is_that_of_the_value(self):
        folder = self.changed(DENSE, {"num_key_value_heads": 3})
        lines = (folder / "config.json").read_text().splitlines()
        line = next(number for number, text in enumerate(lines, 1) if "num_key_value_heads" in text)
        column = lines[line - 1].index("3") + 1
        self.refused(folder, f"{folder}/config.json:{line}:{column}: error: ")

    def test_texts(self):
        for text, words in TEXTS:
            with self.subTest(text[:60]):
                folder = self.folder("text")
                (folder / "config.json").write_bytes(text)
                self.refused(folder, f"{folder}/config.json:", *words)

    def test_generation_config(self):
        for text, words in GENERATION_CASES:
            with self.subTest(text[:60]):
                folder = self.changed(DENSE, {})
                (folder / "generation_config.json").write_text(text)
                self.refused(folder, f"{folder}/generation_config.json:", *words)
                (folder / "generation_config.json").unlink()

    def test_no_config(self):
        folder = self.folder("empty")
        self.refused(folder, str(folder), "neither config.json nor deployment.json")

    def test_a_directory_in_place_of_the_config(self):
        folder = self.folder("directory")
        (folder / "config.json").mkdir()
        self.refused(folder, f"{folder}/config.json: error: ", "directory", "a file is expected")

    def test_a_config_that_cannot_be_read(self):
        folder = self.folder("unreadable")
        os.symlink("/proc/self/mem", folder / "config.json")  # opens, also for root, and fails to read
        self.refused(folder, f"{folder}/config.json: error: ", "cannot be read")

    def test_an_endless_config(self):
        folder = self.folder("endless")
        os.symlink("/dev/zero", folder / "config.json")
        self.refused(folder, f"{folder}/config.json: error: ")

    def test_a_link_to_itself(self):
        folder = self.folder("loop")
        os.symlink("config.json", folder / "config.json")
        self.refused(folder, str(folder), "config.json")

    def test_every_command_says_the_same(self):
        folder = self.changed(DENSE, {"hidden_act": "gelu"})
        plan = self.scratch / "x.plan"
        errors = {self.expect_error(command, 1, f"{folder}/config.json:", "hidden_act", '"gelu"', '"silu"').stderr
                  for command in (("inspect", folder), ("inspect", folder, "--ir"), ("compile", folder, "-o", plan),
                                  ("run", folder, "--prompt-ids", "1"))}
        self.assertEqual(len(errors), 1, errors)
        self.assertFalse(plan.exists())


if __name__ == "__main__":
    unittest.main()
