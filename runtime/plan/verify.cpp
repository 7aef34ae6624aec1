#include "runtime/plan/verify.h"

#include "runtime/plan/verify_internal.h"

#include <algorithm>
#include <set>

namespace vinci {
namespace planverify {

void Context::requireFloat(fb::DType type, const std::string &where) const {
  requireEnum(type, where, "dtype");
  if (type != fb::DType::Float32 && type != fb::DType::BFloat16 && type != fb::DType::Float16)
    fail(where, "dtype is {}, legal are float32, bfloat16 and float16", toString(toDType(type)));
}

uint64_t Context::bytesAtLimits(const flatbuffers::Vector<const fb::Dim *> *dims, fb::DType type,
                                const std::string &where) const {
  requireEnum(type, where, "dtype");
  requireRange(require(dims, where, "dims")->size(), 1, maxRank, where, "the number of dims");
  std::optional<uint64_t> bytes = byteSize(toDType(type));
  for (const fb::Dim *dim : *dims) {
    requireEnum(dim->symbol(), where, "the symbol of a dim");
    if (dim->scale() == 0)
      fail(where, "a dim has scale 0");
    bytes = checkedMul(*bytes, dim->scale());
    if (bytes)
      bytes = checkedMul(*bytes, symbolLimit(*plan.limits(), dim->symbol()));
    if (!bytes)
      fail(where, "its dims are larger than any memory");
  }
  return *bytes;
}

std::string bufferWhere(const fb::Plan &plan, uint32_t index) {
  return fmt::format("buffer {} {}", index,
                     quote(plan.buffers()->Get(index)->name()->string_view()));
}

std::string commandWhere(const fb::Plan &plan, uint32_t body, uint32_t command) {
  return fmt::format("body {} {}, command {}", body,
                     quote(plan.bodies()->Get(body)->name()->string_view()), command);
}

Overlaps findOverlaps(const fb::Plan &plan) {
  const auto &buffers = *plan.buffers();
  std::vector<uint32_t> byOffset(buffers.size());
  for (uint32_t i = 0; i < byOffset.size(); ++i)
    byOffset[i] = i;
  std::sort(byOffset.begin(), byOffset.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(buffers.Get(a)->offset(), a) < std::pair(buffers.Get(b)->offset(), b);
  });
  Overlaps overlaps(buffers.size());
  for (size_t i = 0; i < byOffset.size(); ++i) {
    const fb::Buffer *first = buffers.Get(byOffset[i]);
    overlaps[byOffset[i]].push_back(byOffset[i]);
    for (size_t j = i + 1; j < byOffset.size(); ++j) {
      if (buffers.Get(byOffset[j])->offset() >= first->offset() + first->bytes())
        break;
      overlaps[byOffset[i]].push_back(byOffset[j]);
      overlaps[byOffset[j]].push_back(byOffset[i]);
    }
  }
  return overlaps;
}

} // namespace planverify

bool mayRunInPlace(std::string_view op) {
  return op == "rope" || op == "silu" || op == "rms_norm" || op == "add" || op == "mul" ||
         op == "all_reduce";
}

void verifyPlan(const fb::Plan &plan, uint64_t tablesEnd, uint64_t fileBytes,
                const std::string &name) {
  using namespace planverify;
  Context context{plan, name};
  verifyModel(context);
  verifySegments(context, tablesEnd, fileBytes);
  verifyMemory(context);
  verifyKernels(context);

  const auto *bodies = context.require(plan.bodies(), "plan", "bodies");
  context.requireRange(bodies->size(), 1, maxBodies, "plan", "the number of bodies");
  // Names first: everything below names bodies in its messages.
  std::set<std::string_view> names;
  for (uint32_t i = 0; i < bodies->size(); ++i) {
    std::string where = fmt::format("body {}", i);
    std::string_view body = context.requireName(bodies->Get(i)->name(), where, "name");
    if (!names.insert(body).second)
      context.fail(where, "name {} is taken by another body", quote(body));
  }
  Overlaps overlaps = findOverlaps(plan);
  uint64_t work = 0;
  std::vector<BodyEffect> effects;
  for (uint32_t i = 0; i < bodies->size(); ++i)
    effects.push_back(verifyBody(context, i, overlaps, work));
  verifyEntries(context, effects);
  verifyDebug(context);
}

} // namespace vinci
