"""--input-len file:PROMPTS and --output-len file:PROMPTS that `vinci simulate` and `vinci explore` refuse."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, sample_plan  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
BARE = MODELS / "qwen3-8b"  # has a config, and no tokenizer
MINDIE = MODELS / "qwq-32b-mindie"
TARGET = ("--target", "910b3")
OUTPUT = ("--output-len", "fixed:4")
OTHERS = "fixed:N, uniform:A-B, normal:M,S or quantiles:"


class Lengths(VinciTest):
    def prompts(self, text, name="prompts.jsonl"):
        file = self.scratch / name
        file.write_text(text)
        return file

    def refused(self, file, *words, model=AUSTEN, options=TARGET + OUTPUT, command="simulate", code=1):
        return self.expect_error((command, model, *options, "--input-len", f"file:{file}"), code, *words)

    def test_files(self):
        for command in ("simulate", "explore"):
            with self.subTest(command):
                self.refused("", "--input-len is \"file:\" and names no file; file:PROMPTS.jsonl is expected", command=command)
                self.refused("/no/such/file", "/no/such/file: error: no such file", command=command)
                self.refused(self.scratch, "this is a directory; a file is expected", command=command)
                self.refused(self.prompts(""), "prompts.jsonl: error: the file is empty; a JSON array or JSON Lines of prompts", command=command)
                self.refused(self.prompts("[]"), "the file holds no prompt", command=command)
                self.refused(self.prompts('"fine"\n{"color": "red"}\n'), "prompts.jsonl:2:", "no prompt", "\"prompt\", \"ids\"", command=command)

    def test_prompts(self):
        self.refused(self.prompts('"fine"\n""\n'), "prompts.jsonl:2: error: prompt 2 of 2 is empty: it has no tokens to continue")
        long = json.dumps({"ids": [5] * 64})
        limit = TARGET + OUTPUT + ("--max-seq-len", "64", "--max-tokens-per-step", "64", "--max-batch", "4")
        self.refused(self.prompts(f'"fine"\n\n{long}\n'), "prompts.jsonl:3: error: prompt 2 of 2 has 64 tokens; 1 to 63 are expected",
                     "max-model-len 64 has room for them and one to generate", options=limit)
        self.refused(self.prompts(f'["fine", {long}]', "prompts.json"), "prompts.json: error: prompt 2 of 2 has 64 tokens", options=limit)
        self.refused(self.prompts(json.dumps([{"ids": [5] * 2049}])), "prompt 1 of 1 has 2049 tokens; 1 to 2048 are expected",
                     "maxInputTokenLen 2048, maxSeqLen 2560", model=MINDIE, options=())
        # What a scheduler cuts is no mistake.
        self.succeed("simulate", MINDIE, "--set", "truncation=true", "--input-len", f"file:{self.scratch / 'prompts.jsonl'}")

    def test_tokenizers(self):
        file = self.prompts('"fine"\n')
        legal = ("--tokenizer DIR", "prompts as token ids", OTHERS)
        for command in ("simulate", "explore"):
            with self.subTest(command):
                self.refused(file, f"{BARE}: error: there is neither tokenizer.json nor vocab.json with merges.txt to count the tokens of {file}",
                             *legal, model=BARE, command=command)
                self.refused(file, "nowhere: error: there is no such file or folder", options=TARGET + ("--tokenizer", "nowhere"), command=command)
        chat = self.prompts('{"messages": [{"role": "user", "content": "Hello"}]}\n')
        silent = self.copy_model(AUSTEN)
        config = json.loads((silent / "tokenizer_config.json").read_text())
        del config["chat_template"]
        (silent / "tokenizer_config.json").write_text(json.dumps(config))
        self.refused(chat, "no chat template", model=silent)
        plan = sample_plan(self.scratch / "sample.plan")
        chat = self.prompts('[1, 2]\n{"messages": [{"role": "user", "content": "Hello"}]}\n')
        self.refused(chat, "prompts.jsonl:2: error: prompt 2 of 2 is no list of ids, and which folder this plan was compiled from is not known", *legal,
                     model=plan, options=OUTPUT + ("--device", "910b3"))

    def test_outputs(self):
        for command in ("simulate", "explore"):
            for text, words in (('{"prompt": "a", "max_tokens": 4}\n"b"\n', "prompts.jsonl:2: error: prompt 2 of 2 has no max_tokens"),
                                ('["b"]', "prompts.jsonl: error: prompt 1 of 1 has no max_tokens"),
                                ('{"prompt": "a", "max_tokens": 0}', "max_tokens")):
                with self.subTest(command=command, text=text):
                    file = self.prompts(text)
                    self.expect_error((command, AUSTEN, *TARGET, "--input-len", "fixed:8", "--output-len", f"file:{file}"), 1, words)
        self.expect_error(("simulate", AUSTEN, *TARGET, "--input-len", "fixed:8", "--output-len", f"file:{self.prompts('[1, 2]')}"), 1,
                          "every prompt with a \"max_tokens\" from 1", OTHERS)

    def test_elsewhere(self):
        self.expect_error(("simulate", MINDIE, "--set", "workload.input_tokens=file:prompts.jsonl"), 1,
                          "workload.input_tokens is \"file:prompts.jsonl\"", "for --input-len and --output-len of simulate and explore only",
                          "quantiles:0=A")


if __name__ == "__main__":
    unittest.main()
