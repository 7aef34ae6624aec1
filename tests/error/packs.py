"""Packed weights that do not fit a plan: another degree, another plan, another rank, damage."""
import pathlib
import shutil
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VinciTest, sample_plan, vinci, write_sample_checkpoint  # noqa: E402

PLAIN = DATA / "llama-plain"


class Packs(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.scratch / "model"
        write_sample_checkpoint(cls.model)
        cls.plans, cls.packs = {}, {}
        for ranks in (1, 2, 4):
            cls.plans[ranks] = sample_plan(cls.scratch / f"{ranks}.plan", *{1: (), 2: (2,), 4: (2, 2)}[ranks])
            cls.packs[ranks] = cls.scratch / f"packs-{ranks}"
            result = vinci("pack", cls.plans[ranks], "--model", cls.model, "-o", cls.packs[ranks])
            assert result.returncode == 0, result.stderr

    def refused(self, plan, packs, *words):
        for command in (("run", plan, "--model", packs, "--prompt-ids", "1", "--max-tokens", "1"),):
            self.expect_error(command, 1, *words)

    def copy(self, ranks):
        folder = self.scratch / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        return shutil.copytree(self.packs[ranks], folder)

    def test_another_degree(self):
        for packed, planned in ((1, 2), (2, 1), (2, 4), (4, 2)):
            with self.subTest(packed=packed, planned=planned):
                self.refused(self.plans[planned], self.packs[packed], "rank-00000.pack",
                             f"packed for {packed} rank{'s' if packed > 1 else ''}, but ", f"{planned}.plan has {planned}: pack them again")

    def test_another_plan(self):
        plan = self.scratch / "plain.plan"
        self.succeed("compile", PLAIN, "-o", plan)
        self.refused(plan, self.packs[1], "rank-00000.pack", "packed for another plan than", "plain.plan")

    def test_a_rank_is_missing(self):
        folder = self.copy(4)
        (folder / "rank-00002.pack").unlink()
        self.refused(self.plans[4], folder, "rank-00002.pack", "cannot be opened: No such file")

    def test_another_rank(self):
        folder = self.copy(2)
        shutil.copy(folder / "rank-00001.pack", folder / "rank-00000.pack")
        self.refused(self.plans[2], folder, "rank-00000.pack", "this is the pack of rank 1")

    def test_damage(self):
        whole = (self.packs[2] / "rank-00001.pack").read_bytes()
        cases = {"first weight": (4096, None), "a hash": (85, None), "the last byte": (len(whole) - 70, None),
                 "truncated": (None, len(whole) - 1), "half": (None, len(whole) // 2), "header only": (None, 80)}
        for name, (flip, size) in cases.items():
            with self.subTest(name):
                raw = bytearray(whole[:size])
                if flip is not None:
                    raw[flip] ^= 4
                folder = self.copy(2)
                (folder / "rank-00001.pack").write_bytes(raw)
                self.refused(self.plans[2], folder, "rank-00001.pack", "the packed weights are damaged: pack them again")

    def test_no_pack(self):
        folder = self.copy(2)
        for raw in (b"", b"VINCIPCK", b"x" * 5000):
            (folder / "rank-00001.pack").write_bytes(raw)
            self.refused(self.plans[2], folder, "rank-00001.pack", 'it does not begin with "VINCIPCK"')

    def test_version(self):
        folder = self.copy(1)
        raw = bytearray((folder / "rank-00000.pack").read_bytes())
        raw[8:16] = struct.pack("<Q", 77)
        (folder / "rank-00000.pack").write_bytes(raw)
        self.refused(self.plans[1], folder, "the packed weights have version 77, this vinci reads 3: pack them again")


class Packing(VinciTest):
    def test_arguments(self):
        model, plan = self.scratch / "model", sample_plan(self.scratch / "two.plan", 2)
        write_sample_checkpoint(model)
        out = self.scratch / "out"
        (self.scratch / "file").write_text("")
        for arguments, words in (
                ((plan, "--model", model, "-o", out, "--rank", "2"), ["--rank 2 is not a rank of the plan; 0 to 1 are legal"]),
                ((plan, "--model", model, "-o", out, "--rank", "-1"), ["--rank -1 is not a rank of the plan"]),
                ((PLAIN, "--model", PLAIN, "-o", out), ["weights are packed for a plan; compile the model first"]),
                ((plan, "--model", plan, "-o", out), ["two.plan", "--model takes the folder of the plan's weights"]),
                ((plan, "--model", model, "-o", model), ["this is the model's own folder; packed weights need one of their own"]),
                ((plan, "--model", model, "-o", self.scratch / "file"), ["file", "cannot be made a folder"]),
                ((plan, "--model", PLAIN, "-o", out), ["the checkpoint does not fit the model"]),
                ((plan, "--model", self.scratch / "absent", "-o", out), ["there is no such file or folder"])):
            with self.subTest(arguments=arguments):
                self.expect_error(("pack", *arguments), 1, *words)
        self.expect_error(("pack", plan, "--model", model), 2, "--output is required")
        self.expect_error(("pack", plan, "-o", out), 2, "where weights come from is either --model or --random-weights")
        self.expect_error(("pack", plan, "--model", model, "--random-weights", "-o", out), 2, "either --model or --random-weights")


if __name__ == "__main__":
    unittest.main()
