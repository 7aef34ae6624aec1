#!/usr/bin/env python3
"""Two simulated devices beside one, on the same threads: what dividing a model costs where nothing is gained by it.

  tests/bench/end_to_end/tensor_parallel.py [BUILD_DIR] [--model DIR] [--layers N] [--tp N] [--rounds N]

Each round runs `vinci bench` with made-up weights once without and once with --tp, in turn, so that both see the same neighbours on a
shared machine. Printed are the median tokens/s of each, and the median over the rounds of their ratio. Standard library only.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def speeds(vinci, arguments, tp):
    command = [vinci, "bench", arguments.model, "--random-weights", "--no-ops", "-p", "512", "-n", "32", "-b", "8", "-d", "0", "-r", "3",
               "--threads", str(arguments.threads), "--tp", str(tp), "--format", "json"]
    if arguments.layers:
        command += ["--set", f"model.num_hidden_layers={arguments.layers}"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout)
    return {test["test"]: test["tokens_per_s"]["median"] for test in report}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--model", default=ROOT / "models" / "qwen3-0.6b")
    parser.add_argument("--layers", type=int, default=6, help="of the model, so that a round is short; 0: all")
    parser.add_argument("--tp", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    one, several = [], []
    for round_number in range(arguments.rounds + 1):
        for tp, results in ((1, one), (arguments.tp, several)):
            result = speeds(arguments.build / "bin" / "vinci", arguments, tp)
            if round_number > 0:  # the first round compiles
                results.append(result)
    print(f"{'test':<12}{'tokens/s':>10}{f'--tp {arguments.tp}':>10}{'ratio':>8}   (aim: 0.9 or more)")
    for test in one[0]:
        ratio = statistics.median(b[test] / a[test] for a, b in zip(one, several))
        print(f"{test:<12}{statistics.median(r[test] for r in one):>10.0f}{statistics.median(r[test] for r in several):>10.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
