"""`vinci compile --report` and `vinci inspect --explain`: what passes did, what it saved, and where a command came from."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, ROOT, VinciTest, sample_plan, vinci  # noqa: E402

AUSTEN = MODELS / "austen-qwen3"
MOE = MODELS / "austen-qwen3-moe"
QWEN = MODELS / "qwen3-235b-w8a8"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def numbers(value, prefix=""):
    """{path: number} of nested objects of numbers"""
    if not isinstance(value, dict):
        return {prefix: value}
    return {path: number for key, part in value.items() for path, number in numbers(part, f"{prefix}/{key}").items()}


class OfQwen(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.html = cls.scratch / "qwen.html"
        result = vinci("compile", QWEN, "-o", "-", "--stop-after", "memory", "--report", cls.scratch / "qwen.json", "--report", cls.html)
        assert result.returncode == 0, result.stderr
        cls.qwen = json.loads((cls.scratch / "qwen.json").read_text())


class Report(OfQwen):
    def report(self, *arguments):
        path = self.scratch / "report.json"
        self.succeed("compile", *arguments, "-o", self.scratch / "out", "--no-cache", "--report", path)
        return json.loads(path.read_text())

    def test_changes_add_up_to_the_whole(self):
        for name, report in (("qwen", self.qwen), ("moe", self.report(MOE, "--tp", "2", "--sequence-parallel", "--stop-after", "memory"))):
            with self.subTest(model=name):
                first, *passes = report["passes"]
                sums = dict.fromkeys(numbers(first["after"]), 0)
                for row in passes:
                    for path, change in numbers(row["change"]).items():
                        self.assertIsInstance(change, int, path)
                        sums[path] += change
                self.assertEqual(sums, numbers(report["total"]))
                last = numbers(passes[-1]["after"])
                self.assertEqual({path: number - numbers(first["after"])[path] for path, number in last.items()}, sums)
                self.assertTrue(any(row["changed"] for row in passes))
                for row in passes:
                    if not row["changed"]:
                        self.assertEqual(set(numbers(row["change"]).values()), {0}, row["pass"])

    def test_the_passes_are_those_that_ran(self):
        listed = json.loads(self.succeed("passes", "--format", "json").stdout)
        ran = [row["pass"] for row in listed if row["default"] in ("on", "always")]
        self.assertEqual([row["pass"] for row in self.qwen["passes"]], ["import", *ran])
        some = self.report(MOE, "--stop-after", "fuse", "--passes=-fuse-swiglu")
        self.assertEqual([row["pass"] for row in some["passes"]],
                         ["import", *(name for name in ran[:ran.index("lower-to-npu")] if name != "fuse-swiglu")])

    def test_the_last_numbers_are_those_of_the_plan(self):
        plan = self.scratch / "moe.plan"
        self.succeed("compile", MOE, "-o", plan, "--tp", "2")
        report = self.report(MOE, "--tp", "2")
        summary = json.loads(self.succeed("inspect", plan, "--format", "json").stdout)
        after = report["passes"][-1]["after"]
        self.assertEqual(after["arena_bytes"], summary["arena_bytes"])
        for entry in summary["per_step"]:
            if entry["entry"] in after:
                step = after[entry["entry"]]
                self.assertEqual((step["launches"], step["collectives"]), (entry["launches"], entry["collectives"]))
        # At the limits, as inspect has it, is what a prefill of max_tokens_per_step moves, but for its logits.
        self.assertEqual(report["steps"]["prefill"]["tokens"], summary["max_tokens_per_step"])
        rows = json.loads(self.succeed("inspect", plan, "--commands", "--format", "json").stdout)["calls"]
        calls = Counter(row["body"] for row in rows if row["entry"] == "prefill")
        moved = sum(row["bytes"] * calls[row["body"]] for row in summary["collectives"] if row["count"].endswith("tokens"))
        logits = report["steps"]["prefill"]["sequences"] * summary["vocab_size"] * 4
        self.assertGreater(moved, 0)
        self.assertEqual(after["prefill"]["collective_bytes"], moved + logits)

    def test_qk_rms_norm_says_what_it_merged_and_saved(self):
        (row,) = [row for row in self.qwen["passes"] if row["pass"] == "fuse-qk-rms-norm"]
        layers = self.qwen["layers"]
        made = [{"op": made["op"], "of": [f"{part['op']} {part['role']}".strip() for part in made["of"]], "calls": made["calls"]}
                for made in row["made"]]
        self.assertEqual(made, [{"op": "llm.split_qkv", "calls": layers,
                                 "of": ["llm.split_qkv", "llm.rms_norm q_norm", "llm.rms_norm k_norm"]}])
        for step in ("prefill", "decode"):
            self.assertEqual(row["change"][step]["launches"], -2 * layers)
            self.assertLess(row["change"][step]["hbm_bytes"], 0)
            self.assertLess(row["change"][step]["step_ns"], 0)
            self.assertEqual(row["change"][step]["collective_bytes"], 0)
        lines = row["diff"]["lines"]
        self.assertEqual([line[:4] for line in lines if "decoder_layer" in line and line.startswith(("--- ", "+++ "))], ["--- ", "+++ "])
        sides = [(line[0], re.search(r"llm\.(\w+)", line)[1]) for line in lines if re.match(r"[-+][^-+]", line)]
        self.assertEqual(sorted(set(sides)), [("+", "split_qkv"), ("-", "rms_norm"), ("-", "split_qkv")])
        for line in lines:
            if header := re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@", line):
                first = lines.index(line) + 1
                hunk = lines[first:next((i for i in range(first, len(lines)) if re.match(r"@@|---", lines[i])), len(lines))]
                self.assertEqual(sum(line[0] != "+" for line in hunk), int(header[2]))
                self.assertEqual(sum(line[0] != "-" for line in hunk), int(header[4]))

    def test_partitioning_adds_the_collectives(self):
        (row,) = [row for row in self.qwen["passes"] if row["pass"] == "partition"]
        self.assertEqual(row["change"]["decode"]["collectives"], 190)
        self.assertLess(row["change"]["decode"]["flops"], 0)
        (memory,) = [row for row in self.qwen["passes"] if row["pass"] == "plan-memory"]
        self.assertTrue(memory["changed"])

    def test_the_graph_knows_what_became_of_every_op(self):
        graph = self.qwen["graphs"][0]
        self.assertEqual(graph["calls"], self.qwen["layers"] - 1)
        before = [node for node in graph["before"] if "argument" not in node]
        fused = {row["pass"] for row in self.qwen["passes"] if row["phase"] == "fuse" and row["made"]}
        for node in before:
            self.assertTrue(node["into"], node)
            self.assertIn(node.get("merged_by", "fuse-qk-rms-norm"), fused)
        norms = {node["role"]: node["merged_by"] for node in before if node["op"] == "rms_norm" and node["role"] in ("q_norm", "k_norm")}
        self.assertEqual(norms, {"q_norm": "fuse-qk-rms-norm", "k_norm": "fuse-qk-rms-norm"})
        (split,) = [node for node in graph["after"] if node.get("op") == "split_qkv"]
        self.assertEqual(split["passes"], ["concat-qkv", "fuse-qk-rms-norm", "fuse-qk-norm-rope"])

    def test_memory_map(self):
        memory = self.qwen["memory"]
        for step in ("prefill", "decode"):
            commands = sum(run["shown"] * len(run["commands"]) for run in memory[step]["runs"])
            used = []
            for buffer in memory[step]["buffers"]:
                self.assertLessEqual(buffer["offset"] + buffer["bytes"], memory["arena_bytes"])
                for first, last in buffer["live"]:
                    self.assertTrue(0 <= first <= last < commands, buffer)
                    used.append((first, last, buffer["offset"], buffer["offset"] + buffer["bytes"], buffer["buffer"]))
            # What holds something at the same time has no byte in common.
            for a in used:
                for b in used:
                    if a[4] < b[4] and a[0] < b[1] and b[0] < a[1]:
                        self.assertFalse(a[2] < b[3] and b[2] < a[3], (a, b))

    def test_the_same_bytes(self):
        copy = self.copy_model(AUSTEN, name="elsewhere")
        texts = []
        for model, plan in ((AUSTEN, "a.plan"), (copy, "b.plan"), (AUSTEN, "c.plan")):
            reports = [self.scratch / f"{plan}.json", self.scratch / f"{plan}.html"]
            self.succeed("compile", model, "-o", self.scratch / plan, *(x for path in reports for x in ("--report", path)))
            texts.append([path.read_bytes() for path in (*reports, self.scratch / plan)])
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(texts[0], texts[2])
        self.succeed("compile", AUSTEN, "-o", self.scratch / "plain.plan")
        self.assertEqual(texts[0][2], (self.scratch / "plain.plan").read_bytes())
        for text in (*texts[0][:2], self.html.read_bytes()):
            for place in (ROOT, self.scratch, copy):
                self.assertNotIn(str(place).encode(), text)

    def test_without_an_npu_there_is_no_time(self):
        report = self.report(AUSTEN, "--stop-after", "memory")
        self.assertEqual((report["clock"], report["no_clock"], report["target"]), (None, None, "host"))
        self.assertNotIn("step_ns", report["passes"][0]["after"]["decode"])

    def test_a_device_that_cannot_run_it(self):
        report = self.report(AUSTEN, "--target", "310p3", "--dtype", "bfloat16", "--stop-after", "memory")
        self.assertEqual(report["clock"], None)
        self.assertIn("has no bfloat16 matmul", report["no_clock"])

    def test_of_ir(self):
        ir = self.scratch / "partitioned.mlir"
        self.succeed("compile", MOE, "-o", ir, "--stop-after", "partition", "--target", "910b3", "--tp", "2")
        report = self.report(ir, "--stop-after", "memory")
        whole = self.report(MOE, "--target", "910b3", "--tp", "2", "--stop-after", "memory")
        self.assertEqual(report["passes"][0]["pass"], "import")
        self.assertEqual(report["passes"][1:], [row for row in whole["passes"][1:] if row["phase"] != "partition"])
        self.assertEqual(report["clock"], "910b3")
        fused = self.scratch / "fused.mlir"
        self.succeed("compile", MOE, "-o", fused, "--stop-after", "fuse")
        self.assertEqual(self.report(fused, "--stop-after", "memory")["graphs"], [])

    def test_errors(self):
        folder = self.scratch / "folder.html"
        folder.mkdir()
        for arguments, message in (
                (("--report", "x.txt"), "--report 'x.txt': a report is a .json or a .html file"),
                (("--report", folder), "folder.html")):
            self.expect_error(("compile", AUSTEN, "-o", "-", "--stop-after", "fuse", *arguments), 1, message)


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class Page(OfQwen):
    """The report in a browser."""

    def visit(self, page):
        """(DOM after the scripts ran, what the console said, URLs that the page asked for)"""
        log = self.scratch / "net.json"
        with tempfile.TemporaryDirectory() as profile:
            result = subprocess.run(
                [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                 "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
                 f"--user-data-dir={profile}", f"--log-net-log={log}", "--enable-logging=stderr", "--window-size=1400,2400",
                 "--dump-dom", page.as_uri()],
                capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": profile})
        self.assertEqual(result.returncode, 0, result.stderr)
        console = re.findall(r"CONSOLE\W.*", result.stderr)
        # The browser's own requests, such as for updates of itself, have no page that asked for them.
        requests = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
        return result.stdout, console, {request["url"] for request in requests if request.get("initiator", "not an origin") != "not an origin"
                                        and "url" in request and not request["url"].startswith(("data:", "chrome:"))}

    def test_it_opens_without_network_or_console_errors(self):
        dom, console, requests = self.visit(self.html)
        self.assertEqual((console, requests), ([], set()))
        # What a newcomer has to find: the card of the fusion, with what it merged and saved, a graph, the table, the memory.
        text = re.sub(r"<script.*?</script>|<[^>]*>", " ", dom, flags=re.S)
        text = re.sub(r"\s+", " ", text)
        self.assertRegex(text, r"fuse-qk-rms-norm The norms of the heads of queries and keys, into llm.split_qkv "
                               r"split_qkv \+ rms_norm q_norm \+ rms_norm k_norm → split_qkv × 94 −188 launches")
        for row in self.qwen["passes"]:
            self.assertIn(f'<span class="mono">{row["pass"]}</span>' if row["pass"] != "import" else ">import<", dom)
        self.assertEqual(dom.count("<svg"), 2)
        self.assertGreater(dom.count('class="link"'), 20)

    def test_the_check_sees_errors_and_requests(self):
        bad = self.scratch / "bad.html"
        bad.write_text(self.html.read_text().replace("</main>", '</main><img src="http://127.0.0.1:9/x.png"><script>nothing()</script>'))
        _, console, requests = self.visit(bad)
        self.assertTrue(any("nothing is not defined" in line for line in console), console)
        self.assertIn("http://127.0.0.1:9/x.png", requests)


class Explain(VinciTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plan = cls.scratch / "explain.plan"
        result = vinci("compile", AUSTEN, "-o", cls.plan, "--tp", "2")
        assert result.returncode == 0, result.stderr

    def explain(self, command, plan=None):
        return json.loads(self.succeed("inspect", plan or self.plan, "--explain", command, "--format", "json").stdout)

    def command(self, op, body="decoder_layer"):
        rows = json.loads(self.succeed("inspect", self.plan, "--commands", "--format", "json").stdout)["commands"]
        return next(f"{body}:{row['command']}" for row in rows if row["body"] == body and row["op"] == op)

    def test_a_fused_command(self):
        report = self.explain(self.command("llm.append_qkv"))
        self.assertEqual(report["op"], "llm.append_qkv")
        self.assertEqual(report["passes"], ["concat-qkv", "fuse-qk-rms-norm", "fuse-qk-norm-rope", "fuse-kv-append"])
        leaves = {(row["op"], row["role"]) for row in report["origin"] if not row["made_by"]}
        self.assertEqual(leaves, {("llm.split_heads", "q_proj"), ("llm.split_heads", "k_proj"), ("llm.split_heads", "v_proj"),
                                  ("llm.rms_norm", "q_norm"), ("llm.rms_norm", "k_norm"), ("llm.rope", "q_norm"),
                                  ("llm.rope", "k_norm"), ("llm.kv_append", "k_norm")})
        self.assertEqual({row["entry"]: (row["calls"], row["layers"]) for row in report["calls"]},
                         dict.fromkeys(("prefill", "decode", "score"), (3, "1-3")))
        config = (AUSTEN / "config.json").read_text().splitlines()
        norm = next(row for row in report["origin"] if row["role"] == "q_norm" and row["op"] == "llm.rms_norm")
        line = int(norm["location"].split(":")[1])
        self.assertIn("rms_norm_eps", config[line - 1])
        self.assertEqual(report["origin"][0]["depth"], 0)

    def test_a_collective_and_an_op_of_the_model(self):
        added = self.explain(self.command("llm.all_reduce"))
        self.assertEqual((added["passes"], added["origin"][0]["role"]), (["partition"], "o_proj"))
        own = self.explain(self.command("llm.attention"))
        self.assertEqual((own["passes"], [row["op"] for row in own["origin"]]), ([], ["llm.attention"]))
        prologue = self.explain("prologue:0")
        self.assertEqual({row["layers"] for row in prologue["calls"]}, {""})

    def test_every_command_has_an_origin(self):
        rows = json.loads(self.succeed("inspect", self.plan, "--commands", "--format", "json").stdout)["commands"]
        names = {row["pass"] for row in json.loads(self.succeed("passes", "--format", "json").stdout)}
        for row in rows:
            report = self.explain(f"{row['body']}:{row['command']}")
            self.assertEqual((report["op"], report["location"]), (row["op"], row["location"]))
            self.assertLessEqual(set(report["passes"]), names)
            for part in report["origin"]:
                self.assertRegex(part["location"], r"^config\.json:\d+:\d+$")

    def test_text(self):
        text = self.succeed("inspect", self.plan, "--explain", self.command("llm.swiglu")).stdout
        self.assertRegex(text, r"(?m)^llm\.swiglu +concat-gate-up +config\.json:\d+:\d+$")
        self.assertRegex(text, r"(?m)^    llm\.silu +gate_proj +config\.json:\d+:\d+$")

    def test_it_survives_ir_as_text(self):
        ir, plan = self.scratch / "fused.mlir", self.scratch / "from-ir.plan"
        self.succeed("compile", AUSTEN, "-o", ir, "--tp", "2", "--stop-after", "lower")
        self.succeed("compile", ir, "-o", plan)
        self.assertEqual(plan.read_bytes(), self.plan.read_bytes())

    def test_a_plan_that_says_nothing_of_passes(self):
        report = self.explain("decoder_layer:0", sample_plan(self.scratch / "sample.plan"))
        self.assertEqual((report["op"], report["location"], report["passes"]), ("llm.rms_norm", "config.json:1:1", []))
        self.assertNotIn("origin", report)

    def test_errors(self):
        last = len([row for row in json.loads(self.succeed("inspect", self.plan, "--commands", "--format", "json").stdout)["commands"]
                    if row["body"] == "decoder_layer"]) - 1
        for command, message in (
                (f"decoder_layer:{last + 1}", f"explain.plan: error: body decoder_layer has no command {last + 1}; legal are 0 to {last}"),
                ("layer:0", 'the plan has no body "layer"; it has prologue (3 commands), decoder_layer_first ('),
                ("decoder_layer", '--explain "decoder_layer" names no command; BODY:NUMBER is expected, and the plan has prologue ('),
                ("decoder_layer:-1", '--explain "decoder_layer:-1" names no command'),
                ("decoder_layer:1x", '--explain "decoder_layer:1x" names no command')):
            self.expect_error(("inspect", self.plan, "--explain", command), 1, message)
        self.expect_error(("inspect", AUSTEN, "--explain", "prologue:0"), 1, "a model has no commands or kernels yet")
        ir = self.scratch / "explain.mlir"
        self.succeed("compile", AUSTEN, "-o", ir, "--stop-after", "fuse")
        self.expect_error(("inspect", ir, "--explain", "prologue:0"), 1, "IR has no commands")


if __name__ == "__main__":
    unittest.main()
