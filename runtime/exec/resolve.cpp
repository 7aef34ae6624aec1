#include "runtime/exec/resolve.h"

#include "runtime/plan/collectives.h"
#include "runtime/support/error.h"

namespace vinci {

static_assert(int(fb::CollectiveKind::AllReduce) == int(CollectiveKind::AllReduce));
static_assert(int(fb::CollectiveKind::AllGather) == int(CollectiveKind::AllGather));
static_assert(int(fb::CollectiveKind::ReduceScatter) == int(CollectiveKind::ReduceScatter));

namespace {

void *addressOf(const fb::Plan &plan, const fb::Call &call, const fb::Operand &operand,
                const Addresses &addresses) {
  switch (operand.space()) {
  case fb::Space::Arena:
    return addresses.arena + plan.buffers()->Get(operand.index())->offset();
  case fb::Space::Input:
    return addresses.inputs[operand.index()];
  case fb::Space::Output:
    return addresses.outputs[operand.index()];
  case fb::Space::Constant:
    return addresses.constants[operand.index()];
  case fb::Space::Parameter: {
    const fb::Binding *binding = call.bindings()->Get(operand.index());
    if (binding->kind() == fb::BindingKind::KvCache)
      return addresses.kvCache + binding->index() * addresses.kvLayerBytes;
    return addresses.weights[binding->index()];
  }
  }
  failInternal("a verified plan has an operand in space {}", int(operand.space()));
}

} // namespace

/// A rank's part of the collective that `kernel` is.
static CollectiveCall resolveCollective(const fb::Collective &collective, const GroupPlace &place,
                                        std::span<void *const> operands, uint32_t send,
                                        const StepDims &dims) {
  CollectiveCall call;
  call.group = place.group;
  call.rank = place.rank;
  call.kind = CollectiveKind(collective.kind());
  call.receive = operands[Receive];
  call.send = operands[send];
  call.count = {VinciDim(collective.count()->symbol()), collective.count()->scale()};
  if (const fb::Dim *whole = collective.whole())
    call.whole = {VinciDim(whole->symbol()), whole->scale()};
  call.dtype = toDType(collective.dtype());
  call.dims = &dims;
  return call;
}

/// Runs the kernel of the ExpertCount that stands before its buffers. It has one tile.
static void countExperts(void *const *buffers, const uint64_t *dims, uint32_t tile) {
  auto &count = *static_cast<ExpertCount *>(buffers[0]);
  count.kernel(buffers + 1, dims, tile);
  const auto *begin = static_cast<const int32_t *>(buffers[1 + count.output]);
  uint32_t hit = 0;
  for (uint32_t expert = 0; expert < count.experts; ++expert)
    hit += begin[expert + 1] > begin[expert];
  count.hit = hit;
}

/// The output of `kernel` that says where the rows of each expert begin.
static std::optional<uint32_t> expertOffsetsOf(const fb::Kernel &kernel) {
  const std::string_view op = kernel.op()->string_view();
  return op == "expert_offsets" ? std::optional(0u)
         : op == "moe_sort"     ? std::optional(2u)
                                : std::nullopt;
}

/// Puts a count before `buffers`.
static void addCount(const fb::Plan &plan, const fb::Operand &offsets, VinciKernel kernel,
                     uint32_t output, std::deque<ExpertCount> &counts,
                     std::vector<void *> &buffers) {
  if (offsets.space() != fb::Space::Arena)
    failInternal("where experts begin is in space {}", int(offsets.space()));
  const fb::Buffer &buffer = *plan.buffers()->Get(offsets.index());
  const auto elements = uint32_t(buffer.bytes() / byteSize(toDType(buffer.dtype())));
  counts.push_back({kernel, output, elements - 1, 0});
  buffers.insert(buffers.begin(), &counts.back());
}

CommandList resolveEntry(const fb::Plan &plan, const fb::Entry &entry, const Addresses &addresses,
                         const StepDims &dims) {
  CommandList list;
  std::vector<void *> buffers;
  std::vector<uint32_t> waits;
  std::vector<uint32_t> ordinals; // in the list, of the commands of the body
  for (const fb::Call *call : *entry.calls()) {
    const fb::Body &body = *plan.bodies()->Get(call->body());
    // Within a body the waits are all the order there is; bodies follow one another.
    list.barrier();
    ordinals.clear();
    for (const fb::Command *command : *body.commands()) {
      buffers.clear();
      for (uint32_t i = 0; i < command->operand_count(); ++i)
        buffers.push_back(
            addressOf(plan, *call, *body.operands()->Get(command->operand_first() + i), addresses));
      waits.clear();
      for (uint32_t i = 0; i < command->wait_count(); ++i)
        waits.push_back(ordinals[body.waits()->Get(command->wait_first() + i)]);
      const fb::Kernel &kernel = *plan.kernels()->Get(command->kernel());
      const fb::Collective *collective = kernel.collective();
      const bool computes = !collective || computesFirst(kernel);
      uint32_t ordinal = 0;
      if (computes) {
        const fb::TileRule &tiles = command->tiles();
        VinciKernel code = addresses.kernels[command->kernel()];
        if (const auto output = expertOffsetsOf(kernel); output && addresses.expertCounts) {
          addCount(plan, *body.operands()->Get(command->operand_first() + *output), code, *output,
                   *addresses.expertCounts, buffers);
          code = countExperts;
        }
        ordinal =
            list.add({code,
                      buffers,
                      {VinciDim(tiles.symbol()), tiles.scale(), tiles.row_block(), tiles.columns()},
                      &dims},
                     waits);
        waits.assign(1, ordinal);
      }
      if (collective)
        ordinal = list.add(resolveCollective(*collective, addresses.groups[command->kernel()],
                                             buffers, computes ? Receive : Send, dims),
                           waits);
      ordinals.push_back(ordinal);
    }
  }
  return list;
}

} // namespace vinci
