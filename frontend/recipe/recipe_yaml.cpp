#include "frontend/recipe/recipe_yaml.h"
#include "frontend/import/key_table.h"

#include <fmt/ranges.h>

namespace vinci {

namespace {

// --- single keys

/// What the recipe's documentation says is the default; the files that come with it say otherwise.
void noteDefault(KeyReader &reader, const JsonValue &value, std::string_view key,
                 std::string_view documented) {
  const std::string given = value.isString() ? std::string(value.toText(key)) : value.describe();
  if (given != documented)
    reader.report(FindingKind::Note, value,
                  "{} is {}; by the recipe's documentation its default is {}; the file decides",
                  key, value.describe(), documented);
}

/// Graphs are of decode steps; prompts run op by op in every mode.
template <bool Older>
void readExecutionMode(KeyReader &reader, const JsonValue &value, std::string_view key) {
  static const ValueName modes[] = {{"eager", "none"},
                                    {"ge_graph", "full-decode-only"},
                                    {Older ? "acl_graph" : "npugraph_ex", "full-decode-only"}};
  reader.assignNamed("execution.graph_mode", value, key, modes);
  noteDefault(reader, value, key, "eager");
}

void readDataset(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assign("workload.dataset", value, key);
  noteDefault(reader, value, key, "default");
}

void readOutputLength(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assign("scheduler.max_output_len", value, key);
  noteDefault(reader, value, key, "32");
}

void readTruncatedLength(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assign("scheduler.max_input_len", value, key);
  reader.assignMeaning("scheduler.truncation", value, key, true);
}

void readWithCheckpoint(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assignMeaning("weights.random", value, key, !value.toBoolean(key));
}

void readDType(KeyReader &reader, const JsonValue &value, std::string_view key) {
  static const ValueName names[] = {
      {"bf16", "bfloat16"}, {"fp16", "float16"}, {"bfloat16", "bfloat16"}, {"float16", "float16"}};
  reader.assignNamed("precision.compute", value, key, names);
  reader.assignNamed("precision.parameters", value, key, names);
}

void readSpeculation(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assign("execution.speculative_tokens", value, key);
  if (value.toInteger(key) > 0)
    reader.report(FindingKind::NoEffect, value, "{} is {}; Vinci does not speculate", key,
                  value.describe());
}

void readPlatform(KeyReader &reader, const JsonValue &value, std::string_view key) {
  static const ValueName names[] = {{"A2", "910b3"}, {"A3", "a3"}, {"950", ""}};
  const std::string text = value.isString() ? std::string(value.toText(key)) : value.describe();
  if (text == "950")
    reader.report(FindingKind::NoEffect, value,
                  "{} is 950, which is no target of Vinci; the target is left open", key);
  else
    reader.assignNamed("target.name", value, key, names);
}

void readDynamicGraph(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key))
    reader.report(FindingKind::NoEffect, value,
                  "{} is true and has no effect here: graphs are of fixed batches", key);
}

void readHadamard(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key))
    reader.report(FindingKind::NoEffect, value,
                  "{} is true, but MXFP4 weights with Hadamard rotations are not supported", key);
}

void readHadamardPath(KeyReader &reader, const JsonValue &value, std::string_view key) {
  value.toText(key);
  reader.report(FindingKind::NoEffect, value,
                "{} is not read: MXFP4 weights with Hadamard rotations are not supported", key);
}

void readCustomParameters(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (!value.isObject())
    value.failExpected(key, "a mapping of keys");
  if (value.size() > 0)
    reader.report(FindingKind::NoEffect, value, "{} is not read", key);
}

void readContextBatch(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toInteger(key, 0, 65536) > 0)
    reader.report(FindingKind::NoEffect, value, "{} has no effect here", key);
}

// --- the two schemas

