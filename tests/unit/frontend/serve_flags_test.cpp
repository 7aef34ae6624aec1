#include "frontend/launch/script.h"
#include "frontend/launch/serve.h"
#include "tests/unit/frontend/import_text.h"

namespace vinci {
namespace {

using namespace test;

Import importJson(const std::string &text) {
  const JsonDocument document = JsonDocument::parse(text, "serve.json");
  Import result;
  readServe(result, document);
  return result;
}

Import importCommand(const std::string &text) {
  Import result;
  const JsonDocument document = parseServeCommand(text, "command", result.findings);
  readServe(result, document);
  return result;
}

std::string ascend() {
  return dataFile("vllm-ascend-qwen3-235b.json");
}

TEST(ServeFlags, LooksLike) {
  const auto looks = [](const std::string &text) {
    return looksLikeServe(JsonDocument::parse(text, "f").root());
  };
  EXPECT_TRUE(looks(ascend()));
  EXPECT_TRUE(looks(R"({"--tensor_parallel_size": 8})"));
  EXPECT_TRUE(looks(R"({"env": {}})"));
  EXPECT_FALSE(looks(R"({"model_type": "qwen3", "tensor-parallel-size": 1})"));
  EXPECT_FALSE(looks(R"({"dtype": "bfloat16"})"));
  EXPECT_FALSE(looks("3"));
}

TEST(ServeFlags, ReadsThePublishedAscendCommand) {
  const Import result = importJson(ascend());
  EXPECT_EQ(shown(result.findings),
            (Lines{"no-effect 39:28 NPU_MEMORY_FRACTION is read by MindIE only and has no effect "
                   "under vLLM",
                   "no-effect 41:39 MINDIE_ASYNC_SCHEDULING_ENABLE is read by MindIE only and has "
                   "no effect under vLLM"}));
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.weights.directory, "Qwen3-235B-A22B-Instruct-2507-w8a8-QuaRot");
  EXPECT_EQ(*spec.weights.quantization, "ascend");
  EXPECT_EQ(*spec.parallel.attnTp, 8);
  EXPECT_EQ(*spec.parallel.attnDp, 1);
  EXPECT_EQ(*spec.parallel.worldSize, 8);
  EXPECT_EQ(*spec.parallel.moeTp, 8);
  EXPECT_EQ(*spec.parallel.moeEp, 1);
  EXPECT_EQ(*spec.scheduler.policy, "vllm");
  EXPECT_EQ(spec.scheduler.policy.origin.line, 19u);
  EXPECT_EQ(*spec.scheduler.maxNumSeqs, 200);
  EXPECT_EQ(*spec.scheduler.maxSeqLen, 36384);
  EXPECT_EQ(*spec.scheduler.maxNumBatchedTokens, 16384);
  EXPECT_EQ(*spec.memory.utilization, 0.9);
  EXPECT_EQ(spec.memory.utilization.authority, Authority::Server);
  EXPECT_EQ(*spec.execution.asyncScheduling, true);
  EXPECT_EQ(*spec.execution.graphMode, "full-decode-only");
  EXPECT_EQ(*spec.execution.cpuBinding, true);
  EXPECT_EQ(*spec.execution.prefetchQkv, 1.0);
  EXPECT_EQ(*spec.execution.prefetchO, 1.0);
  EXPECT_EQ(*spec.execution.prefetchGateUp, 0.7);
  EXPECT_EQ(*spec.execution.collectiveEngine, "aiv");
  EXPECT_EQ(*spec.execution.collectiveBufferMb, 512);
  EXPECT_EQ(*spec.execution.hostThreads, 10);
  EXPECT_EQ(spec.execution.hostThreads.authority, Authority::Environment);
  EXPECT_EQ(*spec.workload.inputTokens, "fixed:16384");
  EXPECT_EQ(*spec.workload.outputTokens, "fixed:2048");
  EXPECT_EQ(*spec.workload.concurrency, 32);
}

TEST(ServeFlags, ReadsThePublishedMindSporeCommand) {
  const Import result = importJson(dataFile("vllm-mindspore-qwq-32b.json"));
  EXPECT_EQ(shown(result.findings), Lines{});
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.weights.directory, "QwQ-32B fp16");
  EXPECT_EQ(*spec.parallel.attnTp, 4);
  EXPECT_EQ(*spec.parallel.worldSize, 4);
  EXPECT_EQ(*spec.scheduler.policy, "vllm");
  EXPECT_EQ(*spec.scheduler.maxNumSeqs, 256);
  EXPECT_EQ(*spec.scheduler.blockSize, 128);
  EXPECT_EQ(*spec.scheduler.maxNumBatchedTokens, 16384);
  EXPECT_EQ(*spec.scheduler.maxSeqLen, 8192);
  EXPECT_EQ(*spec.memory.utilization, 0.7);
  EXPECT_EQ(*spec.memory.deviceGib, 40);
  EXPECT_EQ(*spec.memory.nonKvGib, 30);
  EXPECT_EQ(*spec.execution.lowLatencyCollectives, false);
  EXPECT_EQ(*spec.execution.collectiveEngine, "ai_cpu");
  EXPECT_EQ(*spec.execution.devicesPerHost, 8);
  EXPECT_EQ(*spec.execution.devices, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(*spec.execution.fusedKernels, false);
  EXPECT_FALSE(spec.execution.graphMode);
}

TEST(ServeFlags, AllSpellings) {
  for (const char *text :
       {R"({"tensor-parallel-size": 8, "max_num_seqs": "16", "enforce-eager": true})",
        R"({"--tensor_parallel_size": "8", "-max-num-seqs": 16, "enforce_eager": "true"})",
        R"({"serve": {"-tp": 8, "--max-num-seqs": 16, "--enforce-eager": true}, "env": {}})",
        R"({"tp": 8, "max-num-seqs": 16, "_note": "x", "enforce-eager": true, "env": {}})"}) {
    const Import result = importJson(text);
    EXPECT_EQ(shown(result.findings), Lines{}) << text;
    EXPECT_EQ(*result.resolved.deployment.parallel.attnTp, 8);
    EXPECT_EQ(*result.resolved.deployment.scheduler.maxNumSeqs, 16);
    EXPECT_EQ(*result.resolved.deployment.execution.graphMode, "none");
  }
}

TEST(ServeFlags, DegreesOfExperts) {
  const auto parallel = [](const std::string &flags) {
    return importCommand("--max-num-seqs 8 " + flags).resolved.deployment.parallel;
  };
  auto ep = parallel("-tp 4 -dp 2 -pp 2 --enable-expert-parallel");
  EXPECT_EQ(*ep.moeEp, 8);
  EXPECT_EQ(*ep.moeTp, 1);
  EXPECT_EQ(*ep.worldSize, 16);
  EXPECT_EQ(ep.moeEp.authority, Authority::Server);
  EXPECT_EQ(toString(ep.moeEp.origin), "command:1:36");
  auto tp = parallel("-tp 4 -dp 2 --no-enable-expert-parallel");
  EXPECT_EQ(*tp.moeEp, 1);
  EXPECT_EQ(*tp.moeTp, 8);
  auto one = parallel("");
  EXPECT_EQ(*one.worldSize, 1);
  EXPECT_EQ(one.worldSize.authority, Authority::Default);
}

TEST(ServeFlags, ConfigsAsText) {
  // As JSON in a text, quoted twice, by dots and by levels: the same settings.
  for (
      const std::string command :
      {R"(vllm serve m --compilation-config '{"cudagraph_mode": "PIECEWISE", "cudagraph_capture_sizes": [1, 2]}')",
       R"(vllm serve m --compilation-config "{\"cudagraph_mode\": \"PIECEWISE\", \"cudagraph_capture_sizes\": [1, 2]}")",
       R"(vllm serve m -O.cudagraph_mode=PIECEWISE --cudagraph-capture-sizes 1 2 -O3)",
       R"(vllm serve m --compilation_config.cudagraph_mode PIECEWISE --cudagraph_capture_sizes 1 2)",
       R"(vllm serve m -O='{"cudagraph_mode":"PIECEWISE","cudagraph_capture_sizes":[1,2]}')"}) {
    const Import result = importCommand(command);
    EXPECT_EQ(shown(result.findings), Lines{}) << command;
    EXPECT_EQ(*result.resolved.deployment.execution.graphMode, "piecewise") << command;
    EXPECT_EQ(*result.resolved.deployment.execution.graphBatchSizes, (std::vector<int64_t>{1, 2}))
        << command;
  }
  const Import json = importJson("{\"serve\": {\n  \"compilation-config\": "
                                 "\"{\\\"cudagraph_mode\\\": \\\"FULL\\\"}\"}}");
  EXPECT_EQ(*json.resolved.deployment.execution.graphMode, "full");
  EXPECT_EQ(json.resolved.deployment.execution.graphMode.origin.line, 2u);
  EXPECT_EQ(*importCommand("-O0").resolved.deployment.execution.graphMode, "none");
}

TEST(ServeFlags, AdditionalConfig) {
  const auto read = [](const std::string &config) {
    return importJson("{\"serve\": {\"max-num-seqs\": 1, \"additional-config\": " + config + "}}");
  };
  EXPECT_EQ(*read(R"({"ascend_scheduler_config": {"enabled": true,
      "enable_chunked_prefill": true}})")
                 .resolved.deployment.scheduler.policy,
            "vllm-ascend");
  const Import prefetch = read(R"({"weight_prefetch_config": {"enabled": true}})");
  EXPECT_EQ(*prefetch.resolved.deployment.execution.prefetchGateUp, 0.8);
  EXPECT_EQ(prefetch.resolved.deployment.execution.prefetchGateUp.authority, Authority::Default);
  const Import off =
      read(R"({"weight_prefetch_config": {"prefetch_ratio": {"attn": {"qkv": 0.5}}}})");
  EXPECT_EQ(*off.resolved.deployment.execution.prefetchQkv, 0.0);
  EXPECT_EQ(shown(off.findings),
            Lines{"no-effect 1:79 weight_prefetch_config has ratios but is not enabled"});
  const Import torchair = read(R"({"torchair_graph_config": {"enabled": true,
      "graph_batch_sizes": [4], "use_cached_graph": true, "mode": "max-autotune"}})");
  EXPECT_EQ(*torchair.resolved.deployment.execution.graphMode, "full-decode-only");
  EXPECT_EQ(*torchair.resolved.deployment.execution.graphBatchSizes, std::vector<int64_t>{4});
  EXPECT_EQ(*torchair.resolved.deployment.execution.compileCache, true);
  const Import degrees = read(R"({"lmhead_tensor_parallel_size": 8, "dynamic_eplb": false,
      "oproj_tensor_parallel_size": 2, "enable_shared_expert_dp": true, "expert_map_path": "x"})");
  EXPECT_EQ(*degrees.resolved.deployment.parallel.lmHeadTp, 8);
  EXPECT_EQ(*degrees.resolved.deployment.parallel.oProjTp, 2);
  EXPECT_EQ(*degrees.resolved.deployment.parallel.sharedExpertTp, 1);
  EXPECT_EQ(shown(degrees.findings),
            Lines{"no-effect 2:92 expert_map_path \"x\" has no effect: Vinci does not model it"});
}

