"""Model folders with MindFormers' tensor names and layouts, made of Hugging Face ones. Bytes are only moved, never computed with.

LAYOUTS names them; write_model makes a folder. What each holds: runtime/weights/README.md.
"""
import array
import json
import re
import shutil
import struct

LAYOUTS = ("separate", "qkv_concat", "qkv_ffn_concat", "mcore")
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "param_name_map.json")
ELEMENT_BYTES = {"F32": 4, "BF16": 2, "F16": 2}

MODEL_NAMES = {
    "llama": {"model.embed_tokens.weight": "model.tok_embeddings.embedding_weight", "model.norm.weight": "model.norm_out.weight",
              "lm_head.weight": "lm_head.weight"},
    "mcore": {"model.embed_tokens.weight": "embedding.word_embeddings.weight", "model.norm.weight": "decoder.final_layernorm.weight",
              "lm_head.weight": "output_layer.weight"},
}
LAYER_NAMES = {
    "llama": {"input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
              "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv",
              "self_attn.o_proj": "attention.wo", "self_attn.q_norm": "attention.q_norm", "self_attn.k_norm": "attention.k_norm",
              "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2",
              "mlp.gate": "feed_forward.routed_experts.router.dense"},
    "mcore": {"input_layernorm": "input_layernorm", "post_attention_layernorm": "pre_mlp_layernorm",
              "self_attn.o_proj": "self_attention.linear_proj", "self_attn.q_norm": "self_attention.q_layernorm",
              "self_attn.k_norm": "self_attention.k_layernorm", "mlp.down_proj": "mlp.linear_fc2", "mlp.gate": "mlp.router.weight"},
}
LAYER_PREFIX = {"llama": "model.layers", "mcore": "decoder.layers"}


class Tensor:
    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), data

    def rows(self):
        size = len(self.data) // self.shape[0]
        return [self.data[i * size:(i + 1) * size] for i in range(self.shape[0])]

    def transposed(self):
        rows, columns = self.shape
        values = array.array({2: "H", 4: "I"}[ELEMENT_BYTES[self.dtype]])
        values.frombytes(self.data)
        return Tensor(self.dtype, (columns, rows), b"".join(values[i::columns].tobytes() for i in range(columns)))


def read_safetensors(path):
    """{name: Tensor} of one file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__", None)
    data = memoryview(raw)[8 + length:]
    return {name: Tensor(entry["dtype"], entry["shape"], bytes(data[slice(*entry["data_offsets"])])) for name, entry in header.items()}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, offset + len(tensor.data)]}
        offset += len(tensor.data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensor.data for tensor in tensors.values()))


def read_model(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors.update(read_safetensors(path))
    return tensors


def joined_rows(parts, rows):
    return Tensor(parts[0].dtype, [len(rows)] + parts[0].shape[1:], b"".join(rows))


def concatenated(parts):
    return joined_rows(parts, [row for part in parts for row in part.rows()])


def interleaved(parts, groups):
    """For each group its share of the rows of every part: KV heads for q, k, v; rows for gate and up."""
    rows = []
    rows_of = [part.rows() for part in parts]
    for group in range(groups):
        for part in rows_of:
            share = len(part) // groups
            rows += part[group * share:(group + 1) * share]
    return joined_rows(parts, rows)


def stacked(experts):
    """[experts, columns, rows]: every expert's parts below one another, transposed."""
    matrices = [concatenated(parts).transposed() for parts in experts]
    return Tensor(matrices[0].dtype, [len(matrices)] + matrices[0].shape, b"".join(matrix.data for matrix in matrices))


def convert_layer(layer, config, layout):
    """The tensors of one layer, names without prefix."""
    names = "mcore" if layout == "mcore" else "llama"
    result = {}

    def take(*parts):
        return [layer.pop(part) for part in parts]

    queries = [f"self_attn.{x}_proj" for x in "qkv"]
    gates = ["mlp.gate_proj", "mlp.up_proj"]
    kv_heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    for kind in ("weight", "bias"):
        if layout != "separate" and f"{queries[0]}.{kind}" in layer:
            parts = take(*(f"{name}.{kind}" for name in queries))
            if layout == "mcore":
                result[f"self_attention.linear_qkv.{kind}"] = concatenated(parts)
            else:
                result[f"attention.w_qkv.{kind}"] = interleaved(parts, kv_heads)
        if layout in ("mcore", "qkv_ffn_concat") and f"{gates[0]}.{kind}" in layer:
            parts = take(*(f"{name}.{kind}" for name in gates))
            if layout == "mcore":
                result[f"mlp.linear_fc1.{kind}"] = concatenated(parts)
            else:
                result[f"feed_forward.w_gate_hidden.{kind}"] = interleaved(parts, parts[0].shape[0])
    experts = 1 + max((int(name.split(".")[2]) for name in layer if name.startswith("mlp.experts.")), default=-1)
    if experts:
        gate, up, down = ([layer.pop(f"mlp.experts.{i}.{x}_proj.weight") for i in range(experts)] for x in ("gate", "up", "down"))
        if layout == "mcore":
            result["mlp.experts.weight1"] = stacked(list(zip(gate, up)))
            result["mlp.experts.weight2"] = stacked([[matrix] for matrix in down])
        else:
            prefix = "feed_forward.routed_experts.ffn"
            if layout == "qkv_ffn_concat":
                result[f"{prefix}.w_gate_hidden.weight"] = stacked(list(zip(gate, up)))
            else:
                result[f"{prefix}.w1.weight"] = stacked([[matrix] for matrix in gate])
                result[f"{prefix}.w3.weight"] = stacked([[matrix] for matrix in up])
            result[f"{prefix}.w2.weight"] = stacked([[matrix] for matrix in down])
    for name, tensor in layer.items():
        stem, kind = name.rsplit(".", 1)
        result[f"{LAYER_NAMES[names][stem]}.{kind}"] = tensor
    return result


def convert(tensors, config, layout):
    """The tensors of a whole model in one of LAYOUTS."""
    names = "mcore" if layout == "mcore" else "llama"
    result, layers = {}, {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", name)
        if match:
            layers.setdefault(int(match[1]), {})[match[2]] = tensor
        else:
            result[MODEL_NAMES[names][name]] = tensor
    for number in sorted(layers):
        for name, tensor in convert_layer(layers[number], config, layout).items():
            result[f"{LAYER_PREFIX[names]}.{number}.{name}"] = tensor
    return result


def write_shards(folder, tensors, shards=1, name_map=False):
    """`tensors` in `shards` files, with or without param_name_map.json."""
    where = {}
    items = list(tensors.items())
    for shard in range(shards):
        file = "model.safetensors" if shards == 1 else f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = dict(items[shard::shards])
        write_safetensors(folder / file, part)
        where.update(dict.fromkeys(part, file))
    if name_map:
        (folder / "param_name_map.json").write_text(json.dumps(where, indent=1))


def copy_but_weights(source, target):
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*WEIGHT_FILES))


def write_model(source, target, layout, shards=1, name_map=False):
    """A copy of the model folder `source` with its weights in `layout`; returns `target`."""
    copy_but_weights(source, target)
    config = json.loads((source / "config.json").read_text())
    write_shards(target, convert(read_model(source), config, layout), shards, name_map)
    return target
