#include "frontend/launch/environment.h"
#include "frontend/import/key_table.h"

#include <algorithm>
#include <charconv>

namespace vinci {

namespace {

struct Variable {
  KeyRule rule;
  std::string_view noEffect = {}; ///< why it does nothing here, for the message
};

using Read = decltype(KeyRule::read);

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos)
      return parts;
    text.remove_prefix(end + 1);
  }
}

bool parseInteger(std::string_view text, int64_t minimum, int64_t maximum, int64_t &result) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  return error == std::errc() && end == text.data() + text.size() && result >= minimum &&
         result <= maximum;
}

std::string textOf(const JsonValue &value, std::string_view key) {
  return value.isString() ? std::string(value.toText(key)) : value.describe();
}

/// 0,1,2,3
void readDevices(KeyReader &reader, const JsonValue &value, std::string_view key) {
  constexpr std::string_view legal = "a list of different device ids, such as 0,1,2,3,";
  std::vector<int64_t> devices;
  const std::string text = textOf(value, key);
  for (std::string_view part : split(text, ',')) {
    const size_t begin = std::min(part.find_first_not_of(' '), part.size());
    part = part.substr(begin, part.find_last_not_of(' ') + 1 - begin);
    int64_t device = 0;
    if (!parseInteger(part, 0, 65535, device) || devices.size() == 4096 ||
        std::ranges::find(devices, device) != devices.end())
      value.failExpected(key, legal);
    devices.push_back(device);
  }
  settle(reader.import().findings, key, reader.import().resolved.deployment.execution.devices,
         std::move(devices), value.position(), reader.authority());
}

/// NAME:VALUE,NAME:VALUE; calls each(name, value), which says whether that is legal.
template <typename Each>
void readPairs(const JsonValue &value, std::string_view key, std::string_view legal, Each each) {
  const std::string text = textOf(value, key);
  for (std::string_view part : split(text, ',')) {
    const size_t colon = part.find(':');
    if (colon == std::string_view::npos || !each(part.substr(0, colon), part.substr(colon + 1)))
      value.failExpected(key, legal);
  }
}

/// thread_num:2,kernel_group_num:8
void readLaunchGroup(KeyReader &reader, const JsonValue &value, std::string_view key) {
  auto &execution = reader.import().resolved.deployment.execution;
  readPairs(value, key, "thread_num:1-256,kernel_group_num:1-65536",
            [&](std::string_view name, std::string_view text) {
              const bool threads = name == "thread_num";
              int64_t count = 0;
              if ((!threads && name != "kernel_group_num") ||
                  !parseInteger(text, 1, threads ? 256 : 65536, count))
                return false;
              settle(reader.import().findings, name,
                     threads ? execution.dispatchThreads : execution.dispatchGroupSize, count,
                     value.position(), reader.authority());
              return true;
            });
}

/// The allocators' options: how memory is laid out is Vinci's own matter.
void readMindSporeAllocator(KeyReader &, const JsonValue &value, std::string_view key) {
  readPairs(value, key, "enable_vmm:true or enable_vmm:false",
            [](std::string_view name, std::string_view text) {
              const bool flag =
                  text == "true" || text == "false" || text == "True" || text == "False";
              if (name == "enable_vmm" || name == "memory_recycle" || name == "memory_tracker")
                return flag;
              return name == "vmm_align_size" || name == "memory_tracker_path";
            });
}
void readTorchAllocator(KeyReader &, const JsonValue &value, std::string_view key) {
  readPairs(value, key, "expandable_segments:True or expandable_segments:False",
            [](std::string_view name, std::string_view text) {
              if (name == "expandable_segments")
                return text == "true" || text == "false" || text == "True" || text == "False";
              return name == "max_split_size_mb" || name == "garbage_collection_threshold" ||
                     name == "page_size" || name == "base_addr_aligned_kb";
            });
}

/// Mode 0 is off; 1 and 2, with cores for each device or without, bind threads.
void readAffinity(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const std::string text = textOf(value, key);
  if (text.empty() || text[0] < '0' || text[0] > '2')
    value.failExpected(key, "0, 1 or 2, with more behind a comma,");
  settle(reader.import().findings, key, reader.import().resolved.deployment.execution.cpuBinding,
         text[0] != '0', value.position(), reader.authority());
}

