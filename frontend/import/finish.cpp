#include "frontend/import/finish.h"
#include "runtime/device/targets.h"
#include "runtime/support/dtype.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>

namespace vinci {

namespace {

using Integer = Setting<int64_t>;

template <typename T>
void derive(Setting<T> &setting, T value, std::string_view from,
            Authority authority = Authority::Default) {
  if (!setting)
    setting = {std::move(value), SourcePosition{fmt::format("from {}", from)}, authority};
}

std::vector<int64_t> divisors(int64_t number) {
  std::vector<int64_t> result;
  for (int64_t i = 1; i <= std::min<int64_t>(number, 1024); ++i)
    if (number % i == 0)
      result.push_back(i);
  return result;
}

void requireDivisor(const Integer &degree, std::string_view name, const Integer &world) {
  if (degree && *world % *degree != 0)
    fail(degree.origin, "{} {} does not divide world_size {}; legal are {}", name, *degree, *world,
         fmt::join(divisors(*world), ", "));
}

// --- degrees

/// What is divided as attention is, whatever a file says. Refusals are tools/compiler/degrees.h's.
void noteUnheededDegrees(Import &import) {
  const DeploymentSpec::Parallel &p = import.resolved.deployment.parallel;
  for (const auto &[degree, name, what] :
       {std::tuple(&p.oProjTp, "o_proj_tp", "o_proj is"),
        std::tuple(&p.denseTp, "dense_tp", "dense feed-forward layers are")})
    if (*degree && **degree != *p.attnTp)
      import.findings.add(
          FindingKind::NoEffect, degree->origin,
          "{} is {}, which Vinci does not follow: {} divided as attention is, among "
          "{} ranks (attn_tp)",
          name, **degree, what, *p.attnTp);
  if (p.sharedExpertTp.valueOr(1) > 1)
    import.findings.add(
        FindingKind::NoEffect, p.sharedExpertTp.origin,
        "shared_expert_tp is {}, but no family that Vinci reads has a shared expert",
        *p.sharedExpertTp);
}

void finishParallel(Import &import) {
  DeploymentSpec::Parallel &p = import.resolved.deployment.parallel;
  if (!p.worldSize && !p.attnTp && !p.attnDp)
    return;
  const int64_t stages = p.pipelineStages.valueOr(1);
  derive(p.worldSize, p.attnTp.valueOr(1) * p.attnDp.valueOr(1) * stages,
         "attn_tp * attn_dp * pipeline_stages");
  const Integer &world = p.worldSize;
  requireDivisor(p.pipelineStages, "pipeline_stages", world);
  requireDivisor(p.attnTp, "attn_tp", world);
  requireDivisor(p.moeTp, "moe_tp", world);
  requireDivisor(p.embedTp, "embed_tp", world);
  requireDivisor(p.lmHeadTp, "lm_head_tp", world);
  if (p.attnTp && p.attnDp && *p.attnTp * *p.attnDp * stages != *world)
    import.findings.add(FindingKind::Contradiction, world.origin,
                        "world_size is {}, but attn_tp {} * attn_dp {} * pipeline_stages {} is {}",
                        *world, *p.attnTp, *p.attnDp, stages, *p.attnTp * *p.attnDp * stages);
  const int64_t ranks = std::max<int64_t>(1, *world / stages);
  derive(p.attnTp, std::max<int64_t>(1, ranks / p.attnDp.valueOr(1)), "world_size / attn_dp");
  derive(p.attnDp, std::max<int64_t>(1, ranks / *p.attnTp), "world_size / attn_tp");
  if (import.resolved.model.numExperts) {
    if (p.moeEp)
      derive(p.moeTp, std::max<int64_t>(1, ranks / *p.moeEp), "world_size / moe_ep");
    derive(p.moeTp, *p.attnTp, "attn_tp");
    derive(p.moeEp, std::max<int64_t>(1, ranks / *p.moeTp), "world_size / moe_tp");
  }
  derive(p.embedTp, p.replicateEmbedding.valueOr(false) ? 1 : *p.attnTp,
         p.replicateEmbedding.valueOr(false) ? "replicate_embedding" : "attn_tp");
  derive(p.lmHeadTp, *p.attnTp, "attn_tp");
  noteUnheededDegrees(import);

  const Setting<std::vector<int64_t>> &devices = import.resolved.deployment.execution.devices;
  const int64_t perHost = import.resolved.deployment.execution.devicesPerHost.valueOr(*world);
  if (devices && int64_t(devices->size()) < std::min(*world, perHost))
    import.findings.add(FindingKind::Contradiction, devices.origin,
                        "the device mask {} has {} devices, but world_size is {}", show(*devices),
                        devices->size(), *world);
  if (!devices)
    return;
  std::vector<int64_t> sorted = *devices;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    fail(devices.origin, "the device mask {} names device {} twice; each rank has one of its own",
         show(*devices), *twice);
}

// --- memory

/// GiB that vLLM leaves to the KV cache: a share of the device, less what is reserved.
void finishKvMemory(Import &import) {
  DeploymentSpec::Memory &m = import.resolved.deployment.memory;
  if (!m.deviceGib || !m.utilization || !m.nonKvGib)
    return;
  const double left = *m.deviceGib * *m.utilization - *m.nonKvGib;
  if (left <= 0)
    import.findings.add(FindingKind::Contradiction, m.nonKvGib.origin,
                        "{:g} GiB are reserved for weights and activations, but {:g} of {:g} GiB "
                        "(utilization {}) is {:g} GiB: {:g} GiB are left for the KV cache",
                        *m.nonKvGib, *m.utilization, *m.deviceGib, toString(m.utilization.origin),
                        *m.deviceGib * *m.utilization, left);
  else
    derive(m.kvGib, left, "device_gib * utilization - non_kv_gib", m.nonKvGib.authority);
}

/// Blocks of the KV cache that fit into its memory, on one rank.
void finishKvBlocks(Import &import) {
  const ModelSettings &model = import.resolved.model;
  DeploymentSpec &d = import.resolved.deployment;
  if (!d.memory.kvGib || *d.memory.kvGib <= 0 || !model.numHiddenLayers ||
      !model.numKeyValueHeads || !model.headDim)
    return;
  const int64_t tp = d.parallel.attnTp.valueOr(1);
  const int64_t heads = std::max<int64_t>(1, *model.numKeyValueHeads / tp);
  const std::optional<DType> dtype =
      parseDType(d.precision.compute.valueOr(model.dtype.valueOr("bfloat16")));
  const double blockBytes =
      2.0 * double(*model.numHiddenLayers) * double(d.scheduler.blockSize.valueOr(128)) *
      double(heads) * double(*model.headDim) * double(byteSize(dtype.value_or(DType::BFloat16)));
  const auto blocks = int64_t(std::floor(*d.memory.kvGib * double(1 << 30) / blockBytes));
  if (blocks < 1) {
    import.findings.add(FindingKind::Contradiction, d.memory.kvGib.origin,
                        "{:g} GiB for the KV cache do not hold one block of {:.0f} bytes",
                        *d.memory.kvGib, blockBytes);
    return;
  }
  if (d.memory.kvGib.authority == Authority::Deployment && d.scheduler.numBlocks)
    return; // both were written down
  settle(import.findings, fmt::format("num_blocks (of {:g} GiB)", *d.memory.kvGib),
         d.scheduler.numBlocks, blocks, d.memory.kvGib.origin, d.memory.kvGib.authority);
}

void finishLengths(Import &import) {
  const Integer &positions = import.resolved.model.maxPositionEmbeddings;
  const Integer &length = import.resolved.deployment.scheduler.maxSeqLen;
  if (positions && length && *length > *positions)
    import.findings.add(FindingKind::Contradiction, length.origin,
                        "max_seq_len is {}, but the rotary table has {} positions ({})", *length,
                        *positions, toString(positions.origin));
}

// --- the target

void finishTarget(Import &import) {
  DeploymentSpec &d = import.resolved.deployment;
  if (!d.target)
    return;
  const NpuTarget *target = findTarget(*d.target);
  if (!target)
    fail(d.target.origin, "{} is no target; there are {}", quoteForMessage(*d.target),
         targetNames());
  const Setting<std::string> &engine = d.execution.collectiveEngine;
  if (engine && *engine == "aiv" && !target->aivCollectives)
    import.findings.add(FindingKind::Contradiction, engine.origin,
                        "collective_engine is aiv, but the vector cores of {} run no collectives",
                        target->name);
  if (target->bfloat16)
    return;
  auto cast = [&](Setting<std::string> &region, std::string_view name) {
    if (!region || *region != "bfloat16")
      return;
    import.findings.add(FindingKind::Contradiction, region.origin,
                        "{} is bfloat16, which {} cannot compute in; float16 is used", name,
                        target->name);
    region.value = "float16";
  };
  cast(d.precision.compute, "compute");
  cast(d.precision.layernorm, "layernorm");
  cast(d.precision.softmax, "softmax");
  cast(d.precision.rotary, "rotary");
  cast(d.precision.parameters, "parameters");
  if (d.precision.compute || !import.resolved.model.dtype ||
      *import.resolved.model.dtype != "bfloat16")
    return;
  import.findings.add(FindingKind::Note, import.resolved.model.dtype.origin,
                      "the checkpoint is in bfloat16, which {} cannot compute in: its weights are "
                      "cast to float16 when they are loaded, and what overflows is counted",
                      target->name);
  derive(d.precision.compute, std::string("float16"), fmt::format("target {}", target->name));
}

} // namespace

void finishImport(Import &import) {
  finishTarget(import);
  finishParallel(import);
  finishKvMemory(import);
  finishKvBlocks(import);
  finishLengths(import);
}

} // namespace vinci
