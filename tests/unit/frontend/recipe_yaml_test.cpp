// Recipes: what the shipped files resolve to, what is noted, and every error.
#include "frontend/recipe/recipe_yaml.h"
#include "tests/unit/frontend/reader_test.h"

namespace vinci {
namespace {

using namespace test;

constexpr Reader reader = readRecipeYaml;

const std::string older = R"(model_name: qwen3_moe
model_path: /data/model
exe_mode: eager
world_size: 16
model_config:
  with_ckpt: True
  enable_profiler: False
  enable_cache_compile: False
  enable_online_split_weight: True
  perfect_eplb: False
data_config:
  dataset: default
  input_max_len: 4080
  max_new_tokens: 32
  batch_size: 16
parallel_config:
  attn_tp_size: 2
  moe_tp_size: 4
  embed_tp_size: 8
  lmhead_tp_size: 16
)";

const std::string newer = R"(model_config:
  model_name: qwen3_moe
  model_path: /data/model
  output_path: /data/out
  dtype: bf16
  with_ckpt: False
  next_n: 0
  exe_mode: eager
  enable_static_kernel: True
  enable_cache_compile: False
  enable_dynamic_graph: False
  force_eplb: True
  enable_profiler: True
  enable_weight_nz: False
  platform_version: A3
  enable_hadamard: False
  custom_params: {}
data_config:
  dataset: default
  dataset_path: /data/set
  input_truncated_len: 256
  temperature: 0.5
  top_p: 0.9
  top_k: 10
  seed: 1
parallel_config:
  world_size: 32
  attn_tp_size: 4
  embed_tp_size: 2
  moe_tp_size: 1
  lmhead_tp_size: 8
  dense_tp_size: 16
  o_proj_tp_size: 4
  cp_size: 1
  shared_tp_size: 32
scheduler_config:
  batch_size: 24
  max_new_tokens: 32
  max_prefill_tokens: 16384
  mem_fraction_static: 0.9
  block_size: 64
  num_reserved_decode_tokens: 32
)";

TEST(RecipeYaml, OlderSchema) {
  Import import = test::import(reader, older, "f");
  EXPECT_EQ(said(import), R"(model.architecture = "qwen3_moe"
parallel.world_size = 16
parallel.attn_tp = 2
parallel.moe_tp = 4
parallel.embed_tp = 8
parallel.lm_head_tp = 16
weights.directory = "/data/model"
weights.shard_on_load = true
weights.random = false
execution.graph_mode = "none"
execution.compile_cache = false
execution.balanced_experts = false
scheduler.policy = "recipe"
scheduler.max_input_len = 4080
scheduler.max_output_len = 32
workload.dataset = "default"
workload.batch_size = 16
)");
  EXPECT_EQ(findings(import), "");
  EXPECT_EQ(originOf(import, "parallel.moe_tp"), "f:18:16");
}

TEST(RecipeYaml, NewerSchema) {
  Import import = test::import(reader, newer, "f");
  EXPECT_EQ(said(import), R"(model.architecture = "qwen3_moe"
sampling.temperature = 0.5
sampling.top_k = 10
sampling.top_p = 0.9
target.name = "a3"
precision.compute = "bfloat16"
precision.parameters = "bfloat16"
parallel.world_size = 32
parallel.attn_tp = 4
parallel.moe_tp = 1
parallel.embed_tp = 2
parallel.lm_head_tp = 8
parallel.o_proj_tp = 4
parallel.dense_tp = 16
parallel.shared_expert_tp = 32
parallel.context = 1
weights.directory = "/data/model"
weights.random = true
weights.nz_layout = false
execution.graph_mode = "none"
execution.static_kernels = true
execution.compile_cache = false
execution.balanced_experts = true
execution.speculative_tokens = 0
scheduler.policy = "recipe"
scheduler.max_input_len = 256
scheduler.max_output_len = 32
scheduler.truncation = true
scheduler.max_prefill_tokens = 16384
scheduler.block_size = 64
scheduler.reserved_decode_tokens = 32
memory.utilization = 0.9
workload.dataset = "default"
workload.batch_size = 24
)");
  EXPECT_EQ(findings(import), "");
}

