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


def quantise(source, target, scheme_of, int64_scales=False):
    """Writes the checkpoint `target` for the float one in `source`; scheme_of(linear) says how."""
    target.mkdir()
    for file in source.iterdir():
        if file.suffix == ".json" and "safetensors" not in file.name or file.name == "merges.txt":
            shutil.copy(file, target)
    tensors = read_checkpoint(source)
    linears = linears_of(tensors)
    result = {}
    for name, tensor in tensors.items():
        linear = name.rsplit(".", 1)[0]
        if linear not in linears or scheme_of(linear) == FLOAT:
            result[name] = tensor
        elif name.endswith(".weight"):
            result.update(quantised_tensors(linear, scheme_of(linear), tensor, tensors.get(f"{linear}.bias"), int64_scales))
    write_checkpoint(target / "quant_model_weights.safetensors", result)
    write_description(target, description_of(tensors, scheme_of))
    return target


def write_description(folder, entries):
    (folder / "quant_model_description.json").write_text(json.dumps(entries, indent=2))
