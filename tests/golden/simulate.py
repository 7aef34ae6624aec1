"""`vinci simulate`: the reference systems' published figures, and what settings do to them.

Constants are those of runtime/device/specs and runtime/serving/stacks; none is tuned for a row here. A tolerance is that of the
comparison with the published figure, not of the computation, which is the same to the bit each time.
"""
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import MODELS, VinciTest, sample_plan, vinci  # noqa: E402

MINDIE = MODELS / "qwq-32b-mindie"
W8A8 = MODELS / "qwen3-235b-w8a8"
RECIPE = MODELS / "qwen3-235b-a3"
# The stack that could not batch, and the setting that it forced.
NO_BATCHES = ("--stack", "mindie-1.0.t71-ms", "--set", "ScheduleConfig.maxPrefillBatchSize=1")


class Simulate(VinciTest):
    reports = {}

    def report(self, *arguments):
        """Simulations are deterministic: each is run once."""
        key = tuple(map(str, arguments))
        if key not in self.reports:
            result = self.succeed("simulate", *arguments, "--format", "json")
            self.reports[key] = json.loads(result.stdout)
        return self.reports[key]

    def within(self, value, published, tolerance):
        self.assertLess(abs(value / published - 1), tolerance, f"{value} for {published}")

    def test_tuned_mindie(self):
        report = self.report(MINDIE)
        self.within(report["output_tokens_per_s"], 327.3, 0.08)
        self.within(report["inter_token_ms"]["mean"], 29.1, 0.08)
        self.within(report["ttft_ms"]["mean"], 97.1, 0.08)

    def test_mindie_that_cannot_batch(self):
        report = self.report(MINDIE, *NO_BATCHES)
        self.within(report["output_tokens_per_s"], 35.9, 0.08)
        self.within(report["largest_gap_ms"]["mean"], 110.5e3, 0.08)
        self.within(report["e2e_ms"]["mean"], 122.4e3, 0.08)

    def test_first_full_run(self):
        # Only the common table is published: 37.78 tokens/s with 8 GiB, all of the data set, 448 tokens a request.
        report = self.report(MINDIE, *NO_BATCHES, "--set", "npuMemSize=8", "--output-len", "fixed:448")
        self.within(report["output_tokens_per_s"], 37.78, 0.08)

    def test_more_memory_is_no_cure(self):
        less = self.report(MINDIE, *NO_BATCHES, "--set", "npuMemSize=8")
        self.assertEqual(less["memory"]["kv_blocks"], 1024)
        more = self.report(MINDIE, *NO_BATCHES)
        self.assertEqual(more["memory"]["kv_blocks"], 4480)
        self.assertEqual(more["memory"]["kv_tokens"], 573440)
        self.within(more["output_tokens_per_s"], less["output_tokens_per_s"], 0.01)

    def test_one_prompt_at_a_time_alone_is_no_harm(self):
        report = self.report(MINDIE, "--set", "scheduler.max_prefill_seqs=1")
        self.within(report["output_tokens_per_s"], 330, 0.08)

    def test_system_003_decodes(self):
        report = self.report(W8A8)
        self.within(1000 / report["step_ms"], 17.5, 0.08)

    def test_int8_is_timed_as_int8(self):
        # What multiplies int8 has the constants of int8, which the router's product has not.
        decides = {row["op"]: row["decided_by"] for row in self.report(W8A8)["ops"]}
        products = {op for op in decides if "matmul" in op and op != "matmul"}
        self.assertEqual(products, {"quant_matmul", "grouped_matmul_swiglu_quant", "grouped_dynamic_quant_matmul"})
        for op in products:
            self.assertTrue(decides[op].endswith("int8"), decides)
        self.assertTrue(decides["matmul"].endswith("float"), decides)

    def test_system_004_is_host_bound_when_eager(self):
        eager = self.report(RECIPE, "--set", "execution.graph_mode=none")
        graph = self.report(RECIPE)
        self.assertLess(graph["step_ms"], 20)
        self.assertGreater(eager["decode_step"]["host_ms"], eager["decode_step"]["device_ms"])
        self.assertGreater(eager["host_bound_share"], 2 * graph["host_bound_share"])
        self.assertGreater(eager["step_ms"], graph["step_ms"])

    def test_a_step_is_its_ops(self):
        report = self.report(MINDIE)
        self.assertAlmostEqual(sum(row["us"] for row in report["ops"]) / 1e3, report["decode_step"]["device_ms"], 3)
        self.assertAlmostEqual(sum(row["share"] for row in report["ops"]), 1, 4)
        self.assertEqual(sum(row["calls"] for row in report["ops"]), report["decode_step"]["launches"])
        for row in report["ops"]:
            self.assertLessEqual(row["p10_us"], row["us"])
            self.assertLessEqual(row["us"], row["p90_us"])

    def test_a_chip_from_its_ini(self):
        ini = self.scratch / "Ascend910X.ini"
        ini.write_text("[version]\nSoC_version=Ascend910X\n[SoCInfo]\nai_core_cnt=10\nl2_size=201326592\n[AICoreSpec]\ncube_freq=1800\n")
        load = ("--target", "910b3", "--requests", 2, "--concurrency", 1, "--input-len", "fixed:2048", "--output-len", "fixed:8")
        half, whole = (self.report(MODELS / "qwen2.5-7b", *load, *device) for device in (("--device", ini), ()))
        self.assertIn("Ascend910X", half["device"])
        # Half the cores of a 910B3 take longer for a prompt, and as long for what the memory bounds.
        self.assertGreater(half["ttft_ms"]["mean"], 1.5 * whole["ttft_ms"]["mean"])
        self.within(half["step_ms"], whole["step_ms"], 0.05)

    def test_chips_that_share_a_card_are_closer(self):
        # Two chips of a 300I Duo are one card; one chip of each of four is a longer way.
        load = (MODELS / "qwq-32b-300i-duo", "--requests", 4, "--concurrency", 4, "--input-len", "fixed:256", "--output-len", "fixed:8")
        near, far = (self.report(*load, "--set", f"execution.devices={devices}")["step_ms"] for devices in ("0,1,2,3", "0,2,4,6"))
        self.assertLess(near, far)

    def test_async_scheduling_is_worth_what_was_published(self):
        # Qwen3-32B: 44.20 to 41.73 ms a token. Where is not said; two devices come near the 44 ms.
        load = (MODELS / "qwen3-32b", "--target", "910b3", "--tp", 2, "--input-len", "fixed:512", "--output-len", "fixed:128",
                "--concurrency", 8, "--set", "execution.graph_mode=full-decode-only", "--set", "execution.collective_engine=aiv")
        off, on = (self.report(*load, "--set", f"execution.async_scheduling={value}")["step_ms"] for value in ("false", "true"))
        self.within(on / off - 1, 41.73 / 44.20 - 1, 0.3)

    def test_figures_that_nothing_was_fitted_to(self):
        # docs/cost-model.md has the sources. Settings are what those releases do by themselves.
        captured = ("--target", "910b3", "--set", "execution.graph_mode=full-decode-only", "--set", "execution.collective_engine=aiv",
                    "--set", "execution.async_scheduling=true")
        dense = self.report(MODELS / "qwen3-32b", *captured, "--world", 8, "--attn-tp", 4, "--input-len", "fixed:16384", "--output-len",
                            "fixed:2048", "--requests", 16, "--concurrency", 16)
        self.within(dense["tpot_ms"]["mean"], 34.20, 0.1)
        self.within(dense["output_tokens_per_s"], 416.8, 0.1)
        experts = self.report(MODELS / "qwen3-30b-a3b", *captured, "--world", 4, "--attn-tp", 2, "--ep", 4, "--input-len", "fixed:4096",
                              "--output-len", "fixed:2048", "--requests", 50, "--concurrency", 32)
        self.within(experts["tpot_ms"]["mean"], 24.96, 0.1)
        self.within(experts["output_tokens_per_s"], 1006.8, 0.1)
        for clients, published in ((1, 7.9), (2, 9.4), (16, 13.6)):
            report = self.report(MODELS / "qwen3-30b-a3b", *captured, "--tp", 8, "--input-len", "fixed:4096", "--output-len", "fixed:1024",
                                 "--requests", clients, "--concurrency", clients)
            self.within(report["tpot_ms"]["mean"], published, 0.15)
        # A model without a deployment has vLLM's limits and captured graphs.
        burst = self.report(MODELS / "qwen2.5-7b", "--target", "910b3", "--input-len", "fixed:218", "--output-len", "uniform:20-427",
                            "--requests", 200, "--concurrency", 200)
        self.within(burst["tpot_ms"]["p50"], 30.75, 0.1)
        self.within(burst["inter_token_ms"]["p50"], 28.15, 0.1)
        self.assertEqual(burst["counters"]["most_running"], 200)
        eager = self.report(MODELS / "qwen2.5-7b", "--target", "910b3", "--stack", "vllm-ascend-0.11", "--set", "execution.graph_mode=none",
                            "--input-len", "fixed:200", "--output-len", "fixed:128", "--requests", 200, "--rate", 1)
        self.within(eager["tpot_ms"]["mean"], 17.21, 0.2)

    def test_prompts_that_the_host_launches_hold_others_up(self):
        # vllm-ascend PR 5951: a prompt takes 0.2 s from Python, and everybody else waits for it. The 205 ms of one client are
        # in launch_per_op; how times grow with the clients is not.
        for clients, published in ((1, 12.34), (16, 22.78), (32, 32.2), (64, 47.8), (100, 60.9)):
            report = self.report(MODELS / "qwen3-30b-a3b", "--target", "910b3", "--tp", 4, "--set", "execution.graph_mode=full-decode-only",
                                 "--set", "execution.collective_engine=aiv", "--input-len", "normal:1024,600", "--output-len",
                                 "uniform:20-1006", "--requests", 8 * clients, "--concurrency", clients)
            self.within(report["tpot_ms"]["mean"], published, 0.2)
        self.within(self.report(MODELS / "qwen3-32b", "--target", "910b3", "--tp", 8, "--set", "execution.graph_mode=full-decode-only",
                                "--set", "execution.collective_engine=aiv", "--input-len", "normal:1024,600", "--output-len",
                                "uniform:20-1006", "--requests", 128, "--concurrency", 16)["tpot_ms"]["mean"], 20.15, 0.2)

    def test_old_releases_wait_for_the_host_at_each_attention(self):
        # vllm-ascend issue 4656: 38 ms for 64 layers, "20+" for 48, whose device would need 24 and 10; the manual's example.
        old = ("--target", "910b3", "--stack", "vllm-ascend-0.11")
        whole = (*old, "--tp", 4, "--set", "execution.graph_mode=full-decode-only", "--input-len", "fixed:15000", "--output-len", "fixed:128",
                 "--requests", 2, "--concurrency", 1)
        self.within(self.report(MODELS / "qwen3-32b", *whole)["tpot_ms"]["mean"], 38, 0.2)
        experts = self.report(MODELS / "qwen3-30b-a3b", *whole)
        self.within(experts["tpot_ms"]["mean"], 25, 0.2)
        self.assertGreater(experts["decode_step"]["host_ms"], 1.5 * experts["decode_step"]["device_ms"])
        example = self.report(MODELS / "qwen3-8b", *old, "--input-len", "fixed:218", "--output-len", "fixed:223", "--requests", 10, "--rate", 1)
        self.within(example["tpot_ms"]["mean"], 25.85, 0.2)

    def test_the_experts_fused_kernel(self):
        # Published: -21.54 % a token at batch 16 on eight devices with every expert divided, -17.38 % with whole ones. The change also
        # cast the experts' weights into the cube's fractals, which the kernel asks for; docs/cost-model.md has the sources.
        load = (W8A8, "--requests", 16, "--concurrency", 16, "--input-len", "fixed:256", "--output-len", "fixed:64",)
        apart = ("--passes=-fuse-grouped-matmul-swiglu,-fuse-swiglu-quant",)

        def worth(before, after):
            return self.report(*load, *after)["tpot_ms"]["mean"] / self.report(*load, *before)["tpot_ms"]["mean"] - 1

        rows = ("--set", "weights.nz_layout=false")
        self.within(worth((*apart, *rows), ()), -0.2154, 0.3)
        self.within(worth((*apart, *rows, "--ep", 8), ("--ep", 8)), -0.1738, 0.3)
        # Of that, the fractals of gate and up are worth most, and the kernel alone little, but where the host launches.
        self.within(worth((*apart, *rows), rows), -0.15, 0.02)
        self.within(worth(apart, ()), -0.024, 0.1)
        eager = ("--set", "execution.graph_mode=none", "--set", "execution.prefetch_qkv=0", "--set", "execution.prefetch_o=0",
                 "--set", "execution.prefetch_gate_up=0")
        self.within(worth((*apart, *eager), eager), -0.105, 0.05)

    def test_the_ladder_of_system_003(self):
        # Each thing that the system does, taken away alone, is never better; those that are published are worse.
        ablation = self.report(W8A8, "--requests", 32, "--output-len", "fixed:64", "--ablate")
        rows = {(row["what"], row["to"]): row for row in ablation["ablation"]}
        for key in (("fuse-qk-rms-norm", "off"), ("fuse-grouped-matmul-swiglu", "off"), ("nz_layout", "off"),
                    ("fuse-grouped-matmul-swiglu and nz_layout", "off"), ("async_scheduling", "off"), ("graph_mode", "none"),
                    ("prefetch", "off"), ("collective_engine", "host"), ("all fusions", "off"),
                    ("everything", "off")):
            with self.subTest(key=key):
                self.assertIn(key, rows)
                self.assertGreater(rows[key]["step_percent"], 0)
                self.assertEqual(rows[key]["tokens"], "no weights here")
        for key, row in rows.items():
            self.assertLessEqual(row["step_percent"], rows["everything", "off"]["step_percent"], key)
        self.assertGreater(rows["everything", "off"]["step_percent"], rows["graph_mode", "none"]["step_percent"])
        # A host that plans a step ahead may be late; test_hosts_that_are_late has one that does not.
        self.assertIn("cpu_binding off", ablation["without_effect"])

    def test_ablation_changes_no_token(self):
        ablation = self.report(MODELS / "austen-qwen3-moe", "--target", "910b3", "--input-len", "fixed:32", "--output-len", "fixed:16",
                               "--ablate")
        rows = [row for row in ablation["ablation"] if row["from"] in ("on", "off")]
        self.assertGreater(len(rows), 6)
        for row in ablation["ablation"]:
            self.assertIn(row["tokens"], ("same plan", "16 of 16 the same"), row)
        self.assertIn("16 of 16 the same", {row["tokens"] for row in rows})

    def test_only_a_model_can_be_ablated(self):
        plan = sample_plan(self.scratch / "sample.plan")
        self.expect_error(("simulate", plan, "--ablate"), 1, "this plan is compiled already; --ablate compiles a model again")

    def test_ranges_of_whole_runs(self):
        for model, arguments in ((MODELS / "qwq-32b-300i-duo", ()), (MODELS / "qwen2.5-7b", ("--target", "910b3"))):
            with self.subTest(model=model):
                report = self.report(model, *arguments, "--input-len", "fixed:64", "--output-len", "fixed:32", "--concurrency", 4)
                for name in ("ttft_ms", "tpot_ms"):
                    ends = report["range"][name]
                    self.assertLess(ends["p10"], report[name]["mean"])
                    self.assertLess(report[name]["mean"], ends["p90"])
                    self.assertGreater(ends["p10"], report[name]["mean"] / 3)
                    self.assertLess(ends["p90"], report[name]["mean"] * 3)

    def test_a_device_as_target(self):
        spec = self.scratch / "slower.yaml"
        spec.write_text("name: slower\ndescription: half of the bandwidth\nbase: 910b3\nmemory:\n  bandwidth: {value: 0.8, unit: TB/s, tag: datasheet, source: \"made up\"}\n")
        load = (MODELS / "qwen3-8b", "--input-len", "fixed:64", "--output-len", "fixed:8")
        slower = self.report(*load, "--target", spec)
        self.assertEqual(slower, self.report(*load, "--target", "910b3", "--device", spec))
        self.assertEqual(slower["device"], "slower")
        self.assertGreater(slower["step_ms"], 1.3 * self.report(*load, "--target", "910b3")["step_ms"])
        self.expect_error(("simulate", *load, "--target", spec, "--device", "a3"), 1, "is a device's file, and --device names one as well")
        spec.write_text("name: other\n")
        self.expect_error(("simulate", *load, "--target", spec), 1, "a device without a base says no target to compile for")

    def test_what_dominates_a_range(self):
        # MindIE's step is the host's for its range; 32 sequences that hit nearly all experts are the memory's.
        for arguments, constant in (((MINDIE,), "serving_gap"), ((W8A8,), "memory.share.grouped_int8")):
            dominant = self.report(*arguments)["range"]["dominated_by"]
            ends = self.report(*arguments)["range"]["step_ms"]
            self.assertEqual(dominant["constant"], constant)
            self.assertGreater(dominant["p10_to_p90_ms"], (ends["p90"] - ends["p10"]) / 5)

    def test_published_steps_lie_in_their_ranges(self):
        for arguments, published in (((W8A8,), 57.1), ((MINDIE,), 28.2)):
            ends = self.report(*arguments)["range"]["step_ms"]
            self.assertLess(ends["p10"], published)
            self.assertGreater(ends["p90"], published)

    def test_hosts_that_are_late(self):
        load = (W8A8, "--output-len", "fixed:64", "--set", "execution.async_scheduling=false", "--set")
        bound, unbound = (self.report(*load, f"execution.cpu_binding={value}") for value in ("true", "false"))
        self.assertLess(bound["collective_skew_us"]["mean"], unbound["collective_skew_us"]["mean"])
        self.assertLess(bound["step_ms"], unbound["step_ms"])
        again = self.report(*load, "execution.cpu_binding=false", "--seed", 1)
        self.assertNotEqual(again["collective_skew_us"], unbound["collective_skew_us"])
        self.assertIsNone(self.report(MINDIE)["collective_skew_us"])

    def test_threads_that_launch(self):
        eager = (RECIPE, "--set", "execution.graph_mode=none")
        one = self.report(*eager)
        two = self.report(*eager, "--set", "execution.dispatch_threads=2", "--set", "execution.dispatch_group_size=8")
        self.assertLess(two["step_ms"], one["step_ms"])

    def test_routing(self):
        load = (W8A8, "--output-len", "fixed:32")
        steps = {routing: self.report(*load, "--routing", routing)["step_ms"] for routing in ("uniform", "balanced", "zipf:0", "zipf:1")}
        self.within(steps["zipf:0"], steps["uniform"], 1e-4)
        self.assertGreater(steps["balanced"], steps["uniform"])  # 32 tokens hit all experts, not 112 of 128
        self.assertLess(steps["zipf:1"], steps["uniform"])
        counts = self.scratch / "routing.json"
        counts.write_text(json.dumps([[1] * 128] * 94))
        self.within(self.report(*load, "--routing", f"trace:{counts}")["step_ms"], steps["uniform"], 1e-4)
        for words in (("--routing", "trace", counts), ("--routing=trace", counts)):  # before the model and behind it
            self.assertEqual(self.report(*words, *load), self.report(*load, "--routing", f"trace:{counts}"))
            self.assertEqual(self.report(*load, *words), self.report(*load, "--routing", f"trace:{counts}"))
        counts.write_text(json.dumps([[1] * 128] * 3))
        self.expect_error(("simulate", *load, "--routing", f"trace:{counts}"), 1, "the routing has 3 layers; the model has a MoE layer number 3")
        self.expect_error(("simulate", *load, "--routing", "trace", counts), 1, "the routing has 3 layers")
        self.expect_error(("simulate", *load, "--routing", "odd"), 1, "--routing is 'odd'; uniform, balanced, zipf:S with S from 0 to 8")

    def test_page(self):
        page = self.succeed("simulate", MODELS / "qwen2.5-7b", "--target", "910b3", "--input-len", "fixed:256", "--output-len", "fixed:32",
                            "--concurrency", 4, "--format", "html").stdout
        self.assertTrue(page.startswith("<!doctype html>"))
        self.assertNotRegex(page, r"(src|href)\s*=\s*[\"']?https?:")
        data = json.loads(page.split('<script id="data" type="application/json">')[1].split("</script>")[0])
        self.assertEqual([point["concurrency"] for point in data["curve"]], [1, 2, 4, 8])
        self.assertTrue(data["ops"] and data["roofline"]["points"] and data["ablation"])
        self.open_page(page)

    def open_page(self, page):
        """In a browser without a screen, if there is one: drawn, and nothing to complain about."""
        chromium = shutil.which("chromium")
        if not chromium:
            self.skipTest("chromium is not installed")
        path = self.scratch / "page.html"
        path.write_text(page)
        with tempfile.TemporaryDirectory() as profile:
            result = subprocess.run(
                [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", "--enable-logging=stderr", "--dump-dom",
                 f"file://{path}"], capture_output=True, text=True, timeout=120)
        self.assertNotIn("CONSOLE", result.stderr)
        self.assertEqual(result.stdout.count("<svg"), 4)
        self.assertGreater(result.stdout.count("<rect"), 10)
        self.assertGreater(result.stdout.count("<circle"), 8)

    def test_data_parallel_groups(self):
        recipe = MODELS / "qwen3-235b-a3" / "qwen3_235b_1tp_16ep.yaml"  # a batch of 16 over 16 groups
        load = ("simulate", recipe, "--target", "a3", "--input-len", "fixed:256", "--output-len", "fixed:8", "--format", "json")
        runs = []
        for name in ("a.json", "b.json"):
            trace = self.scratch / name
            out = self.succeed(*load, "--requests", 48, "--concurrency", 24, "--trace", trace, "--trace-steps", 1).stdout
            runs.append((out, trace.read_bytes()))
        self.assertEqual(*runs)
        report, events = json.loads(runs[0][0]), json.loads(runs[0][1])["traceEvents"]
        self.assertEqual(report["data_parallel_groups"], 16)
        self.assertEqual(report["decode_step"]["sequences"], 1)  # of a group
        self.assertEqual(report["step_batch"], 16)
        self.assertEqual(report["counters"]["most_running"], 16)  # a recipe's batch: the other clients wait
        self.assertEqual(report["counters"]["finished"], 48)
        names = {event["args"]["name"] for event in events if event["name"] == "process_name"}
        self.assertEqual(names, {"requests"} | {f"rank {rank}, group {rank}" for rank in range(16)})
        groups = [event["args"]["group"] for event in events if event["pid"] == 1 and event["name"] == "decode"]
        self.assertEqual({groups.count(group) for group in range(16)}, {3})
        # All ranks step together, and every group counts its own blocks.
        steps = {}
        for event in events:
            if event["ph"] == "X" and event["pid"] > 1 and event["tid"] == 0:
                steps.setdefault(event["pid"], []).append((event["ts"], event["dur"]))
        self.assertEqual(len(steps), 16)
        self.assertTrue(all(own == steps[2] for own in steps.values()))
        counters = {event["pid"] for event in events if event["ph"] == "C" and event["name"] == "KV blocks"}
        self.assertEqual(counters, set(steps))

        # One request: fifteen groups run on padding, and the step is no shorter than with one for each.
        alone = self.succeed(*load, "--requests", 1, "--concurrency", 1, "--trace", trace).stdout
        padded = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "padding"]
        self.assertEqual(len(padded), 15 * 8)
        self.within(json.loads(alone)["step_ms"], report["step_ms"], 0.02)

    def test_same_input_same_bytes(self):
        runs = []
        for name in ("a.json", "b.json"):
            trace = self.scratch / name
            out = self.succeed("simulate", MINDIE, "--requests", 20, "--trace", trace, "--format", "json").stdout
            runs.append((out, trace.read_bytes()))
        self.assertEqual(*runs)
        events = json.loads(runs[0][1])["traceEvents"]
        self.assertEqual({event["args"]["name"] for event in events if event["name"] == "process_name"},
                         {"requests", "rank 0", "rank 1", "rank 2", "rank 3"})
        for pid in range(2, 6):
            slices = [event for event in events if event["pid"] == pid and event["ph"] == "X"]
            kernels = [event for event in slices if 0 < event["tid"] < 1000]
            steps = [event for event in slices if event["tid"] == 0]
            self.assertGreater(len(kernels), 1000)
            # The kernels of a step fill the device's time of it.
            first = steps[0]
            inside = [event for event in kernels if first["ts"] <= event["ts"] < first["ts"] + first["args"]["device_us"]]
            self.assertAlmostEqual(sum(event["dur"] for event in inside), first["args"]["device_us"], delta=1)
        report = json.loads(runs[0][0])
        blocks = [event["args"]["in_use"] for event in events if event["ph"] == "C" and event["name"] == "KV blocks"]
        self.assertEqual(max(blocks), report["counters"]["most_kv_blocks"])
        requests = [event for event in events if event["pid"] == 1 and event["name"] == "first token"]
        self.assertEqual(len(requests), 20)

    def test_compressed_trace(self):
        traces = {}
        for name in ("plain.json", "a.json.gz", "b.json.gz"):
            traces[name] = self.scratch / name
            self.succeed("simulate", W8A8, "--requests", 2, "--concurrency", 2, "--output-len", "fixed:4", "--trace", traces[name])
        plain, packed = traces["plain.json"].read_bytes(), traces["a.json.gz"].read_bytes()
        self.assertEqual(gzip.decompress(packed), plain)
        self.assertEqual(packed, traces["b.json.gz"].read_bytes())
        self.assertLess(len(packed), len(plain) / 10)

    def test_counters_of_l2(self):
        trace = self.scratch / "trace.json"
        report = json.loads(self.succeed("simulate", W8A8, "--requests", 4, "--concurrency", 4, "--input-len", "fixed:64", "--output-len",
                                         "fixed:4", "--trace", trace, "--trace-steps", 100, "--format", "json").stdout)
        events = json.loads(trace.read_text())["traceEvents"]
        counters = [event for event in events if event["ph"] == "C" and event["name"] == "L2 bytes" and event["pid"] == 2]
        self.assertTrue(all(event["args"]["prefetched_weights"] + event["args"]["activations"] <= 192 << 20 for event in counters))
        # What a step's kernels find prefetched is what the report says of such a step.
        steps = [event for event in events if event["ph"] == "X" and event["pid"] == 2 and event["tid"] == 0 and event["name"] == "decode"
                 and event["args"]["decodes"] == 4]
        begin, end = steps[-1]["ts"], steps[-1]["ts"] + steps[-1]["args"]["device_us"] - 1e-3
        found = sum(event["args"]["prefetched_weights"] for event in counters if begin <= event["ts"] < end)
        self.within(found, report["decode_step"]["prefetched_bytes"], 0.001)

    def test_text_has_the_benchmarks_tables(self):
        text = self.succeed("simulate", MINDIE, "--requests", 20).stdout
        for row in ("FirstTokenTime", "DecodeTime", "GenerateSpeed", "PrefillBatchsize", "QueueWaitTime"):
            self.assertIn(row, text)

    def test_errors(self):
        for arguments, code, message in (
                ((MODELS / "qwen3-8b",), 2, "the model names no NPU to simulate; --target is 310p3, 910b3 or a3"),
                ((MODELS / "qwen3-8b", "--target", "910b3"), 2, "--input-len is missing, and the deployment does not say it"),
                ((MINDIE, "--set", "nope=1"), 1, "--set 'nope=1': there is no setting nope"),
                ((MINDIE, "--set", "execution.async_scheduling=maybe"), 1, "--set:1:1: error: execution.async_scheduling is .maybe."),
                ((MINDIE, "--device", "none.ini"), 1, "none.ini"),
                ((MINDIE, "--set", "npuMemSize"), 1, "--set 'npuMemSize' has no value; name=value is expected"),
                ((MINDIE, "--set", "scheduler.max_num_seqs=0"), 1, "max_num_seqs"),
                ((MINDIE, "--stack", "mindie-1.0.t71-ms"), 1,
                 r"scheduleParam.maxPrefillBatchSize \[50\] is out of bound \[1\]"),
                ((MINDIE, "--stack", "nope"), 1, "nope"),
                ((MINDIE, "--device", "nope"), 1, "nope"),
                ((MINDIE, "--tp", "1", "--world", "1", "--set", "npuMemSize=-1"), 1, "the model does not fit 910b3"),
                ((MINDIE, "--set", "npuMemSize=0"), 1, "memory.kv_gib is 0, less than a block of the KV cache, 0.01 GiB"),
                ((MINDIE, "--rate", "1", "--concurrency", "2"), 2, "--concurrency excludes --rate"),
                ((MINDIE, "--format", "xml"), 1, "'xml' is not a report format; legal are text, json and html"),
                ((MINDIE, "--ablate", "--trace", "t.json"), 2, "--ablate excludes --trace"),
                (("--routing", "trace", "--format", "json", W8A8), 1, "--routing is 'trace'; uniform, balanced, zipf:S"),
                ((W8A8, "--routing", "trace"), 1, "and trace FILE are legal"),
                ((W8A8, "--routing", "trace", "nowhere.json"), 1, "nowhere.json"),
                ((W8A8, "--routing"), 2, "--routing"),
                ((MINDIE, "--input-len", "fixed:0"), 1, "--input-len")):
            with self.subTest(arguments=arguments):
                result = vinci("simulate", *arguments)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertRegex(result.stderr, message)


if __name__ == "__main__":
    unittest.main()
