#!/usr/bin/env python3
"""What the virtual clock costs a functional run: processor time of whole runs with the clock on and off, in turn.

  tests/bench/end_to_end/clock.py [BUILD_DIR] [--model DIR] [--tokens N] [--rounds N]

Processor time of one thread; timing the steps, after the run, is in it. Loading is too, so the overhead is told against what a token more
costs: a run of one token is taken off. Each kind of run counts with its fastest round, as neighbours on a shared machine only
ever make it slower. Standard library only.
"""
import argparse
import pathlib
import resource
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def processor_seconds(vinci, model, tokens, clock):
    command = [vinci, "run", model, "--target", "910b3", "--prompt-ids", "1", "--max-tokens", str(tokens), "--ignore-eos", "--threads", "1",
               "--clock", clock, "--format", "json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--model", default=ROOT / "models" / "austen-qwen3-moe")
    parser.add_argument("--tokens", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()

    lengths = (1, arguments.tokens)
    fastest = {(clock, tokens): float("inf") for clock in ("off", "on") for tokens in lengths}
    for round_number in range(arguments.rounds + 1):
        for clock, tokens in fastest:
            seconds = processor_seconds(arguments.build / "bin" / "vinci", arguments.model, tokens, clock)
            if round_number > 0:  # the first round compiles and packs
                fastest[clock, tokens] = min(fastest[clock, tokens], seconds)
    per_token = {clock: (fastest[clock, lengths[1]] - fastest[clock, lengths[0]]) / (lengths[1] - lengths[0]) for clock in ("off", "on")}
    for clock, seconds in per_token.items():
        print(f"clock {clock:<4}{seconds * 1e6:>10.1f} us of processor time a token")
    print(f"overhead  {100 * (per_token['on'] / per_token['off'] - 1):>9.2f} %  (goal: below 2 %)")


if __name__ == "__main__":
    main()
