"""`vinci convert` and `vinci quantize`: what they write is read, run, and as good as it should be.

Losses are over TOKENS tokens of the validation text, calibration reads others of it. How much is lost was measured for
docs/user-guide.md. With outliers of scale 64 static W8A8 lost 0.07 over 600 tokens, of scale 256 it lost 3.7, and rotated 0.03.
"""
import array
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VINCI, VinciTest, read_json, read_npy, vinci  # noqa: E402
from quantise import read_checkpoint  # noqa: E402

DENSE, MOE, BIASED = (MODELS / name for name in ("austen-qwen3", "austen-qwen3-moe", "austen-qwen2"))
TOKENS, CALIBRATION = 512, slice(4000, 4256)
WEIGHTS_LOSS, DYNAMIC_LOSS, STATIC_LOSS, OUTLIER_LOSS = 0.02, 0.02, 0.05, 0.3


def run_killed(*arguments, size=1 << 16):
    """vinci, ended by the system when it writes a file of more than `size` bytes."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    return subprocess.run([VINCI, *map(str, arguments)], capture_output=True, text=True, preexec_fn=limit)


def files_of(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


class Convert(VinciTest):
    def convert(self, source, dtype, *options):
        target = self.scratch / f"{source.name}-{dtype}{len(options)}"
        report = json.loads(self.succeed("convert", source, "-o", target, "--dtype", dtype, "--format", "json", *options).stdout)
        return target, report

    def test_only_the_dtype_changes(self):
        target, report = self.convert(MOE, "float16")
        before, after = read_checkpoint(MOE), read_checkpoint(target)
        self.assertEqual({name: tensor[1] for name, tensor in before.items()}, {name: tensor[1] for name, tensor in after.items()})
        self.assertEqual({tensor[0] for tensor in after.values()}, {"F16"})
        self.assertEqual((report["converted"], report["unchanged"], report["shards"]), (len(before), 0, 2))
        self.assertGreater(sum(row["underflows"] for row in report["losses"]), 0)
        self.assertEqual({row["overflows"] for row in report["losses"]}, {0})
        self.assertEqual((target / "config.json").read_text(),
                         (MOE / "config.json").read_text().replace('"torch_dtype": "bfloat16"', '"torch_dtype": "float16"'))
        for name in ("tokenizer.json", "generation_config.json", "vocab.json"):
            self.assertEqual((target / name).read_bytes(), (MOE / name).read_bytes())
        self.assertIn("tokenizer.json", report["files_copied"])
        self.assertFalse((target / ".unfinished").exists())
        self.succeed("run", target, "--prompt", "It is", "--max-tokens", 2)

    def test_there_and_back_is_the_same(self):
        wide, _ = self.convert(DENSE, "float32")
        back = self.scratch / "back"
        self.succeed("convert", wide, "-o", back, "--dtype", "bfloat16")
        self.assertEqual(read_checkpoint(back), read_checkpoint(DENSE))
        self.assertEqual((back / "config.json").read_bytes(), (DENSE / "config.json").read_bytes())

    def test_what_it_leaves_alone(self):
        source = self.copy_model(DATA / "qwen3-tiny")
        (source / "pytorch_model.bin").write_bytes(b"x")
        (source / "original").mkdir()
        (source / "notes.txt").write_text("notes")
        _, report = self.convert(source, "float32")
        self.assertEqual(report["files_left_alone"], ["original", "pytorch_model.bin"])
        self.assertIn("notes.txt", report["files_copied"])
        text = self.succeed("convert", source, "-o", self.scratch / "text", "--dtype", "float32").stdout
        self.assertRegex(text, r"files_left_alone +original pytorch_model\.bin\n")
        self.assertNotIn("losses", text)

    def test_an_interrupted_run_goes_on(self):
        whole, _ = self.convert(MOE, "float32")
        target = self.scratch / "interrupted"
        arguments = ("convert", MOE, "-o", target, "--dtype", "float32", "--format", "json")
        self.assertNotEqual(run_killed(*arguments).returncode, 0)
        self.assertTrue((target / ".unfinished").is_dir())
        self.assertFalse(list(target.glob("*.safetensors")))
        shutil.copy(whole / "model-00001-of-00002.safetensors", target)  # as if the first had been written
        self.expect_error(("convert", MOE, "-o", target, "--dtype", "float16"), 1, "unfinished work of another kind")
        report = json.loads(self.succeed(*arguments).stdout)
        self.assertEqual((report["shards"], report["shards_kept"]), (2, 1))
        self.assertEqual(files_of(target), files_of(whole))


class Quantize(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.losses, cls.made = {}, {}
        ids = read_json(DENSE / "validation_ids.json")
        cls.ids, cls.calibration = cls.scratch / "ids.json", cls.scratch / "calibration.json"
        cls.ids.write_text(json.dumps(ids[:TOKENS]))
        cls.calibration.write_text(json.dumps(ids[CALIBRATION]))

    def quantized(self, source, *options):
        """The folder that `vinci quantize` makes of a model; made once."""
        key = "_".join([source.name, *map(str, options)]).replace("/", "-")
        if key not in self.made:
            self.made[key] = self.scratch / key
            calibration = ("--calibrate", self.calibration) if "w8a8-static" in options else ()
            self.succeed("quantize", source, "-o", self.made[key], *calibration, *options)
        return self.made[key]

    def static(self, source, *options):
        return self.quantized(source, "--scheme", "w8a8-static", *options)

    def with_outliers(self, *options):
        key = "_".join(["outliers", *map(str, options)])
        if key not in self.made:
            self.made[key] = self.scratch / key
            tool = pathlib.Path(VINCI).with_name("inject-outliers")
            subprocess.run([tool, DENSE, "-o", self.made[key], *map(str, options)], check=True)
        return self.made[key]

    def loss(self, model, *options):
        key = (model, options)
        if key not in self.losses:
            result = self.succeed("eval", model, "--ids", self.ids, "--window", 256, "--format", "json", *options)
            self.losses[key] = json.loads(result.stdout)["nll"]
        return self.losses[key]

    def logits(self, model, *options):
        file = self.scratch / "logits.npy"
        ids = ",".join(map(str, read_json(self.ids)[:40]))
        result = self.succeed("run", model, "--prompt-ids", ids, "--max-tokens", 8, "--ignore-eos", "--logits", file, "--format",
                              "json", *options)
        return read_npy(file)[1], json.loads(result.stdout)["output_ids"]

    def assert_same_logits(self, a, b, delta):
        self.assertEqual(a[1], b[1])
        self.assertLess(max(abs(x - y) for x, y in zip(a[0], b[0], strict=True)), delta)

    def test_loss_of_the_shipped_models(self):
        for source in (DENSE, MOE, BIASED):
            with self.subTest(model=source.name):
                self.assertAlmostEqual(self.loss(self.quantized(source)), self.loss(source), delta=DYNAMIC_LOSS)
                self.assertAlmostEqual(self.loss(self.static(source)), self.loss(source), delta=STATIC_LOSS)

    def test_outliers_change_nothing_in_float(self):
        self.assert_same_logits(self.logits(self.with_outliers()), self.logits(DENSE, "--dtype", "float32"), 1e-3)

    def test_outliers_need_the_rotation(self):
        source = self.with_outliers()
        exact = self.loss(DENSE)
        self.assertGreater(self.loss(self.static(source)), exact + OUTLIER_LOSS)
        self.assertAlmostEqual(self.loss(self.static(source, "--rotate", "quarot")), exact, delta=STATIC_LOSS)

    def test_outliers_are_not_in_the_norms(self):
        """Norms with weights from 1/4 to 4: folding takes them away, and the outliers stay."""
        source = self.with_outliers("--norm-spread", 4)
        exact = self.loss(DENSE)
        self.assert_same_logits(self.logits(source), self.logits(DENSE, "--dtype", "float32"), 1e-3)
        folded = self.static(source, "--fold-norms")
        norms = [set(array.array("f", read_checkpoint(model)["model.layers.1.input_layernorm.weight"][2])) for model in (source, folded)]
        self.assertGreater(max(norms[0]) / min(norms[0]), 8)
        self.assertEqual(norms[1], {1})
        self.assertGreater(self.loss(self.static(source)), exact + OUTLIER_LOSS)
        self.assertGreater(self.loss(folded), exact + OUTLIER_LOSS)
        self.assertAlmostEqual(self.loss(self.static(source, "--rotate", "quarot")), exact, delta=STATIC_LOSS)

    def test_rotation_alone_leaves_the_logits(self):
        for source in (DENSE, MOE, BIASED):
            with self.subTest(model=source.name):
                rotated = self.quantized(source, "--scheme", "none", "--rotate", "quarot", "--dtype", "float32")
                self.assertFalse((rotated / "quant_model_description.json").exists())
                self.assertFalse(read_json(rotated / "config.json")["tie_word_embeddings"])
                self.assert_same_logits(self.logits(rotated), self.logits(source, "--dtype", "float32"), 1e-3)

    def tokens_on_ranks(self, model, degrees, count=48):
        """For each token, one after another: the largest error of its logits; the first int8 row that is another, as (largest, mean
        difference); and how far the router's logits were off, relative to the largest, where it first chose other experts. None if
        there is no such row or choice."""
        ids = ",".join(map(str, read_json(self.ids)[:count]))
        report = json.loads(vinci("compare", model, "--dtype", "float32", "--prompt-ids", ids, "--max-tokens-per-step", 1, "--max-batch", 1,
                                  "--decode", 0, "--tolerance", 1e6, "--worst", 1 << 20, "--format", "json", "--b", degrees).stdout)
        errors = {row["step"]: row["max_error"] for row in report["logits"]}
        self.assertEqual(len(errors), count)
        order = ("input_layernorm", "attention", "post_attention_layernorm", "gate_proj.swiglu")
        rows, routers, flips = {}, {}, {}
        for row in report["worst"]:
            step, tensor = row["step"], row["tensor"]
            if tensor == "router":
                routers[step, row["layer"]] = row["relative"]
            elif tensor.endswith("experts"):
                flips[step] = min(flips.get(step, 1 << 20), int(row["layer"]))
            elif tensor.endswith("quantize"):
                place = (int(row["layer"]), order.index(tensor.rsplit(".", 1)[0]))
                rows[step] = min(rows.get(step, ((1 << 20, 0), None)), (place, (row["max_error"], row["mean_error"])))
        return [(errors[step], rows[step][1] if step in rows else None, routers[step, str(flips[step])] if step in flips else None)
                for step in report["steps"]]

    def assert_ranks_compute_the_same(self, model, degrees):
        """Ranks add their parts of a sum in float32, which differs in the last bits: 1e-5 was seen in logits. Where an activation lies
        between two int8 values, that may decide, and what follows differs by as much as one of them, for this token and for those that
        attend to it: 0.03 was seen. Where two experts are as good, such a difference may choose the other, and that token has
        other logits: 0.49 was seen. So the first token that is off by more than a sum must have just that: in its first int8 row that
        is another, a value or two that are the next ones; and other experts only where the router's logits had hardly changed.
        """
        tokens = self.tokens_on_ranks(model, degrees)
        off = False  # of this token or one before it
        for error, row, router in tokens:
            if not off and row is not None:
                self.assertEqual(row[0], 1, tokens)
                self.assertLess(row[1], 1e-2, tokens)
            if router is not None:
                self.assertLess(router, 5e-3, tokens)
            off = off or row is not None or router is not None
            if router is None:
                self.assertLess(error, 3e-1 if off else 1e-4, tokens)
        self.assertLessEqual(sum(router is not None for _, _, router in tokens), len(tokens) // 20, tokens)

    def test_ranks_compute_the_same(self):
        for model, degrees in ((self.static(MOE), "--tp 2 --ep 2"), (self.static(MOE), "--tp 2"), (self.static(BIASED), "--tp 2"),
                               (self.quantized(MOE), "--tp 4"), (self.quantized(BIASED), "--tp 2")):
            with self.subTest(model=model.name, degrees=degrees):
                self.assert_ranks_compute_the_same(model, degrees)

    def test_scales_of_parts_are_not_the_same(self):
        """What the test above would see: scales that are off by as little as those of a rank's part of a row."""
        for model in (self.static(MOE), self.quantized(MOE), self.quantized(BIASED)):
            with self.subTest(model=model.name), self.assertRaises(AssertionError):
                self.assert_ranks_compute_the_same(model, "--tp 2 --dynamic-scales rank")

    def test_methods_of_calibration(self):
        scales = [read_checkpoint(self.static(BIASED, *options))["model.layers.0.mlp.down_proj.input_scale"][2] for options in
                  ((), ("--calibration-method", "mse"), ("--calibration-method", "percentile", "--percentile", 99.9))]
        self.assertEqual(len(set(scales)), 3)
        self.assertAlmostEqual(self.loss(self.static(BIASED, "--calibration-method", "mse")), self.loss(BIASED), delta=STATIC_LOSS)

    def test_calibration_with_text(self):
        text = self.scratch / "text.txt"
        text.write_text("It is a truth universally acknowledged, that a single man in possession of a good fortune must be in want of "
                        "a wife. However little known the feelings or views of such a man may be. " * 4)
        target = self.scratch / "from-text"
        report = json.loads(self.succeed("quantize", DENSE, "-o", target, "--scheme", "w8a8-static", "--calibrate", text,
                                         "--calibration-tokens", 100, "--format", "json").stdout)
        self.assertEqual(report["calibration_tokens"], 100)
        self.assertLess(self.loss(target) - self.loss(DENSE), 4 * STATIC_LOSS)  # few tokens: only sane

    def test_what_stays_float(self):
        model = self.quantized(DENSE, "--keep-float", "down_proj,layers.2")
        report = json.loads(self.succeed("inspect", model, "--format", "json").stdout)
        kept = "attention W8A8_DYNAMIC, gate_up W8A8_DYNAMIC, down_proj FLOAT"
        self.assertEqual(report["quantisation"], [{"layers": "0-1", "scheme": kept}, {"layers": "2-2", "scheme": "FLOAT"},
                                                  {"layers": "3-3", "scheme": kept}])

    def test_float16_packs_its_scales(self):
        model = self.static(DENSE, "--dtype", "float16")
        tensors = read_checkpoint(model)
        self.assertEqual(tensors["model.layers.0.self_attn.q_proj.deq_scale"][0], "I64")
        self.assertEqual(tensors["model.layers.0.self_attn.q_proj.input_scale"][0], "F16")
        for name in ("input_scale", "input_offset"):
            shared = {tensors[f"model.layers.0.self_attn.{linear}_proj.{name}"][2] for linear in "qkv"}
            self.assertEqual(len(shared), 1)
        self.assertAlmostEqual(self.loss(model), self.loss(DENSE), delta=STATIC_LOSS)

    def test_the_same_bytes_also_after_an_interruption(self):
        options = ("--scheme", "w8a8-static", "--rotate", "quarot", "--calibrate", self.calibration, "--shard-size", 1)
        folders = [self.scratch / name for name in ("first", "second")]
        self.assertNotEqual(run_killed("quantize", DENSE, "-o", folders[1], *options).returncode, 0)
        self.assertTrue((folders[1] / ".unfinished").is_dir())
        for folder in folders:
            self.succeed("quantize", DENSE, "-o", folder, *options)
        first, second = map(files_of, folders)
        self.assertEqual(list(first), list(second))
        self.assertTrue(first == second)
        self.assertIn("quant_model_weights.safetensors.index.json", first)

    def test_a_calibration_is_not_repeated(self):
        target = self.scratch / "calibrated"
        arguments = ("quantize", DENSE, "-o", target, "--calibrate", self.calibration, "--scheme", "w8a8-static")
        self.assertNotEqual(run_killed(*arguments, size=2 << 20).returncode, 0)  # at the weights
        state = target / ".unfinished" / "calibration.cbor"
        kept = state.read_bytes()
        state.write_bytes(kept[:1000])
        self.expect_error(arguments, 1, "calibration.cbor", "this is not what a calibration has kept")
        state.write_bytes(kept)
        self.succeed(*arguments)
        self.assertTrue(files_of(target) == files_of(self.static(DENSE)))

    def report(self, source, *options):
        file, target = self.scratch / "report.json", self.scratch / f"reported-{source.name}-{len(options)}"
        shown = self.succeed("quantize", source, "-o", target, "--calibrate", self.calibration, "--calibration-tokens", 256,
                             "--report", file, *options).stdout
        self.assertIn("sqnr_db", shown)
        return read_json(file)

    def test_report(self):
        plain, rotated = (self.report(self.with_outliers(), "--scheme", "w8a8-static", *options)
                          for options in ((), ("--rotate", "quarot")))
        self.assertEqual(plain["target"], "910b3")
        rows = [{(row["layer"], row["linear"]): row for row in report["linears"]} for report in (plain, rotated)]
        self.assertEqual(len(rows[0]), 4 * 4)
        for key, row in rows[0].items():
            self.assertEqual(row["scheme"], "W8A8")
            if key[1] == "o_proj":  # reads the values, where the outliers are
                self.assertGreater(row["outlier"], 20)
                self.assertLess(rows[1][key]["outlier"], 4)
                self.assertGreater(rows[1][key]["sqnr_db"], 15)
                self.assertGreater(rows[1][key]["cosine"], 0.98)
        # So small a model only loses by quantisation.
        self.assertEqual({row["pays"] for row in plain["linears"]}, {"no"})
        self.assertTrue(all(row["decode_us"] > row["decode_float_us"] for row in plain["linears"]))

    def test_report_of_experts_and_of_what_stays_float(self):
        report = self.report(MOE, "--keep-float", "layers.0-2", "--target", "310p3")
        rows = {(row["layer"], row["linear"]): row for row in report["linears"]}
        kept, experts = rows[(0, "o_proj")], rows[(3, "down_proj")]
        self.assertEqual((kept["scheme"], kept["sqnr_db"], kept["decode_us"]), ("FLOAT", None, kept["decode_float_us"]))
        self.assertEqual(experts["scheme"], "W8A8_DYNAMIC")
        self.assertGreater(experts["sqnr_db"], 25)
        self.assertGreaterEqual(experts["outlier"], 1)

    def test_weights_alone(self):
        """W8A16: nothing is lost but what rounding weights loses, and ranks compute the same."""
        for source, degrees in ((DENSE, ("--tp", 2)), (MOE, ("--tp", 2)), (BIASED, ("--tp", 2))):
            with self.subTest(model=source.name):
                model = self.quantized(source, "--scheme", "w8")
                entries = read_json(model / "quant_model_description.json")
                self.assertEqual(entries["model_quant_type"], "W8A16")
                self.assertEqual(entries["model.layers.0.self_attn.o_proj.weight"], "W8A16")
                self.assertAlmostEqual(self.loss(model), self.loss(source), delta=WEIGHTS_LOSS)
                one, two = self.logits(model, "--dtype", "float32"), self.logits(model, "--dtype", "float32", *degrees)
                self.assert_same_logits(one, two, 1e-3)
                compared = self.succeed("compare", model, "--reference", "--dtype", "float32", "--format", "json").stdout
                self.assertEqual(json.loads(compared)["beyond_tolerance"], 0)
                self.assertIn("weight_quant_matmul", self.succeed("compile", model, "-o", "-", "--stop-after", "import").stdout)
                # Joined (qkv_proj, gate_up_proj) they are the same bits.
                joined = self.succeed("compare", model, "--tolerance", 0, "--a", "--passes=-all", "--format", "json").stdout
                self.assertEqual(json.loads(joined)["same_bits"], json.loads(joined)["compared"])
                lowered = self.succeed("compile", model, "-o", "-", "--stop-after", "lower").stdout
                self.assertIn("parameter @qkv_proj.weight_scale", lowered)
                self.assertIn("parameter @gate_up_proj.weight_scale", lowered)

    def test_the_head(self):
        """On request, whatever the scheme of the others, and of a tied head as a matrix of its own."""
        for source, options in ((DENSE, ()), (DENSE, ("--scheme", "w8")), (DENSE, ("--scheme", "none")), (MOE, ()),
                                (BIASED, ("--scheme", "w8a8-static")), (BIASED, ("--rotate", "quarot"))):
            with self.subTest(model=source.name, options=options):
                model = self.quantized(source, *options, "--head", "w8a8-dynamic")
                self.assertFalse(read_json(model / "config.json")["tie_word_embeddings"])
                tensors, entries = read_checkpoint(model), read_json(model / "quant_model_description.json")
                rows, columns = tensors["model.embed_tokens.weight"][1]
                self.assertEqual(entries["model.embed_tokens.weight"], "FLOAT")
                for part, dtype, shape in (("weight", "I8", [rows, columns]), ("weight_scale", "F32", [rows, 1]),
                                           ("weight_offset", "F32", [rows, 1])):
                    self.assertEqual(tensors[f"lm_head.{part}"][:2], (dtype, shape))
                    self.assertEqual(entries[f"lm_head.{part}"], "W8A8_DYNAMIC")
                self.assertAlmostEqual(self.loss(model), self.loss(source),
                                       delta=STATIC_LOSS if "w8a8-static" in options else DYNAMIC_LOSS)
        # The report has a row for it, after those of the layers: it reads what the last norm writes.
        report = self.scratch / "head.json"
        self.quantized(DENSE, "--head", "w8a8-dynamic", "--calibrate", self.calibration, "--report", report)
        rows = read_json(report)["linears"]
        self.assertEqual([row["linear"] for row in rows if row["layer"] is None], ["lm_head"])
        self.assertEqual((rows[-1]["linear"], rows[-1]["scheme"]), ("lm_head", "W8A8_DYNAMIC"))
        self.assertGreater(rows[-1]["sqnr_db"], 40)  # 48 was seen
        self.assertGreater(rows[-1]["decode_float_us"], rows[0]["decode_float_us"])
        # The others are what they are without.
        with_head, without = (read_checkpoint(self.quantized(DENSE, *options)) for options in (("--head", "w8a8-dynamic"), ()))
        self.assertEqual({name: tensor for name, tensor in with_head.items() if not name.startswith("lm_head")}, without)


if __name__ == "__main__":
    unittest.main()
