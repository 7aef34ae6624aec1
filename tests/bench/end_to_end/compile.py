#!/usr/bin/env python3
"""How long compiling Qwen3-235B-A22B takes, and that it depends neither on the depth nor on the degree of parallelism.

    tests/bench/end_to_end/compile.py [--repeat N]

Processor seconds (the machine may be busy with other things) and peak memory of `vinci compile --no-weights`, the least of N
runs, side by side: all passes without kernel code generation (--stop-after memory), the whole plan with --no-cache, and again with
all its kernels in the cache; 94 layers against 8, 8 ranks against 1 and 16. A fixed W8A8 deployment, and the same model in bfloat16.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from harness import MODELS, VINCI  # noqa: E402


def measure(repeat, *arguments):
    """(processor seconds, peak memory in MiB), the least of each"""
    runs = []
    for _ in range(repeat):
        child = os.fork()
        if child == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.execv(VINCI, [VINCI, "compile", *map(str, arguments), "--no-weights"])
        _, status, usage = os.wait4(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, arguments
        runs.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return tuple(map(min, zip(*runs)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="vinci-bench-"))
    try:
        config = json.loads((MODELS / "qwen3-235b-a3" / "config.json").read_text(encoding="utf-8"))
        models = {}
        for layers in (94, 8):
            models[layers] = scratch / f"layers-{layers}"
            models[layers].mkdir()
            (models[layers] / "config.json").write_text(json.dumps({**config, "num_hidden_layers": layers}), encoding="utf-8")
        cases = [("bfloat16, 94 layers, 8 ranks", models[94], "--tp", 8), ("bfloat16, 8 layers, 8 ranks", models[8], "--tp", 8),
                 ("bfloat16, 94 layers, 1 rank", models[94], "--tp", 1), ("bfloat16, 94 layers, 16 ranks", models[94], "--tp", 16),
                 ("W8A8, 94 layers, 8 ranks", MODELS / "qwen3-235b-w8a8")]
        os.environ["VINCI_CACHE_DIR"] = str(scratch / "cache")
        print(f"{'':32}{'passes s':>10}{'ratio':>8}{'plan s':>10}{'ratio':>8}{'cached s':>10}{'cold/cached':>13}{'MiB':>8}")
        base = None
        for name, *arguments in cases:
            passes, _ = measure(repeat, *arguments, "--stop-after", "memory", "-o", scratch / "x.mlir")
            plan, memory = measure(repeat, *arguments, "-o", scratch / "x.plan", "--no-cache")
            measure(1, *arguments, "-o", scratch / "x.plan")
            cached, _ = measure(repeat, *arguments, "-o", scratch / "x.plan")
            base = base or (passes, plan)
            print(f"{name:32}{passes:10.3f}{passes / base[0]:8.2f}{plan:10.3f}{plan / base[1]:8.2f}"
                  f"{cached:10.3f}{plan / cached:13.1f}{memory:8.0f}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