TEST(RecipeYaml, DefaultsOfTheNewerSchema) {
  Import import = importFile(reader, "recipe/16tp.yaml");
  const DeploymentSpec &deployment = import.resolved.deployment;
  EXPECT_EQ(*deployment.precision.compute, "bfloat16");
  EXPECT_EQ(*deployment.precision.parameters, "bfloat16");
  EXPECT_TRUE(*deployment.weights.nzLayout);
  EXPECT_EQ(*deployment.scheduler.blockSize, 128);
  EXPECT_EQ(*deployment.scheduler.reservedDecodeTokens, 64);
  EXPECT_EQ(*deployment.memory.utilization, 0.85);
  EXPECT_EQ(deployment.memory.utilization.authority, Authority::Default);
  EXPECT_EQ(originOf(import, "memory.utilization"), "default of the recipe");
}

TEST(RecipeYaml, AbsentModeIsEager) {
  Import import = test::import(reader, changed(older, {"exe_mode: eager\n", "", ""}), "f");
  EXPECT_EQ(*import.resolved.deployment.execution.graphMode, "none");
}

/// A file of tests/unit/frontend/data/recipe and what is peculiar to it.
struct Shipped {
  std::string file;
  int64_t world, attnTp, moeTp, embedTp, lmHeadTp;
  std::string graphMode;
  int64_t batch, output;
  std::optional<int64_t> input, prefill;
  std::optional<double> utilization;
};

TEST(RecipeYaml, ShippedFiles) {
  const Shipped files[] = {
      {"older-16tp", 16, 16, 16, 16, 16, "full-decode-only", 1, 16, 4080, {}, {}},
      {"older-1tp-16ep", 16, 1, 1, 1, 1, "none", 16, 16, 4080, {}, {}},
      {"older-128ep", 128, 1, 1, 1, 1, "full-decode-only", 128, 16, 4080, {}, {}},
      {"16tp", 16, 16, 16, 16, 16, "full-decode-only", 1, 256, 4096, {}, 0.85},
      {"1tp-16ep", 16, 1, 1, 1, 1, "none", 16, 256, 4096, {}, 0.85},
      {"128ep", 128, 1, 1, 1, 1, "full-decode-only", 128, 256, 4096, {}, 0.85},
      {"4tp-8dp", 32, 4, 1, 1, 1, "none", 32, 256, 4096, {}, 0.85},
      {"mxfp48", 4, 4, 1, 1, 1, "none", 1, 256, 4096, {}, 0.85},
      {"mxfp4-hadamard", 4, 4, 1, 1, 1, "none", 1, 256, 4096, {}, 0.85},
      {"pd-prefill", 16, 16, 16, 16, 16, "none", 2, 16, {}, 16384, 0.9},
      {"pd-decode", 16, 1, 1, 1, 1, "full-decode-only", 64, 65536, {}, 16384, 0.9},
  };
  for (const Shipped &file : files) {
    SCOPED_TRACE(file.file);
    Import import = importFile(reader, "recipe/" + file.file + ".yaml");
    const DeploymentSpec &deployment = import.resolved.deployment;
    EXPECT_EQ(*import.resolved.model.architecture, "qwen3_moe");
    EXPECT_EQ(*deployment.scheduler.policy, "recipe");
    EXPECT_FALSE(*deployment.weights.random);
    EXPECT_FALSE(*deployment.execution.compileCache);
    EXPECT_FALSE(deployment.target);
    EXPECT_EQ(*deployment.parallel.worldSize, file.world);
    EXPECT_EQ(*deployment.parallel.attnTp, file.attnTp);
    EXPECT_EQ(*deployment.parallel.moeTp, file.moeTp);
    EXPECT_EQ(*deployment.parallel.embedTp, file.embedTp);
    EXPECT_EQ(*deployment.parallel.lmHeadTp, file.lmHeadTp);
    EXPECT_EQ(*deployment.execution.graphMode, file.graphMode);
    EXPECT_EQ(*deployment.workload.batchSize, file.batch);
    EXPECT_EQ(*deployment.scheduler.maxOutputLen, file.output);
    EXPECT_EQ(deployment.scheduler.maxInputLen.value, file.input);
    EXPECT_EQ(deployment.scheduler.maxPrefillTokens.value, file.prefill);
    EXPECT_EQ(deployment.memory.utilization.value, file.utilization);
  }
}

