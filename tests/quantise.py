"""Quantised checkpoints for the tests, made from float ones by rounding to the nearest: no calibration, no care.

Weights are symmetric per output channel. Static activations all have the range RANGE, which is safe for the shipped
models. Standard library only, and the same bytes on every machine.
"""
import array
import json
import shutil
import struct

FLOAT, STATIC, DYNAMIC = "FLOAT", "W8A8", "W8A8_DYNAMIC"
PARTS = {FLOAT: ("weight",),
         STATIC: ("weight", "input_scale", "input_offset", "quant_bias", "deq_scale", "weight_scale", "weight_offset"),
         DYNAMIC: ("weight", "weight_scale", "weight_offset")}
RANGE = 8.0  # the largest activation that a static linear can tell from larger ones
INPUT_OFFSET = -3  # any will do; zero would hide mistakes


def is_expert(linear):
    return ".experts." in linear


def is_attention(linear):
    return ".self_attn." in linear


def layer_of(linear):
    return int(linear.split(".")[2])


def as_published(linear):
    """Static attention, dynamic MLPs: what checkpoints of Qwen3-MoE have."""
    return STATIC if is_attention(linear) else DYNAMIC


def floats_of(tensor):
    dtype, _, raw = tensor
    assert dtype == "BF16", dtype
    wide = bytearray(2 * len(raw))
    wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
    values = array.array("f")
    values.frombytes(bytes(wide))
    return values


def read_checkpoint(folder):
    """{name: (dtype, shape, bytes)} of all shards."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        raw = file.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        for name, entry in json.loads(raw[8:8 + length]).items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                tensors[name] = (entry["dtype"], entry["shape"], raw[8 + length + begin:8 + length + end])
    return tensors


def write_checkpoint(path, tensors):
    header, data = {}, bytearray()
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def bfloat16_bytes(values):
    """Rounded to nearest, ties to even."""
    raw = array.array("f", values).tobytes()
    words = array.array("I", raw)
    return array.array("H", [(word + 0x7fff + (word >> 16 & 1)) >> 16 for word in words]).tobytes()


def shift_of(size):
    """The bias that norms of shifted checkpoints get: from -1 to 1, without rounding in bfloat16."""
    return [(i * 79 % 256 - 128) / 128 for i in range(size)]


def norm_of(linear):
    """The norm whose result a linear reads, if it is one that may be shifted: not that of a router, which has no bias."""
    layer = ".".join(linear.split(".")[:3])
    if linear.endswith(("q_proj", "k_proj", "v_proj")):
        return f"{layer}.input_layernorm"
    if linear.endswith(("gate_proj", "up_proj")) and not is_expert(linear):
        return f"{layer}.post_attention_layernorm"
    return None


def shifted_bias(weight, bias):
    """The bias of a linear that takes the shift of its input out again: bias - weight * shift."""
    dtype, (rows, columns), _ = weight
    values, shift = floats_of(weight), shift_of(columns)
    before = floats_of(bias) if bias else [0.0] * rows
    sums = [sum(a * b for a, b in zip(values[row * columns:(row + 1) * columns], shift)) for row in range(rows)]
    return dtype, [rows], bfloat16_bytes([b - total for b, total in zip(before, sums)])


def quantised_tensors(linear, scheme, weight, bias, int64_scales):
    """What stands in the checkpoint for a linear, by name; bias may be None."""
    _, (rows, columns), _ = weight
    values = floats_of(weight)
    weights, scales, sums = array.array("b"), array.array("f"), []
    for row in range(rows):
        of_row = values[row * columns:(row + 1) * columns]
        scale = max(max(of_row), -min(of_row)) / 127 or 1.0
        rounded = [round(value / scale) for value in of_row]
        weights.extend(rounded)
        scales.append(scale)
        sums.append(sum(rounded))
    tensors = {"weight": ("I8", [rows, columns], weights.tobytes()),
               "weight_scale": ("F32", [rows, 1], scales.tobytes()),
               "weight_offset": ("F32", [rows, 1], bytes(4 * rows))}
    if bias:
        tensors["bias"] = bias
    if scheme == STATIC:
        input_scale = RANGE / 127
        deq_scales = array.array("f", [input_scale * scale for scale in scales])
        biases = floats_of(bias) if bias else [0.0] * rows
        quant_bias = [round(b / scale) - INPUT_OFFSET * total for b, scale, total in zip(biases, deq_scales, sums)]
        tensors["input_scale"] = ("F32", [1], struct.pack("<f", input_scale))
        tensors["input_offset"] = ("I8", [1], struct.pack("<b", INPUT_OFFSET))
        tensors["quant_bias"] = ("I32", [rows], array.array("i", quant_bias).tobytes())
        tensors["deq_scale"] = ("F32", [rows], deq_scales.tobytes())
        if int64_scales:
            tensors["deq_scale"] = ("I64", [rows], array.array("q", array.array("I", deq_scales.tobytes())).tobytes())
    return {f"{linear}.{part}": value for part, value in tensors.items()}


def linears_of(names):
    """The linears of decoder layers, by their names without .weight."""
    return {name.removesuffix(".weight") for name in names if name.endswith("_proj.weight")}


def description_of(names, scheme_of):
    """quant_model_description.json with an entry for every tensor, for the float checkpoint of tensors `names`."""
    entries = {"model_quant_type": DYNAMIC, "version": "1.0.0", "group_size": 0, "kv_quant_type": None, "metadata": {}}
    linears = linears_of(names)
    for name in names:
        linear, part = name.rsplit(".", 1)
        scheme = scheme_of(linear) if linear in linears else FLOAT
        entries[name] = scheme
        entries.update({f"{linear}.{part}": scheme for part in PARTS[scheme] if linear in linears})
    return entries


def with_stars(entries):
    """The same description with stars for the numbers of layers and experts, which must be all alike."""
    short = {}
    for name, scheme in entries.items():
        name = ".".join("*" if part.isdigit() else part for part in name.split("."))
        assert short.setdefault(name, scheme) == scheme, name
    return short


def shift_norms(tensors, entries, scheme_of, names):
    """Changes a float checkpoint and its description: norms of layers have a bias, and the linears that read them one
    that takes it out again, so the function stays. `names` is what stands between a norm and "weight": "" or "module.";
    with the latter, norms of float linears stay as they are, as vendors' loaders have it."""
    for linear in sorted(linears_of(tensors)):
        norm, scheme = norm_of(linear), scheme_of(linear)
        if not norm or (names and scheme == FLOAT):
            continue
        weight = tensors[f"{norm}.weight"]
        tensors[f"{norm}.{names}weight"] = weight
        tensors[f"{norm}.{names}bias"] = (weight[0], weight[1], bfloat16_bytes(shift_of(weight[1][0])))
        tensors[f"{linear}.bias"] = shifted_bias(tensors[f"{linear}.weight"], tensors.get(f"{linear}.bias"))
        entries.update({f"{norm}.{names}{part}": scheme if names else FLOAT for part in ("weight", "bias")})
        entries[f"{linear}.bias"] = FLOAT


