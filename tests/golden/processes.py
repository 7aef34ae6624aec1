"""One plan over the processes of mpirun: the tokens of one process, one voice, and an end when one of them ends.

On one machine; and, where this may make network namespaces, on two hosts that know nothing of each other but an address.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import quantise  # noqa: E402
from harness import MODELS, VINCI, VinciTest  # noqa: E402

MPIRUN = shutil.which("mpirun")
PROMPT = ("--prompt-ids", "1446,364,258", "--max-tokens", "12", "--ignore-eos", "--format", "json")
PLANS = {  # model, compile options
    "qwen2-tp2": ("austen-qwen2", "--tp", "2"),
    "qwen3-tp2": ("austen-qwen3", "--tp", "2"),
    "qwen3-tp4": ("austen-qwen3", "--tp", "4"),
    "moe-tp4": ("austen-qwen3-moe", "--tp", "4", "--ep", "4"),
    "moe-groups": ("austen-qwen3-moe", "--world", "4", "--attn-tp", "2"),
    "qwen3-shares": ("austen-qwen3", "--tp", "4", "--sequence-parallel"),
}


def mpirun(*arguments, more=()):
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return [MPIRUN, *root, "--oversubscribe", *map(str, more), *map(str, arguments)]


@unittest.skipUnless(MPIRUN, "there is no mpirun: packages openmpi-bin and libopenmpi-dev")
class ProcessTest(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not (pathlib.Path(VINCI).parent.parent / "lib" / "libvinci-mpi.so").exists():
            raise unittest.SkipTest("vinci was built without MPI")
        cls.plans = {}

    def plan(self, name):
        if name not in self.plans:
            model, *options = PLANS[name]
            self.plans[name] = self.scratch / f"{name}.plan"
            self.succeed("compile", MODELS / model, "-o", self.plans[name], *options)
        return self.plans[name]

    def launch(self, *arguments, timeout=120, more=()):
        # In a group of its own, so that whatever is left of it can be found.
        return subprocess.run(mpirun(*arguments, more=more), capture_output=True, text=True, timeout=timeout)

    def run_plan(self, count, plan, *arguments, **options):
        return self.launch("-n", count, VINCI, "run", plan, *(arguments or PROMPT), **options)


class OneMachine(ProcessTest):
    def test_same_tokens(self):
        for name, counts in {"qwen2-tp2": (2,), "qwen3-tp2": (2,), "qwen3-tp4": (2, 4), "moe-tp4": (4,), "moe-groups": (2, 4),
                             "qwen3-shares": (4,)}.items():
            expected = json.loads(self.succeed("run", self.plan(name), *PROMPT).stdout)
            for count in counts:
                with self.subTest(plan=name, processes=count):
                    result = self.run_plan(count, self.plan(name))
                    self.assertEqual(result.returncode, 0, result.stderr)
                    report = json.loads(result.stdout)  # one document: one process prints
                    self.assertEqual(report["output_ids"], expected["output_ids"])
                    self.assertEqual(report["ranks"], expected["ranks"])

    def test_same_bits(self):
        """Logits to the bit, and a file that one process writes; also where ranks agree on the scales of int8 rows."""
        files = [self.scratch / name for name in ("one.npy", "four.npy")]
        self.succeed("run", self.plan("qwen3-tp4"), *PROMPT, "--logits", files[0])
        result = self.run_plan(4, self.plan("qwen3-tp4"), *PROMPT, "--logits", files[1])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())
        model = quantise.quantise(MODELS / "austen-qwen3", self.scratch / "w8a8", lambda linear: quantise.DYNAMIC)
        plan = self.scratch / "w8a8.plan"
        self.succeed("compile", model, "-o", plan, "--tp", 2)
        self.succeed("run", plan, *PROMPT, "--logits", files[0])
        result = self.run_plan(2, plan, *PROMPT, "--logits", files[1])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())

    def test_a_batch_from_packs(self):
        """Packs of the ranks of a process are all that it needs."""
        plan, packs = self.plan("qwen3-tp2"), self.scratch / "packs"
        self.succeed("pack", plan, "--model", MODELS / "austen-qwen3", "-o", packs)
        prompts = self.scratch / "prompts.json"
        prompts.write_text(json.dumps([{"ids": [12, 40, 7], "max_tokens": 5}, {"prompt": "It is", "max_tokens": 9, "temperature": 0.8, "seed": 7}]))
        arguments = ("--model", packs, "--prompts", prompts)
        expected = self.succeed("run", plan, *arguments)
        result = self.run_plan(2, plan, *arguments)
        self.assertEqual((result.returncode, result.stdout), (0, expected.stdout), result.stderr)
        # Each has its own part only.
        parts = []
        for rank in (0, 1):
            parts.append(self.scratch / f"part-{rank}")
            shutil.copytree(packs, parts[rank])
            (parts[rank] / f"rank-0000{1 - rank}.pack").unlink()
        command = [part for rank, folder in enumerate(parts)
                   for part in ([":"] if rank else []) + ["-n", "1", VINCI, "run", plan, "--model", folder, "--prompts", prompts]]
        result = self.launch(*command)
        self.assertEqual((result.returncode, result.stdout), (0, expected.stdout), result.stderr)

    def test_evaluation(self):
        ids = self.scratch / "ids.json"
        ids.write_text(json.dumps(list(range(1, 60))))
        expected = json.loads(self.succeed("eval", self.plan("qwen3-tp2"), "--ids", ids).stdout)
        result = self.launch("-n", 2, VINCI, "eval", self.plan("qwen3-tp2"), "--ids", ids)
        self.assertEqual(json.loads(result.stdout)["nll"], expected["nll"], result.stderr)

    def test_processes_that_do_not_fit(self):
        for name, count, words in (("qwen3-tp4", 3, "3 processes cannot share the 4 ranks of this plan evenly; mpirun -n 1, 2, 4 can"),
                                   ("qwen3-tp2", 4, "4 processes cannot share the 2 ranks of this plan evenly; mpirun -n 1, 2 can")):
            with self.subTest(count=count):
                result = self.run_plan(count, self.plan(name))
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertEqual(result.stderr.count(words), 1, result.stderr)

    def test_other_commands(self):
        result = self.launch("-n", 2, VINCI, "verify", self.plan("qwen3-tp2"))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.count("'vinci verify' is for one process; under mpirun are run and eval"), 1, result.stderr)

    def test_wrong_flags(self):
        result = self.run_plan(2, self.plan("qwen3-tp2"), "--no-such-flag")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr.count("--no-such-flag"), 1, result.stderr)

    def test_other_plans_and_prompts(self):
        one, other = self.plan("qwen3-tp2"), self.plan("qwen2-tp2")
        result = self.launch("-n", 1, VINCI, "run", one, *PROMPT, ":", "-n", 1, VINCI, "run", other, *PROMPT)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("the plan of process 1 differs from that of process 0", result.stderr)
        result = self.launch("-n", 1, VINCI, "run", one, "--prompt-ids", "1", ":", "-n", 1, VINCI, "run", one, "--prompt-ids", "2")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("what is asked of process 1 differs from that of process 0", result.stderr)

    def test_a_process_that_cannot_load(self):
        plan, packs = self.plan("qwen3-tp2"), self.scratch / "whole"
        self.succeed("pack", plan, "--model", MODELS / "austen-qwen3", "-o", packs)
        damaged = self.scratch / "damaged"
        shutil.copytree(packs, damaged)
        raw = bytearray((damaged / "rank-00001.pack").read_bytes())
        raw[100000] ^= 1
        (damaged / "rank-00001.pack").write_bytes(raw)
        result = self.run_plan(2, plan, "--model", damaged, *PROMPT)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f"process 1 of 2 on {socket.gethostname()}: {damaged}/rank-00001.pack: error: the packed weights are damaged",
                      result.stderr)
        self.assertEqual(result.stdout, "")

    def test_a_process_that_is_killed(self):
        command = mpirun("-n", 4, VINCI, "run", self.plan("qwen3-tp4"), "--prompt-ids", "1", "--max-tokens", "2000", "--ignore-eos")
        job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.assertTrue(job.stdout.read(1))  # a token: all are at work
            children = subprocess.run(["ps", "--ppid", str(job.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
            victims = [int(line.split()[0]) for line in children.splitlines() if "vinci run" in line or f"{VINCI} run" in line]
            self.assertEqual(len(victims), 4, children)
            os.kill(victims[2], signal.SIGKILL)
            _, errors = job.communicate(timeout=60)
        finally:
            job.kill()
            job.wait()
        self.assertNotEqual(job.returncode, 0)
        self.assertRegex(errors, r"process rank \d with PID .* exited on signal 9")
        deadline = time.monotonic() + 10
        while any(map(self.is_alive, victims)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertFalse([victim for victim in victims if self.is_alive(victim)], "processes are left over")

    @staticmethod
    def is_alive(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
        except OSError:
            return False


class TwoHosts(ProcessTest):
    """Network namespaces with a name and an address each: messages go through TCP, packs are where their rank is."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = [f"vinci-{os.getpid()}-{side}" for side in "ab"]
        cls.made = []
        if not shutil.which("ip") or not shutil.which("unshare"):
            raise unittest.SkipTest("there is no ip or no unshare: no hosts can be made")
        try:
            for name in cls.names:
                cls.system("ip", "netns", "add", name)
                cls.made.append(name)
            cls.system("ip", "link", "add", "vinci0", "netns", cls.names[0], "type", "veth", "peer", "name", "vinci0", "netns", cls.names[1])
            for number, name in enumerate(cls.names):
                inside = ("ip", "netns", "exec", name, "ip")
                cls.system(*inside, "address", "add", f"10.231.77.{number + 1}/24", "dev", "vinci0")
                cls.system(*inside, "link", "set", "vinci0", "up")
                cls.system(*inside, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            cls.tearDownClass()
            raise unittest.SkipTest(f"network namespaces are not allowed here: {error.stderr.strip()}")
        # What mpirun starts on another host, it starts through this in place of ssh.
        cls.agent = cls.scratch / "agent"
        cls.agent.write_text(f"#!/bin/sh\nshift\nexec ip netns exec {cls.names[1]} unshare --uts sh -c 'hostname {cls.names[1]}; exec sh -c \"$0\"' \"$*\"\n")
        cls.agent.chmod(0o755)

    @staticmethod
    def system(*command):
        subprocess.run(command, check=True, capture_output=True, text=True)

    @classmethod
    def tearDownClass(cls):
        for name in cls.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        super().tearDownClass()

    def on_hosts(self, *arguments):
        network = "10.231.77.0/24"
        command = mpirun(*arguments, more=(
            "--host", "10.231.77.1:1,10.231.77.2:1", "--mca", "plm_rsh_agent", self.agent, "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include",
            network, "--mca", "oob_tcp_if_include", network, "-x", "VINCI_CACHE_DIR"))
        shell = f'hostname {self.names[0]}; exec "$@"'
        return subprocess.run(["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c", shell, "sh", *command],
                              capture_output=True, text=True, timeout=120)

    def test_same_tokens(self):
        plan = self.plan("qwen3-tp2")
        expected = json.loads(self.succeed("run", plan, *PROMPT).stdout)
        result = self.on_hosts("-n", 2, VINCI, "run", plan, *PROMPT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["output_ids"], expected["output_ids"])

    def test_an_error_names_its_host(self):
        plan, packs = self.plan("qwen3-tp2"), self.scratch / "packs"
        self.succeed("pack", plan, "--model", MODELS / "austen-qwen3", "-o", packs)
        (packs / "rank-00001.pack").unlink()
        result = self.on_hosts("-n", 2, VINCI, "run", plan, "--model", packs, *PROMPT)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f"process 1 of 2 on {self.names[1]}: {packs}/rank-00001.pack: error: cannot be opened", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)  # so that what is skipped, and why, can be read
