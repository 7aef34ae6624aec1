"""Checkpoints in MindFormers' names and layouts give what their Hugging Face originals give, to the bit."""
import hashlib
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from golden.mindformers_layouts import LAYOUTS, convert, read_model, write_model, write_shards  # noqa: E402
from harness import DATA, TRAINED, VinciTest, read_json  # noqa: E402

# Beside the trained models: biases everywhere and one KV head; no grouped heads; dense and sparse layers in one model.
MODELS = TRAINED + [DATA / name for name in ("llama-hidden80", "llama-head6", "qwen3moe-13")]


class MindFormers(VinciTest):
    def generate(self, model, *options):
        """Ids, and a digest of the logits: a difference of megabytes would keep unittest busy for minutes."""
        file = self.scratch / "logits.npy"
        result = self.succeed("run", model, "--prompt-ids", "1,20,3,47,5", "--max-tokens", 8, "--ignore-eos", "--logits", file,
                              "--format", "json", *options)
        return json.loads(result.stdout)["output_ids"], hashlib.sha256(file.read_bytes()).hexdigest()

    def convert(self, model, layout, **options):
        """A folder with the model in `layout`; made once for each choice of options."""
        folder = self.scratch / "-".join(map(str, (model.name, layout, *options.values())))
        return folder if folder.exists() else write_model(model, folder, layout, **options)

    def test_runs_are_identical(self):
        for model in MODELS:
            expected = self.generate(model)
            for layout in LAYOUTS:
                for options in ({}, {"shards": 3, "name_map": True}):
                    with self.subTest(model=model.name, layout=layout, **options):
                        self.assertEqual(self.generate(self.convert(model, layout, **options)), expected)

    def test_the_reference_reads_them(self):
        model = DATA / "qwen3moe-13"
        for layout in LAYOUTS:
            with self.subTest(layout=layout):
                result = self.succeed("compare", model, "--reference", "--reference-model", self.convert(model, layout), "--dtype",
                                      "float32", "--prompt-ids", "1,20,3,47,5", "--format", "json")
                self.assertEqual(json.loads(result.stdout)["beyond_tolerance"], 0)

    def test_one_file_with_a_name_map(self):
        for layout in LAYOUTS:
            with self.subTest(layout=layout):
                folder = self.convert(DATA / "qwen3moe-13", layout, name_map=True)
                self.assertEqual(self.generate(folder), self.generate(DATA / "qwen3moe-13"))

    def test_layouts_differ(self):
        """The test above could not fail if the converter did nothing."""
        for model in TRAINED:
            tensors = read_model(model)
            joined = {json.dumps(sorted((name, tensor.shape) for name, tensor in
                                        convert(dict(tensors), read_json(model / "config.json"), layout).items())) for layout in LAYOUTS}
            self.assertEqual(len(joined), len(LAYOUTS))

    def test_other_dtypes(self):
        for model, dtype, layout in ((TRAINED[0], "float16", "qkv_ffn_concat"), (TRAINED[2], "float32", "mcore")):
            with self.subTest(model=model.name, layout=layout, dtype=dtype):
                self.assertEqual(self.generate(self.convert(model, layout), "--dtype", dtype), self.generate(model, "--dtype", dtype))

    def test_packs_are_kept_and_told_apart(self):
        model = TRAINED[1]
        expected = self.generate(model)
        packs = self.scratch / "cache" / "packs"
        folder = write_model(model, self.scratch / "changing", "qkv_concat")
        before = len(list(packs.iterdir()))
        for added, layout in enumerate(("qkv_concat", "qkv_ffn_concat", "mcore"), start=1):
            write_shards(folder, convert(read_model(model), read_json(model / "config.json"), layout))
            for _ in range(2):
                self.assertEqual(self.generate(folder), expected)
                self.assertEqual(len(list(packs.iterdir())), before + added)

    def test_compile_checks_the_weights(self):
        for model, layout in zip(TRAINED, LAYOUTS[1:]):
            with self.subTest(model=model.name, layout=layout):
                folder = self.convert(model, layout, shards=3, name_map=True)
                result = self.succeed("compile", folder, "-o", self.scratch / "x.plan")
                self.assertNotIn("holds no weights", result.stderr)
                self.succeed("compile", model, "-o", self.scratch / "expected.plan")
                self.assertTrue((self.scratch / "x.plan").read_bytes() == (self.scratch / "expected.plan").read_bytes())

    def test_eval_and_inspect(self):
        for model, layout in zip(TRAINED, LAYOUTS[1:]):
            with self.subTest(model=model.name, layout=layout):
                folder = self.convert(model, layout)
                file = self.scratch / "ids.json"
                file.write_text(json.dumps(read_json(model / "validation_ids.json")[:300]))
                nll = [json.loads(self.succeed("eval", x, "--ids", file).stdout)["nll"] for x in (model, folder)]
                self.assertEqual(nll[0], nll[1])
                for options in ((), ("--weights",)):
                    self.assertEqual(self.succeed("inspect", folder, *options).stdout, self.succeed("inspect", model, *options).stdout)


if __name__ == "__main__":
    unittest.main()
