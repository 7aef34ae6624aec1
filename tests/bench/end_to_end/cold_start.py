#!/usr/bin/env python3
"""From a packed plan to the first token: how long, how it divides, and how much memory a run holds.

  tests/bench/end_to_end/cold_start.py [BUILD_DIR] [--model DIR] [--rounds N] [--tokenizer FILE] [--folder DIR]

Compiles the model, packs made-up weights (the page cache is warm then), and starts `vinci run PLAN --model PACKED --max-tokens 1` again
and again, in turn with `cat PACK > /dev/null`, what the system takes to hand over the same bytes. Resident memory is read while a
longer run generates, against the weights and the KV cache of the plan. Standard library only.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]


def seconds_of(command):
    start = time.monotonic()
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    elapsed = time.monotonic() - start
    if result.returncode != 0:
        sys.exit(result.stderr)
    return elapsed, result.stdout


def resident_mib(pid):
    """(all, of which no file's)"""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--model", default=ROOT / "models" / "qwen3-0.6b", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokenizer", type=pathlib.Path, help="tokenizer.json to start with, as a real model has one")
    parser.add_argument("--folder", type=pathlib.Path, help="for plan and packs (default: a temporary one)")
    arguments = parser.parse_args()
    vinci = arguments.build / "bin" / "vinci"
    scratch = arguments.folder or pathlib.Path(tempfile.mkdtemp(prefix="vinci-bench-"))
    os.environ["VINCI_CACHE_DIR"] = str(scratch / "cache")
    try:
        plan, packed = scratch / "x.plan", scratch / "packed"
        seconds_of([vinci, "compile", arguments.model, "-o", plan, "--no-weights", "--max-seq-len", 512, "--max-batch", 1])
        seconds_of([vinci, "pack", plan, "--random-weights", "-o", packed])
        if arguments.tokenizer:
            shutil.copy(arguments.tokenizer, packed / "tokenizer.json")
        memory = json.loads(seconds_of([vinci, "inspect", plan, "--memory", "--format", "json"])[1])["memory"]
        weights, kv_cache = memory["weight_bytes"], memory["kv_cache_bytes"]
        run = [vinci, "run", plan, "--model", packed, "--prompt-ids", "1,2,3", "--ignore-eos", "--format", "json"]

        total, load, prefill, handed = [], [], [], []
        for _ in range(arguments.rounds):
            handed.append(seconds_of(["sh", "-c", f"cat '{packed}'/*.pack > /dev/null"])[0])
            elapsed, text = seconds_of([*run, "--max-tokens", 1])
            timing = json.loads(text)["timing"]
            total.append(elapsed)
            load.append(timing["load_ms"] / 1e3)
            prefill.append(timing["prefill_ms"] / 1e3)
        print(f"weights {weights / 1e9:.2f} GB, KV cache {kv_cache / 1e9:.2f} GB, {arguments.rounds} rounds, median (least)")
        for name, values in (("start to first token", total), ("  of which loading", load), ("  of which the first step", prefill),
                             ("cat of the packs", handed)):
            print(f"{name:<28}{statistics.median(values):8.3f} s ({min(values):.3f})")

        job = subprocess.Popen([str(part) for part in [*run, "--max-tokens", 300]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = (0, 0)
        while job.poll() is None:
            try:
                most = max(most, resident_mib(job.pid))
            except (OSError, KeyError):
                break
            time.sleep(0.05)
        job.wait()
        more = most[0] - (weights + kv_cache) / 2**20
        print(f"{'resident memory':<28}{most[0]:8.0f} MiB: weights and KV cache and {more:.0f} MiB  (goal: 150)")
    finally:
        if not arguments.folder:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
