#include "runtime/device/memory_budget.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace vinci {

std::string gibText(double bytes) {
  return fmt::format("{:.2f} GiB", bytes / bytesPerGib);
}

uint64_t attentionMaskBytes(std::string_view device, uint64_t queries, uint64_t keys) {
  return device == "310p3" ? 2 * queries * keys : 0;
}

std::vector<MemoryBudget::Row> MemoryBudget::rows() const {
  return {{"weights", weights},
          {"activations", activations},
          {"attention mask", attentionMask},
          {"graph pool", graphPool},
          {"collective buffers", collectiveBuffers},
          {"KV cache", kvCache}};
}

uint64_t MemoryBudget::used() const {
  uint64_t bytes = 0;
  for (const Row &row : rows())
    bytes += row.bytes;
  return bytes;
}

std::string MemoryBudget::sum() const {
  std::string text;
  for (const Row &row : rows())
    if (row.bytes > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : " + ", row.what, gibText(row.bytes));
  return fmt::format("{} = {} of {}", text, gibText(used()), gibText(capacity));
}

namespace {

/// The part of the device that the server may use.
double capacityOf(const MemoryRule &rule) {
  const double total = rule.deviceGib ? *rule.deviceGib * bytesPerGib : rule.capacity;
  const double capacity = rule.utilization ? total * *rule.utilization
                          : rule.deviceGib ? total
                                           : rule.usable;
  return rule.limitGib ? std::min(capacity, *rule.limitGib * bytesPerGib) : capacity;
}

uint32_t blocksIn(double bytes, const MemoryDemand &demand) {
  const double blocks = std::floor(bytes / double(demand.bytesPerKvBlock));
  return uint32_t(std::clamp(blocks, 0.0, double(INT32_MAX)));
}

/// Sets blocks and rule of a cache beside `reserve` for all else.
void reserveForAllElse(MemoryBudget &budget, const MemoryRule &rule, const MemoryDemand &demand,
                       double left) {
  const double total = (rule.deviceGib ? *rule.deviceGib * bytesPerGib : rule.capacity) *
                       rule.utilization.value_or(1);
  const double cache = total - *rule.nonKvGib * bytesPerGib;
  budget.rule = fmt::format("{} of the device less {} for all else", gibText(total),
                            gibText(*rule.nonKvGib * bytesPerGib));
  budget.kvBlocks = blocksIn(cache, demand);
  if (budget.kvBlocks > 0)
    return;
  // The published settings of one system come to less than nothing: to be told, not to fail on.
  budget.kvBlocks = std::min(demand.planKvBlocks, std::max(blocksIn(left, demand), 1u));
  budget.warning = fmt::format(
      "the deployment's memory for the KV cache is {}: {}; {} blocks of what is left are used",
      gibText(cache), budget.rule, budget.kvBlocks);
  budget.rule = "the plan's blocks, as far as there is room";
}

} // namespace

MemoryBudget budgetOf(const MemoryRule &rule, const MemoryDemand &demand) {
  MemoryBudget budget;
  budget.device = rule.device;
  budget.capacity = uint64_t(capacityOf(rule));
  budget.weights = demand.weights;
  budget.activations = demand.activations;
  budget.attentionMask = demand.attentionMask;
  budget.graphPool = demand.graphPool;
  budget.collectiveBuffers = demand.collectiveBuffers;
  const double left = double(budget.capacity) - double(demand.beforeKvCache());
  const bool saysSize = rule.kvGib && *rule.kvGib >= 0;
  if (rule.kvBlocks) {
    budget.kvBlocks = *rule.kvBlocks;
    budget.rule = fmt::format("{} blocks as asked for", *rule.kvBlocks);
  } else if (saysSize) {
    budget.kvBlocks = blocksIn(*rule.kvGib * bytesPerGib, demand);
    budget.rule = fmt::format("{} as the deployment says", gibText(*rule.kvGib * bytesPerGib));
  } else if (rule.nonKvGib) {
    reserveForAllElse(budget, rule, demand, left);
  } else {
    budget.kvBlocks = blocksIn(left, demand);
    budget.rule = fmt::format("{} of the device less all else", gibText(budget.capacity));
  }
  budget.kvCache = uint64_t(budget.kvBlocks) * demand.bytesPerKvBlock;
  budget.kvTokens = uint64_t(budget.kvBlocks) * demand.blockSize;
  if (saysSize && !rule.kvBlocks && budget.kvBlocks == 0)
    budget.problem = fmt::format("memory.kv_gib is {}, less than a block of the KV cache, {}",
                                 *rule.kvGib, gibText(demand.bytesPerKvBlock));
  else if (budget.kvBlocks == 0)
    budget.problem =
        fmt::format("the model does not fit {}: {}, which leaves no block of {} for the KV cache",
                    rule.device, budget.sum(), gibText(demand.bytesPerKvBlock));
  else if (budget.used() > budget.capacity)
    budget.problem = fmt::format("the model does not fit {}: {}", rule.device, budget.sum());
  return budget;
}

} // namespace vinci
