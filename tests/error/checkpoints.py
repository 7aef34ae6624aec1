"""Damaged checkpoints: each is refused with the file and the tensor by name."""
import json
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from golden.mindformers_layouts import convert, read_model, write_model, write_safetensors, write_shards  # noqa: E402
from harness import DATA, VinciTest, read_json  # noqa: E402

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

    def refused_by_run(self, *words, model=None):
        """For what both say alike: compiling takes time."""
        self.expect_error(("run", model or self.model, "--prompt-ids", "1,2", "--max-tokens", "1"), 1, *words)

    def refused(self, *words, model=None):
        self.refused_by_run(*words, model=model)
        self.expect_error(("compile", model or self.model, "-o", self.scratch / "x.plan"), 1, *words)

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

    def test_several_files_without_an_index(self):
        model = write_model(SINGLE, self.scratch / "no-index", "separate", shards=2)
        self.refused_by_run("holds 2 *.safetensors files", "neither model.safetensors.index.json nor param_name_map.json", model=model)

    def test_two_indexes(self):
        model = self.copy_model(SHARDED)
        (model / "param_name_map.json").write_text("{}")
        self.refused_by_run("holds both model.safetensors.index.json and param_name_map.json", model=model)

    def test_name_map_alone(self):
        self.file.path.rename(self.model / "elsewhere")
        (self.model / "param_name_map.json").write_text(json.dumps({"model.norm_out.weight": "model.safetensors"}))
        self.refused("param_name_map.json", "model.safetensors")

    def mindformers(self, layout, change):
        """llama-plain in `layout` with {name: Tensor} changed."""
        tensors = convert(read_model(SINGLE), read_json(SINGLE / "config.json"), layout)
        change(tensors)
        write_shards(self.model, tensors)

    def test_mixed_namings(self):
        self.mindformers("separate", lambda tensors: tensors.update(read_model(SINGLE)))
        self.refused_by_run("mixes names of Hugging Face", "MindFormers", "all must be of one naming")
        self.mindformers("separate", lambda tensors: tensors.update({"decoder.final_layernorm.weight": tensors.pop("model.norm_out.weight")}))
        self.refused_by_run("mixes names of MindFormers", "MindFormers mcore", "decoder.final_layernorm.weight")

    def test_missing_mindformers_tensor(self):
        self.mindformers("qkv_concat", lambda tensors: tensors.pop("model.layers.1.attention.w_qkv.weight"))
        self.refused('missing (3): "model.layers.1.attention.wq.weight" or "model.layers.1.attention.w_qkv.weight" '
                     'for "model.layers.1.self_attn.q_proj.weight"')

    def test_mindformers_tensor_held_twice(self):
        self.mindformers("separate", lambda tensors: tensors.update(
            {"model.layers.0.feed_forward.w_gate_hidden.weight": tensors["model.layers.0.feed_forward.w1.weight"]}))
        self.refused_by_run('held twice (2): "model.layers.0.mlp.gate_proj.weight"', "w_gate_hidden.weight", "w1.weight")

    def test_joined_tensors_that_do_not_divide(self):
        def cut(name):
            def change(tensors):
                tensor = tensors[name]
                size = len(tensor.data) // tensor.shape[0]
                tensor.shape[0] -= 1
                tensor.data = tensor.data[:-size]
            return change

        for layout, name, parts in (
                ("qkv_concat", "model.layers.0.attention.w_qkv.weight", ("q_proj.weight\" [64, 64]", "by 4 KV heads", "[192, 64] is expected")),
                ("qkv_ffn_concat", "model.layers.0.feed_forward.w_gate_hidden.weight", ("gate_proj", "up_proj", "[352, 64] is expected")),
                ("mcore", "decoder.layers.0.self_attention.linear_qkv.weight", ("[191, 64] does not divide into", "v_proj"))):
            with self.subTest(layout=layout):
                self.mindformers(layout, cut(name))
                self.refused_by_run("of another shape (1)", name, "does not divide into", *parts)

    def test_experts_that_are_not_transposed(self):
        source = DATA / "qwen3moe-13"
        model = self.copy_model(source)
        tensors = convert(read_model(source), read_json(source / "config.json"), "mcore")
        name = "decoder.layers.1.mlp.experts.weight1"
        tensors[name].shape = [13, 34, 36]
        write_safetensors(model / "model.safetensors", tensors)
        self.refused_by_run(name, "[13, 34, 36] does not divide into", "transposed, of 13 experts; [13, 36, 34] is expected", model=model)

    def test_mindformers_dtype(self):
        def change(tensors):
            tensors["model.norm_out.weight"].dtype = "I16"
        self.mindformers("separate", change)
        self.refused_by_run('"model.norm_out.weight" for "model.norm.weight" is I16')

    def test_values_beyond_float16(self):
        def change(tensors):
            tensor = tensors["model.layers.0.attention.w_qkv.weight"]
            tensor.data = struct.pack("<3H", 0x7f00, 0xff00, 0x7f00) + tensor.data[6:]
        self.mindformers("qkv_concat", change)
        self.assertIn("BF16", self.file.header["model.norm.weight"]["dtype"])
        self.expect_error(("run", self.model, "--dtype", "float16", "--prompt-ids", "1", "--max-tokens", "1"), 1,
                          "model.safetensors: error: cast to float16: 3 of ", 'values (in 1 tensor; most in tensor '
                          '"model.layers.0.attention.w_qkv.weight" for "model.layers.0.self_attn.q_proj.weight") overflow')

    def test_values_that_become_zero_are_a_warning(self):
        begin, _ = self.file.header["model.norm.weight"]["data_offsets"]
        self.file.data = self.file.data[:begin] + struct.pack("<2H", 0x0080, 0x8080) + self.file.data[begin + 4:]
        self.file.write()
        command = ("run", self.model, "--dtype", "float16", "--prompt-ids", "1", "--max-tokens", "1")
        first = self.succeed(*command).stderr
        self.assertIn("warning: cast to float16: ", first)
        self.assertIn("become zero", first)
        self.assertEqual(first.count("warning"), 1)
        self.assertNotIn("warning", self.succeed(*command).stderr)

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