/// MindIE's own variables, which no other server reads.
void readForMindie(KeyReader &reader, const JsonValue &value, std::string_view key,
                   std::string_view setting) {
  const auto &policy = reader.import().resolved.deployment.scheduler.policy;
  if (policy && *policy == "mindie")
    return reader.assign(setting, value, key);
  reader.report(FindingKind::NoEffect, value, "{} is read by MindIE only and has no effect {}", key,
                policy ? "under vLLM" : "without a MindIE configuration");
}
void readMemoryFraction(KeyReader &reader, const JsonValue &value, std::string_view key) {
  readForMindie(reader, value, key, "memory.utilization");
}
void readMindieAsync(KeyReader &reader, const JsonValue &value, std::string_view key) {
  readForMindie(reader, value, key, "execution.async_scheduling");
}

const std::vector<Variable> &variables() {
  static const std::vector<ValueName> switchValues = {{"0"}, {"1"}};
  static const std::vector<ValueName> onOff = {{"on"}, {"off"}};
  static const std::vector<ValueName> trueFalse = {{"true"}, {"false"}, {"True"}, {"False"}};
  static const auto toSetting = [](std::string_view name, std::string_view setting) {
    return Variable{{name, setting}};
  };
  static const auto byFunction = [](std::string_view name, Read read) {
    return Variable{{name, {}, {}, read}};
  };
  static const auto checked = [](std::string_view name, const std::vector<ValueName> &values) {
    return Variable{{name, {}, values}};
  };
  static const auto noEffect = [](std::string_view name, std::string_view why) {
    return Variable{{name}, why};
  };
  constexpr std::string_view visible =
      "no stack reads it; ASCEND_RT_VISIBLE_DEVICES chooses devices";
  constexpr std::string_view deterministic = "Vinci always computes the same bits";
  constexpr std::string_view fusion = "Vinci decides which kernels are fused by its own passes";
  static const std::vector<ValueName> flashComm = {{"0", "false"}, {"1", "true"}};
  static const std::vector<Variable> table = [&] {
    std::vector<Variable> rows = {
        // Devices and memory.
        byFunction("ASCEND_RT_VISIBLE_DEVICES", readDevices),
        noEffect("NPU_VISIBE_DEVICES", visible),
        noEffect("NPU_VISIBLE_DEVICES", visible),
        noEffect("ASCEND_VISIBLE_DEVICES",
                 "it tells a container which devices to show; ASCEND_RT_VISIBLE_DEVICES chooses "
                 "among them"),
        toSetting("DEVICE_NUM_PER_NODE", "execution.devices_per_host"),
        toSetting("ASCEND_TOTAL_MEMORY_GB", "memory.device_gib"),
        toSetting("vLLM_MODEL_MEMORY_USE_GB", "memory.non_kv_gib"),
        byFunction("NPU_MEMORY_FRACTION", readMemoryFraction),
        byFunction("MS_ALLOC_CONF", readMindSporeAllocator),
        byFunction("PYTORCH_NPU_ALLOC_CONF", readTorchAllocator),
        // The model.
        toSetting("MINDFORMERS_MODEL_CONFIG", "weights.config"),
        checked("vLLM_MODEL_BACKEND", {{"MindFormers"}, {"MindONE"}, {"Native"}}),
        checked("MINDIE_LLM_FRAMEWORK_BACKEND", {{"MS"}, {"ATB"}}),
        // Collectives.
        Variable{{"HCCL_OP_EXPANSION_MODE",
                  "execution.collective_engine",
                  {{"HOST", "host"}, {"AI_CPU", "ai_cpu"}, {"AIV", "aiv"}}}},
        toSetting("HCCL_BUFFSIZE", "execution.collective_buffer_mb"),
        Variable{{"MS_ENABLE_LCCL",
                  "execution.low_latency_collectives",
                  {{"on", "true"}, {"off", "false"}}}},
        checked("HCCL_INTRA_PCIE_ENABLE", switchValues),
        checked("HCCL_INTRA_ROCE_ENABLE", switchValues),
        // Kernels and the host.
        Variable{{"MS_ENABLE_INTERNAL_BOOST",
                  "execution.fused_kernels",
                  {{"on", "true"}, {"off", "false"}}}},
        byFunction("EXPERIMENTAL_KERNEL_LAUNCH_GROUP", readLaunchGroup),
        toSetting("OMP_NUM_THREADS", "execution.host_threads"),
        byFunction("CPU_AFFINITY_CONF", readAffinity),
        byFunction("MINDIE_ASYNC_SCHEDULING_ENABLE", readMindieAsync),
        checked("TASK_QUEUE_ENABLE", {{"0"}, {"1"}, {"2"}}),
        Variable{
            {"VLLM_ASCEND_ENABLE_NZ", "weights.nz_layout", {{"0", "false"}, {"1"}, {"2", "true"}}}},
        Variable{{"VLLM_ASCEND_ENABLE_FLASHCOMM", "parallel.sequence", flashComm}},
        Variable{{"VLLM_ASCEND_ENABLE_FLASHCOMM1", "parallel.sequence", flashComm}},
        checked("MS_ENABLE_TRACE_MEMORY", onOff),
        checked("MS_DEV_SAVE_GRAPHS", {{"0"}, {"1"}, {"2"}, {"3"}}),
        checked("GLOG_v", {{"0"}, {"1"}, {"2"}, {"3"}, {"4"}}),
        checked("VLLM_USE_MODELSCOPE", {{"0"}, {"1"}, {"true"}, {"false"}, {"True"}, {"False"}}),
        // What Vinci does its own way.
        noEffect("HCCL_DETERMINISTIC", deterministic),
        noEffect("LCCL_DETERMINISTIC", deterministic),
        noEffect("ATB_MATMUL_SHUFFLE_K_ENABLE", deterministic),
        noEffect("ATB_LLM_LCOC_ENABLE", fusion),
        noEffect("VLLM_ASCEND_ENABLE_MLAPO", fusion),
        noEffect("VLLM_ASCEND_ENABLE_MATMUL_ALLREDUCE", fusion),
        noEffect("VLLM_ASCEND_ENABLE_DENSE_OPTIMIZE", fusion),
        noEffect("VLLM_ASCEND_ENABLE_PREFETCH_MLP", "prefetch ratios stand in --additional-config"),
        noEffect("VLLM_ASCEND_ENABLE_TOPK_TOPP_OPTIMIZATION", fusion),
        noEffect("DYNAMIC_EPLB", "experts stay where they are"),
    };
    // Logs, traces, time-outs, addresses, allocators of the host.
    for (std::string_view name : {"MS_NODE_TIMEOUT",
                                  "MS_SUBMODULE_LOG_v",
                                  "MS_DEV_SAVE_GRAPHS_PATH",
                                  "VLLM_TORCH_PROFILER_DIR",
                                  "OMP_PROC_BIND",
                                  "LD_PRELOAD",
                                  "VLLM_USE_V1",
                                  "VLLM_WORKER_MULTIPROC_METHOD",
                                  "VLLM_LOGGING_LEVEL",
                                  "VLLM_RPC_TIMEOUT",
                                  "VLLM_HOST_IP",
                                  "VLLM_PORT",
                                  "VLLM_ENGINE_ITERATION_TIMEOUT_S",
                                  "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS",
                                  "VLLM_PLUGINS",
                                  "VLLM_TARGET_DEVICE",
                                  "VLLM_VERSION",
                                  "VLLM_ATTENTION_BACKEND",
                                  "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
                                  "VLLM_NO_USAGE_STATS",
                                  "VLLM_API_KEY",
                                  "VLLM_CACHE_ROOT",
                                  "VLLM_CONFIGURE_LOGGING",
                                  "VLLM_SLEEP_WHEN_IDLE",
                                  "ASCEND_HOME_PATH",
                                  "ASCEND_TOOLKIT_HOME",
                                  "ASCEND_OPP_PATH",
                                  "ASCEND_AICPU_PATH",
                                  "ASCEND_CUSTOM_PATH",
                                  "ASCEND_CUSTOM_OPP_PATH",
                                  "ASCEND_PROCESS_LOG_PATH",
                                  "ASCEND_GLOBAL_LOG_LEVEL",
                                  "ASCEND_SLOG_PRINT_TO_STDOUT",
                                  "ASCEND_GLOBAL_EVENT_ENABLE",
                                  "ASCEND_LAUNCH_BLOCKING",
                                  "ASCEND_DRIVER_PATH",
                                  "ASCEND_CACHE_PATH",
                                  "ASCEND_WORK_PATH",
                                  "HCCL_CONNECT_TIMEOUT",
                                  "HCCL_EXEC_TIMEOUT",
                                  "HCCL_IF_IP",
                                  "HCCL_IF_BASE_PORT",
                                  "HCCL_SOCKET_IFNAME",
                                  "HCCL_SO_PATH",
                                  "HCCL_WHITELIST_DISABLE",
                                  "HCCL_ALGO",
                                  "HCCL_RDMA_TIMEOUT",
                                  "HCCL_RDMA_RETRY_CNT",
                                  "HCCL_RDMA_TC",
                                  "HCCL_RDMA_SL",
                                  "GLOO_SOCKET_IFNAME",
                                  "TP_SOCKET_IFNAME",
                                  "MS_SCHED_HOST",
                                  "MS_SCHED_PORT",
                                  "MS_WORKER_NUM",
                                  "MS_ROLE",
                                  "MS_NODE_ID",
                                  "MS_COMPILER_CACHE_ENABLE",
                                  "MS_COMPILER_CACHE_PATH",
                                  "MINDIE_LOG_LEVEL",
                                  "MINDIE_LOG_TO_STDOUT",
                                  "MINDIE_LOG_TO_FILE",
                                  "MINDIE_LOG_PATH",
                                  "MINDIE_LOG_VERBOSE",
                                  "MINDIE_LLM_HOME_PATH",
                                  "MINDIE_LLM_LOG_LEVEL",
                                  "MINDIE_LLM_LOG_TO_FILE",
                                  "MINDIE_LLM_LOG_TO_STDOUT",
                                  "MIES_INSTALL_PATH",
                                  "MIES_CONTAINER_IP",
                                  "RANK_TABLE_FILE",
                                  "RANK_ID",
                                  "DEVICE_ID",
                                  "WORLD_SIZE",
                                  "LD_LIBRARY_PATH",
                                  "PYTHONPATH",
                                  "PATH"})
      rows.push_back({irrelevant(name)});
    return rows;
  }();
  return table;
}

