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
    if (binding->kind() == fb::BindingKind::Nothing)
      return nullptr;
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

namespace {

/// Where a command went: which list, and its ordinal there.
struct Place {
  uint32_t list, ordinal;
};

/// Collects commands, in one list or in several that run one after another.
class Resolver {
public:
  Resolver(const fb::Plan &plan, const Addresses &addresses, const StepDims &dims, bool inPieces)
      : plan_(plan), addresses_(addresses), dims_(dims), inPieces_(inPieces) {}

  std::vector<CommandList> resolve(const fb::Entry &entry) {
    for (const fb::Call *call : *entry.calls()) {
      // Within a body the waits are all the order there is; bodies follow one another.
      lists_.back().barrier();
      places_.clear();
      for (const fb::Command *command : *plan_.bodies()->Get(call->body())->commands())
        add(*call, *command);
    }
    return std::move(lists_);
  }

private:
  void add(const fb::Call &call, const fb::Command &command);
  /// What a command waits for in the list at hand: the lists before it have run.
  void findWaits(const fb::Body &body, const fb::Command &command) {
    waits_.clear();
    for (uint32_t i = 0; i < command.wait_count(); ++i)
      if (const Place &place = places_[body.waits()->Get(command.wait_first() + i)];
          place.list + 1 == lists_.size())
        waits_.push_back(place.ordinal);
  }

  const fb::Plan &plan_;
  const Addresses &addresses_;
  const StepDims &dims_;
  const bool inPieces_;
  std::vector<CommandList> lists_ = std::vector<CommandList>(1);
  std::vector<Place> places_; ///< of the commands of the body
  std::vector<void *> buffers_;
  std::vector<uint32_t> waits_;
};

void Resolver::add(const fb::Call &call, const fb::Command &command) {
  const fb::Body &body = *plan_.bodies()->Get(call.body());
  const fb::Kernel &kernel = *plan_.kernels()->Get(command.kernel());
  const bool apart = inPieces_ && kernel.op()->string_view() == "attention";
  if (apart)
    lists_.emplace_back();
  CommandList &list = lists_.back();
  buffers_.clear();
  for (uint32_t i = 0; i < command.operand_count(); ++i)
    buffers_.push_back(
        addressOf(plan_, call, *body.operands()->Get(command.operand_first() + i), addresses_));
  findWaits(body, command);
  const fb::Collective *collective = kernel.collective();
  const bool computes = !collective || computesFirst(kernel);
  uint32_t ordinal = 0;
  if (computes) {
    const fb::TileRule &tiles = command.tiles();
    VinciKernel code = addresses_.kernels[command.kernel()];
    if (const auto output = expertOffsetsOf(kernel); output && addresses_.expertCounts) {
      addCount(plan_, *body.operands()->Get(command.operand_first() + *output), code, *output,
               *addresses_.expertCounts, buffers_);
      code = countExperts;
    }
    ordinal =
        list.add({code,
                  buffers_,
                  {VinciDim(tiles.symbol()), tiles.scale(), tiles.row_block(), tiles.columns()},
                  &dims_},
                 waits_);
    waits_.assign(1, ordinal);
  }
  if (collective)
    ordinal = list.add(resolveCollective(*collective, addresses_.groups[command.kernel()], buffers_,
                                         computes ? Receive : Send, dims_),
                       waits_);
  places_.push_back({uint32_t(lists_.size() - 1), ordinal});
  if (apart)
    lists_.emplace_back();
}

} // namespace

CommandList resolveEntry(const fb::Plan &plan, const fb::Entry &entry, const Addresses &addresses,
                         const StepDims &dims) {
  return std::move(Resolver(plan, addresses, dims, /*inPieces=*/false).resolve(entry).front());
}

std::vector<CommandList> resolvePieces(const fb::Plan &plan, const fb::Entry &entry,
                                       const Addresses &addresses, const StepDims &dims) {
  return Resolver(plan, addresses, dims, /*inPieces=*/true).resolve(entry);
}

} // namespace vinci