TEST(ServeFlags, OtherFlags) {
  const Import result = importCommand(
      "vllm serve /models/7B --served-model-name 7 seven --port 8000 --host 0.0.0.0 "
      "--max-model-len 8K --max-num-batched-tokens 8.3k --dtype half --load-format dummy "
      "--swap-space 4 --kv-cache-memory-bytes 1073741824 --seed 7 --no-enable-prefix-caching "
      "--enable-chunked-prefill --rope-theta 1e6 --speculative-config "
      "'{\"method\": \"mtp\", \"num_speculative_tokens\": 2}' --kv-transfer-config '{\"a\": 1}'");
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.weights.directory, "/models/7B");
  EXPECT_EQ(*spec.serving.modelName, "7");
  EXPECT_EQ(*spec.serving.port, 8000);
  EXPECT_EQ(*spec.scheduler.maxSeqLen, 8192);
  EXPECT_EQ(*spec.scheduler.maxNumBatchedTokens, 8300);
  EXPECT_EQ(*spec.precision.compute, "float16");
  EXPECT_EQ(*spec.weights.random, true);
  EXPECT_EQ(*spec.memory.swapGib, 4);
  EXPECT_EQ(*spec.memory.kvGib, 1);
  EXPECT_EQ(*spec.scheduler.prefixCaching, false);
  EXPECT_EQ(*spec.scheduler.chunkedPrefill, true);
  EXPECT_EQ(*result.resolved.model.ropeTheta, 1e6);
  EXPECT_EQ(*spec.execution.speculativeTokens, 2);
  EXPECT_EQ(shown(result.findings),
            (Lines{"note 1:45 served-model-name gives 2 names; the first one is used",
                   "no-effect 1:380 kv-transfer-config has no effect: Vinci does not model it"}));
}