bool isVendors(std::string_view name) {
  constexpr std::string_view prefixes[] = {"ASCEND_", "HCCL_",   "LCCL_", "MS_",
                                           "NPU_",    "VLLM_",   "vLLM_", "PYTORCH_NPU_",
                                           "ATB_",    "MINDIE_", "MIES_", "MINDFORMERS_"};
  return std::ranges::any_of(prefixes, [&](auto prefix) { return name.starts_with(prefix); });
}

} // namespace

void readEnvironment(Import &import, const JsonValue &environment) {
  constexpr size_t most = 4096;
  if (environment.size() > most)
    fail(environment.position(), "the environment has {} variables; at most {} are read",
         environment.size(), most);
  KeyReader reader(import, "the environment", Authority::Environment, Spelling::Textual);
  std::vector<std::string_view> absent;
  for (const Variable &variable : variables())
    if (!environment.find(variable.rule.path))
      absent.push_back(variable.rule.path);
  for (const auto &[key, value] : environment.members()) {
    const std::string_view name = key.toText("a variable");
    if (value.isArray() || value.isObject())
      value.failExpected(name, "a text");
    const auto known =
        std::ranges::find(variables(), name, [](const Variable &each) { return each.rule.path; });
    if (known != variables().end()) {
      if (!known->noEffect.empty())
        reader.report(FindingKind::NoEffect, key, "{} has no effect: {}", name, known->noEffect);
      else
        reader.apply(known->rule, value, name);
    } else if (std::string_view meant = nearestName(name, absent); !meant.empty()) {
      reader.report(FindingKind::Unknown, key,
                    "{} is not a variable that Vinci knows and is ignored; did you mean {}?",
                    quoteForMessage(name), meant);
    } else if (isVendors(name)) {
      reader.report(FindingKind::Unknown, key,
                    "{} is not a variable that Vinci knows and is ignored", quoteForMessage(name));
    }
  }
}

} // namespace vinci