TEST(RecipeYaml, ShippedFilesDepartFromTheirDocumentation) {
  EXPECT_EQ(
      findings(importFile(reader, "recipe/older-16tp.yaml")),
      R"(note 3:11 exe_mode is "ge_graph"; by the recipe's documentation its default is eager; the file decides
note 11:12 dataset is "LongBench"; by the recipe's documentation its default is default; the file decides
note 13:19 max_new_tokens is 16; by the recipe's documentation its default is 32; the file decides
)");
  EXPECT_EQ(
      findings(importFile(reader, "recipe/mxfp4-hadamard.yaml")),
      R"(no-effect 9:21 platform_version is 950, which is no target of Vinci; the target is left open
no-effect 10:20 enable_hadamard is true, but MXFP4 weights with Hadamard rotations are not supported
no-effect 11:25 hadamard_weight_path is not read: MXFP4 weights with Hadamard rotations are not supported
note 13:12 dataset is "LongBench"; by the recipe's documentation its default is default; the file decides
note 22:19 max_new_tokens is 256; by the recipe's documentation its default is 32; the file decides
)");
}

TEST(RecipeYaml, ExecutionModes) {
  const auto mode = [](const std::string &good, const std::string &text) {
    Import import =
        test::import(reader, changed(good, {"exe_mode: eager", "exe_mode: " + text, ""}), "f");
    return *import.resolved.deployment.execution.graphMode;
  };
  EXPECT_EQ(mode(older, "acl_graph"), "full-decode-only");
  EXPECT_EQ(mode(newer, "npugraph_ex"), "full-decode-only");
  EXPECT_EQ(mode(newer, "ge_graph"), "full-decode-only");
}

TEST(RecipeYaml, Targets) {
  Import import = test::import(
      reader, changed(newer, {"platform_version: A3", "platform_version: A2", ""}), "f");
  EXPECT_EQ(*import.resolved.deployment.target, "910b3");
}

TEST(RecipeYaml, Findings) {
  expectFindings(
      reader, newer,
      {
          {"exe_mode: eager", "exe_mode: npugraph_ex",
           "8:13: note: exe_mode is \"npugraph_ex\"; by the recipe's documentation its default is "
           "eager; the file decides"},
          {"dataset: default", "dataset: LongBench",
           "19:12: note: dataset is \"LongBench\"; by the recipe's documentation its default is "
           "default; the file decides"},
          {"max_new_tokens: 32", "max_new_tokens: 256",
           "38:19: note: max_new_tokens is 256; by the recipe's documentation its default is 32; "
           "the file decides"},
          {"next_n: 0", "next_n: 1", "7:11: no-effect: next_n is 1; Vinci does not speculate"},
          {"platform_version: A3", "platform_version: 950",
           "15:21: no-effect: platform_version is 950, which is no target of Vinci; the target is "
           "left open"},
          {"platform_version: A3", "platform_version: \"950\"",
           "15:21: no-effect: platform_version is 950, which is no target of Vinci; the target is "
           "left open"},
          {"enable_cache_compile: False", "enable_cache_compile: True",
           "10:25: no-effect: enable_cache_compile is true, which has an effect only where "
           "exe_mode is ge_graph; it is \"eager\""},
          {"enable_dynamic_graph: False", "enable_dynamic_graph: True",
           "11:25: no-effect: enable_dynamic_graph is true and has no effect here: graphs are of "
           "fixed batches"},
          {"enable_hadamard: False", "enable_hadamard: True",
           "16:20: no-effect: enable_hadamard is true, but MXFP4 weights with Hadamard rotations "
           "are not supported"},
          {"custom_params: {}", "hadamard_weight_path: /data/h",
           "17:25: no-effect: hadamard_weight_path is not read: MXFP4 weights with Hadamard "
           "rotations are not supported"},
          {"custom_params: {}", "custom_params: {a: 1}",
           "17:18: no-effect: custom_params is not read"},
          {"custom_params: {}", "moe_chunk_max_len: 65536",
           "17:3: unknown: \"model_config.moe_chunk_max_len\" is not a key of a recipe that Vinci "
           "knows and is ignored"},
          {"block_size: 64", "cp_mini_batch: 2",
           "41:18: no-effect: cp_mini_batch has no effect here"},
      });
}

