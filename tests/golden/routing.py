"""How close a router's decisions are: a plain forward pass of a Qwen3-MoE checkpoint in double, token by token.

Slow and obvious, for a few dozen tokens of a small model. Rounding may swap two experts whose logits are about equal; then
results differ by more than rounding, and that is no defect.
"""
import array
import json
import math
import operator
import struct
import sys

from harness import read_json


def dot(a, b):
    return sum(map(operator.mul, a, b))


def read_tensors(folder):
    """{name: rows of floats (one row for vectors)} of all .safetensors files; float32, bfloat16 or float16."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        raw = file.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        for name, entry in json.loads(raw[8:8 + length]).items():
            if name == "__metadata__":
                continue
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values = decode(entry["dtype"], raw[begin:end])
            columns = entry["shape"][-1]
            tensors[name] = [values[i:i + columns] for i in range(0, len(values), columns)]
    return tensors


def decode(dtype, raw):
    if dtype == "F32":
        return array.array("f", raw)
    if dtype == "F16":
        return array.array("f", struct.unpack(f"<{len(raw) // 2}e", raw))
    assert dtype == "BF16" and sys.byteorder == "little", dtype
    wide = bytearray(2 * len(raw))
    wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
    return array.array("f", bytes(wide))


def rms_norm(x, weight, eps):
    scale = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [value * scale * w for value, w in zip(x, weight)]


def rotate(head, position, theta):
    half = len(head) // 2
    result = [0.0] * len(head)
    for i in range(half):
        angle = position * theta ** (-i / half)
        cos, sin = math.cos(angle), math.sin(angle)
        result[i] = head[i] * cos - head[i + half] * sin
        result[i + half] = head[i + half] * cos + head[i] * sin
    return result


class Forward:
    """logits and margins grow by a row and a number for each token."""

    def __init__(self, folder):
        self.config = read_json(folder / "config.json")
        self.tensors = read_tensors(folder)
        self.cache = [([], []) for _ in range(self.config["num_hidden_layers"])]  # keys and values, by token and head
        self.logits, self.margins = [], []

    def linear(self, name, x):
        return [dot(row, x) for row in self.tensors[name + ".weight"]]

    def norm(self, name, x):
        return rms_norm(x, self.tensors[name + ".weight"][0], self.config["rms_norm_eps"])

    def heads(self, name, x, norm=None):
        d, position = self.config["head_dim"], len(self.logits)
        flat = self.linear(name, x)
        heads = [flat[i:i + d] for i in range(0, len(flat), d)]
        return [rotate(self.norm(norm, head), position, self.config["rope_theta"]) for head in heads] if norm else heads

    def attention(self, layer, x):
        prefix = f"model.layers.{layer}.self_attn."
        queries = self.heads(prefix + "q_proj", x, prefix + "q_norm")
        keys, values = self.cache[layer]
        keys.append(self.heads(prefix + "k_proj", x, prefix + "k_norm"))
        values.append(self.heads(prefix + "v_proj", x))
        group, d = len(queries) // len(keys[0]), self.config["head_dim"]
        joined = []
        for index, query in enumerate(queries):
            scores = [dot(query, key[index // group]) / math.sqrt(d) for key in keys]
            weights = [math.exp(score - max(scores)) for score in scores]
            total = math.fsum(weights)
            joined += [dot(weights, [value[index // group][i] for value in values]) / total for i in range(d)]
        return self.linear(prefix + "o_proj", joined)

    def experts(self, layer, x):
        """(output, distance of the router's logits of the last expert that is chosen and the first that is not)"""
        prefix, k = f"model.layers.{layer}.mlp.", self.config["num_experts_per_tok"]
        router = self.linear(prefix + "gate", x)
        order = sorted(range(len(router)), key=lambda e: -router[e])
        weights = [math.exp(value - max(router)) for value in router]
        total = math.fsum(weights[e] for e in order[:k]) if self.config["norm_topk_prob"] else math.fsum(weights)
        output = [0.0] * len(x)
        for expert in order[:k]:
            name = f"{prefix}experts.{expert}."
            inner = [g / (1 + math.exp(-g)) * u for g, u in zip(self.linear(name + "gate_proj", x), self.linear(name + "up_proj", x))]
            for i, value in enumerate(self.linear(name + "down_proj", inner)):
                output[i] += value * weights[expert] / total
        return output, router[order[k - 1]] - router[order[k]]

    def step(self, token):
        x, margin = list(self.tensors["model.embed_tokens.weight"][token]), math.inf
        for layer in range(self.config["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            x = list(map(operator.add, x, self.attention(layer, self.norm(prefix + "input_layernorm", x))))
            added, here = self.experts(layer, self.norm(prefix + "post_attention_layernorm", x))
            x, margin = list(map(operator.add, x, added)), min(margin, here)
        head = "model.embed_tokens" if self.config["tie_word_embeddings"] else "lm_head"
        self.logits.append(self.linear(head, self.norm("model.norm", x)))
        self.margins.append(margin)
