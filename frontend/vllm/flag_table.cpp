#include "frontend/vllm/flag_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace vinci {

namespace {

using enum FlagKind;

/// 8192, and also what vLLM reads: 8k is 8000, 8K is 8192.
void readCount(KeyReader &reader, const JsonValue &value, std::string_view key,
               std::string_view setting) {
  if (!value.isString())
    return reader.assign(setting, value, key);
  constexpr std::pair<char, int64_t> units[] = {{'k', 1000},        {'K', 1 << 10},
                                                {'m', 1000 * 1000}, {'M', 1 << 20},
                                                {'g', 1000000000},  {'G', 1 << 30}};
  const std::string_view text = value.toText(key);
  const auto unit = std::ranges::find_if(
      units, [&](const auto &pair) { return text.size() > 1 && text.back() == pair.first; });
  if (unit == std::end(units))
    return reader.assign(setting, value, key);
  const SettingRule &rule = settingRule(setting);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, number);
  const double exact = number * double(unit->second), count = std::round(exact);
  if (error != std::errc() || end != text.data() + text.size() - 1 ||
      std::abs(exact - count) > 1e-6 || !(count >= rule.minimum && count <= rule.maximum))
    value.failExpected(key, fmt::format("an integer from {} to {}, or one such as 8k or 8K",
                                        int64_t(rule.minimum), int64_t(rule.maximum)));
  settle(reader.import().findings, key,
         std::get<Setting<int64_t> &(*)(Resolved &)>(rule.access)(reader.import().resolved),
         int64_t(count), value.position(), reader.authority());
}

/// The first is the one that clients see.
void readServedName(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (!value.isArray())
    return reader.assign("serving.model_name", value, key);
  const std::vector<JsonValue> names = value.elements();
  if (names.empty())
    value.failExpected(key, "a name");
  reader.assign("serving.model_name", names.front(), key);
  if (names.size() > 1)
    reader.report(FindingKind::Note, names[1], "{} gives {} names; the first one is used", key,
                  names.size());
}

/// Bytes into GiB.
void readKvBytes(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const int64_t bytes = value.toInteger(key, 1, int64_t(1) << 50);
  settle(reader.import().findings, key, reader.import().resolved.deployment.memory.kvGib,
         double(bytes) / double(1 << 30), value.position(), reader.authority());
}

/// Something that Vinci does not model and that does nothing unless it is given.
void readUnmodelled(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const bool off = value.kind() == JsonKind::Boolean && !value.toBoolean(key);
  const bool zero =
      (value.isInteger() || value.kind() == JsonKind::Number) && value.toNumber(key) == 0;
  if (!off && !zero)
    reader.report(FindingKind::NoEffect, value, "{} has no effect: Vinci does not model it", key);
}

void readSchedulingPolicy(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assignNamed("", value, key, std::array<ValueName, 2>{{{"fcfs"}, {"priority"}}});
  if (value.toText(key) == "priority")
    reader.report(FindingKind::NoEffect, value,
                  "{} is \"priority\"; Vinci serves requests in the order of their arrival", key);
}

void refuseOverride(KeyReader &, const JsonValue &value, std::string_view key) {
  if (value.size() > 0 || value.isString())
    fail(value.position(), "{} changes the model's config.json; change it there", key);
}