def quantise(source, target, scheme_of, int64_scales=False, shift=None, head=False):
    """Writes the checkpoint `target` for the float one in `source`; scheme_of(linear) says how. `shift`: see shift_norms.
    `head`: lm_head is W8A8_DYNAMIC, and a matrix of its own."""
    target.mkdir()
    for file in source.iterdir():
        if file.suffix == ".json" and "safetensors" not in file.name or file.name == "merges.txt":
            shutil.copy(file, target)
    tensors = read_checkpoint(source)
    entries = description_of(tensors, scheme_of)
    if shift is not None:
        shift_norms(tensors, entries, scheme_of, shift)
    linears = linears_of(tensors)
    result = {}
    for name, tensor in tensors.items():
        linear = name.rsplit(".", 1)[0]
        if linear not in linears or scheme_of(linear) == FLOAT:
            result[name] = tensor
        elif name.endswith(".weight"):
            result.update(quantised_tensors(linear, scheme_of(linear), tensor, tensors.get(f"{linear}.bias"), int64_scales))
    if head:
        matrix = tensors.get("lm_head.weight") or tensors["model.embed_tokens.weight"]
        result.update(quantised_tensors("lm_head", DYNAMIC, matrix, None, int64_scales))
        entries.update({f"lm_head.{part}": DYNAMIC for part in PARTS[DYNAMIC]})
        config = json.loads((target / "config.json").read_text())
        (target / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}, indent=2))
    write_checkpoint(target / "quant_model_weights.safetensors", result)
    write_description(target, entries)
    return target


def write_description(folder, entries):
    (folder / "quant_model_description.json").write_text(json.dumps(entries, indent=2))
