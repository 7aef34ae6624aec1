"""What `vinci convert` and `vinci quantize` refuse: one error line each, and nothing half done in the way of the next try."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import DATA, MODELS, VinciTest, read_json  # noqa: E402

MODEL, TINY = MODELS / "austen-qwen3", DATA / "qwen3-tiny"
STATIC = ("--scheme", "w8a8-static")

# (options, exit code, words)
QUANTIZE_CASES = [
    (("--scheme", "w4a8"), 1, ["--scheme \"w4a8\"", "w8a8-static, w8a8-dynamic, w8, none"]),
    (("--rotate", "spin"), 1, ["--rotate \"spin\"", "none, quarot"]),
    (("--calibration-method", "max"), 1, ["--calibration-method \"max\"", "minmax, percentile, mse"]),
    (("--percentile", "50"), 1, ["--percentile 50", "more than 50 to 100"]),
    (("--percentile", "nan"), 1, ["--percentile nan"]),
    (("--calibration-tokens", "0"), 1, ["--calibration-tokens 0", "1 or more"]),
    (("--shard-size", "0"), 1, ["--shard-size 0", "1 to"]),
    (("--seed", "x"), 1, ["--seed", "x"]),
    (("--dtype", "int8"), 1, ["--dtype \"int8\"", "float16, bfloat16, float32"]),
    (("--head", "w8a8-static"), 1, ["--head \"w8a8-static\"", "legal are float, w8a8-dynamic"]),
    (STATIC, 1, ["--scheme w8a8-static needs", "--calibrate FILE"]),
    (("--report", "report.json"), 1, ["--report", "needs --calibrate FILE"]),
    (STATIC + ("--calibrate", "/no/such/file"), 1, ["/no/such/file"]),
    (STATIC + ("--calibrate", TINY / "config.json"), 1, ["config.json:1:1", "an array of token ids is expected"]),
    (("--calibrate", TINY / "config.json"), 1, ["--calibrate is for --scheme w8a8-static and --report", "w8a8-dynamic needs no"]),
    (("--keep-float", "router"), 1, ["--keep-float has \"router\"", "q_proj, k_proj", "gate_proj", "layers.0"]),
    (("--keep-float", "layers.99"), 1, ["--keep-float has \"layers.99\"", "layers.0-"]),
    (("--keep-float", "o_proj,"), 1, ["--keep-float has \"\""]),
    (("--spin",), 2, ["--spin"]),
]


class Quantize(VinciTest):
    def refused(self, model, options, *words, code=1, command="quantize"):
        return self.expect_error((command, model, "-o", self.scratch / "out", *options), code, *words)

    def ids(self, ids):
        path = self.scratch / "ids.json"
        path.write_text(json.dumps(ids))
        return path

    def test_flags(self):
        for options, code, words in QUANTIZE_CASES:
            with self.subTest(options):
                self.refused(TINY, options, *words, code=code)
        self.assertFalse((self.scratch / "out").exists())
        self.expect_error(("quantize", TINY), 2, "--output")
        self.expect_error(("convert", TINY, "-o", self.scratch / "out"), 2, "--dtype")
        self.refused(TINY, ("--dtype", "int4"), "--dtype \"int4\"", "float16, bfloat16 and float32", command="convert")
        calibrated = ("--calibrate", self.ids([1]), "--report", self.scratch / "r.json", "--target", "910x")
        self.refused(TINY, calibrated, "910x", "910b3")

    def test_calibration_that_cannot_be(self):
        self.refused(TINY, STATIC + ("--calibrate", self.ids([])), "there are no tokens in it")
        vocabulary = read_json(TINY / "config.json")["vocab_size"]
        self.refused(TINY, STATIC + ("--calibrate", self.ids([1, vocabulary])), f"token id {vocabulary}",
                     f"0 to {vocabulary - 1}")
        empty = self.scratch / "empty.txt"
        empty.write_text("")
        self.expect_error(("quantize", MODEL, "-o", self.scratch / "text", *STATIC, "--calibrate", empty), 1, "empty.txt",
                          "there are no tokens")
        binary = self.scratch / "ids.npy"
        binary.write_bytes(b"It is \x93NUMPY")
        self.expect_error(("quantize", MODEL, "-o", self.scratch / "text", *STATIC, "--calibrate", binary), 1, "ids.npy",
                          "byte 6 is not UTF-8", "array of token ids")

    def test_reports_that_cannot_be_written(self):
        for report in (self.scratch / "nowhere" / "report.json", self.scratch):
            self.refused(TINY, ("--calibrate", self.ids([1]), "--report", report), str(report), "--report cannot be written here")
        self.assertFalse((self.scratch / "out").exists())

    def test_models_that_are_quantised_already(self):
        model = quantise.quantise(MODEL, self.scratch / "quantised", lambda linear: quantise.DYNAMIC)
        for command, options in (("quantize", ()), ("convert", ("--dtype", "float32"))):
            self.refused(model, options, str(model), "the model is quantised", "quant_model_description.json", command=command)

    def test_folders(self):
        own = self.copy_model(TINY)
        for command, options in (("quantize", ()), ("convert", ("--dtype", "float16"))):
            with self.subTest(command=command):
                folder = self.scratch / f"full-{command}"
                folder.mkdir()
                (folder / "notes.txt").write_text("mine")
                self.expect_error((command, TINY, "-o", folder, *options), 1, str(folder), "holds \"notes.txt\" already")
                self.assertEqual([file.name for file in folder.iterdir()], ["notes.txt"])
                self.expect_error((command, own, "-o", own, *options), 1, "the model's own folder")
                file = self.scratch / f"file-{command}"
                file.write_text("")
                self.expect_error((command, TINY, "-o", file, *options), 1, str(file), "cannot be made a folder")
                finished = self.scratch / f"finished-{command}"
                self.succeed(command, TINY, "-o", finished, *options)
                self.expect_error((command, TINY, "-o", finished, *options), 1, "already")
                plan = self.scratch / "x.plan"
                plan.write_bytes(b"VINCIPLN")
                self.expect_error((command, plan, "-o", self.scratch / "out", *options), 1, "the folder of a model is expected")

    def test_sources_that_lack_something(self):
        model = self.copy_model(TINY)
        tensors = quantise.read_checkpoint(model)
        name = "model.layers.0.mlp.up_proj.weight"
        weight = tensors.pop(name)
        quantise.write_checkpoint(model / "model.safetensors", tensors)
        self.refused(model, (), "does not fit the model", "missing (1)", name)
        dtype, shape, raw = weight
        self.assertEqual(dtype, "BF16")
        nan = b"\xc0\x7f" + raw[2:]
        quantise.write_checkpoint(model / "model.safetensors", {**tensors, name: (dtype, shape, nan)})
        self.refused(model, (), name, "holds values that are no numbers")
        self.refused(model, ("--dtype", "float32"), "unfinished work of another kind")
        (model / "model.safetensors").unlink()
        for command, options in (("quantize", ()), ("convert", ("--dtype", "float16"))):
            self.expect_error((command, model, "-o", self.scratch / f"none-{command}", *options), 1, "holds no weights")
        self.expect_error(("quantize", self.scratch / "nowhere", "-o", self.scratch / "out"), 1, "no such file or folder")

    def test_values_beyond_float16(self):
        model = self.copy_model(TINY)
        tensors = quantise.read_checkpoint(model)
        name = "model.norm.weight"
        dtype, shape, raw = tensors[name]
        tensors[name] = (dtype, shape, b"\x80\x47" + raw[2:])  # 65536
        quantise.write_checkpoint(model / "model.safetensors", tensors)
        arguments = ("convert", model, "-o", self.scratch / "half", "--dtype", "float16")
        self.expect_error(arguments, 1, f"tensor \"{name}\": 1 of {shape[0]} values", "beyond the range of float16", "--saturate")
        other = (*arguments[:3], self.scratch / "saturated", *arguments[4:])
        report = json.loads(self.succeed(*other, "--saturate", "--format", "json").stdout)
        self.assertEqual([(row["tensor"], row["overflows"]) for row in report["losses"] if row["overflows"]], [(name, 1)])
        self.assertEqual(quantise.read_checkpoint(self.scratch / "saturated")[name][2][:2], b"\xff\x7b")
        self.expect_error(("quantize", model, "-o", self.scratch / "half16", "--dtype", "float16"), 1, name, "beyond the range of float16",
                          "--dtype chooses another")


if __name__ == "__main__":
    unittest.main()