std::vector<ServeFlag> makeFlags() {
  std::vector<ServeFlag> flags = {
      {Text, {"model", "weights.directory"}},
      {List, {"served-model-name", {}, {}, readServedName}},
      {Scalar, {"port", "serving.port"}},

      {Scalar, {"tensor-parallel-size", "parallel.attn_tp"}},
      {Scalar, {"data-parallel-size", "parallel.attn_dp"}},
      {Scalar, {"pipeline-parallel-size", "parallel.pipeline_stages"}},
      {Scalar, {"prefill-context-parallel-size", "parallel.context"}},
      // Read with the degrees, in serve_flags.cpp.
      {Switch, {"enable-expert-parallel", {}, {{"true"}, {"false"}}}},
      {Switch, {"enforce-eager", {}, {{"true"}, {"false"}}}},

      {Scalar,
       {"max-num-seqs",
        {},
        {},
        [](KeyReader &reader, const JsonValue &value, std::string_view key) {
          readCount(reader, value, key, "scheduler.max_num_seqs");
        }}},
      {Scalar,
       {"max-model-len",
        {},
        {},
        [](KeyReader &reader, const JsonValue &value, std::string_view key) {
          readCount(reader, value, key, "scheduler.max_seq_len");
        }}},
      {Scalar,
       {"max-num-batched-tokens",
        {},
        {},
        [](KeyReader &reader, const JsonValue &value, std::string_view key) {
          readCount(reader, value, key, "scheduler.max_num_batched_tokens");
        }}},
      {Scalar, {"block-size", "scheduler.block_size"}},
      {Scalar, {"num-gpu-blocks-override", "scheduler.num_blocks"}},
      {Scalar, {"gpu-memory-utilization", "memory.utilization"}},
      {Scalar, {"kv-cache-memory-bytes", {}, {}, readKvBytes}},
      {Scalar, {"swap-space", "memory.swap_gib"}},
      {Switch, {"enable-chunked-prefill", "scheduler.chunked_prefill"}},
      {Switch, {"enable-prefix-caching", "scheduler.prefix_caching"}},
      {Switch, {"async-scheduling", "execution.async_scheduling"}},

      {Scalar, {"quantization", "weights.quantization", {{"ascend", "ascend"}, {"None"}}}},
      {Scalar,
       {"dtype",
        "precision.compute",
        {{"auto"},
         {"bfloat16", "bfloat16"},
         {"float16", "float16"},
         {"half", "float16"},
         {"float32", "float32"},
         {"float", "float32"}}}},
      {Scalar, {"kv-cache-dtype", {}, {{"auto"}}}},
      {Scalar, {"rope-theta", "model.rope_theta"}},
      {List, {"cudagraph-capture-sizes", "execution.graph_batch_sizes"}},
      {Scalar, {"load-format", "weights.random", {{"auto"}, {"safetensors"}, {"dummy", "true"}}}},
      {Scalar, {"scheduling-policy", {}, {}, readSchedulingPolicy}},

      {Json, {"compilation-config", {}, {}, readCompilationConfig}},
      {Json,
       {"additional-config",
        {},
        {},
        [](KeyReader &outer, const JsonValue &value, std::string_view key) {
          KeyReader reader(outer.import(), "additional-config", outer.authority());
          readJsonFlag(reader, value, key, additionalConfigRules());
        }}},
      {Json,
       {"speculative-config",
        {},
        {},
        [](KeyReader &outer, const JsonValue &value, std::string_view key) {
          KeyReader reader(outer.import(), "speculative-config", outer.authority());
          readJsonFlag(reader, value, key, speculativeConfigRules());
        }}},
      {Json, {"hf-overrides", {}, {}, refuseOverride}},
      {Json, {"rope-scaling", {}, {}, refuseOverride}},
  };
  const auto add = [&](FlagKind kind, std::initializer_list<std::string_view> names,
                       decltype(KeyRule::read) read = nullptr) {
    for (std::string_view name : names)
      flags.push_back({kind, {name, {}, {}, read}});
  };
  add(Switch, {"enable-eplb", "enable-lora", "enable-sleep-mode", "enable-dbo"}, readUnmodelled);
  add(Scalar,
      {"cpu-offload-gb", "decode-context-parallel-size", "num-redundant-experts",
       "max-num-partial-prefills", "max-long-partial-prefills", "long-prefill-token-threshold",
       "chat-template"},
      readUnmodelled);
  add(Json, {"kv-transfer-config", "eplb-config", "override-generation-config"}, readUnmodelled);

  // Addresses, logs, keys, parsers of answers, where files come from, how processes start.
  add(Switch, {"trust-remote-code",
               "disable-log-requests",
               "disable-log-stats",
               "enable-log-requests",
               "enable-auto-tool-choice",
               "enable-reasoning",
               "return-tokens-as-token-ids",
               "disable-custom-all-reduce",
               "disable-sliding-window",
               "disable-cascade-attn",
               "disable-async-output-proc",
               "disable-frontend-multiprocessing",
               "disable-fastapi-docs",
               "disable-uvicorn-access-log",
               "headless",
               "skip-tokenizer-init",
               "enable-prompt-embeds",
               "enable-server-load-tracking",
               "enable-prompt-tokens-details",
               "enable-request-id-headers",
               "use-tqdm-on-load",
               "ray-workers-use-nsight",
               "use-v2-block-manager",
               "data-parallel-hybrid-lb",
               "data-parallel-external-lb",
               "calculate-kv-scales",
               "allow-credentials",
               "enable-ssl-refresh",
               "use-async-output-proc",
               "disable-hybrid-kv-cache-manager",
               "enable-force-include-usage"});
  add(Scalar, {"host",
               "seed",
               "uvicorn-log-level",
               "api-key",
               "chat-template-content-format",
               "response-role",
               "ssl-keyfile",
               "ssl-certfile",
               "ssl-ca-certs",
               "ssl-cert-reqs",
               "root-path",
               "middleware",
               "tool-call-parser",
               "tool-parser-plugin",
               "reasoning-parser",
               "tokenizer",
               "tokenizer-mode",
               "tokenizer-revision",
               "revision",
               "code-revision",
               "download-dir",
               "config-format",
               "generation-config",
               "max-logprobs",
               "logprobs-mode",
               "distributed-executor-backend",
               "max-parallel-loading-workers",
               "max-seq-len-to-capture",
               "preemption-mode",
               "num-scheduler-steps",
               "guided-decoding-backend",
               "device",
               "worker-cls",
               "worker-extension-cls",
               "scheduler-cls",
               "task",
               "runner",
               "convert",
               "model-impl",
               "data-parallel-size-local",
               "data-parallel-address",
               "data-parallel-rpc-port",
               "data-parallel-start-rank",
               "data-parallel-rank",
               "data-parallel-backend",
               "api-server-count",
               "prefix-caching-hash-algo",
               "max-log-len",
               "max-lora-rank",
               "max-loras",
               "nnodes",
               "node-rank",
               "master-addr",
               "master-port",
               "hf-config-path",
               "hf-token",
               "allowed-local-media-path",
               "otlp-traces-endpoint",
               "model-loader-extra-config",
               "h11-max-incomplete-event-size",
               "h11-max-header-count"});
  add(List, {"allowed-origins", "allowed-methods", "allowed-headers", "lora-modules",
             "ignore-patterns", "show-hidden-metrics-for-version"});
  add(Json, {"limit-mm-per-prompt", "mm-processor-kwargs", "media-io-kwargs", "profiler-config",
             "structured-outputs-config", "pooler-config", "kv-events-config"});
  return flags;
}

} // namespace

