// The flags whose values are JSON objects.
#include "frontend/vllm/flag_table.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace vinci {

namespace {

/// 0 to 3: how much torch.compile does. Only level 3, the default, goes with captured graphs.
void readLevel(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const int64_t level = value.toInteger(key, 0, 3);
  if (level < 3)
    assignText(reader.import(), settingRule("execution.graph_mode"), "none", value.position(),
               reader.authority());
}

void readGraphMode(KeyReader &reader, const JsonValue &value, std::string_view key) {
  static const std::vector<ValueName> modes = {{"NONE", "none"},
                                               {"PIECEWISE", "piecewise"},
                                               {"FULL", "full"},
                                               {"FULL_DECODE_ONLY", "full-decode-only"},
                                               {"FULL_AND_PIECEWISE", "full-and-piecewise"}};
  reader.assignNamed("execution.graph_mode", value, key, modes);
}

/// The switch of older versions.
void readFullGraph(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key))
    assignText(reader.import(), settingRule("execution.graph_mode"), "full", value.position(),
               reader.authority());
}

/// A switch for something that Vinci does not model.
void readUnmodelled(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const bool off = value.kind() == JsonKind::Boolean && !value.toBoolean(key);
  const bool zero = value.isInteger() && value.toInteger(key) == 0;
  const bool empty = (value.isObject() || value.isArray()) && value.size() == 0;
  if (!off && !zero && !empty)
    reader.report(FindingKind::NoEffect, value, "{} {} has no effect: Vinci does not model it", key,
                  value.describe());
}

/// torchair compiles the decode step as a whole.
void readTorchair(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key))
    assignText(reader.import(), settingRule("execution.graph_mode"), "full-decode-only",
               value.position(), reader.authority());
}

/// With the prefetch on, what no ratio is given for has vllm-ascend's default.
void readPrefetch(KeyReader &reader, const JsonValue &value, std::string_view key) {
  static const std::vector<KeyRule> rules = {
      {"enabled",
       {},
       {},
       [](KeyReader &, const JsonValue &enabled, std::string_view name) {
         enabled.toBoolean(name);
       }},
      {"prefetch_ratio.attn.qkv", "execution.prefetch_qkv"},
      {"prefetch_ratio.attn.o", "execution.prefetch_o"},
      {"prefetch_ratio.moe.gate_up", "execution.prefetch_gate_up"},
  };
  const std::optional<JsonValue> enabled = value.find("enabled");
  const bool on = enabled && !enabled->isNull() && enabled->toBoolean("enabled");
  auto &execution = reader.import().resolved.deployment.execution;
  // Ratios of a prefetch that is off are checked, but not kept.
  const std::array before = {execution.prefetchQkv, execution.prefetchO, execution.prefetchGateUp};
  reader.read(value, rules);
  if (!on) {
    std::tie(execution.prefetchQkv, execution.prefetchO, execution.prefetchGateUp) =
        std::tie(before[0], before[1], before[2]);
    if (value.find("prefetch_ratio"))
      reader.report(FindingKind::NoEffect, value, "{} has ratios but is not enabled", key);
  }
  const SourcePosition origin =
      on ? SourcePosition{"the default of vllm-ascend"} : value.position();
  const Authority authority = on ? Authority::Default : reader.authority();
  const auto set = [&](Setting<double> &setting, double ratio) {
    settle(reader.import().findings, key, setting, on ? ratio : 0.0, origin, authority);
  };
  set(execution.prefetchQkv, 1.0);
  set(execution.prefetchO, 1.0);
  set(execution.prefetchGateUp, 0.8);
}

void readSharedExpertDp(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key))
    settle<int64_t>(reader.import().findings, key,
                    reader.import().resolved.deployment.parallel.sharedExpertTp, 1,
                    value.position(), reader.authority());
}

} // namespace

void readJsonFlag(KeyReader &reader, const JsonValue &value, std::string_view key,
                  std::span<const KeyRule> rules) {
  if (!value.isString()) {
    if (!value.isObject())
      value.failExpected(key, "a JSON object");
    return reader.read(value, rules);
  }
  const std::string_view json = value.toText(key);
  if (!json.substr(std::min(json.find_first_not_of(" \t\n"), json.size())).starts_with('{'))
    value.failExpected(key, "a JSON object");
  // The text as a document of its own, moved to where it stands in the file: lines are right, and
  // columns are but for escapes in front of them.
  const SourcePosition place = value.position();
  std::string text = std::string(place.line - 1, '\n') + std::string(place.column, ' ');
  const JsonDocument document =
      JsonDocument::parse(text += json, place.file, {.maxBytes = size_t(64) << 20});
  reader.read(document.root(), rules);
}