TEST(RecipeYaml, ErrorsOfTheOlderSchema) {
  expectErrors(
      reader, older,
      {
          {"model_name: qwen3_moe", "model_name: deepseek_v3",
           "1:13: error: model_name is \"deepseek_v3\" (a string); one of llama, qwen2, qwen3, "
           "qwen3_moe is expected"},
          {"model_name: qwen3_moe\n", "",
           "1:1: error: model_name is missing; the model's architecture is expected"},
          {"model_name", "model_nam",
           "1:1: error: \"model_nam\" is not a key of a recipe; did you mean model_name?"},
          {"exe_mode: eager", "exe_mode: npugraph_ex",
           "3:11: error: exe_mode is \"npugraph_ex\" (a string); one of eager, ge_graph, acl_graph "
           "is expected"},
          {"exe_mode: eager", "exe_mode: 1",
           "3:11: error: exe_mode is 1; one of eager, ge_graph, acl_graph is expected"},
          {"exe_mode", "exec_mode",
           "3:1: error: \"exec_mode\" is not a key of a recipe; did you mean exe_mode?"},
          {"world_size: 16\n", "",
           "1:1: error: world_size is missing; a number of ranks is expected"},
          {"world_size: 16", "world_size: \"16\"",
           "4:13: error: world_size is \"16\" (a string); an integer from 1 to 65536 is expected"},
          {"world_size: 16", "world_size: 0",
           "4:13: error: world_size is 0; an integer from 1 to 65536 is expected"},
          {"world_size: 16", "world_size: 12",
           "19:18: error: embed_tp_size is 8; a divisor of world_size 12 (1, 2, 3, 4, 6, 12) is "
           "expected"},
          {"attn_tp_size: 2", "attn_tp_size: 3",
           "17:17: error: attn_tp_size is 3; a divisor of world_size 16 (1, 2, 4, 8, 16) is "
           "expected"},
          {"attn_tp_size: 2", "attn_tp_size: 32",
           "17:17: error: attn_tp_size is 32; a divisor of world_size 16 (1, 2, 4, 8, 16) is "
           "expected"},
          {"  attn_tp_size: 2\n", "",
           "1:1: error: parallel_config.attn_tp_size is missing; a number of ranks is expected"},
          {"attn_tp_size", "atn_tp_size",
           "17:3: error: \"atn_tp_size\" is not a key of a recipe; did you mean attn_tp_size?"},
          {"moe_tp_size: 4", "moe_tp_size: 5",
           "18:16: error: moe_tp_size is 5; a divisor of world_size 16 (1, 2, 4, 8, 16) is "
           "expected"},
          {"embed_tp_size: 8", "embed_tp_size: -8",
           "19:18: error: embed_tp_size is -8; an integer from 1 to 65536 is expected"},
          {"lmhead_tp_size: 16", "lmhead_tp_size: 6",
           "20:19: error: lmhead_tp_size is 6; a divisor of world_size 16 (1, 2, 4, 8, 16) is "
           "expected"},
          {"batch_size: 16", "batch_size: 1",
           "15:15: error: batch_size is 1; a multiple of 8 (world_size 16 / attn_tp_size 2) is "
           "expected"},
          {"batch_size: 16", "batch_size: 12",
           "15:15: error: batch_size is 12; a multiple of 8 (world_size 16 / attn_tp_size 2) is "
           "expected"},
          {"batch_size: 16", "batch_size: 0",
           "15:15: error: batch_size is 0; an integer from 1 to 65536 is expected"},
          {"  batch_size: 16\n", "",
           "1:1: error: data_config.batch_size is missing; a number of sequences is expected"},
          {"input_max_len: 4080", "input_max_len: 0",
           "13:18: error: input_max_len is 0; an integer from 1 to 2147483648 is expected"},
          {"max_new_tokens: 32", "max_new_tokens: many",
           "14:19: error: max_new_tokens is \"many\" (a string); an integer from 1 to 2147483648 "
           "is expected"},
          {"dataset: default", "dataset: [default]",
           "12:12: error: dataset is an array of 1; a string is expected"},
          {"with_ckpt: True", "with_ckpt: 1",
           "6:14: error: with_ckpt is 1; true or false is expected"},
          {"perfect_eplb: False", "perfect_eplb: none",
           "10:17: error: perfect_eplb is \"none\" (a string); true or false is expected"},
          {"perfect_eplb", "perfect_elpb",
           "10:3: error: \"perfect_elpb\" is not a key of a recipe; did you mean perfect_eplb?"},
          {"enable_online_split_weight: True", "enable_online_split_weight: 2.5",
           "9:31: error: enable_online_split_weight is 2.5; true or false is expected"},
          {"model_path: /data/model", "model_path: 3",
           "2:13: error: model_path is 3; a string is expected"},
          {"model_config:", "model_confg:",
           "5:1: error: \"model_confg\" is not a key of a recipe; did you mean model_config?"},
          {"parallel_config:", "scheduler_config:\n  batch_size: 1\nparallel_config:",
           "1:1: error: \"model_name\" at the top is of the older schema of recipes, "
           "scheduler_config at f:17:3 of the newer; a file has one"},
          {"  attn_tp_size: 2", "  world_size: 16\n  attn_tp_size: 2",
           "1:1: error: \"model_name\" at the top is of the older schema of recipes, "
           "parallel_config.world_size at f:17:15 of the newer; a file has one"},
      });
}

