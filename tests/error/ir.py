"""IR files that are no IR, or not ours: one error line with the place, for inspect and compile alike."""
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import DATA, VINCI, VinciTest, vinci  # noqa: E402

MODEL = DATA / "llama-plain"


class Ir(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        result = vinci("compile", MODEL, "-o", "-", "--stop-after", "import")
        assert result.returncode == 0, result.stderr
        cls.good = result.stdout

    def refused(self, content, *words, name="bad.mlir"):
        """Both commands refuse, with the file's name first and exit code 1; returns the message."""
        path = self.scratch / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        plan = self.scratch / "bad.plan"
        messages = {self.expect_error(command, 1, str(path), *words).stderr
                    for command in (("inspect", path), ("compile", path, "-o", plan))}
        self.assertEqual(len(messages), 1, messages)
        self.assertFalse(plan.exists())
        return messages.pop()

    def changed(self, old, new):
        self.assertIn(old, self.good)
        return self.good.replace(old, new, 1)

    def test_the_unchanged_ir_is_fine(self):
        path = self.scratch / "good.mlir"
        path.write_text(self.good)
        self.succeed("inspect", path)

    def test_syntax_error(self):
        self.refused("module {\n  llm.graph @x(\n}\n", "bad.mlir:", "error: ")
        self.refused("module {\n  %0 = = 1\n}\n", "bad.mlir:2:7: error: ")

    def test_no_ir_at_all(self):
        self.refused("It is a truth universally acknowledged", "bad.mlir:1:1: error: ")
        self.refused(b"\x7fELF\x02\x01\x01" + bytes(100), "bad.mlir:1:")
        self.refused(b"\xff\xfe\x00m\x00o", "bad.mlir:1:")

    def test_unclosed_module(self):
        self.refused(self.good[:len(self.good) // 2], "bad.mlir:")
        self.refused("module {\n", "bad.mlir:")

    def test_unknown_operation_of_a_dialect(self):
        self.refused("module {\n  \"llm.teleport\"() : () -> ()\n}\n", "bad.mlir:2:3: error: ", "llm.teleport")

    def test_unknown_dialect(self):
        self.refused("module {\n  \"torch.aten.mm\"() : () -> ()\n}\n", "bad.mlir:2:18: error: ", "unregistered dialect")
        self.refused("module {\n  func.func @main() { return }\n}\n", "bad.mlir:2:3: error: ", "func")

    def test_unknown_type_and_attribute(self):
        self.refused(self.changed("!llm.kv_cache<", "!llm.kv_drawer<"), "bad.mlir:", "kv_drawer")
        self.refused(self.changed("#llm.limits<", "#llm.unlimited<"), "bad.mlir:", "unlimited")

    def test_undefined_value(self):
        self.refused("module {\n  \"llm.return\"(%nothing) : (i32) -> ()\n}\n", "bad.mlir:2:16: error: ", "undeclared")

    def test_nested_bombs(self):
        for bracket in "([{<":
            with self.subTest(bracket):
                self.refused("module " + bracket * 200000, "bad.mlir:1:", "nested more than")
        self.refused("module {\n" * 100000, "bad.mlir:", "nested more than")

    def test_brackets_in_strings_and_comments_close_nothing(self):
        bomb = "".join(("[", '"]", ', "[ // ]]]\n", "[ // -> ->\n") * 1000)
        self.refused("module attributes {a = " + bomb + "}\n", "bad.mlir:", "nested more than")
        self.refused('module attributes {a = ' + '[\"\\\"]\", ' * 300, "bad.mlir:1:", "nested more than")
        # Nor do they open anything.
        fine = re.sub('llm.model<name = "', lambda match: match.group() + "[" * 300 + '\\\\', self.good, count=1)
        self.assertNotEqual(fine, self.good)
        path = self.scratch / "fine.mlir"
        path.write_text("// " + "(" * 300 + "\n" + fine)
        self.succeed("inspect", path)

    def test_sparse_constants(self):
        for text in ("sparse<[[0]], 1.0>", "sparse <[[0]], 1.0>", "sparse // a comment\n <[[0]], 1.0>"):
            self.refused(f"module attributes {{llm.a = {text} : tensor<8xi1>}} {{}}\n",
                         "bad.mlir:1:28: error: the IR has a sparse constant; the IR of models has none")
        self.refused('module attributes {llm.b = "sparse<", llm.sparse = 1} {\n', "expected operation name in quotes")  # goes on to the parser

    def test_arrays_of_bits(self):
        for text in ("array<i1: 1>", "array <i1: true>", "array< // a comment\n i1>"):
            self.refused("module attributes {llm.a = " + text + "} {}\n",
                         "bad.mlir:1:28: error: the IR has an array of i1; the IR of models has none")
        self.refused('module attributes {llm.b = "array<i1: 1>", llm.c = array<i16: 1>} {\n', "expected operation name in quotes")

    def test_affine_maps(self):
        self.refused("module attributes {llm.a = affine_map<() -> (" + "-" * 2000000 + "1)>} {}\n",
                     "bad.mlir:1:28: error: the IR has an affine map or set")
        self.refused('module attributes {llm.b = "affine_map", llm.a = affine_set<() : (' + "1 + " * 500000 + "1 >= 0)>} {}\n",
                     "bad.mlir:1:50: error: the IR has an affine map or set")

    def test_vinci_opt_looks_at_the_text_too(self):
        opt = pathlib.Path(VINCI).with_name("vinci-opt")
        for text, words in (("module " + "[" * 200000, "<stdin>:1:208: error: the IR is nested more than 200 brackets deep"),
                            ('module {\n  "llm.return"(%x#2147483647) : (i32) -> ()\n}\n',
                             "<stdin>:2:24: error: the IR uses a result numbered in more than 5 digits")):
            result = subprocess.run([opt], input=text, capture_output=True, text=True, timeout=60)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "", words + "\n"))
        path = self.scratch / "good.mlir"
        path.write_text(self.good)
        for source in ([path], ["-"]):
            result = subprocess.run([opt, *source], input=self.good, capture_output=True, text=True, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("llm.entry @prefill", result.stdout)
        self.assertEqual(subprocess.run([opt, self.scratch / "no.mlir"], capture_output=True, timeout=60).returncode, 1)

    def test_illegal_limits(self):
        self.refused(self.changed("max_batch = 16", "max_batch = 0"), "bad.mlir:", "max_batch", "0")
        self.refused(self.changed("block_size = 128", "block_size = -128"), "bad.mlir:", "block_size")

    def test_verifier_errors(self):
        # A weight that the layer expects in another shape.
        self.refused(self.changed("tensor<300x64xbf16>", "tensor<300x65xbf16>"), "bad.mlir:", "error: ")

    def test_truncated_bytecode(self):
        self.refused(b"ML\xefR", "bad.mlirbc", name="bad.mlirbc")
        self.refused(b"ML\xefR\x06", "bad.mlirbc", name="bad.mlirbc")
        self.refused(b"ML\xefR\x0dMLIR19.1.7\x00" + bytes(64), "bad.mlirbc", name="bad.mlirbc")
        self.refused(b"ML\xefR" + b"\xff" * 1000, "bad.mlirbc", name="bad.mlirbc")

    def test_a_module_without_a_model(self):
        path = self.scratch / "empty.mlir"
        for text in ("", "module {\n}\n", "// nothing but this remark\n"):
            with self.subTest(text):
                path.write_text(text)
                self.expect_error(("compile", path, "-o", self.scratch / "bad.plan"), 1, "empty.mlir:", "llm.entry")

    def test_device_programs_that_do_not_add_up(self):
        program = self.succeed("compile", MODEL, "-o", "-", "--stop-after", "memory").stdout
        path = self.scratch / "program.mlir"
        launch = next(line for line in program.splitlines() if 'npu.launch "attention"' in line)
        for old, new, words in (
                ('npu.launch "attention"', 'npu.launch "gelu"', ["gelu"]),  # a kernel that is not in the catalogue
                (launch, re.sub(r" reads\(.*?\)", " reads()", launch), ["attention"]),  # too few operands
                (launch, re.sub(r"dtype = \"\w+\"", "dtype = \"int4\"", launch), ["int4"]),
                (launch, re.sub(r" waits \[[0-9, ]*\]", " waits [1000]", launch), ["waits", "1000"]),
                (launch, re.sub(r" waits \[[0-9, ]*\]", "", launch), ["decoder_layer", "does not wait"]),
                ("npu.kv_cache", "// npu.kv_cache", ["the program has 0 layers of cache"]),
                ("llm.model = ", "llm.modell = ", ["llm.model"]),
                ("kv_blocks = 34", "kv_blocks = 1000000000000", ["kv_blocks"])):
            with self.subTest(new):
                self.assertIn(old, program)
                path.write_text(program.replace(old, new, 1))
                self.expect_error(("compile", path, "-o", self.scratch / "bad.plan"), 1, *words)

    def test_missing_and_unreadable_files(self):
        self.expect_error(("inspect", self.scratch / "no.mlir"), 1, "no.mlir", "no such file")
        folder = self.scratch / "folder.mlir"
        folder.mkdir()
        self.expect_error(("inspect", folder), 1, "folder.mlir", "neither config.json nor deployment.json")

    def test_options_that_the_ir_has_in_it(self):
        path = self.scratch / "good.mlir"
        path.write_text(self.good)
        for option in (("--dtype", "float32"), ("--precision", "compute=float16"), ("--max-seq-len", 64), ("--block-size", 32)):
            self.expect_error(("compile", path, "-o", self.scratch / "bad.plan", *option), 1, "good.mlir",
                              "limits in it", option[0][:5])
        for option in (("--target", "910b3"), ("--from-vllm-args=--max-num-seqs 3",), ("--strict",)):
            self.expect_error(("compile", path, "-o", self.scratch / "bad.plan", *option), 1, "good.mlir", "its target", "--strict")

    def test_a_target_that_is_none(self):
        path = self.scratch / "target.mlir"
        path.write_text(self.good.replace("llm.precision = ", 'llm.target = "910z9", llm.precision = ', 1))
        self.expect_error(("compile", path, "-o", self.scratch / "bad.plan"), 1, "910z9", "910b3")

    def test_ir_cannot_run_and_has_no_commands(self):
        path = self.scratch / "good.mlir"
        path.write_text(self.good)
        self.expect_error(("run", path, "--prompt-ids", "1"), 1, "good.mlir", "cannot be run")
        for section in ("--commands", "--kernels", "--asm", "--memory", "--weights"):
            self.expect_error(("inspect", path, section), 1, "good.mlir", "compile it")


if __name__ == "__main__":
    unittest.main()
