"""What every subcommand does when all is well: its output, its files, the cache, and IR that can be taken up again."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import (DATA, MODELS, RANDOM, VINCI, VinciTest, read_json, read_npy, sample_plan, vinci,  # noqa: E402
                     write_sample_checkpoint)

AUSTEN = MODELS / "austen-qwen3"
PLAIN = DATA / "llama-plain"  # without tokenizer; compiles fastest
PHASES = ("import", "fuse", "lower", "schedule", "memory", "plan")
PROMPT = "It is a truth universally acknowledged, that"


class Run(VinciTest):
    def report(self, *arguments, **options):
        return json.loads(self.succeed("run", *arguments, "--format", "json", **options).stdout)

    def prompts(self, name, content):
        path = self.scratch / name
        path.write_text(content)
        return path

    def test_json_fields(self):
        report = self.report(AUSTEN, "--prompt", PROMPT, "--max-tokens", 8)
        self.assertEqual(list(report), ["prompt_ids", "output_ids", "text", "finish_reason", "timing", "sampling", "ranks", "graphs"])
        self.assertEqual(report["ranks"], 1)
        self.assertEqual(list(report["timing"]), ["load_ms", "prefill_ms", "decode_ms", "tokens_per_s"])
        self.assertEqual(list(report["sampling"]), ["temperature", "top_k", "top_p", "repetition_penalty", "seed", "max_tokens"])
        self.assertEqual(len(report["output_ids"]), 8)
        self.assertEqual(report["finish_reason"], "length")
        self.assertTrue(all(value >= 0 for value in report["timing"].values()))
        tokenized = json.loads(self.succeed("tokenize", AUSTEN, "--text", PROMPT).stdout)
        self.assertEqual(report["prompt_ids"], tokenized["ids"])

    def test_text_is_prompt_and_continuation(self):
        report = self.report(AUSTEN, "--prompt", PROMPT, "--max-tokens", 12)
        shown = self.succeed("run", AUSTEN, "--prompt", PROMPT, "--max-tokens", 12).stdout
        self.assertEqual(shown, PROMPT + report["text"] + "\n")

    def test_text_streams(self):
        process = subprocess.Popen([VINCI, "run", str(AUSTEN), "--prompt", PROMPT, "--max-tokens", "200"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        pieces = []
        while piece := os.read(process.stdout.fileno(), 65536):
            pieces.append(piece)
        process.stdout.close()
        self.assertEqual(process.wait(), 0)
        # One write for each token; a slow reader may find several at once, but never all of them.
        self.assertGreater(len(pieces), 5)

    def test_no_model_is_the_shipped_one(self):
        options = ("--prompt", PROMPT, "--max-tokens", 6)
        named = self.report("austen-qwen3", *options)
        self.assertEqual(self.report(*options)["output_ids"], named["output_ids"])
        self.assertEqual(self.report(AUSTEN, *options)["output_ids"], named["output_ids"])

    def test_ids_need_no_tokenizer(self):
        report = self.report(PLAIN, "--prompt-ids", "1, 2,3", "--max-tokens", 4)
        self.assertEqual(report["prompt_ids"], [1, 2, 3])
        self.assertIsNone(report["text"])
        shown = self.succeed("run", PLAIN, "--prompt-ids", "1,2,3", "--max-tokens", 4).stdout
        self.assertEqual([int(word) for word in shown.split()], report["output_ids"])

    def test_chat(self):
        messages = self.scratch / "messages.json"
        messages.write_text(json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Good morning"}]))
        tokenized = json.loads(self.succeed("tokenize", AUSTEN, "--messages", messages).stdout)
        report = self.report(AUSTEN, "--chat", "Good morning", "--system", "Be brief.", "--max-tokens", 4)
        self.assertEqual(report["prompt_ids"], tokenized["ids"])
        alone = self.report(AUSTEN, "--chat", "Good morning", "--max-tokens", 4)
        self.assertLess(len(alone["prompt_ids"]), len(report["prompt_ids"]))

    def test_prompt_files(self):
        texts = ["It is", "Question?", "A story.\n\nWhat happened?"]
        ids = [json.loads(self.succeed("tokenize", AUSTEN, "--text", text).stdout)["ids"] for text in texts]
        messages = [{"role": "user", "content": "Good morning"}]
        file = self.prompts("messages.json", json.dumps(messages))
        chat = json.loads(self.succeed("tokenize", AUSTEN, "--messages", file).stdout)["ids"]
        entries = ["It is", ids[0], {"prompt": "It is"}, {"ids": ids[0]}, {"prompt_ids": ids[0]}, {"messages": messages},
                   {"question": "Question?", "answer": "42"},
                   {"context": "A story.", "input": "What happened?", "answers": ["much"], "length": 3, "dataset": "x", "language": "en",
                    "all_classes": None, "_id": "7"}]
        expected = [ids[0]] * 5 + [chat, ids[1], ids[2]]
        json_file = self.prompts("prompts.json", json.dumps(entries, indent=1))
        jsonl_file = self.prompts("prompts.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))
        outputs = []
        for file in (json_file, jsonl_file):
            reports = self.report(AUSTEN, "--prompts", file, "--max-tokens", 3, "--dtype", "float32")
            self.assertEqual([report["prompt_ids"] for report in reports], expected)
            outputs.append([report["output_ids"] for report in reports])
        self.assertEqual(outputs[0], outputs[1])
        self.assertEqual(outputs[0][0], outputs[0][3])
        shown = self.succeed("run", AUSTEN, "--prompts", jsonl_file, "--max-tokens", 3, "--dtype", "float32").stdout
        self.assertEqual(re.findall(r"(?m)^== prompt (\d+)$", shown), [str(number) for number in range(1, 9)])

    def test_sampling_of_each_prompt(self):
        file = self.prompts("sampled.jsonl", '"It is"\n{"prompt": "It is", "max_tokens": 2, "temperature": 0.5, "seed": 3}\n')
        first, second = self.report(AUSTEN, "--prompts", file, "--max-tokens", 5, "--top-p", 0.9)
        self.assertEqual(first["sampling"]["max_tokens"], {"value": 5, "origin": "--max-tokens"})
        self.assertEqual(first["sampling"]["temperature"], {"value": 1.0, "origin": "implied by --top-p"})
        self.assertEqual(second["sampling"]["max_tokens"], {"value": 2, "origin": "the prompts file"})
        self.assertEqual(second["sampling"]["temperature"], {"value": 0.5, "origin": "the prompts file"})
        self.assertEqual(second["sampling"]["top_p"], {"value": 0.9, "origin": "--top-p"})
        self.assertEqual(second["sampling"]["seed"], {"value": 3, "origin": "the prompts file"})
        self.assertEqual(len(second["output_ids"]), 2)

    def test_sampling_of_the_model(self):
        model = self.copy_model(AUSTEN)
        (model / "generation_config.json").write_text(
            json.dumps({"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "eos_token_id": [4093, 4095]}))
        options = (model, "--prompt", PROMPT, "--max-tokens", 4)
        greedy = self.report(*options)["sampling"]
        self.assertEqual(greedy["temperature"], {"value": 0.0, "origin": "default"})
        chosen = self.report(*options, "--sampling", "model", "--top-k", 5)["sampling"]
        origin = "generation_config.json"
        self.assertEqual(chosen["temperature"], {"value": 0.6, "origin": origin})
        self.assertEqual(chosen["top_p"], {"value": 0.95, "origin": origin})
        self.assertEqual(chosen["top_k"], {"value": 5, "origin": "--top-k"})
        self.assertEqual(chosen["repetition_penalty"], {"value": 1.0, "origin": "default"})

    def test_end_tokens(self):
        free = self.report(AUSTEN, "--prompt", PROMPT, "--max-tokens", 6)["output_ids"]
        model = self.copy_model(AUSTEN)
        (model / "generation_config.json").write_text(json.dumps({"eos_token_id": [4093, free[3]]}))
        options = (model, "--prompt", PROMPT, "--max-tokens", 6)
        stopped = self.report(*options)
        self.assertEqual(stopped["finish_reason"], "stop")
        self.assertEqual(stopped["output_ids"], free[:free.index(free[3]) + 1])
        ignored = self.report(*options, "--ignore-eos")
        self.assertEqual(ignored["finish_reason"], "length")
        self.assertEqual(ignored["output_ids"], free)

    def test_logits(self):
        file = self.scratch / "logits.npy"
        report = self.report(PLAIN, "--prompt-ids", "1,2,3", "--max-tokens", 5, "--ignore-eos", "--logits", file)
        shape, values = read_npy(file)
        self.assertEqual(shape, (3 + 5 - 1, 300))
        rows = [values[i * 300:(i + 1) * 300] for i in range(shape[0])]
        self.assertEqual([max(range(300), key=row.__getitem__) for row in rows[2:]], report["output_ids"])

    def test_a_plan_finds_its_model(self):
        plan = self.scratch / "austen.plan"
        self.succeed("compile", AUSTEN, "-o", plan)
        expected = self.report(AUSTEN, "--prompt", PROMPT, "--max-tokens", 6)["output_ids"]
        away = self.scratch / "away" / "moved.plan"
        away.parent.mkdir()
        shutil.move(plan, away)
        self.assertEqual(self.report(away, "--prompt", PROMPT, "--max-tokens", 6)["output_ids"], expected)
        stranger = {"VINCI_CACHE_DIR": self.new_cache("stranger")}
        self.expect_error(("run", away, "--prompt", PROMPT), 1, "--model", env=stranger)
        for model in (AUSTEN, "austen-qwen3", AUSTEN / "config.json"):
            report = self.report(away, "--model", model, "--prompt", PROMPT, "--max-tokens", 6, env=stranger)
            self.assertEqual(report["output_ids"], expected)
        self.expect_error(("run", away, "--model", "/no/such/model", "--prompt", PROMPT), 1, "/no/such/model", "no such file or folder")
        self.expect_error(("run", away, "--model", away, "--prompt", PROMPT), 1, "moved.plan", "--model takes the folder")

    def test_running_out_of_the_model_folder(self):
        for name in (".", "config.json"):
            result = subprocess.run([VINCI, "run", name, "--prompt-ids", "1,2", "--max-tokens", "2", "--format", "json"], cwd=PLAIN,
                                    capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stderr)


class Cache(VinciTest):
    RUN = ("run", PLAIN, "--prompt-ids", "1,2,3", "--max-tokens", "4", "--format", "json")

    def test_the_second_run_uses_the_first_one_s_plan(self):
        env = {"VINCI_CACHE_DIR": self.new_cache("two")}
        first, second = self.succeed(*self.RUN, env=env), self.succeed(*self.RUN, env=env)
        self.assertIn("compiled ", first.stderr)
        self.assertNotIn("compiled before", first.stderr)
        self.assertIn("using the plan compiled before", second.stderr)
        self.assertEqual(json.loads(first.stdout)["output_ids"], json.loads(second.stdout)["output_ids"])
        other = self.succeed(*self.RUN, "--max-batch", "2", env=env)
        self.assertNotIn("compiled before", other.stderr)

    def test_the_key_is_the_content(self):
        env = {"VINCI_CACHE_DIR": self.new_cache("content")}
        self.succeed(*self.RUN, env=env)
        copy = self.copy_model(PLAIN, "elsewhere")
        run = (self.RUN[0], copy, *self.RUN[2:])
        self.assertIn("compiled before", self.succeed(*run, env=env).stderr)
        config = read_json(copy / "config.json")
        config["rms_norm_eps"] = 1e-5
        (copy / "config.json").write_text(json.dumps(config))
        self.assertNotIn("compiled before", self.succeed(*run, env=env).stderr)

    def test_no_cache_writes_nothing(self):
        cache = self.scratch / "untouched"
        model = self.copy_model(PLAIN)
        before = sorted(model.rglob("*"))
        home = {"VINCI_CACHE_DIR": str(cache), "HOME": str(cache), "XDG_CACHE_HOME": str(cache)}
        self.succeed("run", model, *self.RUN[2:], "--no-cache", env=home)
        self.succeed("compile", model, "-o", self.scratch / "x.plan", "--no-cache", env=home)
        self.assertFalse(cache.exists())
        self.assertEqual(sorted(model.rglob("*")), before)

    def test_concurrent_runs_on_an_empty_cache(self):
        env = {"VINCI_CACHE_DIR": str(self.scratch / "shared")}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: vinci(*self.RUN, env=env), range(4)))
        for result in results:
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len({str(json.loads(result.stdout)["output_ids"]) for result in results}), 1)
        left = [path.name for path in (self.scratch / "shared").rglob("*") if path.is_file()]
        self.assertFalse([name for name in left if not re.fullmatch(r"[0-9a-f-]+\.(plan|json|pack|kernel)", name)], left)

    def test_a_cache_that_cannot_be_written_is_only_a_pity(self):
        env = {"VINCI_CACHE_DIR": "/proc/nowhere"}
        self.assertIn("warning: the compiled plan is not cached", self.succeed(*self.RUN, env=env).stderr)
        plan = self.scratch / "uncached.plan"
        compiled = self.succeed("compile", PLAIN, "-o", plan, env=env)
        self.assertIn(f"warning: running this plan will take --model {PLAIN}", compiled.stderr)
        self.assertEqual(compiled.stderr.count("warning: the compiled kernels are not cached"), 1)
        self.succeed("run", plan, "--model", PLAIN, *self.RUN[2:], env=env)

    def test_kernels_are_compiled_once(self):
        cache, env = self.scratch / "kernels-once", {"VINCI_CACHE_DIR": str(self.scratch / "kernels-once")}
        plan = self.scratch / "once.plan"

        def compiled(*options):
            self.succeed("compile", PLAIN, "-o", plan, *options, env=env)
            return plan.read_bytes()
        cold, entries = compiled(), sorted((cache / "kernels").iterdir())
        written = [entry.stat().st_mtime_ns for entry in entries]
        self.assertEqual(compiled(), cold)
        self.assertEqual(compiled("--no-cache"), cold)
        self.assertEqual([entry.stat().st_mtime_ns for entry in entries], written)
        # Other options, another plan: most of its kernels are there.
        other = compiled("--max-tokens-per-step", 64)
        self.assertNotEqual(other, cold)
        self.assertEqual(sorted((cache / "kernels").iterdir()), entries)
        self.assertEqual(compiled("--max-tokens-per-step", 64, "--no-cache"), other)

    def test_a_damaged_kernel_is_compiled_again(self):
        cache, env = self.scratch / "kernels-damaged", {"VINCI_CACHE_DIR": str(self.scratch / "kernels-damaged")}
        plan = self.scratch / "damaged.plan"
        self.succeed("compile", PLAIN, "-o", plan, env=env)
        before, entry = plan.read_bytes(), min((cache / "kernels").iterdir())
        good = entry.read_bytes()
        for bad in (b"", good[:100], good[:-1] + bytes([good[-1] ^ 1]), good + b"x"):
            entry.write_bytes(bad)
            again = self.succeed("compile", PLAIN, "-o", plan, env=env)
            self.assertIn(f"warning: compiling a kernel again, the cached one is damaged: {entry}", again.stderr)
            self.assertEqual(plan.read_bytes(), before)
            self.assertEqual(entry.read_bytes(), good)
        entry.unlink()
        entry.mkdir()
        self.assertIn("warning: ", self.succeed("compile", PLAIN, "-o", plan, env=env).stderr)
        self.assertEqual(plan.read_bytes(), before)

    def test_a_damaged_plan_is_compiled_again(self):
        env = {"VINCI_CACHE_DIR": self.new_cache("damaged")}
        before = json.loads(self.succeed(*self.RUN, env=env).stdout)["output_ids"]
        (plan,) = (self.scratch / "damaged" / "plans").glob("*.plan")
        plan.write_bytes(plan.read_bytes()[:1000])
        again = self.succeed(*self.RUN, env=env)
        self.assertIn("damaged", again.stderr)
        self.assertEqual(json.loads(again.stdout)["output_ids"], before)
        self.assertIn("compiled before", self.succeed(*self.RUN, env=env).stderr)


class Compile(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plan = cls.scratch / "direct.plan"
        result = vinci("compile", PLAIN, "-o", cls.plan)
        assert result.returncode == 0, result.stderr

    def test_a_plan_on_standard_output(self):
        result = subprocess.run([VINCI, "compile", str(PLAIN), "-o", "-"], capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, self.plan.read_bytes())

    def test_a_plan_on_standard_input(self):
        with self.plan.open("rb") as plan:
            result = subprocess.run([VINCI, "verify", "/dev/stdin"], stdin=plan, capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_every_phase_can_be_taken_up_again(self):
        for phase in PHASES[:-1]:
            with self.subTest(phase=phase):
                ir = self.scratch / f"{phase}.mlir"
                self.succeed("compile", PLAIN, "-o", ir, "--stop-after", phase)
                self.succeed("inspect", ir)
                again = self.scratch / "again.plan"
                self.succeed("compile", ir, "-o", again)
                self.assertEqual(again.read_bytes(), self.plan.read_bytes())

    def test_phases_one_by_one(self):
        source = PLAIN
        for phase in PHASES[:-1]:
            ir = self.scratch / f"step-{phase}.mlir"
            self.succeed("compile", source, "-o", ir, "--stop-after", phase)
            direct = self.succeed("compile", PLAIN, "-o", "-", "--stop-after", phase).stdout
            self.assertEqual(ir.read_text(), direct, phase)
            source = ir
        whole = self.scratch / "whole.plan"
        self.succeed("compile", source, "-o", whole, "--stop-after", "plan")
        self.assertEqual(whole.read_bytes(), self.plan.read_bytes())

    def test_ir_that_was_printed_for_reading_compiles(self):
        ir = self.scratch / "pretty.mlir"
        ir.write_text(self.succeed("inspect", PLAIN, "--ir").stdout)
        self.assertNotIn("loc(", ir.read_text())
        self.succeed("compile", ir, "-o", self.scratch / "pretty.plan")
        self.assertEqual(self.succeed("inspect", ir).stdout, ir.read_text())

    def test_dumps_are_numbered(self):
        folder = self.scratch / "dump"
        self.succeed("compile", PLAIN, "-o", self.scratch / "x.plan", "--dump-ir", folder)
        names = sorted(path.name for path in folder.iterdir())
        passes = json.loads(self.succeed("passes", "--format", "json").stdout)
        ran = ["import"] + [entry["pass"] for entry in passes if entry["default"] in ("on", "always")]
        self.assertEqual(names, [f"{number:02}-{name}.mlir" for number, name in enumerate(ran)])
        for name in names:
            self.succeed("inspect", folder / name)

    def test_weights_are_compared_unless_told_otherwise(self):
        model = self.copy_model(PLAIN)
        (model / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        self.expect_error(("compile", model, "-o", self.scratch / "no.plan"), 1, "does not fit the model", "model.embed_tokens.weight")
        self.succeed("compile", model, "-o", self.scratch / "no.plan", "--no-weights")
        self.assertEqual((self.scratch / "no.plan").read_bytes(), self.plan.read_bytes())
        (model / "model.safetensors").unlink()
        self.assertIn("holds no weights", self.succeed("compile", model, "-o", self.scratch / "no.plan").stderr)

    def test_folders_are_made(self):
        plan = self.scratch / "new" / "folder" / "x.plan"
        self.succeed("compile", PLAIN, "-o", plan)
        self.assertEqual([path.name for path in plan.parent.iterdir()], ["x.plan"])

    def test_every_cpu_compiles(self):
        for cpu in ("avx2", "avx512", "avx512-vnni", "avx512-bf16", "amx", "native"):
            plan = self.scratch / f"{cpu}.plan"
            self.succeed("compile", PLAIN, "-o", plan, "--cpu", cpu)
            self.succeed("verify", plan)


class Pack(VinciTest):
    def pack(self, plan, model, out, *options):
        return json.loads(self.succeed("pack", plan, "--model", model, "-o", out, "--format", "json", *options).stdout)

    def test_takes_the_place_of_the_model(self):
        plan, packs = self.scratch / "austen.plan", self.scratch / "packs"
        self.succeed("compile", AUSTEN, "-o", plan)
        (row,) = self.pack(plan, AUSTEN, packs)
        self.assertEqual((row["rank"], row["file"]), (0, str(packs / "rank-00000.pack")))
        for options in (("--prompt", PROMPT), ("--chat", "Good morning")):
            outputs = [json.loads(self.succeed("run", plan, "--model", model, *options, "--max-tokens", 8, "--format", "json").stdout)
                       for model in (AUSTEN, packs)]
            self.assertEqual(outputs[0]["output_ids"], outputs[1]["output_ids"])

    def test_ranks(self):
        plan, model = sample_plan(self.scratch / "ranks.plan", 2, 2), self.scratch / "model"
        write_sample_checkpoint(model)
        rows = self.pack(plan, model, self.scratch / "all")
        self.assertEqual([row["rank"] for row in rows], [0, 1, 2, 3])
        (row,) = self.pack(plan, model, self.scratch / "one", "--rank", 3)
        self.assertEqual(row["rank"], 3)
        self.assertEqual([file.name for file in (self.scratch / "one").iterdir()], ["rank-00003.pack"])
        files = [(self.scratch / "all" / f"rank-0000{rank}.pack").read_bytes() for rank in range(4)]
        self.assertEqual((self.scratch / "one" / "rank-00003.pack").read_bytes(), files[3])
        # Along the first axis ranks hold the same, along the second they do not.
        self.assertEqual(files[0][4096:], files[2][4096:])
        self.assertNotEqual(files[0][4096:], files[1][4096:])


class Inspect(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plan = cls.scratch / "austen.plan"
        cls.ir = cls.scratch / "austen.mlir"
        for arguments in (("compile", AUSTEN, "-o", cls.plan), ("compile", AUSTEN, "-o", cls.ir, "--stop-after", "import")):
            result = vinci(*arguments)
            assert result.returncode == 0, result.stderr

    def json(self, *arguments):
        return json.loads(self.succeed("inspect", *arguments, "--format", "json").stdout)

    def test_every_section_in_both_formats(self):
        for source, sections in ((AUSTEN, ("--summary", "--ir", "--weights")), (self.ir, ("--summary", "--ir")),
                                 (self.plan, ("--summary", "--commands", "--kernels", "--memory", "--weights", "--asm"))):
            for section in sections:
                with self.subTest(source=source, section=section):
                    self.assertTrue(self.json(source, section))
                    self.assertTrue(self.succeed("inspect", source, section).stdout.strip())

    def test_model(self):
        summary = self.json(AUSTEN)
        self.assertEqual((summary["architecture"], summary["hidden_size"], summary["vocab_size"]), ("qwen3", 256, 4096))
        weights = self.json(AUSTEN, "--weights")
        self.assertEqual(len(weights), summary["tensors"])
        self.assertIn({"tensor": "model.norm.weight", "dtype": "bfloat16", "shape": [256]}, weights)
        self.assertEqual(self.json(AUSTEN, "--ir")["ir"], self.succeed("inspect", AUSTEN, "--ir").stdout)

    def test_plan(self):
        everything = self.json(self.plan, "--summary", "--commands", "--kernels", "--memory", "--weights")
        self.assertEqual(list(everything), ["summary", "commands", "calls", "kernels", "memory", "weights"])
        summary = everything["summary"]
        self.assertEqual(self.json(self.plan), summary)
        self.assertEqual(summary["bytes"], self.plan.stat().st_size)
        self.assertEqual(summary["commands"], len(everything["commands"]))
        self.assertEqual(summary["kernels"], len(everything["kernels"]))
        self.assertEqual(summary["weights"], len(everything["weights"]))
        self.assertEqual(summary["weight_bytes"], sum(weight["bytes"] for weight in everything["weights"]))
        self.assertLess(everything["memory"]["arena_bytes"], everything["memory"]["arena_bytes_without_reuse"])
        for command in everything["commands"]:
            self.assertRegex(command["location"], r"^config\.json:\d+:\d+$")

    def test_plan_of_ranks(self):
        plan = sample_plan(self.scratch / "ranks.plan", 2, 2)
        everything = self.json(plan, "--summary", "--commands", "--kernels", "--memory", "--weights")
        summary = everything["summary"]
        self.assertEqual((summary["ranks"], summary["mesh"]), (4, [2, 2]))
        # 8 tokens of 32 bfloat16 are reduced in each of two layers.
        self.assertEqual(summary["collectives"], [{"body": "decoder_layer", "command": 9, "op": "all_reduce", "axes": [1], "ranks": 2,
                                                   "dtype": "bfloat16", "count": "32*tokens", "whole": None, "bytes": 512}])
        self.assertIn({"body": "decoder_layer", "commands": 11, "launches": 10, "collectives": 1, "prefetches": 0, "collective_bytes": 512},
                      summary["per_body"])
        self.assertIn({"entry": "decode", "calls": 4, "commands": 26, "launches": 24, "collectives": 2, "prefetches": 0, "collective_bytes": 1024},
                      summary["per_step"])
        reduce = everything["commands"][11]
        self.assertEqual((reduce["op"], reduce["tiles"]), ("llm.all_reduce", "32*tokens along axis 1"))
        self.assertIsNone(everything["kernels"][-1]["segment"])
        sources = {weight["weight"]: weight["source"] for weight in everything["weights"]}
        self.assertEqual(sources["layers.0.o"], "model.layers.0.o.weight by columns/2")
        self.assertEqual(sources["experts"], "model.experts.{}.weight by stack/2")
        self.assertRegex(self.succeed("inspect", plan).stdout, r"(?m)^decoder_layer +9  all_reduce  1 +2  bfloat16  32\*tokens +(null +)?512$")
        self.assertEqual(json.loads(self.succeed("verify", plan, "--format", "json").stdout)["ranks"], 4)

    def test_assembly(self):
        assembly = self.json(self.plan, "--kernels", "--asm")["assembly"]
        self.assertEqual(len(assembly), self.json(self.plan)["kernels"])
        for symbol, text in assembly.items():
            self.assertRegex(text, r"\bv\w+.*%?[xyz]mm|\bret", symbol)
        matmul = next(text for symbol, text in assembly.items() if symbol.startswith("matmul"))
        self.assertRegex(matmul, r"vfmadd|vdpbf16|tdpbf16|vmul")


class Small(VinciTest):
    def test_verify(self):
        plan = self.scratch / "x.plan"
        self.succeed("compile", PLAIN, "-o", plan)
        report = json.loads(self.succeed("verify", plan, "--format", "json").stdout)
        self.assertIs(report["valid"], True)
        self.assertEqual(report["bytes"], plan.stat().st_size)
        self.assertIn("valid", self.succeed("verify", plan).stdout)

    def test_targets(self):
        targets = json.loads(self.succeed("targets", "--format", "json").stdout)
        self.assertEqual([target["target"] for target in targets], ["avx2", "avx512", "avx512-vnni", "avx512-bf16", "amx"])
        (native,) = [target for target in targets if target["native"]]
        self.assertTrue(native["runs_here"])

    def test_models(self):
        models = json.loads(self.succeed("models", "--format", "json").stdout)
        self.assertEqual([model["model"] for model in models], sorted(path.parent.name for path in MODELS.glob("*/config.json")))
        self.assertEqual([model["model"] for model in models if model["default"]], ["austen-qwen3"])
        for model in models:
            self.assertTrue((pathlib.Path(model["directory"]) / "config.json").exists())

    def test_version(self):
        version = json.loads(self.succeed("version", "--format", "json").stdout)
        self.assertRegex(version["vinci"], r"^\d+\.\d+")
        self.assertRegex(version["llvm"], r"^19\.")

    def test_completion_is_a_script(self):
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])):
            script = self.succeed("completion", shell).stdout
            self.assertIn("compile", script)
            if shutil.which(check[0]):
                result = subprocess.run(check, input=script, capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_bash_completes_commands_and_options(self):
        script = self.succeed("completion", "bash").stdout
        ask = script + '\nCOMP_WORDS=(vinci com); COMP_CWORD=1; _vinci; echo "${COMPREPLY[@]}"\n' \
            'COMP_WORDS=(vinci run --max-t); COMP_CWORD=2; _vinci; echo "${COMPREPLY[@]}"\n'
        result = subprocess.run(["bash"], input=ask, capture_output=True, text=True)
        self.assertEqual([sorted(line.split()) for line in result.stdout.splitlines()],
                         [["compare", "compile", "completion"], ["--max-tokens", "--max-tokens-per-step"]], result.stderr)

    def test_tokenize_needs_no_config(self):
        folder = self.scratch / "tokenizer-only"
        folder.mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(AUSTEN / name, folder)
        report = json.loads(self.succeed("tokenize", folder, "--text", PROMPT).stdout)
        case = next(case for case in read_json(AUSTEN / "golden.json")["cases"] if case["prompt"] == PROMPT)
        self.assertEqual(report, {"ids": case["ids"], "text": PROMPT})

    def test_tokenize_messages(self):
        messages = [{"role": "user", "content": "Good morning"}]
        result = vinci("tokenize", AUSTEN, "--messages", "-", stdin=json.dumps(messages))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["text"], "<|im_start|>user\nGood morning<|im_end|>\n<|im_start|>assistant\n")
        closed = vinci("tokenize", AUSTEN, "--messages", "-", "--no-generation-prompt", stdin=json.dumps({"messages": messages}))
        self.assertEqual(json.loads(closed.stdout)["text"], "<|im_start|>user\nGood morning<|im_end|>\n")

    def test_template_arguments(self):
        folder = self.scratch / "templated"
        folder.mkdir()
        shutil.copy(AUSTEN / "tokenizer.json", folder)
        (folder / "chat_template.jinja").write_text("{{ messages[0].content }}{% if enable_thinking %}!{% endif %}{{ tools | length }}")
        (self.scratch / "tools.json").write_text('[{"name": "clock"}]')
        result = vinci("tokenize", folder, "--messages", "-", "--tools", self.scratch / "tools.json", "--template-args",
                       '{"enable_thinking": true}', stdin='[{"role": "user", "content": "Hi"}]')
        self.assertEqual(json.loads(result.stdout)["text"], "Hi!1", result.stderr)

    def test_eval_per_position(self):
        for model in RANDOM:
            case = read_json(model / "golden.json")["cases"][-1]
            prompt = case["prompt"]  # of these models: ids
            ids, file = self.scratch / "ids.json", self.scratch / "per-position.npy"
            ids.write_text(json.dumps(prompt))
            report = json.loads(self.succeed("eval", model, "--ids", ids, "--dtype", "float32", "--window", len(prompt),
                                             "--per-position", file).stdout)
            self.assertEqual(list(report), ["nll", "tokens", "tokens_per_s"])
            self.assertEqual(report["tokens"], len(prompt) - 1)
            shape, values = read_npy(file)
            self.assertEqual(shape, (len(prompt),))
            for value, expected in zip(values, case["logsumexp_per_position"], strict=True):
                self.assertAlmostEqual(value, expected, delta=2e-4)

    def test_standard_output_that_cannot_be_written(self):
        plan = self.scratch / "out.plan"
        self.succeed("compile", PLAIN, "-o", plan)
        for arguments in (("models",), ("inspect", plan, "--commands"), ("inspect", plan, "--asm"), ("completion", "bash"),
                          ("compile", PLAIN, "-o", "-"), ("tokenize", AUSTEN, "--text", "It"),
                          ("run", PLAIN, "--prompt-ids", "1,2", "--max-tokens", "3")):
            with self.subTest(arguments):
                with open("/dev/full", "wb") as full:
                    result = subprocess.run([VINCI, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn("error: cannot write to standard output", result.stderr)

    def test_a_reader_that_leaves(self):
        plan = self.scratch / "left.plan"
        self.succeed("compile", PLAIN, "-o", plan)
        for arguments in ("inspect left.plan --asm", "inspect left.plan --commands --format json"):
            result = subprocess.run(["bash", "-c", f'set -o pipefail; "{VINCI}" {arguments} | head -1'], cwd=self.scratch,
                                    capture_output=True, text=True)
            self.assertIn(result.returncode, (0, 1, 128 + 13), result.stderr)  # 141: ended by SIGPIPE, as is the custom
            self.assertNotIn("internal error", result.stderr)
            self.assertEqual(len(result.stdout.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
