"""Wrong command lines: which exit code, which words."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, vinci  # noqa: E402

MODEL = MODELS / "austen-qwen3"
BENCH = ("bench", MODEL, "-p", "8", "-n", "0", "-b", "0", "-d", "0")
RUN = ("run", MODEL, "--prompt", "It", "--max-tokens", "1")

# (arguments, exit code, words that the message must hold)
CASES = [
    ((), 2, ["subcommand"]),
    (("fly",), 2, ["fly"]),
    (("compile",), 2, ["MODEL"]),
    (("compile", MODEL), 2, ["--output"]),
    (("compile", MODEL, "-o"), 2, ["--output"]),
    (("compile", MODEL, "-o", "x.plan", "--fast"), 2, ["--fast"]),
    (("compile", MODEL, "extra", "-o", "x.plan"), 2, ["extra"]),
    (("compile", MODEL, "-o", "x.plan", "--dtype", "int4"), 1, ["--dtype", "int4", "bfloat16", "float16", "float32"]),
    (("compile", MODEL, "-o", "x.plan", "--dtype", "int8"), 1, ["--dtype", "int8"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "layernorm=fp16"), 1, ["--precision", "layernorm=fp16", "bfloat16", "float16"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "softmax=int8"), 1, ["--precision", "softmax=int8", "float32"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "compute"), 1, ["--precision", "compute", "float16"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "logits=float16"), 1, ["logits=float16", "layernorm", "rotary", "keep_origin"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "softmax=bfloat16,"), 1, ["--precision", "names no region"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "rotary=float16,rotary=float16"), 1, ["--precision", "rotary twice"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "keep_origin=yes"), 1, ["keep_origin=yes", "true and false"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "layernorm=float16"), 1, ["layernorm=float16", "compute=bfloat16", "float32"]),
    (("compile", MODEL, "-o", "x.plan", "--precision", "parameters=float32"), 1, ["parameters=float32", "compute=bfloat16"]),
    (("compile", MODEL, "-o", "x.plan", "--dtype", "float32", "--precision", "compute=float16"), 1, ["--dtype float32", "compute=float16"]),
    (RUN + ("--precision", "rotary=float32,compute=float64"), 1, ["compute=float64"]),
    (("compile", MODEL, "-o", "x.plan", "--cpu", "sse2"), 1, ["--cpu", "sse2", "avx2", "amx"]),
    (("compile", MODEL, "-o", "x.plan", "--stop-after", "dinner"), 1, ["dinner", "import", "memory"]),
    (("compile", MODEL, "-o", "x.plan", "--passes", "fuse-swiglu"), 1, ["--passes", "'fuse-swiglu'", "+name"]),
    (("compile", MODEL, "-o", "x.plan", "--passes", "+fuse-swiglu,"), 1, ["--passes", "''", "+name"]),
    (("compile", MODEL, "-o", "x.plan", "--passes", "-all,+fuse-breakfast"), 1, ["'+fuse-breakfast'", "fuse-swiglu", "and all"]),
    (("compile", MODEL, "-o", "x.plan", "--passes", "-plan-memory"), 1, ["'-plan-memory'", "can be switched", "fuse-swiglu"]),
    (RUN + ("--passes", "+x"), 1, ["'+x'", "fuse-swiglu"]),
    (("eval", MODEL, "--ids", MODEL / "validation_ids.json", "--passes", "+x"), 1, ["'+x'", "fuse-swiglu"]),
    (("simulate", MODELS / "qwq-32b-300i-duo", "--set", "execution.devices=0,x"), 1,
     ["execution.devices", '"0,x"', "a list of integers from 0 to 65535, as 1,2,4"]),
    (("simulate", MODELS / "qwq-32b-300i-duo", "--set", "execution.devices=" + ",".join(map(str, range(4097)))), 1,
     ["execution.devices", '"0,1,2,3', "a list of at most 4096 is expected"]),
    (("simulate", MODELS / "qwq-32b-300i-duo", "--set", "execution.devices=0,0,4,6"), 1, ["[0, 0, 4, 6]", "device 0 twice"]),
    (("simulate", MODELS / "qwq-32b-300i-duo", "--set", "execution.devices=0,2,4,99"), 1, ["joins 16 devices at most", "0 and 99"]),
    (("compare",), 2, ["A is required"]),
    (("compare", MODEL, "--b", "--tp 2 --fast"), 2, ["--b '--tp 2 --fast'", "--fast", "compile options and --model"]),
    (("compare", MODEL, "--a", "--help"), 2, ["--a '--help'", "--help"]),
    (("compare", MODEL, "--a", "--tp many"), 2, ["--a '--tp many'", "many"]),
    (("compare", MODEL, "--b", "--dtype int4"), 1, ["--dtype", "int4"]),
    (("compare", MODEL, "--model", MODEL), 1, ["--model", "is a model directory itself"]),
    (("compare", MODEL, "--prompt", "a", "--prompt-ids", "1"), 2, ["--prompt"]),
    (("compare", MODEL, "--prompt-ids", "1,x"), 1, ["--prompt-ids", "x"]),
    (("compare", MODEL, "--prompt-ids", "1,4096"), 1, ["4096", "0 to 4095"]),
    (("compare", MODEL, "--prompt", ""), 1, ["the prompt is empty"]),
    (("compare", MODEL, "--decode", "-1"), 1, ["--decode -1", "0 or more"]),
    (("compare", MODEL, "--prompt-ids", "1,2", "--b", "--max-seq-len 32 --max-tokens-per-step 32", "--decode", "31"), 1,
     ["prompt of 2 tokens and --decode 31", "32 tokens in all"]),
    (("compare", MODEL, "--tolerance", "-0.1"), 1, ["--tolerance -0.1", "0 or more"]),
    (("compare", MODEL, "--tolerance", "nan"), 1, ["--tolerance nan"]),
    (("compare", MODEL, "--worst", "-1"), 1, ["--worst -1", "0 or more"]),
    (("compare", MODEL, MODEL, "--reference"), 2, ["B excludes --reference"]),
    (("compare", MODEL, "--reference", "--a", "--tp 2"), 2, ["--a excludes --reference"]),
    (("compare", MODEL, "--reference", "--b", "--tp 2"), 2, ["--b excludes --reference"]),
    (("compare", MODEL, "--reference-model", MODEL), 2, ["--reference-model requires --reference"]),
    (("compare", MODEL, "--reference", "--reference-model", "nowhere"), 1, ["nowhere", "there is no such file or folder"]),
    (("compare", MODEL, "--reference", "--worst", "-1"), 1, ["--worst -1", "0 or more"]),
    (("inspect", MODEL, "--ir", "--passes", "+x"), 1, ["'+x'", "fuse-swiglu"]),
    (("inspect", MODEL, "--passes", "-all"), 1, ["--passes", "--ir"]),
    (("compile", MODEL, "-o", "x.plan", "--tp", "x"), 1, ["--tp", "x"]),
    (("compile", MODEL, "-o", "x.plan", "--tp", "0"), 1, ["attn_tp 0", "legal: 1"]),
    (("compile", MODEL, "-o", "x.plan", "--sequence-parallel"), 1, ["sequence parallelism", "for one device", "attn_tp 2"]),
    (("compile", MODEL, "-o", "x.plan", "--tp", "4", "--embed-tp", "1", "--sequence-parallel"), 1,
     ["config.json:", "'llm.embedding'", "embed_tp 4"]),
    (("compile", MODEL, "-o", "x.plan", "--tp", "3"), 1,
     ["config.json:", "num_attention_heads 8", "3 ranks of attn_tp", "legal for this model: 1, 2, 4, 8"]),
    (("compile", MODEL, "-o", "x.plan", "--world", "70000"), 1, ["world 70000", "1 to 65536"]),
    (("compile", MODEL, "-o", "x.plan", "--world", "6", "--attn-tp", "4"), 1, ["attn_tp 4", "6 ranks", "legal: 1, 2, 3, 6"]),
    (("compile", MODEL, "-o", "x.plan", "--world", "12", "--attn-tp", "4", "--moe-tp", "6"), 1, ["moe_tp 6", "attn_tp 4", "divide"]),
    (("compile", MODEL, "-o", "x.plan", "--world", "4", "--ep", "3"), 1, ["expert parallelism 3", "4 ranks", "legal: 1, 2, 4"]),
    (("compile", MODEL, "-o", "x.plan", "--world", "8", "--moe-tp", "2", "--ep", "2"), 1, ["moe_tp 2", "is 4", "8 ranks"]),
    (RUN + ("--tp", "5"), 1, ["num_attention_heads 8", "5 ranks"]),
    (("compile", MODEL, "-o", "x.plan", "--max-seq-len", "many"), 1, ["--max-seq-len", "many"]),
    (("compile", MODEL, "-o", "x.plan", "--max-seq-len", "-1"), 1, ["--max-seq-len", "-1"]),
    (("compile", MODEL, "-o", "x.plan", "--max-seq-len", "0"), 1, ["max-seq-len", "0"]),
    (("compile", MODEL, "-o", "x.plan", "--max-seq-len", "99999999999999999999"), 1, ["--max-seq-len"]),
    (("compile", MODEL, "-o", "x.plan", "--max-tokens-per-step", "0"), 1, ["max-tokens-per-step", "0"]),
    (("compile", MODEL, "-o", "x.plan", "--max-batch", "0"), 1, ["max-batch", "0"]),
    (("compile", MODEL, "-o", "x.plan", "--kv-blocks", "0"), 1, ["kv-blocks", "0"]),
    (("compile", MODEL, "-o", "x.plan", "--block-size", "24"), 1, ["block-size", "24", "16"]),
    (("compile", MODEL, "-o", "/proc/nowhere/x.plan"), 1, ["/proc/nowhere/x.plan"]),
    (("compile", "no-such-model", "-o", "x.plan"), 1, ["no-such-model", "austen-qwen3"]),
    (("compile", "/etc/hostname", "-o", "x.plan"), 1, ["/etc/hostname", "neither"]),
    (("run", MODEL), 2, ["--prompt"]),
    (("run", MODEL, "--prompt", "a", "--prompt-ids", "1"), 2, ["--prompt"]),
    (("run", MODEL, "--chat", "a", "--prompts", "x"), 2, ["--prompts"]),
    (("run", MODEL, "--prompt", "a", "--system", "b"), 2, ["--system", "--chat"]),
    (("run", MODEL, "--prompt-ids", "1,x"), 1, ["--prompt-ids", "x"]),
    (("run", MODEL, "--prompt-ids", "1,,2"), 1, ["--prompt-ids"]),
    (("run", MODEL, "--prompt-ids", "4096"), 1, ["4096", "4095"]),
    (("run", MODEL, "--prompt-ids", "-1"), 1, ["-1"]),
    (("run", MODEL, "--prompt", ""), 1, ["empty"]),
    (RUN + ("--temperature", "-1"), 1, ["temperature", "-1"]),
    (RUN + ("--temperature", "hot"), 1, ["--temperature", "hot"]),
    (RUN + ("--top-p", "0"), 1, ["top", "0"]),
    (RUN + ("--top-p", "1.5"), 1, ["top", "1.5"]),
    (RUN + ("--top-k", "-3"), 1, ["top", "-3"]),
    (RUN + ("--repetition-penalty", "0"), 1, ["repetition", "0"]),
    (RUN + ("--seed", "-1"), 1, ["--seed", "'-1'", "from 0"]),
    (RUN + ("--seed", "x"), 1, ["--seed", "x"]),
    (("run", MODEL, "--prompt", "a", "--max-tokens", "99999999999"), 1, ["max-tokens", "99999999999", "2147483647"]),
    (RUN + ("--sampling", "wild"), 1, ["wild", "greedy", "model"]),
    (RUN + ("--sampling", "greedy", "--temperature", "0.7"), 1, ["--sampling greedy", "temperature"]),
    (RUN + ("--threads", "0"), 1, ["threads", "0"]),
    (RUN + ("--threads", "100000"), 1, ["threads", "100000"]),
    (RUN + ("--prefill-chunk", "0"), 1, ["prefill-chunk", "0"]),
    (RUN + ("--prefill-chunk", "100000"), 1, ["prefill-chunk", "100000"]),
    (RUN + ("--format", "xml"), 1, ["--format", "xml", "json"]),
    (RUN + ("--model", MODEL), 1, ["--model"]),
    (("run", MODEL, "--prompt", "a", "--max-tokens", "0"), 1, ["max-tokens", "0"]),
    (("run", MODEL, "--prompts", "/no/such/file"), 1, ["/no/such/file"]),
    (("run", MODEL, "--prompt", "a", "--logits", "/proc/x.npy", "--max-tokens", "1"), 1, ["/proc/x.npy"]),
    (("eval", MODEL), 2, ["--ids"]),
    (("eval", MODEL, "--ids", "/no/such/file"), 1, ["/no/such/file"]),
    (("eval", MODEL, "--ids", MODEL / "validation_ids.json", "--window", "0"), 1, ["window", "0"]),
    (("eval", MODEL, "--ids", MODEL / "validation_ids.json", "--window", "100000"), 1, ["window", "100000", "2048"]),
    (("eval", MODEL, "--ids", MODEL / "config.json"), 1, ["config.json", "array"]),
    (("bench",), 2, ["MODEL"]),
    (BENCH + ("-r", "0"), 1, ["-r 0", "1 to 10000"]),
    (BENCH + ("-p", "x"), 1, ["x"]),
    (BENCH + ("-p", "8,-1"), 1, ["-p -1", "0 (none)"]),
    (BENCH + ("-d", "3000"), 1, ["austen-qwen3: error: tg64@d3000 cannot run", "sequences of 3064 tokens", "positions for 2048"]),
    (BENCH + ("-b", "64", "--max-batch", "16"), 1, ["tg32@b64 cannot run", "it needs max_batch 64, and there are 16"]),
    (("bench", MODEL, "-p", "0", "-n", "0", "-b", "0", "-d", "0"), 1, ["there is no test to run; -p, -n, -b and -d say which"]),
    (BENCH + ("--quant", "w8a8-dynamic"), 1, ["--quant w8a8-dynamic", "--random-weights"]),
    (BENCH + ("--random-weights", "--quant", "int4"), 1, ["--quant 'int4'", "w8a8-dynamic"]),
    (BENCH + ("--random-weights", "--model", MODEL), 1, ["contradicts --random-weights"]),
    (BENCH + ("--device", "h100"), 1, ["h100", "910b3"]),
    (BENCH + ("--format", "xml"), 1, ["--format", "xml", "text, markdown and json"]),
    (BENCH + ("--threads", "0"), 1, ["threads", "0"]),
    (BENCH + ("--max-seq-len", "4"), 1, ["pp8 cannot run", "it needs max_seq_len 8, and there are 4"]),
    (("tokenize", MODEL), 2, ["--text"]),
    (("tokenize", MODEL, "--text", "a", "--messages", "b"), 2, ["--text"]),
    (("tokenize", MODEL, "--messages", "/no/such/file"), 1, ["/no/such/file"]),
    (("tokenize", MODEL, "--text", "a", "--template-args", "{"), 2, ["--template-args", "--messages"]),
    (("inspect", MODEL, "--commands"), 1, ["compile it"]),
    (("inspect", MODEL, "--asm"), 1, ["compile it"]),
    (("inspect",), 2, ["MODEL"]),
    (("verify", MODEL / "config.json"), 1, ["config.json"]),
    (("verify", "/no/such.plan"), 1, ["/no/such.plan"]),
    (("completion", "tcsh"), 1, ["tcsh", "bash"]),
]


class Flags(VinciTest):
    def test_wrong_command_lines(self):
        for arguments, code, words in CASES:
            with self.subTest(" ".join(map(str, arguments))):
                self.expect_error(arguments, code, *words)

    def test_input_over_the_limit(self):
        ids = ",".join(["5"] * 100)
        limits = ("--max-seq-len", "64", "--max-tokens", "4", "--format", "json")
        self.expect_error(("run", MODEL, "--prompt-ids", ids, *limits), 1, "100", "64", "--truncation")
        report = json.loads(self.succeed("run", MODEL, "--prompt-ids", ids, *limits, "--truncation").stdout)
        self.assertLess(len(report["prompt_ids"]), 64)

    def test_prompts_file_mistakes_name_the_entry(self):
        for text, words in (("[", ["prompts.json"]), ("[true]", ["prompts.json", "true"]), ('[{"color": "red"}]', ["prompts.json", "no prompt"]),
                            ("[]", ["prompts.json", "no prompt"]), ('["fine", {"prompt": "a", "temperature": -1}]', ["temperature"])):
            file = self.scratch / "prompts.json"
            file.write_text(text)
            with self.subTest(text):
                self.expect_error(("run", MODEL, "--prompts", file), 1, *words)

    def test_help_exits_with_zero(self):
        for arguments in (("--help",), ("run", "--help"), ("compile", "--help")):
            result = vinci(*arguments)
            self.assertEqual(result.returncode, 0)
            self.assertIn("Example", result.stdout)

    def test_completion_names_every_command(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.succeed("completion", shell).stdout
            for word in ("compile", "run", "inspect", "tokenize"):
                self.assertIn(word, script)


if __name__ == "__main__":
    unittest.main()
