#include "passes/partition/Degrees.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vinci {

namespace {

struct NamedDegree {
  const char *name;
  int64_t value;
};

std::array<NamedDegree, 4> byName(const ParallelDegrees &degrees) {
  return {{{"attn_tp", degrees.attentionTp},
           {"moe_tp", degrees.moeTp},
           {"embed_tp", degrees.embeddingTp},
           {"lm_head_tp", degrees.lmHeadTp}}};
}

constexpr int64_t maxRanks = 65536;

} // namespace

std::string divisorsOf(int64_t world) {
  std::string text;
  for (int64_t d = 1; d <= world; ++d)
    if (world % d == 0)
      text += (text.empty() ? "" : ", ") + std::to_string(d);
  return text;
}

std::string findProblem(const ParallelDegrees &degrees) {
  if (degrees.world < 1 || degrees.world > maxRanks)
    return fmt::format("world {} is not legal; it must be 1 to {}", degrees.world, maxRanks);
  for (const auto &[name, value] : byName(degrees))
    if (value < 1 || degrees.world % value != 0)
      return fmt::format("{} {} does not divide the world of {} ranks; legal: {}", name, value,
                         degrees.world, divisorsOf(degrees.world));
  for (const auto &[name, value] : byName(degrees))
    for (const auto &[other, size] : byName(degrees))
      if (value > size && value % size != 0)
        return fmt::format(
            "{} {} and {} {}: the smaller must divide the larger, so that the groups "
            "of one lie in those of the other",
            name, value, other, size);
  if (degrees.lmHeadTp > degrees.attentionTp)
    return fmt::format(
        "lm_head_tp {} exceeds attn_tp {}: ranks with tokens of their own cannot share a "
        "head; legal: {}",
        degrees.lmHeadTp, degrees.attentionTp, divisorsOf(degrees.attentionTp));
  return {};
}

ParallelAxes axesOf(const ParallelDegrees &degrees) {
  // Each size divides the next, and the steps from one to the next are the axes.
  llvm::SmallVector<int64_t> sizes = {1, degrees.world};
  for (const auto &[name, value] : byName(degrees))
    sizes.push_back(value);
  llvm::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  ParallelAxes axes;
  for (size_t i = sizes.size() - 1; i > 0; --i)
    axes.mesh.push_back(sizes[i] / sizes[i - 1]);
  if (axes.mesh.empty())
    axes.mesh.push_back(1);

  // The innermost axes whose product is the size, and the others.
  auto split = [&](int64_t size, Axes &inner, Axes *outer) {
    const auto axis = int64_t(sizes.end() - llvm::find(sizes, size)) - 1;
    for (int64_t i = 0; i < int64_t(axes.mesh.size()); ++i) {
      if (sizes.size() > 1 && i >= axis)
        inner.push_back(i);
      else if (outer && sizes.size() > 1)
        outer->push_back(i);
    }
  };
  split(degrees.attentionTp, axes.attention, &axes.data);
  split(degrees.moeTp, axes.expertWidth, &axes.experts);
  split(degrees.embeddingTp, axes.embedding, nullptr);
  split(degrees.lmHeadTp, axes.lmHead, nullptr);
  return axes;
}

} // namespace vinci
