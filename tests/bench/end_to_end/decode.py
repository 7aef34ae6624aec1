#!/usr/bin/env python3
"""Decode speed of whole runs, variants side by side.

  tests/bench/end_to_end/decode.py [BUILD_DIR] [--model DIR] [--tokens N] [--rounds N]

Each round runs every variant once, so that all of them see the same neighbours on a shared machine. Printed are the
median tokens/s of each variant and the median, over the rounds, of its ratio to the first one. Standard library only.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
VARIANTS = {
    "bfloat16, 1 thread": ("--dtype", "bfloat16", "--threads", "1"),
    "bfloat16, 2 threads": ("--dtype", "bfloat16", "--threads", "2"),
    "bfloat16, 2 threads, avx2": ("--dtype", "bfloat16", "--threads", "2", "--cpu", "avx2"),
    "float32, 2 threads": ("--dtype", "float32", "--threads", "2"),
}


def tokens_per_second(vinci, model, tokens, options):
    command = [vinci, "run", model, "--prompt-ids", "1", "--max-tokens", str(tokens), "--ignore-eos", "--format", "json",
               *options]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["timing"]["tokens_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--model", default=ROOT / "models" / "austen-qwen3")
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    speeds = {name: [] for name in VARIANTS}
    for round_number in range(arguments.rounds + 1):
        for name, options in VARIANTS.items():
            speed = tokens_per_second(arguments.build / "bin" / "vinci", arguments.model, arguments.tokens, options)
            if round_number > 0:  # the first round compiles and packs
                speeds[name].append(speed)
    baseline = next(iter(speeds.values()))
    print(f"{'variant':<28}{'tokens/s':>10}{'ratio':>8}")
    for name, values in speeds.items():
        ratio = statistics.median(value / base for value, base in zip(values, baseline))
        print(f"{name:<28}{statistics.median(values):>10.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
