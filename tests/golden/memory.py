"""What a device's memory goes to, against sums by hand; what does not fit, and the changes that would make it fit.

Weights by hand are parameters times bytes of the published sizes, a rank's share of what is divided and all of what is not.
"""
import json
import pathlib
import re
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, TRAINED, VinciTest  # noqa: E402

GIB = 1 << 30
MINDIE = MODELS / "qwq-32b-mindie"
W8A8 = MODELS / "qwen3-235b-w8a8"
SYSTEMS = [MODELS / name for name in ("qwq-32b-300i-duo", "qwq-32b-mindie", "qwen2.5-7b", "qwen3-235b-w8a8", "qwen3-235b-a3")]
QUANTISED = "weights in W8A8 (vinci quantize)"
DEVICE_GIB = {"910b3": 64, "a3": 64, "310p3": 24}

# qkv, o, gate and up, down of 64 layers on one of four ranks, and its parts of embedding and head; 2 bytes each.
QWQ_TP4 = 2 * (64 * (5120 * 1792 + 1280 * 5120 + 5120 * 13824 + 6912 * 5120) + 2 * 152064 // 4 * 5120)
# q and o by 8, a KV head on each, 128 experts of 3 x 4096 x 192 in int8; the router whole, in 2 bytes as embedding and head.
W8A8_TP8 = 94 * (4096 * (1024 + 128 + 128) + 1024 * 4096 + 128 * 3 * 4096 * 192 + 2 * 128 * 4096) + 2 * 2 * 151936 // 8 * 4096
# The same by 16 in 2 bytes, and again a KV head on each.
A3_TP16 = 2 * (94 * (4096 * (512 + 128 + 128) + 512 * 4096 + 128 * 3 * 4096 * 96 + 128 * 4096) + 2 * 151936 // 16 * 4096)
WEIGHTS = {"qwq-32b-300i-duo": QWQ_TP4, "qwq-32b-mindie": QWQ_TP4, "qwen2.5-7b": 2 * 7_615_616_512,
           "qwen3-235b-w8a8": W8A8_TP8, "qwen3-235b-a3": A3_TP16}
# Layers x block size x KV heads of a rank x head_dim x 2 bytes x K and V.
BLOCK = {"qwq-32b-300i-duo": 64 * 128 * 2 * 128 * 4, "qwq-32b-mindie": 64 * 128 * 2 * 128 * 4, "qwen2.5-7b": 28 * 32 * 4 * 128 * 4,
         "qwen3-235b-w8a8": 94 * 128 * 1 * 128 * 4, "qwen3-235b-a3": 94 * 128 * 1 * 128 * 4}
CAPACITY = {"qwq-32b-300i-duo": 28, "qwq-32b-mindie": 59, "qwen2.5-7b": 59, "qwen3-235b-w8a8": 57.6, "qwen3-235b-a3": 61}


class Memory(VinciTest):
    def inspect(self, model, *options):
        return json.loads(self.succeed("inspect", model, *options, "--format", "json").stdout)

    def memory(self, model, *options):
        report = self.inspect(model, "--memory", *options)["device_memory"]
        return report, {row["what"]: row["bytes"] for row in report["budget"]}

    def within(self, value, expected, tolerance=0.02):
        self.assertLess(abs(value / expected - 1), tolerance, f"{value} for {expected}")

    def test_tables_are_sums_by_hand(self):
        for model in SYSTEMS:
            with self.subTest(model=model.name):
                report, rows = self.memory(model)
                self.assertTrue(report["fits"])
                self.within(rows["weights"], WEIGHTS[model.name])
                self.within(report["capacity_bytes"], CAPACITY[model.name] * GIB)
                self.assertEqual(rows["KV cache"], report["kv_blocks"] * BLOCK[model.name])
                self.assertEqual(sum(rows.values()), report["capacity_bytes"])
                self.assertEqual(report["used_bytes"], report["capacity_bytes"] - rows["free"])
                # Activations do not take more than a hidden state of all widths for each token.
                self.assertLess(rows["activations"], 3 * GIB)

    def test_kv_capacity(self):
        report, rows = self.memory(MINDIE)
        # 35 GiB in blocks of 8 MiB; 2048 and 512 tokens take 16 and 4 of them.
        self.assertEqual((report["kv_blocks"], report["kv_tokens"], report["kv_sequences"]), (4480, 573440, 224))
        report, _ = self.memory(MINDIE, "--set", "npuMemSize=8")
        self.assertEqual((report["kv_blocks"], report["kv_sequences"]), (1024, 51))
        # 64 GiB less 32 for all else.
        report, _ = self.memory(MODELS / "qwen2.5-7b")
        self.assertEqual(report["kv_blocks"], 32 * GIB // BLOCK["qwen2.5-7b"])
        # What is left of 0.9 of 64 GiB.
        report, rows = self.memory(W8A8)
        left = report["capacity_bytes"] - sum(rows[what] for what in rows if what not in ("KV cache", "free"))
        self.assertEqual(report["kv_blocks"], left // BLOCK["qwen3-235b-w8a8"])

    def test_rows(self):
        # Buffers of collectives: one to send and one to receive for each group, 512 MiB as the launch script says, else 200.
        self.assertEqual(self.memory(W8A8)[1]["collective buffers"], 2 * 512 << 20)
        self.assertEqual(self.memory(MINDIE)[1]["collective buffers"], 2 * 200 << 20)
        self.assertEqual(self.memory(MODELS / "qwen2.5-7b")[1]["collective buffers"], 0)
        # A whole mask of 8192 tokens in 16 bits, on the device that needs one.
        self.assertEqual(self.memory(SYSTEMS[0])[1]["attention mask"], 2 * 8192 * 8192)
        self.assertEqual(self.memory(MINDIE)[1]["attention mask"], 0)
        # All graphs share the activations of the largest.
        self.assertEqual(self.memory(W8A8, "--graph-mode", "none")[1]["graph pool"], 0)
        small, large = (self.memory(W8A8, "--graph-batch-sizes", sizes)[1]["graph pool"] for sizes in ("1,2,4,50", "100"))
        self.assertGreater(small, 0)
        self.within(large, 2 * small)
        # Activations grow with the tokens of a step.
        few, many = (self.memory(W8A8, "--max-tokens-per-step", tokens)[1]["activations"] for tokens in (4096, 16384))
        self.assertGreater(many, 1.5 * few)

    def test_settings_that_leave_nothing_are_told(self):
        report, _ = self.memory(SYSTEMS[0])
        self.assertIn("the deployment's memory for the KV cache is -2.00 GiB", report["warning"])
        result = self.succeed("compile", SYSTEMS[0], "-o", self.scratch / "x.plan", "--no-weights")
        self.assertIn("warning: the deployment's memory for the KV cache is -2.00 GiB", result.stderr)

    def test_half_the_memory(self):
        refused = set()
        for model in SYSTEMS:
            with self.subTest(model=model.name):
                whole = json.loads(self.succeed("import", model, "--format", "json").stdout)
                said = whole.get("memory", {}).get("device_gib", {}).get("value") or DEVICE_GIB[whole["target"]["name"]["value"]]
                half = ("--set", f"memory.device_gib={said / 2}")
                report, rows = self.memory(model, *half)
                self.assertLessEqual(report["capacity_bytes"], said / 2 * GIB)
                if report["fits"]:
                    self.assertLessEqual(report["used_bytes"], report["capacity_bytes"])
                    continue
                refused.add(model.name)
                self.assertGreater(len(report["changes_that_fit"]), 0)
                held = []
                for change in report["changes_that_fit"]:
                    if change == QUANTISED:
                        changed, options = self.quantised(model), ()
                    else:
                        changed, options = model, change.split()
                    found, rows = self.memory(changed, *half, *options)
                    self.assertTrue(found["fits"], change)
                    # As measured: without a cache that takes what is left.
                    held.append(sum(bytes for what, bytes in rows.items() if what not in ("free", "KV cache")))
                if "kv_gib" not in report["changes_that_fit"][0]:
                    self.assertEqual(held, sorted(held, reverse=True), report["changes_that_fit"])
        self.assertEqual(refused, {"qwq-32b-300i-duo", "qwq-32b-mindie", "qwen3-235b-w8a8"})

    def quantised(self, model):
        """The configs of a model whose linears are described as int8."""
        folder = self.scratch / f"{model.name}-w8a8"
        if not folder.exists():
            shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
            names = [row["tensor"] for row in json.loads(self.succeed("inspect", model, "--weights", "--format", "json").stdout)]
            description = {"model_quant_type": "W8A8_DYNAMIC", "version": "1.0.0", "group_size": 0}
            for name in names:
                linear = name.endswith("_proj.weight")
                description[name] = "W8A8_DYNAMIC" if linear else "FLOAT"
                if linear:
                    description |= {name + field: "W8A8_DYNAMIC" for field in ("_scale", "_offset")}
            (folder / "quant_model_description.json").write_text(json.dumps(description))
        return folder

    def test_int8_weights_are_a_change(self):
        # 16 bits of eight billion weights do not fit where 8 bits do; nothing else that is said changes that.
        tight = ("--target", "910b3", "--max-seq-len", "4096", "--set", "memory.device_gib=14")
        report, _ = self.memory(MODELS / "qwen3-8b", *tight)
        self.assertEqual(report["changes_that_fit"], [QUANTISED, "--tp 2"])
        self.assertTrue(self.memory(self.quantised(MODELS / "qwen3-8b"), *tight)[0]["fits"])
        self.expect_error(("compile", MODELS / "qwen3-8b", "-o", self.scratch / "x.plan", "--no-weights", *tight), 1,
                          f"; with {QUANTISED} it fits, with --tp 2 it fits")
        # Weights that are int8 already have nothing to gain.
        self.assertNotIn(QUANTISED, self.memory(W8A8, "--set", "memory.device_gib=32")[0]["changes_that_fit"])

    def test_rows_of_logits(self):
        # A head that is divided has its part of them in the arena, and the output has all.
        model = TRAINED[1]
        sizes = {}
        text = self.scratch / "ids.json"
        text.write_text(json.dumps([i * 37 % 4000 for i in range(100)]))
        for rows in (None, 16):
            plan = self.scratch / f"{rows}.plan"
            self.succeed("compile", model, "-o", plan, "--tp", "2", *(("--max-logit-rows", rows) if rows else ()))
            summary = self.inspect(plan)
            self.assertEqual(summary.get("max_logit_rows"), rows)
            sizes[rows] = summary["arena_bytes"]
            scores = json.loads(self.succeed("eval", plan, "--model", model, "--ids", text).stdout)
            logits = self.scratch / f"{rows}.npy"
            prompt = ",".join(str(i * 91 % 4000) for i in range(50))
            ids = json.loads(self.succeed("run", plan, "--model", model, "--prompt-ids", prompt, "--max-tokens", "5", "--logits", logits,
                                          "--format", "json").stdout)["output_ids"]
            sizes["scores", rows], sizes["ids", rows] = scores["nll"], (ids, logits.read_bytes())
        # 512 rows of half a vocabulary, joined and apart, against 16 of them.
        self.assertLess(sizes[16], sizes[None] / 2)
        self.assertEqual(sizes["scores", 16], sizes["scores", None])
        self.assertEqual(sizes["ids", 16], sizes["ids", None])
        self.expect_error(("compile", model, "-o", self.scratch / "x.plan", "--max-logit-rows", "8"), 1,
                          "--max-logit-rows is 8; an integer from 16 to 512 (max-batch to max-tokens-per-step) is expected")

    def test_compile_refuses_what_does_not_fit(self):
        out = ("-o", self.scratch / "x.plan", "--no-weights")
        half = ("--set", "memory.device_gib=32")
        result = self.expect_error(("compile", MINDIE, *out, *half), 1, "the model does not fit 910b3: weights 15.26 GiB + activations",
                                   "KV cache 35.00 GiB", "of 32.00 GiB", "; with --set memory.kv_gib=")
        change = re.search(r"; with (.+?) it fits", result.stderr).group(1).split()
        self.succeed("compile", MINDIE, *out, *half, *change)
        # Blocks that are asked for by name.
        result = self.expect_error(("compile", MINDIE, *out, *half, "--kv-blocks", "4480"), 1, "; with --kv-blocks ")
        blocks = re.search(r"--kv-blocks (\d+) it fits", result.stderr).group(1)
        self.succeed("compile", MINDIE, *out, *half, "--kv-blocks", blocks)
        self.expect_error(("compile", MINDIE, *out, *half, "--kv-blocks", int(blocks) + 1), 1, "does not fit 910b3")
        # Float32 where 16 bits would fit, and tokens of a step.
        qwen = ("compile", MODELS / "qwen3-8b", *out, "--target", "910b3", "--max-seq-len", "4096")
        self.expect_error((*qwen, "--set", "memory.device_gib=24", "--dtype", "float32"), 1, "with --dtype bfloat16 it fits", "with --tp 2 it fits")
        self.expect_error((*qwen, "--set", "memory.device_gib=18", "--max-tokens-per-step", "32768"), 1,
                          "with --max-tokens-per-step ", "with --tp 2 it fits")
        # `run` compiles, too, and nothing helps a device that is far too small.
        self.expect_error(("run", TRAINED[0], "--prompt-ids", "1", "--target", "910b3", "--set", "memory.device_gib=0.0001"), 1,
                          "does not fit 910b3", "nor eight times the ranks would fit")

    def test_longest_sequence(self):
        report = self.inspect(MINDIE, "--max-seq")["max_seq"]
        bounds = {row["bound"]: row["tokens"] for row in report["bounds"]}
        self.assertEqual((bounds["KV cache"], bounds["rotary table"], bounds["block table"]), (573440, 32768, 2560))
        self.assertEqual((report["longest_sequence"], report["bound_by"]), (2560, "block table"))
        self.assertEqual((report["longest_possible"], report["possible_bound_by"]), (32768, "rotary table"))
        # A prompt is one step there: with a longer table and less cache, its activations and KV bind in turn.
        longer = ("--set", "model.max_position_embeddings=1000000")
        report = self.inspect(MINDIE, "--max-seq", *longer)["max_seq"]
        self.assertEqual(report["possible_bound_by"], "activations")
        report = self.inspect(MINDIE, "--max-seq", *longer, "--set", "npuMemSize=3")["max_seq"]
        self.assertEqual((report["longest_possible"], report["possible_bound_by"]), (384 * 128, "KV cache"))
        # Chunks keep activations small, but not a whole mask.
        report = self.inspect(SYSTEMS[0], "--max-seq", *longer)["max_seq"]
        self.assertIn("activations and mask", [row["bound"] for row in report["bounds"]])

    def test_too_long_is_refused(self):
        out = ("-o", self.scratch / "x.plan", "--no-weights")
        self.expect_error(("compile", MINDIE, *out, "--max-seq-len", "65536"), 1, "max-seq-len is 65536", "1 to 32768 (max_position_embeddings)")
        # A longer table alone does not make it fit.
        longer = ("--set", "model.max_position_embeddings=262144", "--max-tokens-per-step", "262144")
        result = self.expect_error(("compile", MINDIE, *out, *longer, "--max-seq-len", "262144"), 1, "does not fit 910b3")
        qwen = ("compile", MODELS / "qwen3-8b", *out, "--target", "910b3", "--set", "memory.device_gib=18")
        result = self.expect_error(qwen, 1, "a sequence of max_seq_len 40960 does not fit 910b3", "bound by the KV cache", "with --max-seq-len ")
        longest = re.search(r"--max-seq-len (\d+) it fits", result.stderr).group(1)
        self.succeed(*qwen, "--max-seq-len", longest)
        self.expect_error((*qwen, "--max-seq-len", int(longest) + 128), 1, "does not fit 910b3")

    def test_plans_and_hosts(self):
        plan = self.scratch / "npu.plan"
        self.succeed("compile", TRAINED[1], "-o", plan, "--target", "910b3")
        report = self.inspect(plan, "--memory", "--max-seq")
        self.assertEqual(list(report), ["device_memory", "max_seq", "memory"])
        self.assertEqual(report["device_memory"]["kv_rule"], "61.00 GiB of the device less all else")
        self.assertEqual(report["max_seq"]["longest_sequence"], 2048)
        self.assertEqual(self.inspect(plan)["target"], "910b3")
        # The host's memory is not planned; what the plan takes is shown all the same.
        self.assertEqual(list(self.inspect(TRAINED[1], "--memory")), ["memory"])
        for source in (TRAINED[1], MODELS / "qwen3-8b"):
            self.expect_error(("inspect", source, "--max-seq"), 1, "--max-seq asks for a device", "--target")
        self.succeed("compile", TRAINED[1], "-o", plan)
        self.expect_error(("inspect", plan, "--max-seq"), 1, "npu.plan", "--max-seq asks for a device")
        self.expect_error(("inspect", plan, "--memory", "--tp", "2"), 1, "compile options go with a model")
        self.expect_error(("inspect", TRAINED[1], "--weights", "--tp", "2"), 1, "compile options go with a model")

    def test_text(self):
        text = self.succeed("inspect", MINDIE, "--memory", "--max-seq").stdout
        for words in ("collective buffers", "kv_sequences", "224", "rotary table"):
            self.assertIn(words, text)


class Poison(VinciTest):
    def test_freed_activations_are_never_read(self):
        for model in TRAINED:
            for options in ((), ("--tp", "2"), ("--passes=-all",)):
                with self.subTest(model=model.name, options=options):
                    command = ("run", model, "--prompt-ids", "5,4,3,2,1", "--max-tokens", "3", "--format", "json", *options)
                    plain, poisoned = (json.loads(self.succeed(*command, *flag).stdout) for flag in ((), ("--poison",)))
                    self.assertEqual(poisoned["output_ids"], plain["output_ids"])


if __name__ == "__main__":
    unittest.main()