const std::vector<KeyRule> olderKeys = {
    {"model_name", "model.architecture"},
    {"model_path", "weights.directory"},
    {"exe_mode", {}, {}, readExecutionMode<true>},
    {"world_size", "parallel.world_size"},
    {"model_config.with_ckpt", {}, {}, readWithCheckpoint},
    {"model_config.enable_cache_compile", "execution.compile_cache"},
    {"model_config.enable_online_split_weight", "weights.shard_on_load"},
    {"model_config.perfect_eplb", "execution.balanced_experts"},
    irrelevant("model_config.enable_profiler"),
    {"data_config.dataset", {}, {}, readDataset},
    {"data_config.input_max_len", "scheduler.max_input_len"},
    {"data_config.max_new_tokens", {}, {}, readOutputLength},
    {"data_config.batch_size", "workload.batch_size"},
    {"parallel_config.attn_tp_size", "parallel.attn_tp"},
    {"parallel_config.moe_tp_size", "parallel.moe_tp"},
    {"parallel_config.embed_tp_size", "parallel.embed_tp"},
    {"parallel_config.lmhead_tp_size", "parallel.lm_head_tp"},
};

const std::vector<KeyRule> newerKeys = {
    {"model_config.model_name", "model.architecture"},
    {"model_config.model_path", "weights.directory"},
    irrelevant("model_config.output_path"),
    {"model_config.dtype", {}, {}, readDType},
    {"model_config.with_ckpt", {}, {}, readWithCheckpoint},
    {"model_config.next_n", {}, {}, readSpeculation},
    {"model_config.exe_mode", {}, {}, readExecutionMode<false>},
    {"model_config.enable_static_kernel", "execution.static_kernels"},
    {"model_config.enable_cache_compile", "execution.compile_cache"},
    {"model_config.enable_dynamic_graph", {}, {}, readDynamicGraph},
    {"model_config.force_eplb", "execution.balanced_experts"},
    irrelevant("model_config.enable_profiler"),
    {"model_config.enable_weight_nz", "weights.nz_layout"},
    {"model_config.platform_version", {}, {}, readPlatform},
    {"model_config.enable_hadamard", {}, {}, readHadamard},
    {"model_config.hadamard_weight_path", {}, {}, readHadamardPath},
    {"model_config.custom_params", {}, {}, readCustomParameters},
    {"data_config.dataset", {}, {}, readDataset},
    irrelevant("data_config.dataset_path"),
    {"data_config.input_truncated_len", {}, {}, readTruncatedLength},
    {"data_config.temperature", "sampling.temperature"},
    {"data_config.top_p", "sampling.top_p"},
    {"data_config.top_k", "sampling.top_k"},
    irrelevant("data_config.seed"),
    {"parallel_config.world_size", "parallel.world_size"},
    {"parallel_config.attn_tp_size", "parallel.attn_tp"},
    {"parallel_config.moe_tp_size", "parallel.moe_tp"},
    {"parallel_config.embed_tp_size", "parallel.embed_tp"},
    {"parallel_config.lmhead_tp_size", "parallel.lm_head_tp"},
    {"parallel_config.dense_tp_size", "parallel.dense_tp"},
    {"parallel_config.o_proj_tp_size", "parallel.o_proj_tp"},
    {"parallel_config.shared_tp_size", "parallel.shared_expert_tp"},
    {"parallel_config.cp_size", "parallel.context"},
    {"scheduler_config.batch_size", "workload.batch_size"},
    {"scheduler_config.max_new_tokens", {}, {}, readOutputLength},
    {"scheduler_config.max_prefill_tokens", "scheduler.max_prefill_tokens"},
    {"scheduler_config.mem_fraction_static", "memory.utilization"},
    {"scheduler_config.block_size", "scheduler.block_size"},
    {"scheduler_config.cp_mini_batch", {}, {}, readContextBatch},
    {"scheduler_config.num_reserved_decode_tokens", "scheduler.reserved_decode_tokens"},
};

// --- what needs more than one key

/// Fails if the file has keys of both schemas.
bool isOlder(const JsonValue &root) {
  std::optional<JsonValue> older;
  for (const auto &[key, value] : root.members()) {
    const std::string_view name = key.toText("a key");
    if (!older && (name == "model_name" || name == "exe_mode" || name == "world_size"))
      older = key;
  }
  for (std::string_view path : {"model_config.model_name", "model_config.exe_mode",
                                "parallel_config.world_size", "scheduler_config"})
    if (const auto newer = findAt(root, path); older && newer)
      fail(older->position(),
           "{} at the top is of the older schema of recipes, {} at {} of the newer; a file has one",
           older->describe(), path, toString(newer->position()));
  return older.has_value();
}

