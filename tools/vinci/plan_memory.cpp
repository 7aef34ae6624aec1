#include "tools/vinci/plan_memory.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <set>

namespace vinci {
namespace {

/// HCCL's default of HCCL_BUFFSIZE; a communicator has one buffer to send from and one to receive
/// into.
constexpr int64_t defaultCollectiveBufferMb = 200;
constexpr uint64_t buffersPerGroup = 2;

/// As an NPU holds them: the tables that Panel12 has are of the host's kernels.
uint64_t weightBytes(const fb::Plan &plan) {
  uint64_t bytes = 0;
  for (const fb::Weight *weight : *plan.weights()) {
    const auto &shape = *weight->shape();
    bytes += weight->packing() == fb::Packing::Panel12
                 ? *packedBytes({shape.data(), shape.size()}, toDType(weight->dtype()),
                                fb::Packing::Panel32, weight->count())
                 : weight->bytes();
  }
  return bytes;
}

bool writesLogits(const fb::Body &body) {
  return std::ranges::any_of(*body.operands(), [](const fb::Operand *operand) {
    return operand->space() == fb::Space::Output;
  });
}

/// Rows of a buffer of the head: of tokens, or of logits.
uint64_t rowsAtLimits(const fb::Limits &limits, const fb::Buffer &buffer) {
  const bool ofLogits = std::ranges::any_of(
      *buffer.dims(), [](const fb::Dim *dim) { return dim->symbol() == fb::Symbol::LogitRows; });
  return symbolLimit(limits, ofLogits ? fb::Symbol::LogitRows : fb::Symbol::Tokens);
}

} // namespace

uint64_t activationBytes(const fb::Plan &plan, uint64_t tokens, uint64_t rows) {
  std::vector<bool> inLayers(plan.buffers()->size()), inHead(plan.buffers()->size());
  for (const fb::Body *body : *plan.bodies()) {
    std::vector<bool> &used = writesLogits(*body) ? inHead : inLayers;
    for (const fb::Operand *operand : *body->operands())
      if (operand->space() == fb::Space::Arena)
        used[operand->index()] = true;
  }
  const uint64_t most = plan.limits()->max_tokens_per_step();
  uint64_t layers = 0, perLogitRow = plan.model()->vocab_size() * sizeof(float);
  for (uint32_t i = 0; i < inLayers.size(); ++i) {
    const fb::Buffer *buffer = plan.buffers()->Get(i);
    if (inLayers[i])
      layers = std::max(layers, buffer->offset() + buffer->bytes());
    else if (inHead[i])
      perLogitRow += buffer->bytes() / rowsAtLimits(*plan.limits(), *buffer);
  }
  return uint64_t(double(layers) / double(most) * double(tokens)) + perLogitRow * rows;
}

namespace {

/// Kinds of groups that meet, by the axes that they meet along.
uint64_t communicatorGroups(const fb::Plan &plan) {
  std::set<std::vector<uint32_t>> groups;
  const Mesh mesh(plan);
  for (const fb::Kernel *kernel : *plan.kernels())
    if (const fb::Collective *collective = kernel->collective())
      if (const MeshAxes axes = axesOf(*collective->axes()); mesh.ranksAlong(axes) > 1)
        groups.emplace(axes.begin(), axes.end());
  return groups.size();
}

uint64_t graphPoolBytes(const fb::Plan &plan) {
  const fb::Graphs *graphs = plan.graphs();
  if (!graphs)
    return 0;
  const uint32_t largest = graphs->sizes()->Get(graphs->sizes()->size() - 1);
  return activationBytes(plan, largest, std::min(largest, plan.limits()->max_batch()));
}

MemoryRule ruleOf(const DeploymentSpec::Memory &from, const DeviceSpec &device,
                  std::optional<int64_t> kvBlocks) {
  MemoryRule rule;
  rule.device = device.name;
  rule.capacity = device[Constant::MemoryCapacity].value;
  rule.usable = device[Constant::MemoryUsable].value;
  rule.deviceGib = from.deviceGib.value;
  rule.utilization = from.utilization.value;
  rule.limitGib = from.limitGib.value;
  rule.kvGib = from.kvGib.value;
  rule.nonKvGib = from.nonKvGib.value;
  if (kvBlocks)
    rule.kvBlocks = uint32_t(*kvBlocks);
  return rule;
}

} // namespace

KvGeometry kvGeometryOf(const fb::Plan &plan) {
  const fb::KvCache &cache = *plan.kv_cache();
  return {.layers = cache.layers(),
          .kvHeads = cache.num_key_value_heads(),
          .headDim = cache.head_dim(),
          .bytesPerElement = uint32_t(byteSize(toDType(cache.dtype()))),
          .blockSize = cache.block_size()};
}

PlanMemory::PlanMemory(const Plan &plan, const DeploymentSpec &deployment, const DeviceSpec &device,
                       std::optional<int64_t> kvBlocks)
    : plan_(*plan.root()), deployment_(deployment),
      rule_(ruleOf(deployment.memory, device, kvBlocks)) {
  demand_ = demandOf(plan_.limits()->max_tokens_per_step(), plan_.limits()->max_seq_len());
  budget_ = budgetOf(rule_, demand_);
  bounds_ = findBounds();
}

bool PlanMemory::chunkedPrefill() const {
  return deployment_.scheduler.chunkedPrefill.valueOr(deployment_.scheduler.policy.valueOr("") !=
                                                      "mindie");
}

MemoryDemand PlanMemory::demandOf(uint64_t tokensPerStep, uint64_t sequence) const {
  MemoryDemand demand;
  demand.weights = weightBytes(plan_);
  demand.activations = activationBytes(plan_, tokensPerStep, plan_.limits()->max_batch());
  demand.attentionMask =
      attentionMaskBytes(rule_.device, std::min(tokensPerStep, sequence), sequence);
  demand.graphPool = graphPoolBytes(plan_);
  demand.collectiveBuffers =
      communicatorGroups(plan_) * buffersPerGroup *
      uint64_t(deployment_.execution.collectiveBufferMb.valueOr(defaultCollectiveBufferMb)) *
      (uint64_t(1) << 20);
  demand.bytesPerKvBlock = kvGeometryOf(plan_).bytesPerBlock();
  demand.blockSize = plan_.kv_cache()->block_size();
  demand.planKvBlocks = plan_.limits()->kv_blocks();
  return demand;
}

uint64_t PlanMemory::leastKvBlocks() const {
  return partSize(plan_.limits()->max_seq_len(), demand_.blockSize);
}

uint64_t PlanMemory::bytesLeftForKv() const {
  const uint64_t rest = demand_.beforeKvCache();
  return budget_.capacity > rest ? budget_.capacity - rest : 0;
}

uint64_t PlanMemory::kvSequences() const {
  const DeploymentSpec::Scheduler &scheduler = deployment_.scheduler;
  const uint64_t each = scheduler.maxInputLen && scheduler.maxOutputLen
                            ? blocksPerRequest(uint32_t(*scheduler.maxInputLen),
                                               uint32_t(*scheduler.maxOutputLen), demand_.blockSize)
                            : leastKvBlocks();
  return budget_.kvBlocks / each;
}

/// Whether activations and mask of a step that computes such a sequence fit beside all else.
bool PlanMemory::holds(uint64_t sequence) const {
  const uint64_t most = plan_.limits()->max_tokens_per_step();
  const MemoryDemand demand =
      demandOf(chunkedPrefill() ? most : std::max(most, sequence), sequence);
  // A cache of a given size is there in any case; else it may shrink to what the sequence needs.
  const bool isGiven = saysKvSize() || rule_.nonKvGib;
  const uint64_t cache =
      isGiven ? budget_.kvCache : partSize(sequence, demand.blockSize) * demand.bytesPerKvBlock;
  return demand.beforeKvCache() + cache <= budget_.capacity;
}

std::vector<PlanMemory::Bound> PlanMemory::findBounds() const {
  constexpr uint64_t most = uint64_t(1) << 31; // slots are numbered in 31 bits
  uint64_t held = 0, beyond = most;
  while (beyond - held > 1)
    (holds((held + beyond) / 2) ? held : beyond) = (held + beyond) / 2;
  const uint64_t width = leastKvBlocks();
  return {{"KV cache", budget_.kvTokens,
           fmt::format("{} blocks of {} tokens: {}", budget_.kvBlocks, demand_.blockSize,
                       budget_.rule)},
          {"rotary table", plan_.model()->max_position_embeddings(), "max_position_embeddings"},
          {demand_.attentionMask > 0 ? "activations and mask" : "activations", held,
           beyond == most     ? "of one step; they do not grow with a sequence"
           : chunkedPrefill() ? "beside the KV cache; prompts come in chunks"
                              : "beside the KV cache; a prompt is one step"},
          {"block table", width * demand_.blockSize,
           fmt::format("{} blocks wide, compiled for max_seq_len {}", width,
                       plan_.limits()->max_seq_len())}};
}

const PlanMemory::Bound &PlanMemory::longest(bool compiled) const {
  return *std::min_element(bounds_.begin(), bounds_.end() - (compiled ? 0 : 1),
                           [](const Bound &a, const Bound &b) { return a.tokens < b.tokens; });
}

bool PlanMemory::sequencesAreTooLong() const {
  return budget_.fits() && longest(false).tokens < plan_.limits()->max_seq_len();
}

std::string PlanMemory::problem() const {
  if (!sequencesAreTooLong())
    return budget_.problem;
  const Bound &bound = longest(false);
  return fmt::format(
      "a sequence of max_seq_len {} does not fit {}: the longest is {} tokens, bound "
      "by the {} ({}); {}",
      plan_.limits()->max_seq_len(), rule_.device, bound.tokens, bound.what, bound.why,
      budget_.sum());
}

uint64_t PlanMemory::neededKvBytes() const {
  return saysKvSize() ? budget_.kvCache : leastKvBlocks() * demand_.bytesPerKvBlock;
}

uint64_t PlanMemory::mostTokensPerStep() const {
  const uint64_t cache = neededKvBytes();
  const uint64_t least = std::max<uint64_t>(plan_.limits()->max_batch(),
                                            chunkedPrefill() ? 1 : plan_.limits()->max_seq_len());
  uint64_t held = 0, beyond = plan_.limits()->max_tokens_per_step();
  const auto fits = [&](uint64_t tokens) {
    return demandOf(tokens, plan_.limits()->max_seq_len()).beforeKvCache() + cache <=
           budget_.capacity;
  };
  while (beyond - held > 1)
    (fits((held + beyond) / 2) ? held : beyond) = (held + beyond) / 2;
  held = held / 16 * 16;
  return held >= least ? held : 0;
}

} // namespace vinci
