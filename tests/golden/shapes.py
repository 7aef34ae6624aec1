"""Random models on random degrees, with random fusions: greedy ids and logits are those of the unfused model on one device.

VINCI_SHAPES says how many (4); each is made from its number alone. To see one again: VINCI_SHAPES=1 VINCI_FIRST_SHAPE=17.
"""
import array
import json
import os
import pathlib
import random
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import VinciTest, read_npy  # noqa: E402

COUNT = int(os.environ.get("VINCI_SHAPES", "4"))
FIRST = int(os.environ.get("VINCI_FIRST_SHAPE", "0"))
TOLERANCE = 1e-4
FUSIONS = ["fuse-swiglu", "concat-gate-up", "concat-qkv", "fuse-qk-rms-norm", "fuse-qk-norm-rope", "fuse-kv-append", "fuse-rope",
           "fuse-add-rms-norm"]
OFF = ["fuse-matmul-all-reduce"]


class Shape:
    """A model small enough to compile in a second, and degrees that divide it."""

    def __init__(self, seed):
        self.random = r = random.Random(seed)
        self.kind = r.choice(["qwen2", "qwen3", "qwen3_moe"])
        self.attn_tp = r.choice([1, 2, 3, 4])
        # Ranks share KV heads or have several each.
        self.kv_heads = r.choice([1, self.attn_tp, 2 * self.attn_tp])
        group = self.attn_tp if self.kv_heads < self.attn_tp else 1
        self.heads = self.kv_heads * group * r.choice([1, 2, 3])
        self.head_dim = r.choice([2, 6, 8, 16, 20]) if self.kind != "qwen2" else 2 * r.randint(1, 8)
        self.hidden = self.heads * self.head_dim if self.kind == "qwen2" else r.choice([8, 20, 33, 48])
        self.width = self.attn_tp * r.randint(3, 17)
        self.vocab = r.randint(30, 130)
        self.layers = r.randint(1, 3)
        self.tied = r.random() < 0.4
        self.degrees = ["--attn-tp", self.attn_tp]
        self.world = self.attn_tp
        if self.kind == "qwen3_moe":
            ep, self.world = r.choice([(1, self.attn_tp), (self.attn_tp, self.attn_tp), (2 * self.attn_tp, 2 * self.attn_tp)])
            moe_tp = self.world // ep
            self.experts = ep * r.randint(1, 4)
            self.expert_width = moe_tp * r.randint(2, 9)
            self.top_k = r.randint(1, min(4, self.experts))
            self.degrees += ["--world", self.world, "--ep", ep]
        embed_tp = r.choice([1, self.attn_tp])
        self.degrees += ["--embed-tp", embed_tp, "--lm-head-tp", r.choice([1, self.attn_tp])]
        switched = ["-" + name for name in FUSIONS if r.random() < 0.3]
        self.prompt = [r.randrange(self.vocab) for _ in range(r.randint(1, 20))]
        if embed_tp == self.attn_tp > 1 and r.random() < 0.5:
            self.degrees += ["--sequence-parallel"]
        switched += ["+" + name for name in OFF if r.random() < 0.5]
        self.passes = ["--passes=" + ",".join(switched)] if switched else []

    def config(self):
        config = {"model_type": self.kind, "architectures": [{"qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
                                                              "qwen3_moe": "Qwen3MoeForCausalLM"}[self.kind]],
                  "vocab_size": self.vocab, "hidden_size": self.hidden, "num_hidden_layers": self.layers,
                  "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "intermediate_size": self.width,
                  "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
                  "tie_word_embeddings": self.tied, "torch_dtype": "float32", "eos_token_id": 0}
        if self.kind != "qwen2":
            config["head_dim"] = self.head_dim
        if self.kind == "qwen3_moe":
            config |= {"num_experts": self.experts, "num_experts_per_tok": self.top_k, "moe_intermediate_size": self.expert_width,
                       "norm_topk_prob": self.random.random() < 0.5, "decoder_sparse_step": 1, "mlp_only_layers": []}
        return config

    def tensors(self):
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield "model.embed_tokens.weight", [self.vocab, self.hidden]
        for i in range(self.layers):
            layer = f"model.layers.{i}."
            for name, rows in (("q", q), ("k", kv), ("v", kv)):
                yield f"{layer}self_attn.{name}_proj.weight", [rows, self.hidden]
                if self.kind == "qwen2":
                    yield f"{layer}self_attn.{name}_proj.bias", [rows]
            if self.kind != "qwen2":
                yield f"{layer}self_attn.q_norm.weight", [self.head_dim]
                yield f"{layer}self_attn.k_norm.weight", [self.head_dim]
            yield f"{layer}self_attn.o_proj.weight", [self.hidden, q]
            yield f"{layer}input_layernorm.weight", [self.hidden]
            yield f"{layer}post_attention_layernorm.weight", [self.hidden]
            mlps = [(f"{layer}mlp.", self.width)]
            if self.kind == "qwen3_moe":
                yield f"{layer}mlp.gate.weight", [self.experts, self.hidden]
                mlps = [(f"{layer}mlp.experts.{e}.", self.expert_width) for e in range(self.experts)]
            for prefix, width in mlps:
                yield f"{prefix}gate_proj.weight", [width, self.hidden]
                yield f"{prefix}up_proj.weight", [width, self.hidden]
                yield f"{prefix}down_proj.weight", [self.hidden, width]
        yield "model.norm.weight", [self.hidden]
        if not self.tied:
            yield "lm_head.weight", [self.vocab, self.hidden]

    def write(self, folder):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(self.config()), encoding="utf-8")
        header, data, end = {}, [], 0
        for name, shape in self.tensors():
            count = shape[0] * (shape[1] if len(shape) == 2 else 1)
            scale = 1 / shape[1] ** 0.5 if len(shape) == 2 else 0.1
            offset = 1.0 if "norm" in name else 0.0
            values = array.array("f", (offset + scale * self.random.gauss(0, 1) for _ in range(count)))
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + 4 * count]}
            data.append(values.tobytes())
            end += 4 * count
        text = json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


class Shapes(VinciTest):
    def generate(self, folder, prompt, *options):
        logits = self.scratch / "logits.npy"
        result = self.succeed("run", folder, "--prompt-ids", ",".join(map(str, prompt)), "--max-tokens", 6, "--ignore-eos",
                              "--temperature", 0, "--block-size", 16, "--logits", logits, "--format", "json", *options)
        return json.loads(result.stdout)["output_ids"], read_npy(logits)[1]

    def test_shapes(self):
        for seed in range(FIRST, FIRST + COUNT):
            shape = Shape(seed)
            folder = self.scratch / f"shape-{seed}"
            shape.write(folder)
            with self.subTest(seed=seed, kind=shape.kind, degrees=shape.degrees, passes=shape.passes):
                ids, logits = self.generate(folder, shape.prompt, "--passes=-all")
                other_ids, other = self.generate(folder, shape.prompt, *shape.degrees, *shape.passes)
                self.assertLess(max(abs(a - b) for a, b in zip(logits, other, strict=True)), TOLERANCE)
                self.assertEqual(ids, other_ids)


if __name__ == "__main__":
    unittest.main()
