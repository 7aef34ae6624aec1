#include "tools/vinci/run_settings.h"

#include "runtime/support/error.h"
#include "runtime/support/json.h"

#include <nlohmann/json.hpp>

namespace vinci {

/// Calls `visit(name, setting)` for each.
template <typename Deployment, typename Visit>
static void forEachRunSetting(Deployment &deployment, Visit visit) {
  auto &execution = deployment.execution;
  visit("target", deployment.target);
  visit("policy", deployment.scheduler.policy);
  visit("graph_mode", execution.graphMode);
  visit("collective_engine", execution.collectiveEngine);
  visit("async_scheduling", execution.asyncScheduling);
  visit("prefetch_qkv", execution.prefetchQkv);
  visit("prefetch_o", execution.prefetchO);
  visit("prefetch_gate_up", execution.prefetchGateUp);
  visit("dispatch_threads", execution.dispatchThreads);
  visit("dispatch_group_size", execution.dispatchGroupSize);
  visit("non_kv_gib", deployment.memory.nonKvGib);
  visit("devices", execution.devices);
  visit("graph_batch_sizes", execution.graphBatchSizes);
}

std::string writeRunSettings(const DeploymentSpec &deployment) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  forEachRunSetting(deployment, [&](const char *name, const auto &setting) {
    if (setting)
      json[name] = *setting;
  });
  return json.dump(1) + "\n";
}

DeploymentSpec readRunSettings(const std::filesystem::path &path) {
  const auto json = nlohmann::json::parse(readTextFile(path, size_t(1) << 20), nullptr,
                                          /*allow_exceptions=*/false);
  DeploymentSpec deployment;
  if (!json.is_object())
    fail(SourcePosition{path.string()}, "the settings of a cached plan are damaged: no JSON");
  try {
    forEachRunSetting(deployment, [&]<typename T>(const char *name, Setting<T> &setting) {
      if (json.contains(name))
        setting.value = json.at(name).template get<T>();
    });
  } catch (const nlohmann::json::exception &error) {
    fail(SourcePosition{path.string()}, "the settings of a cached plan are damaged: {}",
         error.what());
  }
  return deployment;
}

} // namespace vinci
