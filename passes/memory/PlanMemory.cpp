// Offsets of the activation arena. See Passes.td for what may share memory and why.
#include "ir/npu/Sizes.h"
#include "passes/passes.h"
#include "passes/schedule/CommandOrder.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using llvm::BitVector;

namespace vinci {

#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"

namespace {

/// Buffers that lie at the same place: one, or a chain of in-place launches.
struct Group {
  int64_t bytes = 0;
  SmallVector<npu::BufferOp, 2> buffers;
  /// The commands of the body that read or write it.
  BitVector accesses;
  /// The commands that have finished before any of `accesses` starts.
  BitVector before;
  std::optional<int64_t> offset;
};

/// True if `a` is done with before `b` begins, or the other way round.
bool ordered(const Group &a, const Group &b) {
  auto contains = [](const BitVector &all, const BitVector &some) { return !some.test(all); };
  return contains(b.before, a.accesses) || contains(a.before, b.accesses);
}

/// The buffers of one body that live in it only.
class BodyPlanner {
public:
  BodyPlanner(npu::BodyOp body) : body_(body), order_(body) {}

  /// A buffer of the body; its accesses follow.
  void add(npu::BufferOp buffer, int64_t bytes, ArrayRef<int32_t> accesses);
  /// Puts outputs in the place of inputs that nobody needs afterwards.
  void mergeInPlace();
  /// Places every group at or after `base`; returns the end of the last one.
  int64_t place(int64_t base);

private:
  bool merge(unsigned command, npu::OperandAttr input, npu::OperandAttr output);
  int64_t bestFit(const Group &group, int64_t base, ArrayRef<const Group *> placed) const;

  npu::BodyOp body_;
  CommandOrder order_;
  std::vector<Group> groups_;
  llvm::StringMap<size_t> groupOf_; // by buffer name
};

void BodyPlanner::add(npu::BufferOp buffer, int64_t bytes, ArrayRef<int32_t> accesses) {
  Group group{
      bytes, {buffer}, BitVector(order_.size()), BitVector(order_.size(), true), std::nullopt};
  for (int32_t command : accesses) {
    BitVector finished = order_.before(command);
    finished.resize(order_.size());
    group.accesses.set(command);
    group.before &= finished;
  }
  groupOf_[buffer.getSymName()] = groups_.size();
  groups_.push_back(std::move(group));
}

bool BodyPlanner::merge(unsigned command, npu::OperandAttr input, npu::OperandAttr output) {
  if (input.getSpace() != npu::Space::Arena || output.getSpace() != npu::Space::Arena)
    return false;
  auto from = groupOf_.find(input.getName().getValue()),
       to = groupOf_.find(output.getName().getValue());
  if (from == groupOf_.end() || to == groupOf_.end() || from->second == to->second)
    return false;
  Group &source = groups_[from->second], &target = groups_[to->second];
  if (source.bytes != target.bytes || target.buffers.size() != 1)
    return false;

  // Everything else that touches the input is done when the command starts; the output begins with
  // the command.
  BitVector others = source.accesses;
  others.reset(command);
  BitVector finished = order_.before(command);
  finished.resize(order_.size());
  if (others.test(finished))
    return false;
  if (target.accesses.find_first() != static_cast<int>(command))
    return false;
  for (unsigned access : target.accesses.set_bits())
    if (access != command && !order_.before(access).test(command))
      return false;

  source.buffers.push_back(target.buffers.front());
  source.accesses |= target.accesses;
  source.before &= target.before;
  target = Group{};
  to->second = from->second;
  return true;
}

void BodyPlanner::mergeInPlace() {
  for (auto [command, op] : llvm::enumerate(body_.getCommands())) {
    auto launch = dyn_cast<npu::LaunchOp>(*op);
    if (!launch || launch.getOutputs().size() != 1)
      continue;
    auto output = cast<npu::OperandAttr>(launch.getOutputs()[0]);
    size_t overwritable = npu::inPlaceInputs(launch.getKernel());
    ArrayRef<Attribute> inputs = launch.getInputs().getValue();
    for (Attribute input : inputs.take_front(overwritable))
      if (!llvm::is_contained(inputs.drop_front(std::min(overwritable, inputs.size())), input) &&
          merge(command, cast<npu::OperandAttr>(input), output))
        break;
  }
}

int64_t BodyPlanner::bestFit(const Group &group, int64_t base,
                             ArrayRef<const Group *> placed) const {
  SmallVector<std::pair<int64_t, int64_t>> taken; // begin, end
  for (const Group *other : placed)
    if (!ordered(group, *other))
      taken.emplace_back(*other->offset, *other->offset + npu::alignToArena(other->bytes));
  llvm::sort(taken);
  std::optional<std::pair<int64_t, int64_t>> best; // gap, offset
  int64_t end = base;
  for (auto [begin, next] : taken) {
    int64_t gap = begin - end;
    if (gap >= group.bytes && (!best || gap < best->first))
      best = {gap, end};
    end = std::max(end, next);
  }
  return best ? best->second : end;
}

int64_t BodyPlanner::place(int64_t base) {
  std::vector<Group *> bySize;
  for (Group &group : groups_)
    if (!group.buffers.empty())
      bySize.push_back(&group);
  // Among equals in the order of groups_, which is that of the program.
  llvm::sort(bySize, [](const Group *a, const Group *b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a < b;
  });
  int64_t end = base;
  std::vector<const Group *> placed;
  for (Group *group : bySize) {
    group->offset = bestFit(*group, base, placed);
    placed.push_back(group);
    end = std::max(end, *group->offset + npu::alignToArena(group->bytes));
    for (npu::BufferOp buffer : group->buffers)
      buffer.setOffset(*group->offset);
  }
  return end;
}

//===- The pass -------------------------------------------------------------------------------===//

/// Where a buffer is used.
struct Uses {
  npu::BodyOp body;
  bool persistent = false;
  SmallVector<int32_t> commands;
};

class PlanMemory : public impl::PlanMemoryBase<PlanMemory> {
public:
  using impl::PlanMemoryBase<PlanMemory>::PlanMemoryBase;

private:
  void runOnOperation() override;
  LogicalResult collectUses();
  void use(npu::BodyOp body, int32_t command, Attribute operand, bool writes);