std::span<const ServeFlag> serveFlags() {
  static const std::vector<ServeFlag> flags = makeFlags();
  return flags;
}

const ServeFlag *findServeFlag(std::string_view name) {
  const auto flags = serveFlags();
  const auto flag =
      std::ranges::find(flags, name, [](const ServeFlag &each) { return each.rule.path; });
  return flag == flags.end() ? nullptr : &*flag;
}

std::string canonicalFlag(std::string_view flag) {
  flag.remove_prefix(std::min(flag.find_first_not_of('-'), flag.size()));
  std::string name(flag.substr(0, flag.find('.')));
  const std::string_view rest = flag.substr(name.size());
  std::ranges::replace(name, '_', '-');
  constexpr std::pair<std::string_view, std::string_view> shortNames[] = {
      {"tp", "tensor-parallel-size"},
      {"dp", "data-parallel-size"},
      {"pp", "pipeline-parallel-size"},
      {"pcp", "prefill-context-parallel-size"},
      {"dcp", "decode-context-parallel-size"},
      {"dpl", "data-parallel-size-local"},
      {"dpa", "data-parallel-address"},
      {"dpp", "data-parallel-rpc-port"},
      {"dpr", "data-parallel-start-rank"},
      {"dpn", "data-parallel-rank"},
      {"dpb", "data-parallel-backend"},
      {"ep", "enable-expert-parallel"},
      {"q", "quantization"},
      {"O", "compilation-config"},
      {"cc", "compilation-config"},
      {"sc", "speculative-config"},
      {"n", "nnodes"},
      {"r", "node-rank"}};
  for (const auto &[brief, full] : shortNames)
    if (name == brief)
      name = full;
  return name.append(rest);
}

} // namespace vinci
