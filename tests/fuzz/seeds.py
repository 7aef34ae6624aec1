#!/usr/bin/env python3
"""Seeds for the fuzzers, cut out of the repository's own files: seeds.py VINCI OUT

Writes OUT/<fuzzer>/seeds/* and, where the input is JSON, OUT/<fuzzer>/dictionary of all words in these seeds.
Real files hold megabytes of weights and thousands of merges; the seeds keep their structure and stay small.
"""
import json
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402

FUZZ = pathlib.Path(__file__).resolve().parent
ROOT = FUZZ.parent.parent
MODELS = sorted(path.parent for folder in ("models", "tests/golden/data") for path in ROOT.glob(folder + "/*/config.json"))
MERGES = 40
TENSOR_BYTES = 128  # per tensor
IMPORT_BYTES = 8192
IMPORT_WORDS = (  # of scripts and YAML, which no seed holds as JSON
    "export ", " \\\n", "vllm serve", "vllm-mindspore serve", "run_mindie.sh", "if [ ", "fi\n", "- &x", "*x", "!!str",
    "|\n", "ASCEND_RT_VISIBLE_DEVICES=", "HCCL_OP_EXPANSION_MODE=", "VLLM_ASCEND_ENABLE_NZ=", "MS_INTERNAL_DISABLE_CUSTOM_KERNEL_LIST=")


def config_seed(model):
    """config.json, generation_config.json and a description of W8A8, lines of ---- between: what config_fuzzer.cpp splits."""
    files = [(model / name).read_bytes() for name in ("config.json", "generation_config.json")]
    description = quantise.with_stars(quantise.description_of(quantise.read_checkpoint(model), quantise.as_published))
    return b"\n----\n".join([*files, json.dumps(description).encode()])


def import_seeds():
    """(name, seed): the files beside the models and those of the unit tests, their kind on the line before: import_fuzzer.cpp."""
    kinds = {".yaml": "f.yaml", ".json": "f.json", ".sh": "f.sh"}
    files = [*(ROOT / "models").glob("*/*"), *(ROOT / "tests/unit/frontend/data").rglob("*")]
    for path in sorted(files):
        if path.suffix in kinds and path.name != "config.json" and path.stat().st_size < IMPORT_BYTES:
            yield "-".join(path.parts[-2:]), f"{kinds[path.suffix]}\n".encode() + path.read_bytes()
    yield "flags", b"args\n--tensor-parallel-size 8 --max-model-len=4096 --compilation-config '{\"cudagraph_mode\": \"FULL\"}'\n"
    yield "serve", b"args\nHCCL_BUFFSIZE=512 vllm serve /models/x --dtype float16 --quantization ascend --no-enable-prefix-caching\n"


def safetensors_seed(file):
    """The first tensors of a file, their first dimension cut, as a whole file."""
    with open(file, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    small, data = {}, 0
    for name, tensor in header.items():
        if name == "__metadata__":
            small[name] = tensor
            continue
        begin, end = tensor["data_offsets"]
        rows = tensor["shape"][0]
        row = (end - begin) // rows
        kept = min(rows, max(1, TENSOR_BYTES // row))
        if len(small) < 6 and row <= TENSOR_BYTES * 2:
            small[name] = {**tensor, "shape": [kept, *tensor["shape"][1:]], "data_offsets": [data, data + kept * row]}
            data += kept * row
    text = json.dumps(small, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def tokenizer_seed(model):
    """tokenizer.json with its first merges only, and no more of the vocabulary than they need."""
    tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    bpe = tokenizer["model"]
    bpe["merges"] = bpe["merges"][:MERGES]
    ids = {id for text, id in bpe["vocab"].items() if len(text) == 1}
    ids |= {bpe["vocab"]["".join(merge)] for merge in bpe["merges"]}
    renumbered = {id: index for index, id in enumerate(sorted(ids))}
    bpe["vocab"] = {text: renumbered[id] for text, id in bpe["vocab"].items() if id in ids}
    for index, token in enumerate(tokenizer["added_tokens"]):
        token["id"] = len(ids) + index
    return json.dumps(tokenizer, ensure_ascii=False).encode()


def words(value):
    """All keys and short texts in a JSON value."""
    if isinstance(value, dict):
        for key, element in value.items():
            yield key
            yield from words(element)
    elif isinstance(value, list):
        for element in value:
            yield from words(element)
    elif isinstance(value, str):
        yield value


def write(out, fuzzer, name, seed):
    folder = out / fuzzer / "seeds"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(seed)


def write_dictionary(out, fuzzer, values):
    texts = sorted({text for value in values for text in words(value) if 2 < len(text) <= 32 and text.isascii()})
    lines = ['"' + "".join(c if c.isalnum() else f"\\x{ord(c):02x}" for c in text) + '"\n' for text in texts]
    (out / fuzzer / "dictionary").write_text("".join(lines))


def main(vinci, out):
    for area, fuzzer in (("text", "tokenizer-json"), ("weights", "safetensors")):
        for seed in (FUZZ / area / "corpus").iterdir():
            write(out, fuzzer, seed.name, seed.read_bytes())
    for name, seed in import_seeds():
        write(out, "import", name, seed)
    settings = subprocess.run([vinci, "import", ROOT / "models/qwq-32b-mindie", "--format", "json"], check=True, stdout=subprocess.PIPE)
    write(out, "import", "resolved", b"f.json\n" + settings.stdout)
    mindie = json.loads((ROOT / "models/qwq-32b-mindie/mindie_config.json").read_text())
    write_dictionary(out, "import", [json.loads(settings.stdout), mindie, {word: [] for word in IMPORT_WORDS}])
    for path in sorted((ROOT / "tests/lit").rglob("*.mlir")):
        for number, text in enumerate(path.read_text(encoding="utf-8").split("// -----")):
            write(out, "ir", f"{path.stem}-{number}", text.encode())
    for path in sorted((FUZZ / "ir" / "corpus").iterdir()):
        write(out, "ir", path.name, path.read_bytes())
    configs, tokenizers = [], []
    for model in MODELS:
        write(out, "config", model.name, config_seed(model))
        configs += [json.loads((model / name).read_text()) for name in ("config.json", "generation_config.json")]
        for file in sorted(model.glob("*.safetensors"))[:1]:
            write(out, "safetensors", model.name, safetensors_seed(file))
        if (model / "tokenizer.json").exists():
            tokenizers.append(tokenizer_seed(model))
            write(out, "tokenizer-json", model.name, tokenizers[-1])
    for name in ("llama-plain", "qwen3moe-norm"):
        plan = out / "plan" / "seeds" / name
        plan.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([vinci, "compile", str(ROOT / "tests/golden/data" / name), "-o", str(plan)], check=True)
    write_dictionary(out, "config", configs + [["FLOAT", "W8A8", "W8A8_DYNAMIC", "group_size", "metadata", "quarot", "weight_scale"]])
    small = json.loads(tokenizers[0])
    del small["model"]["vocab"], small["model"]["merges"]
    write_dictionary(out, "tokenizer-json", [small, {"merges": [], "vocab": []}])
    write_dictionary(out, "safetensors", ["__metadata__", "dtype", "shape", "data_offsets", "BF16", "F32", "F8_E4M3", "I64"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