  llvm::StringMap<Uses> uses_;
};

void PlanMemory::use(npu::BodyOp body, int32_t command, Attribute attribute, bool writes) {
  auto operand = cast<npu::OperandAttr>(attribute);
  if (operand.getSpace() != npu::Space::Arena)
    return;
  auto [entry, first] = uses_.try_emplace(operand.getName().getValue());
  Uses &uses = entry->second;
  if (first)
    uses = {body, !writes, {}};
  if (uses.body != body)
    uses.persistent = true;
  else if (uses.commands.empty() || uses.commands.back() != command)
    uses.commands.push_back(command);
}

LogicalResult PlanMemory::collectUses() {
  for (auto body : getOperation().getBody().getOps<npu::BodyOp>())
    for (auto [command, op] : llvm::enumerate(body.getCommands())) {
      if (!op.getWaits())
        return op->emitError() << "has no waits; run schedule-commands before plan-memory";
      auto launch = dyn_cast<npu::LaunchOp>(*op);
      if (!launch)
        continue; // a prefetch touches no buffer
      // Inputs first: a launch that reads and writes a buffer reads what was there before.
      for (Attribute input : launch.getInputs())
        use(body, command, input, /*writes=*/false);
      for (Attribute output : launch.getOutputs())
        use(body, command, output, /*writes=*/true);
    }
  return success();
}

void PlanMemory::runOnOperation() {
  npu::ProgramOp program = getOperation();
  llm::LimitsAttr limits = llm::findLimits(program);
  uses_.clear();
  if (failed(collectUses()))
    return signalPassFailure();

  // Persistent buffers lie below everything else.
  int64_t base = 0;
  llvm::MapVector<Operation *, std::unique_ptr<BodyPlanner>> planners;
  for (auto buffer : program.getBody().getOps<npu::BufferOp>()) {
    int64_t bytes = *npu::bytesAtLimits(buffer.getTensorType(), limits);
    auto found = uses_.find(buffer.getSymName());
    bool persistent = found == uses_.end() || found->second.persistent;
    if (persistent || !reuse) {
      buffer.setOffset(base);
      base += npu::alignToArena(bytes);
      if (base > npu::maxArenaBytes)
        break;
      continue;
    }
    auto &planner = planners[found->second.body];
    if (!planner)
      planner = std::make_unique<BodyPlanner>(found->second.body);
    planner->add(buffer, bytes, found->second.commands);
  }

  int64_t end = base;
  for (auto &[body, planner] : planners) {
    planner->mergeInPlace();
    end = std::max(end, planner->place(base));
  }
  if (end > npu::maxArenaBytes) {
    emitError(program.getLoc()) << "the program needs an arena of more than " << npu::maxArenaBytes
                                << " bytes at the limits; lower max_tokens_per_step";
    return signalPassFailure();
  }
  program.setArenaBytes(end);
}

} // namespace
} // namespace vinci
