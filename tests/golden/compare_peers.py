"""tests/bench/compare-peers with programs in place of all sides that print known figures: what it asks for, and what it makes of them."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "tests" / "bench" / "compare-peers"
BENCH = """#!/usr/bin/env python3
import json, sys
arguments = sys.argv[1:]
value = lambda name: arguments[arguments.index(name) + 1] if name in arguments else "0"
if value("-d") != "0" or "-gp" in arguments:
    speed = {depth}
elif value("-p") != "0":
    speed = {prompt}
else:
    speed = {decode}
print(json.dumps([{{"n_prompt": value("-p"), "avg_ts": speed * (1.5 if "-rtr" in arguments else 1)}}]))
"""
BATCHED = """#!/usr/bin/env python3
import sys
batch = sys.argv[sys.argv.index("-npl") + 1]
print("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |")
print("|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|")
print(f"|    32 |     32 |    {{batch}} |    512 |    1.000 |   100.00 |    2.000 |   {batched} |    3.000 |    50.00 |")
"""
VINCI = """#!/usr/bin/env python3
import json, sys
arguments = sys.argv[1:]
assert arguments[0] == "bench" and "--random-weights" in arguments, arguments
names = {"-p": "pp%s", "-n": "tg%s", "-d": "tg64@d%s", "-b": "tg32@b%s"}
sizes = [name % size for flag, name in names.items() for size in arguments[arguments.index(flag) + 1].split(",") if size != "0"]
print(json.dumps([{"test": test, "tokens_per_s": {"min": 1, "median": 300.0, "max": 400}, "of_peak": 0.9} for test in sizes]))
"""


class ComparePeers(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="vinci-test-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.program("build/bin/vinci", VINCI)
        for name, figures in (("llama", dict(prompt=20, decode=100, depth=50, batched=60)), ("ik", dict(prompt=10, decode=200, depth=75, batched=30))):
            self.program(f"{name}/llama-bench", BENCH.format(**figures))
            self.program(f"{name}/llama-batched-bench", BATCHED.format(**figures))
        (self.folder / "gguf").mkdir()
        for name in ("qwen3-0.6b-bf16", "qwen2.5-0.5b-q8_0"):
            (self.folder / "gguf" / f"{name}.gguf").touch()

    def program(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def compare(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, "--gguf", self.folder / "gguf", "--build", self.folder / "build", *arguments],
                              capture_output=True, text=True, timeout=60, env=os.environ)

    def test_ratios_to_the_better(self):
        report = self.folder / "report.json"
        result = self.compare("--llama", self.folder / "llama", "--ik", self.folder / "ik", "--rounds", "2", "--json", report)
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = {(row["model"], row["type"], row["test"]): row for row in json.loads(report.read_text())}
        self.assertEqual(set(rows), {("qwen3-0.6b", "bf16", test) for test in ("tg128", "tg64@d2048", "pp512", "tg32@b8", "tg32@b32")}
                         | {("qwen2.5-0.5b", "q8_0", "tg128")})
        decode = rows["qwen3-0.6b", "bf16", "tg128"]
        self.assertEqual((decode["best_peer"], decode["ratio"]), ("ik_llama.cpp, repacked", 1.0))
        self.assertEqual(rows["qwen3-0.6b", "bf16", "pp512"]["ratio"], 15)  # of llama.cpp's 20
        self.assertEqual(rows["qwen3-0.6b", "bf16", "tg32@b8"]["ratio"], 5)
        self.assertEqual(len(decode["rounds"]["vinci"]), 2)
        self.assertIn("| prefill 512 | qwen3-0.6b bf16 | pp512 | 300.0 | 20.0 | 10.0 | 15.0 | 15.00 | 7 | 13 | aim | 90.0 % | 20% | 33% | aim |",
                      result.stdout)
        self.assertIn("left out: experts, decode", result.stderr)

    def test_refusals(self):
        for arguments, code, words in (((), 2, "there is nobody to compare with"), (("--llama", self.folder / "none"), 1, "none/llama-bench: there is no such program"),
                                       (("--llama", self.folder / "llama", "--rounds", "0"), 2, "--rounds 0"),
                                       (("--llama", self.folder / "llama", "--only", "nothing"), 1, "no row is left")):
            result = self.compare(*arguments)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(words, result.stderr)

    def test_files_of_random_weights(self):
        """A file that GGUF's rules hold for: as long as its tensors say."""
        make = ROOT / "tests" / "bench" / "make-random-gguf"
        config = {"model_type": "qwen3_moe", "hidden_size": 64, "vocab_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
                  "num_hidden_layers": 3, "max_position_embeddings": 128, "intermediate_size": 96, "rope_theta": 1e6, "rms_norm_eps": 1e-6,
                  "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
        (self.folder / "config.json").write_text(json.dumps(config))
        for kind, bytes_of in (("bf16", lambda n: 2 * n), ("q8_0", lambda n: n // 32 * 34)):
            out = self.folder / f"{kind}.gguf"
            subprocess.run([sys.executable, make, self.folder, out, "--type", kind, "--layers", "2"], check=True, capture_output=True)
            matrices = 2 * 96 * 64 + 2 * (128 * 64 * 2 + 64 * 64 * 2 + 3 * 4 * 32 * 64)
            rest = 4 * (64 + 2 * (2 * 64 + 2 * 32 + 4 * 64))
            size = out.stat().st_size
            self.assertTrue(out.read_bytes().startswith(b"GGUF"))
            self.assertLess(bytes_of(matrices) + rest, size)
            self.assertLess(size, bytes_of(matrices) + rest + 8192)


if __name__ == "__main__":
    unittest.main()