struct Case {
  std::string_view text, message;
};

TEST(ServeFlags, Findings) {
  const Case cases[] = {
      {"vllm serve m @--moon-phase 3",
       "unknown {} \"moon-phase\" is not a flag of vLLM's serve command that Vinci knows and is "
       "ignored"},
      {"vllm serve m @surplus", "unknown {} \"surplus\" belongs to no flag and is ignored"},
      {"vllm serve m -tp 8 @-tp 4", "contradiction {} --tensor-parallel-size is \"4\", but "
                                    "command:1:14 says \"8\"; \"4\" is used"},
      {"vllm serve m @--enforce-eager -O.cudagraph_mode FULL",
       "contradiction {} enforce-eager is given, but command:1:48 asks for graphs, full; nothing "
       "is captured"},
      {"vllm serve m --enforce-eager --cudagraph-capture-sizes @1 2",
       "no-effect 1:30 sizes to capture are given, but no graphs are captured"},
      {"vllm serve m -O0 -O.cudagraph_mode @FULL",
       "contradiction {} graph_mode is \"full\", but command:1:16 says \"none\"; \"full\" is used"},
      {"vllm serve m --enable-eplb",
       "no-effect 1:14 enable-eplb has no effect: Vinci does not model it"},
      {"vllm serve m --scheduling-policy @priority",
       "no-effect {} scheduling-policy is \"priority\"; Vinci serves requests in the order of "
       "their arrival"},
      {"vllm serve m --cpu-offload-gb @2",
       "no-effect {} cpu-offload-gb has no effect: Vinci does not model it"},
      {"vllm serve m -O '{@\"moons\": 3}'",
       "unknown {} \"moons\" is not a key of compilation-config that Vinci knows and is ignored"},
      {"ASCEND_RT_VISIBLE_DEVICES=@0,1 vllm serve m -tp 4",
       "contradiction {} 2 devices are visible, but command:1:48 makes 4 ranks"},
      {"vllm serve m; @vllm serve n",
       "note {} the script starts another server at command:1:1; that one is read, this one is "
       "not"},
  };
  for (const Case &test : cases) {
    const Marked marked{std::string(test.text)};
    std::string expected(test.message);
    if (expected.find("{}") != std::string::npos)
      expected = replaced(expected, "{}", marked.place);
    EXPECT_EQ(shown(importCommand(marked.text).findings), Lines{expected}) << marked.text;
  }
}

