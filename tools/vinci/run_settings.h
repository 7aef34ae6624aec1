// The settings of a deployment that decide how long its steps take: what the cache keeps beside a
// plan, so that a run of a cached plan is timed like the first.
#pragma once

#include "frontend/deployment_spec.h"

#include <filesystem>
#include <string>

namespace vinci {

/// JSON: target, policy, graph_mode, collective_engine, async_scheduling, prefetch_qkv, prefetch_o,
/// prefetch_gate_up, dispatch_threads, dispatch_group_size, non_kv_gib, devices,
/// graph_batch_sizes; what is not said is left out.
std::string writeRunSettings(const DeploymentSpec &deployment);

/// A deployment with these settings alone. Throws Error if the file cannot be read.
DeploymentSpec readRunSettings(const std::filesystem::path &path);

} // namespace vinci
