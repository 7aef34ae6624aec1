#include "frontend/mindie/run_options.h"
#include "frontend/mindie/checks.h"

#include <algorithm>

namespace vinci {

namespace {

const std::vector<KeyRule> &optionRules() {
  static const std::vector<KeyRule> rules = {
      {"model-name", "serving.model_name"},
      {"model-path", "weights.directory"},
      {"port", {}, {}, mindie::readPort},
      {"management-port", {}, {}, mindie::readPort},
      {"metrics-port", {}, {}, mindie::readPort},
      {"max-seq-len", "scheduler.max_seq_len"},
      {"max-iter-times", "scheduler.max_output_len"},
      {"max-input-token-len", "scheduler.max_input_len"},
      {"max-prefill-tokens", "scheduler.max_prefill_tokens"},
      {"max-prefill-batch-size", "scheduler.max_prefill_seqs"},
      {"max-preempt-count", "scheduler.max_preempted"},
      {"support-select-batch", "scheduler.select_batch"},
      {"truncation", "scheduler.truncation"},
      {"npu-mem-size", {}, {}, mindie::readKvMemory},
      {"world-size", "parallel.world_size"},
      mindie::templateType("template-type"),
      irrelevant("ip"),
      irrelevant("management-ip"),
      irrelevant("ms-sched-host"),
      irrelevant("ms-sched-port"),
  };
  return rules;
}

/// What the script takes for an option that is not given.
template <typename T> void byDefault(Import &import, Setting<T> &setting, T value) {
  settle(import.findings, "a default", setting, value, {"the default of run_mindie.sh"},
         Authority::Default);
}

} // namespace

void readRunMindieOptions(Import &import, const JsonValue &options) {
  KeyReader reader(import, "run_mindie.sh's options", Authority::Server, Spelling::Textual);
  reader.read(options, optionRules());
  for (const auto &[name, value] : options.members())
    if (std::ranges::find(optionRules(), name.toText("an option"), &KeyRule::path) ==
        optionRules().end())
      fail(name.position(), "{} is no option of run_mindie.sh",
           quoteForMessage(name.toText("an option")));
  for (std::string_view name : {"model-name", "model-path"})
    if (!options.find(name))
      fail(options.position(), "--{} is missing; run_mindie.sh must be given it", name);
  assignText(import, settingRule("scheduler.policy"), "mindie", options.position(),
             Authority::Server);

  auto &deployment = import.resolved.deployment;
  auto &scheduler = deployment.scheduler;
  byDefault<int64_t>(import, deployment.serving.port, 1025);
  byDefault<int64_t>(import, deployment.serving.managementPort, 1026);
  byDefault<int64_t>(import, deployment.serving.metricsPort, 1027);
  byDefault<int64_t>(import, scheduler.maxSeqLen, 2560);
  byDefault<int64_t>(import, scheduler.maxOutputLen, 512);
  byDefault<int64_t>(import, scheduler.maxInputLen, 2048);
  byDefault<int64_t>(import, scheduler.maxPrefillTokens, 8192);
  byDefault<int64_t>(import, scheduler.maxPrefillSeqs, 50);
  byDefault<double>(import, deployment.memory.kvGib, 8);
  // --world-size n makes the script write dp 1, mp n, pp 1 into the model's YAML.
  if (options.find("world-size"))
    settle(import.findings, "world-size", deployment.parallel.attnTp,
           *deployment.parallel.worldSize, deployment.parallel.worldSize.origin, Authority::Server);

  auto &tokens = scheduler.maxPrefillTokens;
  if (*tokens < *scheduler.maxSeqLen) {
    import.findings.add(FindingKind::Note, tokens.origin,
                        "max-prefill-tokens is {}; run_mindie.sh raises it to max-seq-len, {}",
                        *tokens, *scheduler.maxSeqLen);
    tokens.value = *scheduler.maxSeqLen;
  }
  mindie::check(import);
}

} // namespace vinci
