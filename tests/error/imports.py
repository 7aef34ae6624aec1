"""Mistakes in the files of a deployment, through the command line: one error line with file, line and column, exit code 1.

Each case is a copy of a shipped file with one thing changed. The readers' own tables, with every key, are unit tests
(tests/unit/frontend).
"""
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest  # noqa: E402

# (file, what stands there, what takes its place, words of the message)
CASES = [
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "hidden_size: 5120", "hiden_size: 5120", ["hiden_size", "did you mean hidden_size"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "num_layers: 64", "num_layers: many", ["num_layers", '"many" (a string)', "integer"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "num_heads: 40", "num_heads: 0", ["num_heads", "0", "integer from 1"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "    n_kv_heads: 8", "    n_kv_heads: 7", ["not a multiple", "7"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "compute_dtype: bfloat16", "compute_dtype: float8", ["compute_dtype", "float8", "bfloat16"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "max_device_memory: 59GB", "max_device_memory: plenty", ["max_device_memory", "plenty"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "run_mode: predict", "run_mode: train", ["run_mode", "train"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "  mode: 0", "  mode: 7", ["mode", "7"]),
    ("qwq-32b-mindie/predict_qwq_32b.yaml", "trainer:", "trainer: [", ["not valid YAML"]),
    ("qwq-32b-mindie/mindie_config.json", '"maxSeqLen": 2560', '"maxSeqLen": 0', ["maxSeqLen", "0"]),
    ("qwq-32b-mindie/mindie_config.json", '"maxSeqLen": 2560', '"maxSeqLne": 2560', ["maxSeqLne", "did you mean maxSeqLen"]),
    ("qwq-32b-mindie/mindie_config.json", '"cacheBlockSize": 128', '"cacheBlockSize": 100', ["cacheBlockSize", "100"]),
    ("qwq-32b-mindie/mindie_config.json", '"worldSize": 4', '"worldSize": "four"', ["worldSize", '"four" (a string)']),
    ("qwq-32b-mindie/mindie_config.json", '"Version"', '"Version" 1, "x"', ["not valid JSON"]),
    ("qwen3-235b-a3/qwen3_235b_16tp.yaml", "attn_tp_size: 16", "attn_tp_size: 3", ["attn_tp_size", "3", "world_size", "1, 2, 4, 8, 16"]),
    ("qwen3-235b-a3/qwen3_235b_16tp.yaml", "exe_mode: ge_graph", "exe_mode: fast", ["exe_mode", "fast", "eager"]),
    ("qwen3-235b-a3/qwen3_235b_16tp.yaml", "world_size: 16", "world_sise: 16", ["world_sise", "did you mean world_size"]),
    ("qwen3-235b-w8a8/launch.sh", "--tensor-parallel-size 8", "--tensor-paralell-size 8", ["tensor-paralell-size", "tensor-parallel-size"]),
    ("qwen3-235b-w8a8/launch.sh", "--max-num-seqs 200", "--max-num-seqs none", ["max-num-seqs", "none"]),
    ("qwen3-235b-w8a8/launch.sh", "FULL_DECODE_ONLY", "SOMETIMES", ["cudagraph_mode", "SOMETIMES", "FULL_DECODE_ONLY"]),
    ("qwen3-235b-w8a8/launch.sh", "HCCL_OP_EXPANSION_MODE=AIV", "HCCL_OP_EXPANSION_MODE=GPU", ["HCCL_OP_EXPANSION_MODE", "GPU", "AIV"]),
    ("qwen3-235b-w8a8/launch.sh", "--gpu-memory-utilization 0.9", "--gpu-memory-utilization 1.9", ["gpu-memory-utilization", "1.9"]),
    ("qwq-32b-mindie/deployment.json", '"910b3"', '"910b9"', ["910b9", "310p3"]),
    ("qwen3-8b/deployment.json", '"max_tokens": 64', '"max_token": 64', ["max_token", "did you mean max_tokens"]),
    ("qwen3-235b-a3/deployment.json", '"fixed:4080"', '"about 4080"', ["input_tokens", '"about 4080"', "uniform:A-B"]),
    ("qwq-32b-mindie/deployment.json", "0.75=71", "0.75=7", ["input_tokens", "0.75=7 cannot follow 0.5=63.41"]),
    ("qwen3-8b/deployment.json", '"vinci_deployment": 1', '"vinci_deployment": 9', ["vinci_deployment", "9", "version 1"]),
    ("qwen3-8b/deployment.json", '"workload"', '"workloads"', ["workloads", "no section", "workload"]),
    ("qwq-32b-mindie/deployment.json", '"mindie_config.json"', '"../config.json"', ["from", "same folder"]),
    ("qwq-32b-mindie/deployment.json", '"mindie_config.json"', '"deployment.json"', ["from", "another deployment"]),
    ("qwq-32b-mindie/deployment.json", '"mindie_config.json"', '"."', ["directory"]),
    ("qwq-32b-mindie/deployment.json", '"mindie_config.json"', '"missing.json"', ["missing.json", "no such file"]),
]


class Imports(VinciTest):
    def test_one_thing_wrong(self):
        for name, old, new, words in CASES:
            with self.subTest(file=name, change=new):
                source = MODELS / name
                folder = self.scratch / "changed"
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(source.parent, folder, ignore=shutil.ignore_patterns("*.md"))
                text = source.read_text(encoding="utf-8")
                self.assertIn(old, text)
                (folder / source.name).write_text(text.replace(old, new, 1), encoding="utf-8")
                self.expect_error(("import", folder), 1, str(folder), *words)

    def test_what_is_no_file_that_vinci_knows(self):
        for name, text, words in (("a.json", "{}", ["no kind of file"]), ("a.yaml", "a: 1\n", ["no kind of file"]),
                                  ("a.json", "[", ["not valid JSON"]), ("a.yaml", "", ["empty"])):
            with self.subTest(name=name, text=text):
                path = self.scratch / name
                path.write_text(text)
                self.expect_error(("import", path), 1, str(path), *words)
        self.expect_error(("import", self.scratch / "nothing.yaml"), 1, "nothing.yaml", "no such file")

    def test_files_without_a_model_import_and_do_not_compile(self):
        path = self.scratch / "alone.yaml"
        shutil.copy(MODELS / "qwen3-235b-a3/qwen3_235b_16tp.yaml", path)
        self.succeed("import", path)
        self.expect_error(("compile", path, "-o", self.scratch / "x.plan"), 1, str(path), "give the model's folder")

    def test_flags(self):
        self.expect_error(("import",), 2, "FILEs", "--env", "--from-vllm-args")
        self.expect_error(("import", MODELS / "qwen3-8b", "--target", "h100"), 1, "--target", "h100", "310p3")
        self.expect_error(("import", "--from-vllm-args", "--max-model-len long"), 1, "--from-vllm-args:1:", "max-model-len", "long")
        self.expect_error(("compile", MODELS / "qwen3-0.6b", "-o", self.scratch / "x.plan", "--no-weights", "--from-vllm-args",
                           "--max-model-len 50000"), 1, "--from-vllm-args:1:17", "max-seq-len is 50000", "40960")


if __name__ == "__main__":
    unittest.main()
