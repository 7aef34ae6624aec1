// Degrees of parallelism, from flags and from what a deployment says.
#pragma once

#include "frontend/deployment_spec.h"
#include "frontend/settings/findings.h"
#include "passes/partition/Degrees.h"
#include "tools/compiler/compiler.h"

namespace vinci {

/// If any flag is given the flags alone, else those of the deployment. What is not said follows
/// from what is:
///   world      the largest degree that is named, tp, or ep
///   attn_tp    tp, or the world
///   moe_tp     tp, or what ep leaves of the world, or the world
///   embed_tp, lm_head_tp   attn_tp
/// Throws Error, at the flag or at the deployment's file and line, for degrees that do not fit each
/// other and for kinds of parallelism that there are not: pipeline stages, context parallelism.
ParallelDegrees resolveDegrees(const RequestedDegrees &flags,
                               const DeploymentSpec::Parallel &deployment);

/// Whether ranks divide the tokens of a step: what the flag says or, with a deployment's degrees,
/// the deployment. Where its degrees do not allow it they are not divided, which is a finding.
bool resolveSequenceParallel(const CompileOptions &flags,
                             const DeploymentSpec::Parallel &deployment,
                             const ParallelDegrees &degrees, Findings &findings);

} // namespace vinci
