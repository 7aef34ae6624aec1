"""What the golden and error tests share: running the vinci binary, reading .npy, copies of small models.

The binary is found in $VINCI (set by ctest), the repository from this file's place. Standard library only.
"""
import array
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
VINCI = os.environ.get("VINCI", str(ROOT / "build" / "bin" / "vinci"))
MODELS = ROOT / "models"
DATA = ROOT / "tests" / "golden" / "data"
# One for all tests of a build, kept from run to run: LLVM would make the same kernels again for each. All that makes a kernel is in
# its key, and golden/determinism compares plans from here with plans made without any cache.
KERNELS = pathlib.Path(VINCI).resolve().parent.parent / "tests" / "kernel-cache"

# Checkpoints with reference outputs: trained ones with tokenizer and text, random ones with ids only.
TRAINED = [MODELS / name for name in ("austen-qwen2", "austen-qwen3", "austen-qwen3-moe")]
RANDOM = [DATA / name for name in (
    "llama-plain", "llama-hidden80", "llama-head6", "llama-15-3", "qwen2-untied", "qwen2-prime", "qwen3-wide", "qwen3-head80",
    "qwen3-tiny", "qwen3moe-norm", "qwen3moe-5", "qwen3moe-13", "qwen3moe-one")]


def vinci(*arguments, timeout=300, env=None, stdin=None):
    """Runs vinci and returns the CompletedProcess with text output. A hang is a failure."""
    return subprocess.run([VINCI, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, input=stdin, errors="replace")


def sample_plan(path, *mesh):
    """Writes the sample plan of the unit tests (no code in it) for ranks of this mesh; returns `path`."""
    subprocess.run([pathlib.Path(VINCI).with_name("vinci-sample-plan"), path, *map(str, mesh)], check=True, timeout=60)
    return path


def write_sample_checkpoint(folder):
    """The weights of the sample plan."""
    shapes = {"model.embed_tokens.weight": [40, 32], "model.norm.weight": [32], "lm_head.weight": [40, 32],
              "model.experts.0.weight": [24, 40], "model.experts.1.weight": [24, 40]}
    for layer in (0, 1):
        for name, shape in (("norm", [32]), ("q", [32, 32]), ("k", [16, 32]), ("v", [16, 32]), ("o", [32, 32])):
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    header, data = {}, b""
    for index, (name, shape) in enumerate(shapes.items()):
        count = math.prod(shape)
        values = array.array("f", [(index + i) % 97 for i in range(count)])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_json(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def read_npy(path):
    """(shape, flat array of float32) of a little-endian float32 .npy file."""
    raw = pathlib.Path(path).read_bytes()
    assert raw[:6] == b"\x93NUMPY", path
    (length,) = struct.unpack("<H", raw[8:10])
    header = eval(raw[10:10 + length].decode("latin1"), {"__builtins__": {}})  # a dict literal, as numpy writes it
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    values = array.array("f")
    values.frombytes(raw[10 + length:])
    return header["shape"], values


class VinciTest(unittest.TestCase):
    """A test with a scratch folder and a cache of its own, but for the kernels."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="vinci-test-"))
        os.environ["VINCI_CACHE_DIR"] = cls.new_cache("cache")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch, ignore_errors=True)

    @classmethod
    def new_cache(cls, name):
        """A cache without plans and packs, for VINCI_CACHE_DIR. Tests of the kernels in it name a folder that is not there instead."""
        KERNELS.mkdir(parents=True, exist_ok=True)
        folder = cls.scratch / name
        folder.mkdir()
        (folder / "kernels").symlink_to(KERNELS)
        return str(folder)

    def copy_model(self, source, name="model"):
        """A writable copy of a model folder that the test may damage."""
        target = pathlib.Path(tempfile.mkdtemp(dir=self.scratch)) / name
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("golden.json", "validation_ids.json", "README.md"))
        return target

    def succeed(self, *arguments, **options):
        result = vinci(*arguments, **options)
        self.assertEqual(result.returncode, 0, f"vinci {' '.join(map(str, arguments))}\n{result.stdout}\n{result.stderr}")
        return result

    def expect_error(self, arguments, code, *fragments, **options):
        """vinci must exit with `code` and print one clear message that holds every fragment."""
        result = vinci(*arguments, **options)
        what = f"vinci {' '.join(map(str, arguments))}\nstdout: {result.stdout[-2000:]}\nstderr: {result.stderr[-4000:]}"
        self.assertEqual(result.returncode, code, what)
        self.assertNotIn("Sanitizer", result.stderr, what)
        errors = [line for line in result.stderr.splitlines() if "error: " in line]
        self.assertEqual(len(errors), 1, f"exactly one error line is expected\n{what}")
        for fragment in fragments:
            self.assertIn(fragment, result.stderr, what)
        return result