std::string legalDegrees(int64_t world) {
  std::vector<int64_t> divisors;
  for (int64_t i = 1; i <= world; ++i)
    if (world % i == 0)
      divisors.push_back(i);
  return fmt::format("{}", fmt::join(divisors, ", "));
}

void checkDegrees(const JsonValue &parallel, int64_t world) {
  for (std::string_view key : {"attn_tp_size", "moe_tp_size", "embed_tp_size", "lmhead_tp_size",
                               "dense_tp_size", "o_proj_tp_size", "shared_tp_size", "cp_size"})
    if (const auto degree = findAt(parallel, key); degree && world % degree->toInteger(key, 1) != 0)
      degree->failExpected(
          key, fmt::format("a divisor of world_size {} ({})", world, legalDegrees(world)));
}

void checkBatch(const JsonValue &batch, int64_t world, const JsonValue &attnTp) {
  const int64_t groups = world / attnTp.toInteger("attn_tp_size");
  if (batch.toInteger("batch_size") % groups != 0)
    batch.failExpected("batch_size",
                       fmt::format("a multiple of {} (world_size {} / attn_tp_size {})", groups,
                                   world, attnTp.describe()));
}

/// Compiled graphs are stored in one mode only.
void checkCompileCache(KeyReader &reader, const JsonValue &root, std::string_view modePath) {
  const auto cache = findAt(root, "model_config.enable_cache_compile");
  const auto mode = findAt(root, modePath);
  if (cache && cache->toBoolean("enable_cache_compile") && mode &&
      mode->toText("exe_mode") != "ge_graph")
    reader.report(FindingKind::NoEffect, *cache,
                  "enable_cache_compile is true, which has an effect only where exe_mode is "
                  "ge_graph; it is {}",
                  mode->describe());
}

/// What absent keys of the newer schema mean.
void settleDefaults(Import &import) {
  const SourcePosition place{"default of the recipe"};
  DeploymentSpec &to = import.resolved.deployment;
  const auto byDefault = [&](std::string_view name, auto &setting, auto value) {
    settle(import.findings, name, setting, std::move(value), place, Authority::Default);
  };
  byDefault("dtype", to.precision.compute, std::string("bfloat16"));
  byDefault("dtype", to.precision.parameters, std::string("bfloat16"));
  byDefault("enable_weight_nz", to.weights.nzLayout, true);
  byDefault("block_size", to.scheduler.blockSize, int64_t(128));
  byDefault("num_reserved_decode_tokens", to.scheduler.reservedDecodeTokens, int64_t(64));
  byDefault("max_new_tokens", to.scheduler.maxOutputLen, int64_t(32));
  byDefault("mem_fraction_static", to.memory.utilization, 0.85);
}

} // namespace

bool looksLikeRecipeYaml(const JsonValue &root) {
  return findAt(root, "exe_mode") || findAt(root, "model_config.exe_mode") ||
         findAt(root, "parallel_config.attn_tp_size");
}

void readRecipeYaml(Import &import, const JsonDocument &document) {
  const JsonValue root = document.root();
  KeyReader reader(import, "a recipe", Authority::Server);
  const bool older = isOlder(root);
  reader.read(root, older ? olderKeys : newerKeys);
  reader.assignMeaning("scheduler.policy", root, "scheduler.policy", std::string("recipe"));

  const std::string place = older ? "" : "model_config.";
  requireAt(root, place + "model_name", "the model's architecture");
  const JsonValue worldSize =
      requireAt(root, older ? "world_size" : "parallel_config.world_size", "a number of ranks");
  const JsonValue attnTp = requireAt(root, "parallel_config.attn_tp_size", "a number of ranks");
  const JsonValue batch =
      requireAt(root, older ? "data_config.batch_size" : "scheduler_config.batch_size",
                "a number of sequences");
  const int64_t world = worldSize.toInteger("world_size");
  checkDegrees(*findAt(root, "parallel_config"), world);
  checkBatch(batch, world, attnTp);
  checkCompileCache(reader, root, place + "exe_mode");
  settle(import.findings, "exe_mode", import.resolved.deployment.execution.graphMode,
         std::string("none"), {"default of the recipe"}, Authority::Default);
  if (!older)
    settleDefaults(import);
}

} // namespace vinci
