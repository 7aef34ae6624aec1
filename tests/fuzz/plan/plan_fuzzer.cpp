// Plans that lie: the reader and both verifiers, with hashes switched off. What they accept is then
// walked over as the runtime would, but never executed.
//
// An empty input becomes the sample plan of the unit tests, which is smaller than any plan that the
// compiler writes; mutation goes on from there, too.
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "runtime/plan/plan.h"
#include "runtime/support/error.h"
#include "tests/unit/plan/sample_plan.h"

#include <algorithm>
#include <cstring>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {

using namespace vinci;

/// The sample with segments as short as they can be: its tables are what matters.
const std::vector<std::byte> &seed() {
  static const std::vector<std::byte> bytes = [] {
    fb::PlanT tables = sample::rankedPlan({2, 2});
    std::vector<SegmentData> segments = sample::segments();
    segments[0].bytes.resize(1);
    return serializePlan(tables, segments);
  }();
  return bytes;
}

/// Reads everything that an accepted plan says is there.
uint64_t walk(const Plan &plan) {
  const fb::Plan &root = *plan.root();
  uint64_t sum = 0;
  for (uint32_t i = 0; i < root.segments()->size(); ++i)
    sum += uint64_t(plan.segment(i).front()) + uint64_t(plan.segment(i).back());
  for (uint32_t i = 0; i < root.constants()->size(); ++i)
    for (std::byte byte : plan.constant(i, Mesh(root).ranks() - 1))
      sum += uint64_t(byte);
  for (const fb::Entry *entry : *root.entries())
    for (const fb::Call *call : *entry->calls()) {
      const fb::Body *body = root.bodies()->Get(call->body());
      for (const fb::Command *command : *body->commands()) {
        const fb::Kernel *kernel = root.kernels()->Get(command->kernel());
        sum += kernel->symbol()->size();
        if (const fb::Collective *collective = kernel->collective())
          sum += collectiveBytes(root, *collective, Receive) +
                 Mesh(root).ranksAlong(axesOf(*collective->axes()));
        for (uint32_t i = 0; i < command->operand_count(); ++i) {
          const fb::Operand *operand = body->operands()->Get(command->operand_first() + i);
          if (operand->space() == fb::Space::Arena)
            sum += root.buffers()->Get(operand->index())->offset();
          else if (operand->space() == fb::Space::Parameter)
            sum += call->bindings()->Get(operand->index())->index();
        }
      }
    }
  for (const fb::Weight *weight : *root.weights())
    for (const fb::WeightPiece *piece : *weight->pieces())
      for (const fb::Shard *shard : *piece->shards())
        sum += partOf(*shard, Mesh(root), Mesh(root).ranks() - 1, piece->shape()->Get(0)).first;
  return sum;
}

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned int) {
  if (size < sizeof(PlanHeader)) {
    size = std::min(seed().size(), maxSize);
    std::memcpy(data, seed().data(), size);
  }
  return LLVMFuzzerMutate(data, size, maxSize);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size != 0)
    std::memcpy(bytes.data(), data, size);
  // A wrong file size would hide everything else that is wrong.
  if (size >= sizeof(PlanHeader))
    std::memcpy(bytes.data() + offsetof(PlanHeader, fileBytes), &size, sizeof size);
  try {
    Plan plan = Plan::parseUnhashed(bytes, "fuzzed.plan");
    volatile uint64_t sum = walk(plan);
    (void)sum;
  } catch (const Error &) {
  }
  return 0;
}