void readCompilationConfig(KeyReader &outer, const JsonValue &value, std::string_view key) {
  if (value.isInteger())
    return readLevel(outer, value, key);
  KeyReader reader(outer.import(), "compilation-config", outer.authority());
  readJsonFlag(reader, value, key, compilationConfigRules());
}

std::span<const KeyRule> compilationConfigRules() {
  static const std::vector<KeyRule> rules = {
      {"level", {}, {}, readLevel},
      {"mode", {}, {}, readLevel},
      {"cudagraph_mode", {}, {}, readGraphMode},
      {"cudagraph_capture_sizes", "execution.graph_batch_sizes"},
      {"full_cuda_graph", {}, {}, readFullGraph},
      irrelevant("max_cudagraph_capture_size"),
      irrelevant("cudagraph_num_of_warmups"),
      irrelevant("cudagraph_copy_inputs"),
      irrelevant("cudagraph_specialize_lora"),
      irrelevant("use_cudagraph"),
      irrelevant("use_inductor"),
      irrelevant("use_inductor_graph_partition"),
      irrelevant("backend"),
      irrelevant("custom_ops"),
      irrelevant("splitting_ops"),
      irrelevant("compile_sizes"),
      irrelevant("inductor_compile_config"),
      irrelevant("inductor_passes"),
      irrelevant("cache_dir"),
      irrelevant("debug_dump_path"),
      {"pass_config", {}, {}, readUnmodelled},
  };
  return rules;
}

std::span<const KeyRule> additionalConfigRules() {
  static const std::vector<KeyRule> rules = {
      {"ascend_scheduler_config.enabled",
       "scheduler.policy",
       {{"true", "vllm-ascend"}, {"false", "vllm"}}},
      {"ascend_scheduler_config.enable_chunked_prefill", "scheduler.chunked_prefill"},
      {"ascend_scheduler_config.chunked_prefill_enabled", "scheduler.chunked_prefill"},
      {"ascend_scheduler_config.enable_prefix_caching", "scheduler.prefix_caching"},
      {"ascend_scheduler_config.max_num_batched_tokens", "scheduler.max_num_batched_tokens"},
      {"ascend_scheduler_config.max_num_seqs", "scheduler.max_num_seqs"},
      {"ascend_scheduler_config.policy", {}, {{"fcfs"}}},
      {"ascend_scheduler_config.max_long_partial_prefills", {}, {}, readUnmodelled},
      {"ascend_scheduler_config.long_prefill_token_threshold", {}, {}, readUnmodelled},
      {"ascend_scheduler_config.enable_pd_transfer", {}, {}, readUnmodelled},
      {"ascend_scheduler_config.decode_max_num_seqs", {}, {}, readUnmodelled},
      {"torchair_graph_config.enabled", {}, {}, readTorchair},
      {"torchair_graph_config.graph_batch_sizes", "execution.graph_batch_sizes"},
      {"torchair_graph_config.use_cached_graph", "execution.compile_cache"},
      {"torchair_graph_config.mode", {}, {{"max-autotune"}, {"reduce-overhead"}}},
      irrelevant("torchair_graph_config.graph_batch_sizes_init"),
      irrelevant("torchair_graph_config.enable_multistream_mla"),
      irrelevant("torchair_graph_config.enable_view_optimize"),
      irrelevant("torchair_graph_config.enable_frozen_parameter"),
      irrelevant("torchair_graph_config.enable_kv_nz"),
      {"weight_prefetch_config", {}, {}, readPrefetch},
      {"enable_cpu_binding", "execution.cpu_binding"},
      {"lmhead_tensor_parallel_size", "parallel.lm_head_tp"},
      {"oproj_tensor_parallel_size", "parallel.o_proj_tp"},
      {"enable_shared_expert_dp", {}, {}, readSharedExpertDp},
      {"expert_map_path", {}, {}, readUnmodelled},
      {"dynamic_eplb", {}, {}, readUnmodelled},
      {"init_redundancy_expert", {}, {}, readUnmodelled},
      {"gate_eplb", {}, {}, readUnmodelled},
      {"multistream_overlap_shared_expert", {}, {}, readUnmodelled},
      {"recompute_scheduler_enable", {}, {}, readUnmodelled},
      {"kv_cache_dtype", {}, {}, readUnmodelled},
      irrelevant("num_iterations_eplb_update"),
      irrelevant("num_wait_worker_iterations"),
      irrelevant("expert_map_record_path"),
      irrelevant("chunked_prefill_for_mla"),
      irrelevant("refresh"),
  };
  return rules;
}

std::span<const KeyRule> speculativeConfigRules() {
  static const std::vector<KeyRule> rules = {
      {"num_speculative_tokens", "execution.speculative_tokens"},
      irrelevant("method"),
      irrelevant("model"),
      irrelevant("draft_tensor_parallel_size"),
      irrelevant("disable_padded_drafter_batch"),
  };
  return rules;
}

} // namespace vinci
