#!/usr/bin/env python3
"""What the virtual clock costs a functional run: processor time of whole runs with the clock on and off, in turn.

  tests/bench/end_to_end/clock.py [BUILD_DIR] [--model DIR] [--tokens N] [--rounds N]

Processor time of one thread, as machines are shared; timing the steps, after the run, is in it. Loading is too, so the overhead is told
against what a token more costs: two lengths are run, and what differs is divided. Printed are medians over the rounds. Standard library
only.
"""
import argparse
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def processor_seconds(vinci, model, tokens, clock):
    command = [vinci, "run", model, "--target", "910b3", "--prompt-ids", "1", "--max-tokens", str(tokens), "--ignore-eos", "--threads", "1",
               "--clock", clock, "--format", "json"]
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--model", default=ROOT / "models" / "austen-qwen3-moe")
    parser.add_argument("--tokens", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    short = arguments.tokens // 4
    per_token = {"off": [], "on": []}
    for round_number in range(arguments.rounds + 1):
        for clock, values in per_token.items():
            seconds = [processor_seconds(arguments.build / "bin" / "vinci", arguments.model, tokens, clock)
                       for tokens in (short, arguments.tokens)]
            if round_number > 0:  # the first round compiles and packs
                values.append((seconds[1] - seconds[0]) / (arguments.tokens - short))
    for clock, values in per_token.items():
        print(f"clock {clock:<4}{statistics.median(values) * 1e6:>10.1f} us of processor time a token")
    overhead = statistics.median(on / off - 1 for on, off in zip(per_token["on"], per_token["off"]))
    print(f"overhead  {100 * overhead:>9.2f} %  (goal: below 2 %)")


if __name__ == "__main__":
    main()
