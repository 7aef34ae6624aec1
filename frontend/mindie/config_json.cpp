#include "frontend/mindie/config_json.h"
#include "frontend/mindie/checks.h"

#include <algorithm>
#include <array>

namespace vinci {

namespace {

constexpr std::string_view format = "a MindIE config.json";

/// Where MindIE allows less than a setting does.
struct Range {
  std::string_view key, setting;
  int64_t minimum, maximum;
};
constexpr Range ranges[] = {
    {"maxLinkNum", "scheduler.max_requests", 1, 4096},
    {"tokenizerProcessNumber", "serving.tokenizer_processes", 1, 32},
    {"maxInputTokenLen", "scheduler.max_input_len", 1, 4194304},
    {"maxPrefillTokens", "scheduler.max_prefill_tokens", 1, 4194304},
    {"maxPrefillBatchSize", "scheduler.max_prefill_seqs", 1, 5000},
    {"maxBatchSize", "scheduler.max_num_seqs", 1, 5000},
    {"maxPreemptCount", "scheduler.max_preempted", 0, 5000},
    {"prefillTimeMsPerReq", "scheduler.prefill_time_ms", 0, 1000},
    {"decodeTimeMsPerReq", "scheduler.decode_time_ms", 0, 1000},
    {"maxQueueDelayMicroseconds", "scheduler.max_queue_delay_us", 500, 1000000},
};

void readInRange(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const Range &range = *std::ranges::find(ranges, key, &Range::key);
  value.toInteger(key, range.minimum, range.maximum);
  reader.assign(range.setting, value, key);
}

void readInferMode(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assignNamed("", value, key, std::array<ValueName, 2>{{{"standard"}, {"dmi"}}});
  if (value.toText(key) == "dmi")
    fail(value.position(),
         "{} is \"dmi\": prefill and decode on separate devices are not "
         "supported yet; standard is expected",
         key);
}

void readApi(KeyReader &reader, const JsonValue &value, std::string_view key) {
  assignText(reader.import(), settingRule("serving.api"),
             value.toText(key) == "vllm" ? "vllm" : "openai", value.position(), reader.authority());
}

void readInstances(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const int64_t instances = value.toInteger(key, 1, 10);
  reader.assign("serving.instances", value, key);
  if (instances > 1)
    reader.report(FindingKind::Note, value,
                  "{} is {}; a plan is for one instance, and the first one's devices are used", key,
                  instances);
}

/// [[0, 1], [2, 3]]: a list for each instance.
void readDevices(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const std::vector<JsonValue> instances = value.elements();
  if (instances.empty() || !std::ranges::all_of(instances, &JsonValue::isArray))
    value.failExpected(key, "a list of device ids for each instance, such as [[0, 1, 2, 3]],");
  reader.assign("execution.devices", instances.front(), key);
  const std::vector<JsonValue> devices = instances.front().elements();
  for (size_t i = 0; i < devices.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (devices[i].toInteger(key) == devices[j].toInteger(key))
        fail(devices[i].position(), "{} names device {} twice", key, devices[i].toInteger(key));
}

void readMultipleHosts(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key))
    reader.report(FindingKind::NoEffect, value,
                  "{} is true: a rank table would decide which devices are used; worldSize does "
                  "here",
                  key);
}

void readInstanceType(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assignNamed("", value, key, std::array<ValueName, 2>{{{"Standard"}, {"StandardMock"}}});
  if (value.toText(key) == "StandardMock")
    reader.report(FindingKind::NoEffect, value,
                  "{} is \"StandardMock\", a server without a model; Vinci reads the model", key);
}

/// tp, dp, …: -1 leaves it to MindIE.
void readDegree(KeyReader &reader, const JsonValue &value, std::string_view key) {
  constexpr std::pair<std::string_view, std::string_view> degrees[] = {
      {"tp", "parallel.attn_tp"},
      {"dp", "parallel.attn_dp"},
      {"moe_tp", "parallel.moe_tp"},
      {"moe_ep", "parallel.moe_ep"},
      {"cp", "parallel.context"}};
  if (value.isInteger() && value.toInteger(key) == -1)
    return;
  const auto degree = std::ranges::find(degrees, key, [](const auto &pair) { return pair.first; });
  reader.assign(degree->second, value, key);
}

/// JSON in a text: {"plugin_type": "prefix_cache"}, with commas between several.
void readPlugins(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const std::string_view text = value.toText(key);
  if (text.find("prefix_cache") != std::string_view::npos)
    settle(reader.import().findings, key,
           reader.import().resolved.deployment.scheduler.prefixCaching, true, value.position(),
           reader.authority());
  else if (!text.empty())
    reader.report(FindingKind::NoEffect, value, "{} {} has no effect: Vinci has no such plugin",
                  key, value.describe());
}

const std::vector<KeyRule> &modelRules() {
  static const std::vector<KeyRule> rules = {
      {"modelInstanceType", {}, {}, readInstanceType},
      {"modelName", "serving.model_name"},
      {"modelWeightPath", "weights.directory"},
      {"worldSize", "parallel.world_size"},
      {"cpuMemSize", "memory.swap_gib"},
      {"npuMemSize", {}, {}, mindie::readKvMemory},
      {"backendType", {}, {{"ms"}, {"atb"}}},
      {"tp", {}, {}, readDegree},
      {"dp", {}, {}, readDegree},
      {"cp", {}, {}, readDegree},
      {"moe_tp", {}, {}, readDegree},
      {"moe_ep", {}, {}, readDegree},
      {"plugin_params", {}, {}, readPlugins},
      irrelevant("trustRemoteCode"),
      irrelevant("async_scheduler_wait_time"),
      irrelevant("kv_trans_timeout"),
      irrelevant("kv_link_timeout"),
  };
  return rules;
}

void readModels(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const std::vector<JsonValue> models = value.elements();
  if (models.empty())
    value.failExpected(key, "a list with a model");
  if (models.size() > 1)
    reader.report(FindingKind::Note, models[1], "{} names {} models; the first one is used", key,
                  models.size());
  reader.read(models.front(), modelRules());
}

const std::vector<KeyRule> &configRules() {
  static const std::vector<KeyRule> rules = [] {
    std::vector<KeyRule> rules = {
        irrelevant("Version"),
        irrelevant("LogConfig"),
        {"ServerConfig.port", {}, {}, mindie::readPort},
        {"ServerConfig.managementPort", {}, {}, mindie::readPort},
        {"ServerConfig.metricsPort", {}, {}, mindie::readPort},
        {"ServerConfig.maxLinkNum", {}, {}, readInRange},
        {"ServerConfig.fullTextEnabled", "serving.cumulative_text"},
        {"ServerConfig.inferMode", {}, {}, readInferMode},
        {"ServerConfig.openAiSupport", {}, {}, readApi},
        {"BackendConfig.backendName", {}, {{"mindieservice_llm_engine"}}},
        {"BackendConfig.modelInstanceNumber", {}, {}, readInstances},
        {"BackendConfig.npuDeviceIds", {}, {}, readDevices},
        {"BackendConfig.tokenizerProcessNumber", {}, {}, readInRange},
        {"BackendConfig.multiNodesInferEnabled", {}, {}, readMultipleHosts},
        {"BackendConfig.ModelDeployConfig.maxSeqLen", "scheduler.max_seq_len"},
        {"BackendConfig.ModelDeployConfig.maxInputTokenLen", {}, {}, readInRange},
        {"BackendConfig.ModelDeployConfig.truncation", "scheduler.truncation"},
        {"BackendConfig.ModelDeployConfig.ModelConfig", {}, {}, readModels},
        mindie::templateType("BackendConfig.ScheduleConfig.templateType"),
        {"BackendConfig.ScheduleConfig.templateName", {}, {{"Standard_LLM"}}},
        {"BackendConfig.ScheduleConfig.cacheBlockSize", "scheduler.block_size"},
        {"BackendConfig.ScheduleConfig.maxPrefillBatchSize", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.maxPrefillTokens", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.prefillTimeMsPerReq", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.prefillPolicyType", "scheduler.prefill_policy"},
        {"BackendConfig.ScheduleConfig.decodeTimeMsPerReq", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.decodePolicyType", "scheduler.decode_policy"},
        {"BackendConfig.ScheduleConfig.maxBatchSize", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.maxIterTimes", "scheduler.max_output_len"},
        {"BackendConfig.ScheduleConfig.maxPreemptCount", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.supportSelectBatch", "scheduler.select_batch"},
        {"BackendConfig.ScheduleConfig.maxQueueDelayMicroseconds", {}, {}, readInRange},
        {"BackendConfig.ScheduleConfig.maxFirstTokenWaitTime", "scheduler.max_first_token_wait_ms"},
        {"BackendConfig.ScheduleConfig.enablePrefixCache", "scheduler.prefix_caching"},
    };
    // Addresses, certificates, keys and time-outs.
    for (std::string_view path : {"ServerConfig.ipAddress",
                                  "ServerConfig.managementIpAddress",
                                  "ServerConfig.allowAllZeroIpListening",
                                  "ServerConfig.httpsEnabled",
                                  "ServerConfig.tlsCaPath",
                                  "ServerConfig.tlsCaFile",
                                  "ServerConfig.tlsCert",
                                  "ServerConfig.tlsPk",
                                  "ServerConfig.tlsPkPwd",
                                  "ServerConfig.tlsCrlPath",
                                  "ServerConfig.tlsCrlFiles",
                                  "ServerConfig.managementTlsCaFile",
                                  "ServerConfig.managementTlsCert",
                                  "ServerConfig.managementTlsPk",
                                  "ServerConfig.managementTlsPkPwd",
                                  "ServerConfig.managementTlsCrlPath",
                                  "ServerConfig.managementTlsCrlFiles",
                                  "ServerConfig.metricsTlsCaFile",
                                  "ServerConfig.metricsTlsCert",
                                  "ServerConfig.metricsTlsPk",
                                  "ServerConfig.metricsTlsPkPwd",
                                  "ServerConfig.metricsTlsCrlPath",
                                  "ServerConfig.metricsTlsCrlFiles",
                                  "ServerConfig.kmcKsfMaster",
                                  "ServerConfig.kmcKsfStandby",
                                  "ServerConfig.interCommTLSEnabled",
                                  "ServerConfig.interCommPort",
                                  "ServerConfig.interCommTlsCaPath",
                                  "ServerConfig.interCommTlsCaFiles",
                                  "ServerConfig.interCommTlsCert",
                                  "ServerConfig.interCommPk",
                                  "ServerConfig.interCommPkPwd",
                                  "ServerConfig.interCommTlsCrlPath",
                                  "ServerConfig.interCommTlsCrlFiles",
                                  "ServerConfig.tokenTimeout",
                                  "ServerConfig.e2eTimeout",
                                  "ServerConfig.maxRequestLength",
                                  "ServerConfig.distDPServerEnabled",
                                  "BackendConfig.multiNodesInferPort",
                                  "BackendConfig.interNodeTLSEnabled",
                                  "BackendConfig.interNodeTlsCaPath",
                                  "BackendConfig.interNodeTlsCaFiles",
                                  "BackendConfig.interNodeTlsCert",
                                  "BackendConfig.interNodeTlsPk",
                                  "BackendConfig.interNodeTlsPkPwd",
                                  "BackendConfig.interNodeTlsCrlPath",
                                  "BackendConfig.interNodeTlsCrlFiles",
                                  "BackendConfig.interNodeKmcKsfMaster",
                                  "BackendConfig.interNodeKmcKsfStandby"})
      rules.push_back(irrelevant(path));
    return rules;
  }();
  return rules;
}

/// The value at a path of keys, or nothing where it is missing or null; steps into the first
/// element of a list.
std::optional<JsonValue> findPath(JsonValue value, std::string_view path) {
  while (true) {
    const size_t dot = path.find('.');
    const std::optional<JsonValue> member = value.find(path.substr(0, dot));
    if (!member || member->isNull())
      return std::nullopt;
    if (dot == std::string_view::npos)
      return member;
    value = member->isArray() && member->size() > 0 ? member->elements().front() : *member;
    path = path.substr(dot + 1);
  }
}

void requireKeys(const JsonValue &root) {
  for (std::string_view path :
       {"BackendConfig.npuDeviceIds", "BackendConfig.ModelDeployConfig.maxSeqLen",
        "BackendConfig.ModelDeployConfig.maxInputTokenLen",
        "BackendConfig.ModelDeployConfig.ModelConfig",
        "BackendConfig.ModelDeployConfig.ModelConfig.modelName",
        "BackendConfig.ModelDeployConfig.ModelConfig.modelWeightPath",
        "BackendConfig.ModelDeployConfig.ModelConfig.worldSize",
        "BackendConfig.ModelDeployConfig.ModelConfig.npuMemSize",
        "BackendConfig.ScheduleConfig.cacheBlockSize",
        "BackendConfig.ScheduleConfig.maxPrefillBatchSize",
        "BackendConfig.ScheduleConfig.maxPrefillTokens",
        "BackendConfig.ScheduleConfig.maxBatchSize", "BackendConfig.ScheduleConfig.maxIterTimes"})
    if (!findPath(root, path))
      fail(root.position(), "{} is missing; it must be given", path);
}

/// As many devices for each instance as it has ranks, and as many lists as instances.
void checkDevices(Import &import, const JsonValue &root) {
  const JsonValue devices = *findPath(root, "BackendConfig.npuDeviceIds");
  const JsonValue world = *findPath(root, "BackendConfig.ModelDeployConfig.ModelConfig.worldSize");
  const std::optional<JsonValue> hosts = findPath(root, "BackendConfig.multiNodesInferEnabled");
  if (hosts && hosts->toBoolean("multiNodesInferEnabled"))
    return;
  const JsonValue first = devices.elements().front();
  if (int64_t(first.size()) != world.toInteger("worldSize"))
    import.findings.add(FindingKind::Contradiction, first.position(),
                        "npuDeviceIds names {} devices, but {} says worldSize {}; worldSize is "
                        "used",
                        first.size(), toString(world.position()), world.toInteger("worldSize"));
  const std::optional<JsonValue> instances = findPath(root, "BackendConfig.modelInstanceNumber");
  if (instances && instances->toInteger("modelInstanceNumber") != int64_t(devices.size()))
    import.findings.add(FindingKind::Contradiction, devices.position(),
                        "npuDeviceIds has devices for {} instances, but {} says "
                        "modelInstanceNumber {}; the first instance is used",
                        devices.size(), toString(instances->position()),
                        instances->toInteger("modelInstanceNumber"));
}

} // namespace

std::string_view settingOfMindieKey(std::string_view key) {
  const std::string_view name = key.substr(key.rfind('.') + 1);
  if (name == "npuMemSize")
    return "memory.kv_gib";
  if (const auto range = std::ranges::find(ranges, name, &Range::key); range != std::end(ranges))
    return range->setting;
  for (const std::vector<KeyRule> *rules : {&configRules(), &modelRules()})
    for (const KeyRule &rule : *rules)
      if (!rule.setting.empty() && rule.path.ends_with(key) &&
          (rule.path.size() == key.size() || rule.path[rule.path.size() - key.size() - 1] == '.'))
        return rule.setting;
  return {};
}

bool looksLikeMindieConfig(const JsonValue &root) {
  return root.find("BackendConfig").has_value() &&
         (root.find("ServerConfig") || root.find("LogConfig") || root.find("Version"));
}

void readMindieConfig(Import &import, const JsonDocument &document) {
  const JsonValue root = document.root();
  KeyReader reader(import, format, Authority::Server);
  reader.read(root, configRules());
  requireKeys(root);
  assignText(import, settingRule("scheduler.policy"), "mindie", root.position(), Authority::Server);
  checkDevices(import, root);
  mindie::check(import);
}

} // namespace vinci
