"""A prompt's tokens do not depend on what else runs: continuous batches equal lone runs."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import TRAINED, VinciTest  # noqa: E402

PROMPTS = ["It is a truth universally acknowledged, that", "Emma Woodhouse", "The family of", "She", "My dear Mr. Bennet,",
           "Captain Wentworth was", "\"I am", "Sir Walter Elliot, of Kellynch Hall, in Somersetshire, was a man who"]


class Batching(VinciTest):
    def alone(self, model, prompt, *options):
        return json.loads(self.succeed("run", model, "--dtype", "float32", "--prompt", prompt, "--max-tokens", 24,
                                       "--format", "json", *options).stdout)

    def batch(self, model, lines, *options):
        file = self.scratch / "prompts.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        result = self.succeed("run", model, "--dtype", "float32", "--prompts", file, "--max-tokens", 24, "--format", "json",
                              *options)
        return json.loads(result.stdout)

    def test_batch_equals_alone_in_input_order(self):
        for model in TRAINED:
            expected = [self.alone(model, prompt) for prompt in PROMPTS]
            for options in ((), ("--max-batch", 3), ("--prefill-chunk", 5), ("--threads", 1)):
                with self.subTest(model=model.name, options=options):
                    results = self.batch(model, PROMPTS, *options)
                    self.assertEqual([result["prompt_ids"] for result in results], [one["prompt_ids"] for one in expected])
                    self.assertEqual([result["output_ids"] for result in results], [one["output_ids"] for one in expected])

    def test_sampling_is_per_prompt(self):
        lines = [{"prompt": prompt, "temperature": 0.9, "top_k": 50, "seed": seed} for seed, prompt in enumerate(PROMPTS)]
        together = self.batch(TRAINED[1], lines)
        for seed, (prompt, result) in enumerate(zip(PROMPTS, together)):
            one = self.alone(TRAINED[1], prompt, "--temperature", 0.9, "--top-k", 50, "--seed", seed)
            self.assertEqual(result["output_ids"], one["output_ids"])

    def test_few_kv_blocks_only_queue(self):
        expected = [self.alone(TRAINED[1], prompt)["output_ids"] for prompt in PROMPTS]
        results = self.batch(TRAINED[1], PROMPTS, "--kv-blocks", 4, "--max-seq-len", 128, "--block-size", 32)
        self.assertEqual([result["output_ids"] for result in results], expected)


if __name__ == "__main__":
    unittest.main()
