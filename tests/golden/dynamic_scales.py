"""Dynamic W8A8 on ranks: the scales and the int8 activations of one device, and its int32 sums in what the ranks add up.

A rank has a part of the rows that o and down multiply. With `--dynamic-scales row`, as the host does it, the ranks agree on the scale
of the whole row; with `rank`, as the vendor's stacks do it, each has its own.

Float32 activations differ in their last bits once ranks have added partial sums, so nothing is required to the bit behind the first
sum of the first layer; an activation next to the middle between two int8 values may then become the other one: no value may be
further off than by that one step.
"""
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import MODELS, VinciTest, read_json, vinci  # noqa: E402

DENSE, MOE, BIASED = (MODELS / name for name in ("austen-qwen3", "austen-qwen3-moe", "austen-qwen2"))
ROUNDING = 2e-6  # relative to the largest value: a few float32 roundings in another order
TOKENS = 512


def all_dynamic(linear):
    return quantise.DYNAMIC


class DynamicScales(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.models = {}

    def quantised(self, source):
        if source not in self.models:
            self.models[source] = quantise.quantise(source, self.scratch / source.name, all_dynamic)
        return self.models[source]

    def differences(self, model, *options):
        """([(layer, tensor, relative error, largest error)] of all that differs by a bit, the report)"""
        result = vinci("compare", model, "--dtype", "float32", "--worst", 100000, "--format", "json", "--decode", 2,
                       "--tolerance", 1e6, "--b", " ".join(map(str, options)))
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertNotIn("replicas", report)
        return [(row["layer"], row["tensor"], row["relative"], row["max_error"]) for row in report["worst"]], report

    def kernels(self, model, *options):
        text = self.succeed("compile", model, "-o", "-", "--stop-after", "lower", "--no-weights", *options).stdout
        return re.findall(r'npu.launch "(\w+)"', text)

    def test_scales_and_sums_are_those_of_one_device(self):
        for source, degrees in ((DENSE, ("--tp 2", "--tp 4")), (BIASED, ("--tp 2",)),
                                (MOE, ("--tp 2", "--tp 4", "--tp 4 --ep 2", "--world 4 --attn-tp 2"))):
            for options in degrees:
                with self.subTest(model=source.name, options=options):
                    rows, report = self.differences(self.quantised(source), options)
                    # Every int8 tensor and every scale is compared: none is in an order of the ranks' own but by experts.
                    if "--ep" not in options and "--world" not in options:
                        self.assertFalse([name for name in report["not_compared"][0]["unmatched_names"] if "quantize" in name], report)
                    # Attention, its int8 rows and their scales: to the bit. The ranks' sums of exact products, scaled alike, make that of
                    # one device.
                    self.assertEqual([row for row in rows if row[0] == "0" and row[1].startswith("attention")], [])
                    self.assertLess(max((error for layer, tensor, error, _ in rows if (layer, tensor) == ("0", "o_proj")), default=0),
                                    ROUNDING)
                    for layer, tensor, relative, largest in rows:
                        if layer in ("0", "1") and tensor.endswith(".dynamic_quantize"):
                            self.assertLessEqual(largest, 1, (layer, tensor))
                        elif tensor.endswith(".dynamic_quantize"):
                            self.assertLessEqual(largest, 3, (layer, tensor))

    def test_parts_with_scales_of_their_own_differ(self):
        """What the test above would see."""
        rows, report = self.differences(self.quantised(DENSE), "--tp 2 --dynamic-scales rank")
        self.assertGreater(max(error for layer, tensor, error, _ in rows if (layer, tensor) == ("0", "o_proj")), 1000 * ROUNDING)
        self.assertGreater(report["not_compared"][1]["other_order"], 0)

    def test_the_loss_is_that_of_one_device(self):
        ids = self.scratch / "ids.json"
        ids.write_text(json.dumps(read_json(DENSE / "validation_ids.json")[:TOKENS]))

        def loss(*options):
            result = self.succeed("eval", self.quantised(DENSE), "--ids", ids, "--window", 256, "--dtype", "float32", "--format", "json",
                                  *options)
            return json.loads(result.stdout)["nll"]
        # Seen: 0.00012 and 0.00023, of activations that lay between two int8 values; 0.0012 and 0.0008 with scales of parts.
        one = loss()
        self.assertAlmostEqual(loss("--tp", 2), one, delta=5e-4)
        self.assertAlmostEqual(loss("--tp", 4), one, delta=5e-4)

    def test_who_has_which(self):
        model = self.quantised(DENSE)
        self.assertNotIn("row_max", self.kernels(model))
        self.assertNotIn("row_max", self.kernels(model, "--dynamic-scales", "row"))  # one device
        ranks = self.kernels(model, "--tp", 2)
        bodies = ranks.count("attention")
        # o and down of a layer: two launches each besides the collective, and the swiglu apart from its quantisation.
        self.assertEqual([ranks.count(name) / bodies for name in ("row_max", "dynamic_quantize", "swiglu", "swiglu_quant")], [2, 2, 1, 0])
        own = self.kernels(model, "--tp", 2, "--dynamic-scales", "rank")
        self.assertEqual([own.count(name) / bodies for name in ("row_max", "dynamic_quantize", "swiglu", "swiglu_quant")], [0, 1, 0, 1])
        self.assertEqual((ranks.count("all_gather") - own.count("all_gather")) / bodies, 2)
        for target in ("310p3", "910b3", "a3"):
            dtype = ("--dtype", "float16") if target == "310p3" else ()
            self.assertNotIn("row_max", self.kernels(model, "--tp", 2, "--target", target, *dtype))
            self.assertIn("row_max", self.kernels(model, "--tp", 2, "--target", target, "--dynamic-scales", "row", *dtype))

    def test_fusions_change_no_bit(self):
        for source in (DENSE, MOE):
            with self.subTest(model=source.name):
                result = vinci("compare", self.quantised(source), "--tolerance", 0, "--a", "--tp 2 --passes=-all,+merge-quantize",
                               "--b", "--tp 2", "--format", "json")
                self.assertEqual(result.returncode, 0, result.stderr)
                report = json.loads(result.stdout)
                self.assertEqual(report["same_bits"], report["compared"])

    def test_the_flag(self):
        self.expect_error(("compile", DENSE, "-o", "-", "--dynamic-scales", "column"), 1,
                          "--dynamic-scales 'column' is unknown; legal are row and rank")
        ir = self.scratch / "partitioned.mlir"
        self.succeed("compile", self.quantised(DENSE), "-o", ir, "--stop-after", "partition", "--tp", 2, "--no-weights")
        self.expect_error(("compile", ir, "-o", "-", "--dynamic-scales", "rank"), 1, "partitioned.mlir",
                          "--dynamic-scales goes with a model or with IR before the phase partition")


if __name__ == "__main__":
    unittest.main()
