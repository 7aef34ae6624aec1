// Plans that do not fit their device, and what would make them fit.
#pragma once

#include "frontend/import/request.h"
#include "tools/compiler/compiler.h"
#include "tools/vinci/plan_memory.h"

#include <string>
#include <vector>

namespace vinci {

/// The device that a deployment compiles for; nullptr: the host, whose memory is not planned.
const DeviceSpec *deviceOf(const DeploymentSpec &deployment);

/// Changes, as flags of `vinci compile`, each of which alone makes the model fit, the smallest
/// first: fewer KV blocks, shorter sequences, fewer tokens per step, a smaller dtype, more ranks.
/// Each was tried: the model was compiled with it, without kernels.
std::vector<std::string> changesThatFit(const ImportRequest &request, const CompileOptions &options,
                                        const CompileResult &result, const PlanMemory &memory);

/// "; with --tp 8 it fits", or what was tried in vain.
std::string adviceText(const std::vector<std::string> &changes);

/// Throws Error if a plan for an NPU does not fit it, with the sum and the changes. Warnings of the
/// budget are added to those of `result`.
void requireFits(const ImportRequest &request, const CompileOptions &options,
                 CompileResult &result);

} // namespace vinci
