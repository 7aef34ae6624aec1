#include "frontend/mindie/checks.h"

namespace vinci::mindie {

void readKvMemory(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const int64_t most = int64_t(settingRule("memory.kv_gib").maximum);
  if (!value.isInteger() || value.toInteger(key) < -1 || value.toInteger(key) == 0 ||
      value.toInteger(key) > most)
    value.failExpected(key, fmt::format("-1, for what is left, or GiB from 1 to {}", most));
  reader.assign("memory.kv_gib", value, key);
}

KeyRule templateType(std::string_view path) {
  return {path, "scheduler.chunked_prefill", {{"Standard", "false"}, {"Mix", "true"}}};
}

void readPort(KeyReader &reader, const JsonValue &value, std::string_view key) {
  value.toInteger(key, 1024, 65535);
  const std::string_view setting = key.starts_with("management") ? "serving.management_port"
                                   : key.starts_with("metrics")  ? "serving.metrics_port"
                                                                 : "serving.port";
  reader.assign(setting, value, key);
}

void check(Import &import) {
  const auto &scheduler = import.resolved.deployment.scheduler;
  const auto atMost = [](std::string_view name, const Setting<int64_t> &value,
                         std::string_view limitName, const Setting<int64_t> &limit) {
    if (value && limit && *value > *limit)
      fail(value.origin, "{} is {}, more than {}, which is {}", name, *value, limitName, *limit);
  };
  atMost("maxPrefillBatchSize", scheduler.maxPrefillSeqs, "maxBatchSize", scheduler.maxNumSeqs);
  if (scheduler.maxPrefillTokens && scheduler.maxSeqLen &&
      *scheduler.maxPrefillTokens < *scheduler.maxSeqLen)
    fail(scheduler.maxPrefillTokens.origin,
         "maxPrefillTokens is {}; at least maxSeqLen, which is {}, is expected",
         *scheduler.maxPrefillTokens, *scheduler.maxSeqLen);
  if (scheduler.blockSize && (*scheduler.blockSize > 128 || *scheduler.blockSize % 16 != 0))
    fail(scheduler.blockSize.origin,
         "cacheBlockSize is {}; a multiple of 16 of at most 128 is expected", *scheduler.blockSize);
  if (scheduler.maxInputLen && scheduler.maxSeqLen &&
      *scheduler.maxInputLen >= *scheduler.maxSeqLen)
    import.findings.add(FindingKind::Note, scheduler.maxInputLen.origin,
                        "maxInputTokenLen is {}; maxSeqLen {} leaves room for {} tokens of input",
                        *scheduler.maxInputLen, *scheduler.maxSeqLen, *scheduler.maxSeqLen - 1);
  const auto &swap = import.resolved.deployment.memory.swapGib;
  if (scheduler.maxPreempted.valueOr(0) > 0 && swap.valueOr(0) <= 0)
    fail(scheduler.maxPreempted.origin,
         "maxPreemptCount is {}, but cpuMemSize is {}; preempted requests need memory of the host",
         *scheduler.maxPreempted, swap ? show(*swap) : "absent");
}

} // namespace vinci::mindie
