"""`vinci run` without a prompt: the deployment's prompts, or prompts made up to its lengths; the same twice."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VinciTest, read_json  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
LOAD = {"input_tokens": "uniform:5-20", "output_tokens": "quantiles:0=3,0.5=6,1=9", "requests": 6, "concurrency": 2}


class Workload(VinciTest):
    def deployed(self, workload, source=AUSTEN):
        folder = self.copy_model(source)
        (folder / "deployment.json").write_text(json.dumps({"vinci_deployment": 1, "workload": workload}))
        return folder

    def reports(self, *arguments):
        return json.loads(self.succeed("run", *arguments, "--format", "json").stdout)

    def test_made_up_prompts_have_the_lengths_and_are_the_same_twice(self):
        folder = self.deployed(LOAD)
        first = self.reports(folder)
        self.assertEqual(len(first), 6)
        self.assertGreater(len({len(report["prompt_ids"]) for report in first}), 1)
        self.assertGreater(len({len(report["output_ids"]) for report in first}), 1)
        special = {token["id"] for token in read_json(folder / "tokenizer.json")["added_tokens"]}
        for report in first:
            self.assertIn(len(report["prompt_ids"]), range(5, 21))
            self.assertIn(len(report["output_ids"]), range(3, 10))
            self.assertEqual(report["sampling"]["max_tokens"], {"value": len(report["output_ids"]), "origin": "deployment"})
            self.assertEqual(report["finish_reason"], "length")
            self.assertFalse(special & set(report["prompt_ids"]))

        plan = self.scratch / "load.plan"
        self.succeed("compile", folder, "-o", plan)
        for again in (self.reports(folder), self.reports(plan, "--model", folder)):
            for key in ("prompt_ids", "output_ids"):
                self.assertEqual([report[key] for report in again], [report[key] for report in first])
        other = self.reports(folder, "--seed", 1)
        self.assertNotEqual([report["prompt_ids"] for report in other], [report["prompt_ids"] for report in first])

        alone = self.reports(plan, "--model", folder, "--prompt-ids", ",".join(map(str, first[2]["prompt_ids"])), "--max-tokens",
                             len(first[2]["output_ids"]), "--ignore-eos")
        self.assertEqual(alone["output_ids"], first[2]["output_ids"])

    def test_says_what_it_makes_up(self):
        folder = self.deployed({"input_tokens": "fixed:7", "output_tokens": "fixed:2"})
        result = self.succeed("run", folder)
        self.assertIn("made up 1 prompt of 7 random tokens on average, and outputs of 2 on average that no end token ends",
                      result.stderr)
        self.assertEqual(result.stdout.count("== prompt"), 1)

    def test_concurrency_is_the_number_if_nothing_else_is(self):
        folder = self.deployed({"input_tokens": "fixed:7", "concurrency": 3, "max_tokens": 2})
        self.assertEqual([len(report["output_ids"]) for report in self.reports(folder)], [2, 2, 2])

    def test_max_tokens_bounds_lengths_and_the_flag_takes_their_place(self):
        folder = self.deployed({**LOAD, "output_tokens": "fixed:5000", "max_tokens": 4})
        self.assertEqual([len(report["output_ids"]) for report in self.reports(folder)], [4] * 6)
        flag = self.reports(folder, "--max-tokens", 2)
        self.assertEqual([len(report["output_ids"]) for report in flag], [2] * 6)
        self.assertEqual(flag[0]["sampling"]["max_tokens"]["origin"], "--max-tokens")

    def test_end_tokens_count_where_the_deployment_says_no_length(self):
        folder = self.deployed({"input_tokens": "fixed:7", "max_tokens": 12})
        generation = read_json(folder / "generation_config.json")
        generation["eos_token_id"] = list(range(1, 1000, 2))
        (folder / "generation_config.json").write_text(json.dumps(generation))
        (ended,) = self.reports(folder)
        self.assertEqual(ended["finish_reason"], "stop")
        self.assertLess(len(ended["output_ids"]), 12)
        (longer,) = self.reports(folder, "--ignore-eos")
        self.assertEqual((len(longer["output_ids"]), longer["finish_reason"]), (12, "length"))
        self.assertEqual(longer["output_ids"][:len(ended["output_ids"])], ended["output_ids"])

    def test_prompts_come_before_lengths_and_flags_before_both(self):
        folder = self.deployed({**LOAD, "prompts": ["It is", "She"], "max_tokens": 2})
        own = self.reports(folder)
        self.assertEqual([len(report["output_ids"]) for report in own], [2, 2])
        self.assertEqual(own[0]["prompt_ids"], json.loads(self.succeed("tokenize", folder, "--text", "It is").stdout)["ids"])
        self.assertEqual(self.reports(folder, "--prompt-ids", "1,2,3")["prompt_ids"], [1, 2, 3])

    def test_without_a_tokenizer(self):
        folder = self.deployed(LOAD, source=DATA / "llama-plain")
        config = read_json(folder / "config.json")
        for report in self.reports(folder):
            for token in report["prompt_ids"]:
                self.assertIn(token, range(config["vocab_size"]))

    def test_too_long_is_refused_or_shortened(self):
        folder = self.deployed({"input_tokens": "fixed:40", "output_tokens": "fixed:5"})
        limit = ("--max-seq-len", 32)
        self.expect_error(("run", folder, *limit), 1, "request 1 of the deployment's workload has 40 prompt tokens and 5 to generate, "
                          "but max_seq_len is 32", "--max-seq-len", "--truncation")
        (report,) = self.reports(folder, *limit, "--truncation")
        self.assertEqual((len(report["prompt_ids"]), len(report["output_ids"])), (27, 5))
        folder = self.deployed({"input_tokens": "fixed:40", "output_tokens": "fixed:32"})
        self.expect_error(("run", folder, *limit, "--truncation"), 1, "40 prompt tokens and 32 to generate")

    def test_refusals(self):
        self.expect_error(("run", self.deployed({"requests": 4, "output_tokens": "fixed:9"})), 2, "no prompts of its own",
                          "no input_tokens")
        self.expect_error(("run", self.deployed({**LOAD, "requests": 65537})), 1, "65537 requests", "at most 65536")


if __name__ == "__main__":
    unittest.main()