TEST(RecipeYaml, ErrorsOfTheNewerSchema) {
  expectErrors(
      reader, newer,
      {
          {"model_name: qwen3_moe", "model_name: qwen4",
           "2:15: error: model_name is \"qwen4\" (a string); one of llama, qwen2, qwen3, qwen3_moe "
           "is expected"},
          {"  model_name: qwen3_moe\n", "",
           "1:1: error: model_config.model_name is missing; the model's architecture is expected"},
          {"dtype: bf16", "dtype: int8",
           "5:10: error: dtype is \"int8\" (a string); one of bf16, fp16, bfloat16, float16 is "
           "expected"},
          {"next_n: 0", "next_n: -1",
           "7:11: error: next_n is -1; an integer from 0 to 64 is expected"},
          {"exe_mode: eager", "exe_mode: acl_graph",
           "8:13: error: exe_mode is \"acl_graph\" (a string); one of eager, ge_graph, npugraph_ex "
           "is expected"},
          {"enable_static_kernel: True", "enable_static_kernel: maybe",
           "9:25: error: enable_static_kernel is \"maybe\" (a string); true or false is expected"},
          {"enable_dynamic_graph: False", "enable_dynamic_graph: 0",
           "11:25: error: enable_dynamic_graph is 0; true or false is expected"},
          {"enable_hadamard: False", "enable_hadamard: 0",
           "16:20: error: enable_hadamard is 0; true or false is expected"},
          {"enable_hadamard: False", "hadamard_weight_path: 1",
           "16:25: error: hadamard_weight_path is 1; a string is expected"},
          {"platform_version: A3", "platform_version: A5",
           "15:21: error: platform_version is \"A5\" (a string); one of A2, A3, 950 is expected"},
          {"custom_params: {}", "custom_params: 3",
           "17:18: error: custom_params is 3; a mapping of keys is expected"},
          {"input_truncated_len: 256", "input_truncated_len: 0",
           "21:24: error: input_truncated_len is 0; an integer from 1 to 2147483648 is expected"},
          {"input_truncated_len", "input_truncate_len",
           "21:3: error: \"input_truncate_len\" is not a key of a recipe; did you mean "
           "input_truncated_len?"},
          {"temperature: 0.5", "temperature: -1",
           "22:16: error: temperature is -1; a number from 0 to 1000 is expected"},
          {"top_p: 0.9", "top_p: 1.5",
           "23:10: error: top_p is 1.5; a number from 0 to 1 is expected"},
          {"  world_size: 32\n", "",
           "1:1: error: parallel_config.world_size is missing; a number of ranks is expected"},
          {"world_size: 32", "world_size: 65537",
           "27:15: error: world_size is 65537; an integer from 1 to 65536 is expected"},
          {"dense_tp_size: 16", "dense_tp_size: 5",
           "32:18: error: dense_tp_size is 5; a divisor of world_size 32 (1, 2, 4, 8, 16, 32) is "
           "expected"},
          {"o_proj_tp_size: 4", "o_proj_tp_size: 3",
           "33:19: error: o_proj_tp_size is 3; a divisor of world_size 32 (1, 2, 4, 8, 16, 32) is "
           "expected"},
          {"shared_tp_size: 32", "shared_tp_size: 64",
           "35:19: error: shared_tp_size is 64; a divisor of world_size 32 (1, 2, 4, 8, 16, 32) is "
           "expected"},
          {"cp_size: 1", "cp_size: 7",
           "34:12: error: cp_size is 7; a divisor of world_size 32 (1, 2, 4, 8, 16, 32) is "
           "expected"},
          {"batch_size: 24", "batch_size: 23",
           "37:15: error: batch_size is 23; a multiple of 8 (world_size 32 / attn_tp_size 4) is "
           "expected"},
          {"  batch_size: 24\n", "",
           "1:1: error: scheduler_config.batch_size is missing; a number of sequences is expected"},
          {"mem_fraction_static: 0.9", "mem_fraction_static: 90",
           "40:24: error: mem_fraction_static is 90; a number from 0 to 1 is expected"},
          {"mem_fraction_static", "mem_fraction_statik",
           "40:3: error: \"mem_fraction_statik\" is not a key of a recipe; did you mean "
           "mem_fraction_static?"},
          {"max_prefill_tokens: 16384", "max_prefill_tokens: 1e4",
           "39:23: error: max_prefill_tokens is 1e4; an integer from 1 to 2147483648 is expected"},
          {"block_size: 64", "block_size: 8",
           "41:15: error: block_size is 8; an integer from 16 to 1024 is expected"},
          {"block_size: 64", "cp_mini_batch: -2",
           "41:18: error: cp_mini_batch is -2; an integer from 0 to 65536 is expected"},
          {"num_reserved_decode_tokens: 32", "num_reserved_decode_tokens: -1",
           "42:31: error: num_reserved_decode_tokens is -1; an integer from 0 to 2147483648 is "
           "expected"},
          {"scheduler_config:\n", "scheduler_config: 3\nother:\n",
           "36:19: error: scheduler_config is 3; a mapping of keys is expected"},
          {"model_config:", "world_size: 32\nmodel_config:",
           "1:1: error: \"world_size\" at the top is of the older schema of recipes, "
           "model_config.model_name at f:3:15 of the newer; a file has one"},
      });
}

TEST(RecipeYaml, AFileThatIsNoMapping) {
  expectErrors(
      reader, "- 1\n",
      {{"1", "2", "1:1: error: a recipe is an array of 1; a mapping of keys is expected"}});
}

TEST(RecipeYaml, LooksLike) {
  const auto looks = [](const std::string &text) {
    return looksLikeRecipeYaml(parseYaml(text, "f").root());
  };
  EXPECT_TRUE(looks(older));
  EXPECT_TRUE(looks(newer));
  EXPECT_FALSE(looks("run_mode: predict\nparallel_config:\n  model_parallel: 4\n"));
  EXPECT_FALSE(looks("3"));
}

} // namespace
} // namespace vinci
