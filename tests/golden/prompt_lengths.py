"""`vinci simulate --input-len file:PROMPTS` against what `vinci run` and `vinci tokenize` make of the same prompts."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, sample_plan  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
BARE = MODELS / "qwen3-8b"  # has a config, and no tokenizer
TARGET = ("--target", "910b3")
SENTENCE = "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife."
RECORDS = [
    "It is a truth",
    {"prompt": SENTENCE, "max_tokens": 3},
    [12, 40, 7],
    {"messages": [{"role": "user", "content": "Good morning, Mr. Darcy"}], "max_tokens": 2},
    {"messages": [{"role": "system", "content": SENTENCE}, {"role": "user", "content": SENTENCE}]},
    {"question": "How many sisters has Elizabeth?", "answer": "four"},
    {"context": SENTENCE, "input": "Who wants a wife?", "max_tokens": 9},
]


def percentile(values, share):
    """Linear between neighbours."""
    values = sorted(values)
    rank = share * (len(values) - 1)
    low = int(rank)
    return values[low] + (rank - low) * (values[min(low + 1, len(values) - 1)] - values[low])


class PromptLengths(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.scratch / "prompts.jsonl"
        cls.file.write_text("\n".join(map(json.dumps, RECORDS)))
        cls.lengths = None

    def counted(self):
        """As run gives them to the model; counted once."""
        if not self.lengths:
            answers = json.loads(self.succeed("run", AUSTEN, *TARGET, "--prompts", self.file, "--max-tokens", 1, "--format", "json").stdout)
            type(self).lengths = [len(answer["prompt_ids"]) for answer in answers]
        return self.lengths

    def simulate(self, *arguments, model=AUSTEN, target=TARGET):
        return json.loads(self.succeed("simulate", model, *target, *arguments, "--format", "json").stdout)

    def same(self, distribution, lengths):
        expected = {"mean": sum(lengths) / len(lengths), "max": max(lengths)}
        expected.update({f"p{share}": percentile(lengths, share / 100) for share in (50, 75, 90, 99)})
        for name, value in expected.items():
            self.assertAlmostEqual(distribution[name], value, 5, name)

    def test_as_run_counts(self):
        lengths = self.counted()
        report = self.simulate("--input-len", f"file:{self.file}", "--output-len", "fixed:4")
        self.assertEqual(report["requests"], len(RECORDS))
        self.same(report["input_tokens"], lengths)
        self.same(report["output_tokens"], [4])
        self.assertEqual(report["load"], {"input_tokens": f"file:{self.file}", "input_tokens_from": "--input-len", "output_tokens": "fixed:4",
                                          "output_tokens_from": "--output-len", "prompts_in_file": len(RECORDS)})
        text = self.succeed("simulate", AUSTEN, *TARGET, "--input-len", f"file:{self.file}", "--output-len", "fixed:4").stdout
        self.assertRegex(text, f"(?m)^input_tokens +file:{self.file}$")
        self.assertRegex(text, f"(?m)^prompts_in_file +{len(RECORDS)}$")

    def test_as_tokenize_counts(self):
        ids = json.loads(self.succeed("tokenize", AUSTEN, "--text", SENTENCE).stdout)["ids"]
        self.assertEqual(len(ids), self.counted()[1])

    def test_order_and_number(self):
        lengths = self.counted()
        for arguments, requests in (((), len(RECORDS)), (("--requests", 3), 3), (("--requests", 10, "--concurrency", 4, "--seed", 5), 10),
                                    (("--rate", 2), len(RECORDS))):
            with self.subTest(arguments=arguments):
                report = self.simulate("--input-len", f"file:{self.file}", "--output-len", "fixed:4", *arguments)
                self.assertEqual(report["requests"], requests)
                self.same(report["input_tokens"], [lengths[i % len(lengths)] for i in range(requests)])

    def test_json_array(self):
        file = self.scratch / "prompts.json"
        file.write_text(json.dumps(RECORDS))
        self.same(self.simulate("--input-len", f"file:{file}", "--output-len", "fixed:4")["input_tokens"], self.counted())

    def test_output_budgets(self):
        file = self.scratch / "budgets.jsonl"
        file.write_text("\n".join(json.dumps(record) for record in RECORDS if "max_tokens" in record))
        budgets = [3, 2, 9]
        report = self.simulate("--input-len", "fixed:16", "--output-len", f"file:{file}")
        self.assertEqual(report["requests"], 3)
        self.same(report["output_tokens"], budgets)
        self.assertEqual(report["load"]["output_tokens_from"], "--output-len")
        # Two files: each in its own order, as many requests as there are prompts.
        report = self.simulate("--input-len", f"file:{self.file}", "--output-len", f"file:{file}")
        self.same(report["input_tokens"], self.counted())
        self.same(report["output_tokens"], [budgets[i % 3] for i in range(len(RECORDS))])
        self.same(self.simulate("--input-len", "fixed:16", "--output-len", f"file:{file}", "--max-tokens", 4)["output_tokens"], [3, 2, 4])

    def test_where_the_tokenizer_is(self):
        load = ("--input-len", f"file:{self.file}", "--output-len", "fixed:4")
        self.same(self.simulate(*load, "--tokenizer", AUSTEN, model=BARE)["input_tokens"], self.counted())
        self.same(self.simulate(*load, "--tokenizer", "austen-qwen3", model=BARE)["input_tokens"], self.counted())
        plan = self.scratch / "austen.plan"
        self.succeed("compile", AUSTEN, "-o", plan)
        device = ("--device", "910b3")
        self.same(self.simulate(*load, model=plan, target=device)["input_tokens"], self.counted())
        ids = self.scratch / "ids.json"
        ids.write_text("[[1, 2], [3, 4, 5, 6]]")
        for model, where in ((sample_plan(self.scratch / "sample.plan"), device), (BARE, TARGET)):
            with self.subTest(model=model):
                self.same(self.simulate("--input-len", f"file:{ids}", "--output-len", "fixed:4", model=model, target=where)["input_tokens"], [2, 4])

    def test_the_deployment_has_a_template(self):
        # In place of the tokenizer's, as for run.
        template = ("--set", "tokenizer.chat_template={{ messages[0].content }}")
        file = self.scratch / "chat.jsonl"
        file.write_text(json.dumps({"messages": [{"role": "user", "content": SENTENCE}]}))
        for command in ("simulate", "explore"):
            with self.subTest(command):
                out = self.succeed(command, AUSTEN, *TARGET, *template, "--input-len", f"file:{file}", "--output-len", "fixed:4", "--format",
                                   "json", *(("--tp", 1, "--batch", 4, "--chunk", 256, "--quant", "checkpoint") if command == "explore" else ()))
                report = json.loads(out.stdout)
                tokens = report["input_tokens"]["mean"] if command == "simulate" else report["load"]["mean_input_tokens"]
                self.assertEqual(tokens, self.counted()[1])

    def test_explore_takes_the_mean(self):
        lengths = self.counted()
        small = ("--tp", 1, "--batch", "1,4", "--chunk", 256, "--quant", "checkpoint", "--graph-mode", "full", "--format", "json")
        reports = [json.loads(self.succeed("explore", AUSTEN, *TARGET, "--input-len", spelled, "--output-len", "fixed:8", *small).stdout)
                   for spelled in (f"file:{self.file}", f"fixed:{int(sum(lengths) / len(lengths) + 0.5)}")]
        self.assertEqual(reports[0]["load"].pop("input_tokens"), f"file:{self.file}")
        reports[1]["load"].pop("input_tokens")
        self.assertEqual(*reports)

    def test_ablation_and_page(self):
        load = ("--input-len", f"file:{self.file}", "--output-len", "fixed:4", "--concurrency", 2)
        once = self.simulate(*load)
        ablated = self.simulate(*load, "--ablate")
        self.assertEqual(ablated["baseline"]["ttft_ms"], once["ttft_ms"]["mean"])
        page = self.succeed("simulate", AUSTEN, *TARGET, *load, "--format", "html").stdout
        data = json.loads(page.split('<script id="data" type="application/json">')[1].split("</script>")[0])
        self.assertIn(["requests", len(RECORDS), ""], data["tiles"])


if __name__ == "__main__":
    unittest.main()
