#include "tools/compiler/degrees.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

namespace {

using Degree = std::optional<int64_t>;

/// The first that is there.
Degree firstOf(std::initializer_list<Degree> values) {
  const auto found = std::ranges::find_if(values, [](const Degree &d) { return d.has_value(); });
  return found == values.end() ? std::nullopt : *found;
}

/// From the requested degrees; `reject` throws.
template <typename Reject> ParallelDegrees derive(const RequestedDegrees &r, Reject reject) {
  ParallelDegrees degrees;
  int64_t largest = 1;
  for (const Degree &degree : {r.tp, r.ep, r.attnTp, r.moeTp, r.embedTp, r.lmHeadTp})
    largest = std::max(largest, degree.value_or(1));
  if (r.moeTp && r.ep)
    largest = std::max(largest, *r.moeTp * *r.ep);
  degrees.world = r.world.value_or(largest);
  if (r.ep && (*r.ep < 1 || degrees.world % *r.ep != 0))
    reject(fmt::format("expert parallelism {} does not divide the world of {} ranks; legal: {}",
                       *r.ep, degrees.world, divisorsOf(degrees.world)));
  degrees.attentionTp = firstOf({r.attnTp, r.tp, degrees.world}).value();
  const Degree besideExperts = r.ep ? Degree(degrees.world / *r.ep) : std::nullopt;
  degrees.moeTp =
      firstOf({r.moeTp, besideExperts, r.world ? std::nullopt : r.tp, degrees.world}).value();
  degrees.embeddingTp = r.embedTp.value_or(degrees.attentionTp);
  degrees.lmHeadTp = r.lmHeadTp.value_or(degrees.attentionTp);
  if (r.ep && degrees.moeTp * *r.ep != degrees.world)
    reject(fmt::format("moe_tp {} times expert parallelism {} is {}, but the world has {} ranks",
                       degrees.moeTp, *r.ep, degrees.moeTp * *r.ep, degrees.world));
  if (const std::string problem = findProblem(degrees); !problem.empty())
    reject(problem);
  return degrees;
}

/// A kind of parallelism that there is not.
void requireOne(const Setting<int64_t> &setting, const char *what) {
  if (setting && *setting > 1)
    fail(setting.origin, "{} {} is not supported; legal is 1", what, *setting);
}

} // namespace

ParallelDegrees resolveDegrees(const RequestedDegrees &flags,
                               const DeploymentSpec::Parallel &deployment) {
  if (flags != RequestedDegrees())
    return derive(flags, [](const std::string &problem) { fail("{}", problem); });
  requireOne(deployment.pipelineStages, "a pipeline of stages =");
  requireOne(deployment.contextParallel, "context parallelism");
  RequestedDegrees said;
  const auto take = [](Degree &degree, const Setting<int64_t> &setting) {
    if (setting)
      degree = *setting;
  };
  take(said.world, deployment.worldSize);
  take(said.attnTp, deployment.attnTp);
  take(said.moeTp, deployment.moeTp);
  take(said.ep, deployment.moeEp);
  take(said.embedTp, deployment.embedTp);
  take(said.lmHeadTp, deployment.lmHeadTp);
  if (deployment.replicateEmbedding && *deployment.replicateEmbedding)
    said.embedTp = 1;
  const Setting<int64_t> &where = deployment.worldSize ? deployment.worldSize : deployment.attnTp;
  return derive(said, [&](const std::string &problem) { fail(where.origin, "{}", problem); });
}

bool resolveSequenceParallel(const CompileOptions &flags,
                             const DeploymentSpec::Parallel &deployment,
                             const ParallelDegrees &degrees, Findings &findings) {
  if (flags.sequenceParallel)
    return *flags.sequenceParallel;
  const Setting<bool> &said = deployment.sequenceParallel;
  if (flags.degrees != RequestedDegrees() || !said.valueOr(false))
    return false;
  const bool possible = degrees.attentionTp > 1 && degrees.embeddingTp == degrees.attentionTp;
  if (!possible)
    findings.add(FindingKind::NoEffect, said.origin,
                 "sequence parallelism needs attn_tp 2 or more and as much embed_tp, but they are "
                 "{} and {}; the tokens of a step are not divided",
                 degrees.attentionTp, degrees.embeddingTp);
  return possible;
}

} // namespace vinci
