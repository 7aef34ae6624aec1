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

/// Changes, each of which alone makes the model fit: as flags of `vinci compile` fewer KV blocks,
/// shorter sequences, fewer tokens per step, a smaller dtype, more ranks; or `quantisedWeights`.
/// Each was tried: the model was compiled with it, without kernels. The smallest comes first: the
/// one after which a device holds the fewest bytes less.
std::vector<std::string> changesThatFit(const ImportRequest &request, const CompileOptions &options,
                                        const CompileResult &result, const PlanMemory &memory);

/// The change that is no flag: the checkpoint with its linears in int8, which `vinci quantize`
/// makes.
inline constexpr const char *quantisedWeights = "weights in W8A8 (vinci quantize)";

/// "; with --tp 8 it fits", or what was tried in vain.
std::string adviceText(const std::vector<std::string> &changes);

/// Throws Error if a plan for an NPU does not fit it, with the sum and the changes. Warnings of the
/// budget are added to those of `result`.
void requireFits(const ImportRequest &request, const CompileOptions &options,
                 CompileResult &result);

} // namespace vinci
