#!/usr/bin/env python3
"""What a forward pass gives when each region computes in the element type that a precision policy names.

    models/train/precision_goldens.py

writes tests/golden/data/precision/*.json. It needs numpy and shares nothing with Vinci but the specification
(docs/generated/llm.md): whole sequences, no cache, no chunks of the softmax. Arrays are float32 and hold values of the
type they stand for; `rounded` is where a result becomes one. Sums are float32.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "golden" / "data" / "precision"
NEW_TOKENS = 24
BEST_LOGITS = 64
LONG_PROMPT = 150  # more than two chunks of the softmax


@dataclass(frozen=True)
class Policy:
    compute: str
    layernorm: str = "float32"
    softmax: str = "float32"
    rotary: str = "float32"

    def flag(self) -> str:
        """The value of --precision."""
        return ",".join(f"{name}={value}" for name, value in vars(self).items())


FLOAT32 = Policy("float32")
POLICIES = (
    Policy("float16", layernorm="float16", softmax="float16", rotary="float16"),
    Policy("bfloat16", rotary="bfloat16"),
    Policy("bfloat16"),  # what a bfloat16 checkpoint gets when nothing is asked for
    Policy("float16"),  # and on a device that computes in no bfloat16: its weights are cast, tiny ones to zero
)


def rounded(values, dtype: str) -> np.ndarray:
    """The nearest values of `dtype`, ties to even, as float32."""
    values = np.asarray(values, np.float32)
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "bfloat16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return values


# --- checkpoints


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        data = raw[8 + length + begin : 8 + length + end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]).astype(np.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


class Model:
    """A checkpoint of the llama or qwen families, run under one policy."""

    def __init__(self, folder: Path, policy: Policy):
        self.config = json.loads((folder / "config.json").read_text())
        self.policy = policy
        self.weights = {}
        for file in sorted(folder.glob("*.safetensors")):
            self.weights |= {name: rounded(values, policy.compute) for name, values in read_safetensors(file).items()}
        config = self.config
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads", self.heads)
        self.head_dim = config.get("head_dim") or config["hidden_size"] // self.heads
        theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
        exponents = np.arange(0, self.head_dim, 2, dtype=np.float32) / np.float32(self.head_dim)
        self.inv_freq = np.float32(1) / np.power(np.float32(theta), exponents)

    def compute(self, values) -> np.ndarray:
        return rounded(values, self.policy.compute)

    def linear(self, x, name: str) -> np.ndarray:
        product = x @ self.weights[name + ".weight"].T
        if name + ".bias" in self.weights:
            product = product + self.weights[name + ".bias"]
        return self.compute(product)

    def norm(self, x, name: str) -> np.ndarray:
        weight, eps = self.weights[name + ".weight"], np.float32(self.config["rms_norm_eps"])
        region = self.policy.layernorm
        squares = rounded(x * x, region)
        mean = rounded(squares.sum(-1, keepdims=True, dtype=np.float32) / np.float32(x.shape[-1]), region)
        factor = rounded(np.float32(1) / np.sqrt(rounded(mean + rounded(eps, region), region)), region)
        return self.compute(self.compute(x * factor) * weight)

    def rope(self, x, positions) -> np.ndarray:
        """x is [tokens, heads, head_dim]."""
        region = self.policy.rotary
        angles = positions.astype(np.float32)[:, None] * self.inv_freq
        cosine, sine = (rounded(f(angles), region)[:, None, :] for f in (np.cos, np.sin))
        low, high = np.split(x, 2, axis=-1)
        return self.compute(
            np.concatenate(
                [
                    rounded(low * cosine, region) - rounded(high * sine, region),
                    rounded(high * cosine, region) + rounded(low * sine, region),
                ],
                axis=-1,
            )
        )

    def attention(self, x, layer: str) -> np.ndarray:
        tokens = len(x)
        positions = np.arange(tokens)

        def heads(projection: str, count: int, norm: str | None) -> np.ndarray:
            values = self.linear(x, layer + "self_attn." + projection).reshape(tokens, count, self.head_dim)
            if norm and f"{layer}self_attn.{norm}.weight" in self.weights:
                values = self.norm(values, layer + "self_attn." + norm)
            return values

        q = self.rope(heads("q_proj", self.heads, "q_norm"), positions)
        k = self.rope(heads("k_proj", self.kv_heads, "k_norm"), positions)
        v = heads("v_proj", self.kv_heads, None)
        region = self.policy.softmax
        scale = rounded(self.head_dim**-0.5, region)
        future = positions[None, :] > positions[:, None]
        outputs = []
        for head in range(self.heads):
            kv = head // (self.heads // self.kv_heads)
            scores = rounded(rounded(q[:, head] @ k[:, kv].T, region) * scale, region)
            scores = np.where(future, -np.inf, scores).astype(np.float32)
            weights = rounded(np.exp(rounded(scores - scores.max(-1, keepdims=True), region)), region)
            total = rounded(weights.sum(-1, keepdims=True, dtype=np.float32), region)
            outputs.append(self.compute((weights @ v[:, kv]) / total))
        return self.linear(np.concatenate(outputs, axis=-1), layer + "self_attn.o_proj")

    def mlp(self, x, prefix: str) -> np.ndarray:
        gate, up = self.linear(x, prefix + "gate_proj"), self.linear(x, prefix + "up_proj")
        activated = self.compute(gate / (np.float32(1) + np.exp(-gate)))
        return self.linear(self.compute(activated * up), prefix + "down_proj")

    def experts(self, x, layer: str) -> np.ndarray:
        logits = x @ self.weights[layer + "mlp.gate.weight"].T  # routing is float32 under every policy
        probability = np.exp(logits - logits.max(-1, keepdims=True))
        probability /= probability.sum(-1, keepdims=True)
        chosen = np.argsort(-probability, axis=-1, kind="stable")[:, : self.config["num_experts_per_tok"]]
        best = -np.sort(-logits, axis=-1)
        self.routing_margins.append(best[:, chosen.shape[1] - 1] - best[:, chosen.shape[1]])
        weights = np.take_along_axis(probability, chosen, axis=-1)
        if self.config["norm_topk_prob"]:
            weights = weights / weights.sum(-1, keepdims=True)
        out = np.zeros_like(x)
        for token in range(len(x)):
            for weight, expert in zip(weights[token], chosen[token]):
                out[token] += weight * self.mlp(x[token : token + 1], f"{layer}mlp.experts.{expert}.")[0]
        return self.compute(out)

    def logits(self, ids) -> np.ndarray:
        """[len(ids), vocab_size]"""
        self.routing_margins = []  # of each sparse layer, for each token: from the last expert chosen to the first that is not
        hidden = self.weights["model.embed_tokens.weight"][ids]
        for index in range(self.config["num_hidden_layers"]):
            layer = f"model.layers.{index}."
            hidden = self.compute(hidden + self.attention(self.norm(hidden, layer + "input_layernorm"), layer))
            normed = self.norm(hidden, layer + "post_attention_layernorm")
            sparse = layer + "mlp.gate.weight" in self.weights
            hidden = self.compute(hidden + (self.experts(normed, layer) if sparse else self.mlp(normed, layer + "mlp.")))
        head = self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"])
        return self.norm(hidden, "model.norm") @ head.T


# --- goldens


def logsumexp(rows) -> np.ndarray:
    rows = rows.astype(np.float64)
    largest = rows.max(-1)
    return largest + np.log(np.exp(rows - largest[:, None]).sum(-1))


def numbers(values, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]


def case(model: Model, ids: list[int]) -> dict:
    prompt = model.logits(ids)
    routing = {"routing_margin": numbers(np.min(model.routing_margins, axis=0), 5)} if model.routing_margins else {}
    best = np.argsort(-prompt[-1], kind="stable")[:BEST_LOGITS]
    greedy, margins = [], []
    for _ in range(NEW_TOKENS):
        second, first = np.sort(row := model.logits(ids + greedy)[-1])[-2:]
        margins.append(first - second)
        greedy.append(int(row.argmax()))
    return {
        "logsumexp_per_position": numbers(logsumexp(prompt), 5),
        "best_ids": [int(index) for index in best],
        "best_logits": numbers(prompt[-1][best], 4),
        "greedy": greedy,
        "greedy_margin": numbers(margins, 4),
        **routing,
    }


def prompts_of(folder: Path, golden: dict) -> list[list[int]]:
    if "prompt" in golden["cases"][0] and "ids" not in golden["cases"][0]:
        return [case["prompt"] for case in golden["cases"][-3:]]
    text = json.loads((folder / "validation_ids.json").read_text())
    return [golden["cases"][0]["ids"], golden["cases"][3]["ids"], text[:LONG_PROMPT]]


def check_against_transformers(folder: Path, golden: dict):
    """With everything in float32 this is the model that transformers runs."""
    reference = golden["cases"][-2]
    found = logsumexp(Model(folder, FLOAT32).logits(reference.get("ids") or reference["prompt"]))
    worst = np.abs(found - reference["logsumexp_per_position"]).max()
    assert worst < 1e-4, (folder, worst)


def main():
    models, data = ROOT / "models", ROOT / "tests" / "golden" / "data"
    OUT.mkdir(exist_ok=True)
    for folder in (
        models / "austen-qwen2",
        models / "austen-qwen3",
        models / "austen-qwen3-moe",
        data / "llama-hidden80",
        data / "qwen3-head80",
    ):
        golden = json.loads((folder / "golden.json").read_text())
        check_against_transformers(folder, golden)
        prompts = prompts_of(folder, golden)
        content = {
            "reference": f"models/train/precision_goldens.py, numpy {np.__version__}",
            "prompts": prompts,
            "policies": [
                {
                    "precision": policy.flag(),
                    "cases": [case(model, prompt) for model in [Model(folder, policy)] for prompt in prompts],
                }
                for policy in POLICIES
            ],
        }
        (OUT / f"{folder.name}.json").write_text(json.dumps(content) + "\n")
        print(folder.name)


if __name__ == "__main__":
    main()
