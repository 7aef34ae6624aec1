#include "frontend/launch/serve.h"
#include "frontend/import/key_table.h"
#include "frontend/launch/environment.h"
#include "frontend/mindie/run_options.h"
#include "frontend/vllm/serve_flags.h"

#include <algorithm>
#include <charconv>

namespace vinci {

namespace {

/// "16k" tokens are 16384.
void readTokens(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const std::string text = value.isString() ? std::string(value.toText(key)) : value.describe();
  int64_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, text.data() + text.size());
  if (error != std::errc() || count < 1 || count > (1 << 20) || (unit != "" && unit != "k"))
    value.failExpected(key, "a number of tokens, such as 512 or 16k,");
  assignText(reader.import(), settingRule(fmt::format("workload.{}", key)),
             fmt::format("fixed:{}", count * (unit == "k" ? 1024 : 1)), value.position(),
             reader.authority());
}

const std::vector<KeyRule> &rootRules() {
  static const std::vector<KeyRule> rules = {
      irrelevant("serve"),
      irrelevant("run_mindie"),
      irrelevant("env"),
      irrelevant("_source"),
      {"published_result.input_tokens", {}, {}, readTokens},
      {"published_result.output_tokens", {}, {}, readTokens},
      {"published_result.concurrency", "workload.concurrency"},
      irrelevant("published_result.tool"),
      irrelevant("published_result.per_stream_tokens_per_s"),
  };
  return rules;
}

std::optional<JsonValue> findObject(const JsonValue &root, std::string_view key) {
  const std::optional<JsonValue> value = root.find(key);
  if (!value || value->isNull())
    return std::nullopt;
  if (!value->isObject())
    value->failExpected(key, "an object of names and values");
  return value;
}

/// Ranks need devices that they can see.
void checkDevices(Import &import) {
  const auto &devices = import.resolved.deployment.execution.devices;
  const auto &world = import.resolved.deployment.parallel.worldSize;
  if (devices && devices.authority == Authority::Environment && world &&
      int64_t(devices->size()) < *world)
    import.findings.add(FindingKind::Contradiction, devices.origin,
                        "{} devices are visible, but {} makes {} ranks", devices->size(),
                        toString(world.origin), *world);
}

} // namespace

bool looksLikeServe(const JsonValue &root) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{"serve", "run_mindie", "env"},
                             [&](std::string_view key) {
                               const std::optional<JsonValue> value = root.find(key);
                               return value && value->isObject();
                             }) ||
         looksLikeServeFlags(root);
}

void readServe(Import &import, const JsonDocument &document) {
  const JsonValue root = document.root();
  const bool isFlat = !root.find("serve") && !root.find("run_mindie") && looksLikeServeFlags(root);
  if (isFlat) {
    readServeFlags(import, root);
  } else {
    KeyReader(import, "a description of a server", Authority::Server).read(root, rootRules());
    if (const auto flags = findObject(root, "serve"))
      readServeFlags(import, *flags);
    if (const auto options = findObject(root, "run_mindie"))
      readRunMindieOptions(import, *options);
  }
  // After the server: what a variable does depends on who is started.
  if (const auto variables = findObject(root, "env"))
    readEnvironment(import, *variables);
  checkDevices(import);
}

} // namespace vinci
