// Captured graphs, from what a deployment says.
#pragma once

#include "frontend/deployment_spec.h"
#include "frontend/limits.h"
#include "frontend/model_spec.h"
#include "frontend/settings/findings.h"
#include "passes/partition/Degrees.h"
#include "runtime/device/graph_capture.h"

namespace vinci {

/// The deployment's graph mode and sizes, or vLLM's sizes where it says none. A size that no step
/// can have is left out, which is a finding. Where the device's streams do not hold as many, sizes
/// of one's own are refused, with those that fit; vLLM's are thinned evenly, which is a finding.
/// `multistream`: the commands of a step are divided among streams.
GraphCapture resolveGraphs(const ModelSpec &spec, const DeploymentSpec &deployment,
                           const Limits &limits, const ParallelDegrees &degrees, bool multistream,
                           Findings &findings);

} // namespace vinci