TEST(ServeFlags, Errors) {
  const Case cases[] = {
      // Misspelt and missing.
      {"vllm serve m @--tensor-paralel-size 8",
       "\"tensor-paralel-size\" is not a flag of vLLM's serve command; did you mean "
       "--tensor-parallel-size?"},
      {"vllm serve m @--max-num-seq 8",
       "\"max-num-seq\" is not a flag of vLLM's serve command; did you mean --max-num-seqs?"},
      {"vllm serve m @--enforce-eagr",
       "\"enforce-eagr\" is not a flag of vLLM's serve command; did you mean --enforce-eager?"},
      {"vllm serve m -O '{@\"cudagraph_modes\": \"FULL\"}'",
       "\"cudagraph_modes\" is not a key of compilation-config; did you mean cudagraph_mode?"},
      {"vllm serve m --additional-config '{@\"enable_cpu_bindin\": true}'",
       "\"enable_cpu_bindin\" is not a key of additional-config; did you mean enable_cpu_binding?"},
      {"vllm serve m @--port", "\"--port\" needs a value"},
      {"vllm serve m @--port --host x", "\"--port\" needs a value"},
      {"@echo no server",
       "no server is started; vllm serve MODEL, python3 -m vllm.entrypoints.openai.api_server, "
       "run_mindie.sh or the flags of a server are expected"},
      {"vllm serve @'m", "this ' is not closed"},
      {"vllm serve @\"m", "this \" is not closed"},
      {"vllm serve $@{m", "this { is not closed"},
      {"vllm serve $@(m", "this ( is not closed"},
      {"vllm serve @`m", "this ` is not closed"},
      // Of another type or out of range.
      {"vllm serve m -tp @0", "tensor-parallel-size is 0; an integer from 1 to 65536 is expected"},
      {"vllm serve m -tp @two",
       "tensor-parallel-size is \"two\" (a string); an integer from 1 to 65536 is expected"},
      {"vllm serve m -tp @$TP",
       "tensor-parallel-size is \"$TP\" (a string); an integer from 1 to 65536 is expected"},
      {"vllm serve m -dp 65536 -tp @2",
       "tensor, data and pipeline parallel sizes 2, 65536 and 1 make 131072 ranks; at most 65536 "
       "are supported"},
      {"vllm serve m --gpu-memory-utilization @1.5",
       "gpu-memory-utilization is 1.5; a number from 0 to 1 is expected"},
      {"vllm serve m --block-size @8", "block-size is 8; an integer from 16 to 1024 is expected"},
      {"vllm serve m --max-num-seqs @-1",
       "max-num-seqs is -1; an integer from 1 to 65536 is expected"},
      {"vllm serve m --max-model-len @9q",
       "max-model-len is \"9q\" (a string); an integer from 1 to 2147483648 is expected"},
      {"vllm serve m --max-model-len @0.3k5k",
       "max-model-len is \"0.3k5k\" (a string); an integer from 1 to 2147483648, or one such as 8k "
       "or 8K is expected"},
      {"vllm serve m --max-model-len @9999999G",
       "max-model-len is \"9999999G\" (a string); an integer from 1 to 2147483648, or one such as "
       "8k or 8K is expected"},
      {"vllm serve m --port @70000", "port is 70000; an integer from 1 to 65535 is expected"},
      {"vllm serve m --enable-prefix-caching=@maybe",
       "enable-prefix-caching is \"maybe\" (a string); true or false is expected"},
      // Other words.
      {"vllm serve m --quantization @gptq",
       "quantization is \"gptq\" (a string); one of ascend, None is expected"},
      {"vllm serve m --dtype @int8",
       "dtype is \"int8\" (a string); one of auto, bfloat16, float16, half, float32, float is "
       "expected"},
      {"vllm serve m --scheduling-policy @lifo",
       "scheduling-policy is \"lifo\" (a string); one of fcfs, priority is expected"},
      {"vllm serve m --kv-cache-dtype @fp8",
       "kv-cache-dtype is \"fp8\" (a string); one of auto is expected"},
      {"vllm serve m -O '{\"cudagraph_mode\": @\"SOME\"}'",
       "cudagraph_mode is \"SOME\" (a string); one of NONE, PIECEWISE, FULL, FULL_DECODE_ONLY, "
       "FULL_AND_PIECEWISE is expected"},
      {"vllm serve m -O '{\"cudagraph_capture_sizes\": [1, @0]}'",
       "cudagraph_capture_sizes is 0; an integer from 1 to 65536 is expected"},
      {"vllm serve m -O@7", "compilation-config is 7; an integer from 0 to 3 is expected"},
      {"vllm serve m -O @fast",
       "compilation-config is \"fast\" (a string); a JSON object is expected"},
      {"vllm serve m -O '{\"level\": 3,@}'", "not valid JSON"},
      {"vllm serve m --hf-overrides '@{\"rope_theta\": 1}'",
       "hf-overrides changes the model's config.json; change it there"},
      {"vllm serve m --additional-config '{\"ascend_scheduler_config\": @3}'",
       "ascend_scheduler_config is 3; a mapping of keys is expected"},
      {"vllm serve m --additional-config '{\"weight_prefetch_config\": {\"enabled\": true, "
       "\"prefetch_ratio\": {\"attn\": {\"qkv\": @1.2}}}}'",
       "qkv is 1.2; a number from 0 to 1 is expected"},
      {"vllm serve m --additional-config '{\"torchair_graph_config\": {\"mode\": @\"fast\"}}'",
       "mode is \"fast\" (a string); one of max-autotune, reduce-overhead is expected"},
      // Values that do not go together.
      {"vllm serve m --max-num-seqs 16 --max-num-batched-tokens @8",
       "max-num-batched-tokens is 8; at least max-num-seqs, which is 16, is expected"},
      {"vllm serve m --max-model-len 64 --max-num-batched-tokens @32 --no-enable-chunked-prefill",
       "max-num-batched-tokens is 32; without chunked prefill at least max-model-len, which is 64, "
       "is expected"},
      {"vllm serve m -tp 2 --additional-config '{\"lmhead_tensor_parallel_size\": @2}'",
       "a degree of its own for lm_head or o_proj needs tensor-parallel-size 1; it is 2"},
  };
  for (const Case &test : cases) {
    const Marked marked{std::string(test.text)};
    const std::string error = errorOf([&] { importCommand(marked.text); });
    const std::string expected = fmt::format("command:{}: error: {}", marked.place, test.message);
    if (test.message == "not valid JSON")
      EXPECT_EQ(error.substr(0, expected.size()), expected) << marked.text;
    else
      EXPECT_EQ(error, expected) << marked.text;
  }
}

