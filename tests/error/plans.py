"""Damaged plans, plans of another version, plans for another CPU."""
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, MODELS, VinciTest, vinci  # noqa: E402

MODEL = DATA / "llama-plain"


class Plans(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plan = cls.scratch / "whole.plan"
        result = vinci("compile", MODEL, "-o", cls.plan)
        assert result.returncode == 0, result.stderr
        cls.bytes = cls.plan.read_bytes()

    def refused(self, raw, *words):
        path = self.scratch / "damaged.plan"
        path.write_bytes(raw)
        for command in (("verify", path), ("inspect", path),
                        ("run", path, "--model", MODEL, "--prompt-ids", "1", "--max-tokens", "1")):
            self.expect_error(command, 1, "damaged.plan", *words)

    def test_whole_plan_is_fine(self):
        self.succeed("verify", self.plan)

    def test_truncated(self):
        for size in (0, 7, 8, 40, 63, 64, 100, 4095, 4096, len(self.bytes) // 2, len(self.bytes) - 1):
            with self.subTest(size=size):
                self.refused(self.bytes[:size])

    def test_longer_than_it_says(self):
        self.refused(self.bytes + b"more")

    def test_bit_flips(self):
        for place in list(range(0, 64, 5)) + list(range(64, len(self.bytes), len(self.bytes) // 24)):
            raw = bytearray(self.bytes)
            raw[place] ^= 1 << (place % 8)
            if raw == self.bytes:
                continue
            # A flipped bit in the padding between segments has no meaning and no hash.
            with self.subTest(place=place):
                path = self.scratch / "flipped.plan"
                path.write_bytes(raw)
                result = vinci("verify", path)
                padding = place >= 64 and self.bytes[max(64, place - 4):place + 4].strip(b"\0") == b""
                if result.returncode == 0 and padding:
                    continue
                self.expect_error(("verify", path), 1, "flipped.plan")

    def test_other_major_version(self):
        raw = bytearray(self.bytes)
        raw[8:12] = struct.pack("<I", 99)
        self.refused(raw, "99")

    def test_newer_minor_version(self):
        raw = bytearray(self.bytes)
        raw[12:16] = struct.pack("<I", 77)
        self.refused(raw, "77")

    def test_not_a_plan(self):
        self.refused(b"VINCIPL?" + self.bytes[8:])

    def test_unknown_weights(self):
        path = self.scratch / "alone.plan"
        path.write_bytes(self.bytes)
        self.expect_error(("run", path, "--prompt-ids", "1", "--max-tokens", "1"), 1, "--model",
                          env={"VINCI_CACHE_DIR": str(self.scratch / "empty-cache")})

    def test_weights_of_another_model(self):
        self.expect_error(("run", self.plan, "--model", MODELS / "austen-qwen3", "--prompt-ids", "1", "--max-tokens", "1"), 1,
                          "model.embed_tokens.weight", "[4096, 256]", "[300, 64]")

    def test_compile_options_with_a_finished_plan(self):
        self.expect_error(("run", self.plan, "--dtype", "float32", "--prompt-ids", "1"), 1, "compiled already")

    def test_a_plan_is_not_compiled_again(self):
        self.expect_error(("compile", self.plan, "-o", self.scratch / "again.plan"), 1, "plan already")

    def test_a_plan_holds_no_ir(self):
        self.expect_error(("inspect", self.plan, "--ir"), 1, "--commands")


if __name__ == "__main__":
    unittest.main()
