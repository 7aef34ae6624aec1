"""Damaged checkpoints: each is refused with the file and the tensor by name."""
import json
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, VinciTest  # noqa: E402

SINGLE = DATA / "llama-plain"
SHARDED = DATA / "qwen3-wide"


class Safetensors:
    """A safetensors file taken apart, to be changed and written back."""

    def __init__(self, path):
        self.path = path
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        self.header = json.loads(raw[8:8 + length])
        self.data = raw[8 + length:]

    def write(self, header=None, length=None):
        text = header if header is not None else json.dumps(self.header).encode()
        self.path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + self.data)


class Checkpoints(VinciTest):
    def setUp(self):
        self.model = self.copy_model(SINGLE)
        self.file = Safetensors(self.model / "model.safetensors")
        self.tensors = [name for name in self.file.header if name != "__metadata__"]

    def refused(self, *words, model=None):
        for command in (("run", model or self.model, "--prompt-ids", "1,2", "--max-tokens", "1"),
                        ("compile", model or self.model, "-o", self.scratch / "x.plan")):
            self.expect_error(command, 1, *words)

    def test_missing_tensor(self):
        name = "model.layers.1.self_attn.k_proj.weight"
        moved = self.file.header.pop(name)
        self.file.header["model.layers.1.self_attn.other.weight"] = moved
        self.file.write()
        self.refused(name, "other.weight")

    def test_misshapen_tensor(self):
        name = "model.norm.weight"
        self.file.header[name]["shape"] = [8, 8]
        self.file.write()
        self.refused(name, "[8, 8]", "[64]")

    def test_unknown_dtype(self):
        self.file.header["model.norm.weight"]["dtype"] = "Q4"
        self.file.write()
        self.refused("model.norm.weight", "Q4")

    def test_dtype_that_cannot_be_converted(self):
        entry = self.file.header["model.norm.weight"]
        entry["dtype"] = "I16"
        self.file.write()
        self.refused("model.norm.weight", "I16")

    def test_truncated_data(self):
        path = self.file.path
        path.write_bytes(path.read_bytes()[:-100])
        self.refused("model.safetensors")

    def test_truncated_header(self):
        for size in (0, 5, 8, 9, 100):
            with self.subTest(size=size):
                path = self.file.path
                whole = path.read_bytes()
                path.write_bytes(whole[:size])
                self.refused("model.safetensors")
                path.write_bytes(whole)

    def test_header_bomb(self):
        self.file.write(length=1 << 60)
        self.refused("model.safetensors", str(1 << 60))

    def test_deeply_nested_header(self):
        self.file.write(header=b'{"a":' * 100000)
        self.refused("model.safetensors")

    def test_header_that_is_no_json(self):
        self.file.write(header=b"not json at all  ")
        self.refused("model.safetensors")

    def test_overlapping_offsets(self):
        first, second = self.tensors[:2]
        self.file.header[second]["data_offsets"][0] -= 2
        self.file.header[second]["data_offsets"][1] -= 2
        self.file.write()
        self.refused("model.safetensors")

    def test_offsets_beyond_the_file(self):
        name = self.tensors[0]
        begin, end = self.file.header[name]["data_offsets"]
        self.file.header[name]["data_offsets"] = [begin + (1 << 40), end + (1 << 40)]
        self.file.write()
        self.refused("model.safetensors", name)

    def test_span_that_does_not_match_the_shape(self):
        name = self.tensors[-1]
        self.file.header[name]["data_offsets"][1] -= 2
        self.file.write()
        self.refused("model.safetensors", name)

    def test_overflowing_shape(self):
        name = self.tensors[0]
        self.file.header[name]["shape"] = [1 << 40, 1 << 40]
        self.file.write()
        self.refused("model.safetensors", name)

    def test_negative_shape(self):
        name = self.tensors[0]
        self.file.header[name]["shape"] = [-4, 16]
        self.file.write()
        self.refused("model.safetensors", name)

    def test_no_weights_at_all(self):
        self.file.path.unlink()
        self.expect_error(("run", self.model, "--prompt-ids", "1", "--max-tokens", "1"), 1, "safetensors")
        self.succeed("compile", self.model, "-o", self.scratch / "without.plan")

    def test_missing_shard(self):
        model = self.copy_model(SHARDED)
        shard = "model-00003-of-00010.safetensors"
        (model / shard).unlink()
        self.refused(shard, model=model)

    def test_index_that_leaves_the_folder(self):
        model = self.copy_model(SHARDED)
        index = model / "model.safetensors.index.json"
        content = json.loads(index.read_text())
        content["weight_map"]["model.norm.weight"] = "../../etc/passwd"
        index.write_text(json.dumps(content))
        self.refused("model.safetensors.index.json", "../../etc/passwd", model=model)

    def test_index_that_names_another_shard(self):
        model = self.copy_model(SHARDED)
        index = model / "model.safetensors.index.json"
        content = json.loads(index.read_text())
        shards = sorted(set(content["weight_map"].values()))
        name = "model.norm.weight"
        content["weight_map"][name] = next(shard for shard in shards if shard != content["weight_map"][name])
        index.write_text(json.dumps(content))
        self.refused(name, model=model)

    def test_index_that_is_no_json(self):
        model = self.copy_model(SHARDED)
        (model / "model.safetensors.index.json").write_text("{")
        self.refused("model.safetensors.index.json", model=model)

    def test_a_damaged_pack_is_made_again(self):
        command = ("run", self.model, "--prompt-ids", "1,2", "--max-tokens", "3", "--ignore-eos", "--format", "json")
        before = json.loads(self.succeed(*command).stdout)["output_ids"]
        packs = [path for path in (self.scratch / "cache").rglob("*.pack") if path.is_file()]
        self.assertTrue(packs)
        for pack in packs:
            raw = bytearray(pack.read_bytes())
            raw[-64] ^= 0x40
            pack.write_bytes(raw)
        self.assertEqual(json.loads(self.succeed(*command).stdout)["output_ids"], before)


if __name__ == "__main__":
    unittest.main()