TEST(ServeFlags, AtMostSoMany) {
  std::string flags, variables;
  for (int i = 0; i < 1025; ++i)
    flags += fmt::format("{}\"x{}\": 1", i ? ", " : "", i);
  for (int i = 0; i < 4097; ++i)
    variables += fmt::format("{}\"x{}\": 1", i ? ", " : "", i);
  EXPECT_EQ(errorOf([&] { importJson("{\"serve\": {" + flags + "}}"); }),
            "serve.json:1:11: error: the server has 1025 flags; at most 1024 are read");
  EXPECT_EQ(errorOf([&] { importJson("{\"env\": {" + variables + "}}"); }),
            "serve.json:1:9: error: the environment has 4097 variables; at most 4096 are read");
}

TEST(ServeFlags, ErrorsOfDocuments) {
  const Case cases[] = {
      {R"({"serve": @3})", "serve is 3; an object of names and values is expected"},
      {R"({"serve": {}, "env": @[]})",
       "env is an array of 0; an object of names and values is expected"},
      {R"({"serve": {}, @"envs": {}})",
       "\"envs\" is not a key of a description of a server; did you mean env?"},
      {R"({"serve": {}, "env": {"GLOG_v": @{}}})", "GLOG_v is an object of 0; a text is expected"},
      {R"({"serve": {}, "published_result": {"input_tokens": @"many"}})",
       "input_tokens is \"many\" (a string); a number of tokens, such as 512 or 16k, is expected"},
      {R"({"serve": {"tp": @true}})",
       "tensor-parallel-size is true; an integer from 1 to 65536 is expected"},
      {R"({"serve": {"additional-config": @4}})",
       "additional-config is 4; a JSON object is expected"},
      {R"({"serve": {"model": @4}})", "model is 4; a string is expected"},
      {R"({"serve": {"served-model-name": @[]}})",
       "served-model-name is an array of 0; a name is expected"},
  };
  for (const Case &test : cases) {
    const Marked marked{std::string(test.text)};
    EXPECT_EQ(errorOf([&] { importJson(marked.text); }),
              fmt::format("serve.json:{}: error: {}", marked.place, test.message));
  }
}

} // namespace
} // namespace vinci
