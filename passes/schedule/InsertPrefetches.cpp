// Weights into L2 before they are read. See Passes.td.
#include "ir/llm/Locations.h"
#include "ir/llm/Prefetch.h"
#include "passes/passes.h"
#include "passes/schedule/KernelKinds.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_INSERTPREFETCHES
#include "passes/Passes.h.inc"

namespace {

class InsertPrefetches;
constexpr StringLiteral passName = impl::InsertPrefetchesBase<InsertPrefetches>::getArgumentName();

/// Below so many tokens few experts are hit, and most of what is fetched of them is in vain.
constexpr int64_t minTokensOfExperts = 96;

/// A weight to be fetched before `reader` needs it.
struct Wanted {
  npu::LaunchOp reader;
  StringAttr parameter;
  double share;
  std::optional<int64_t> minTokens;
};

/// The share of a weight called `parameter`, if `launch` multiplies by it.
double shareOf(npu::LaunchOp launch, StringRef parameter, const llm::PrefetchShares &shares) {
  const auto isOneOf = [&](auto... names) { return (parameter.starts_with(names) || ...); };
  if (isGroupedProduct(launch))
    return isOneOf("gate_up_proj", "gate_proj", "up_proj") ? shares.gateUp : 0;
  if (isOneOf("qkv_proj", "q_proj", "k_proj", "v_proj"))
    return shares.qkv;
  return isOneOf("o_proj") ? shares.o : 0;
}

std::optional<Wanted> wantedBy(npu::LaunchOp launch, const llm::PrefetchShares &shares) {
  if (!isProduct(launch))
    return std::nullopt;
  // The first parameter is what it multiplies by; scales and biases come after it.
  for (auto operand : launch.getInputs().getAsRange<npu::OperandAttr>())
    if (operand.getSpace() == npu::Space::Parameter) {
      const double share = shareOf(launch, operand.getName().getValue(), shares);
      if (share == 0)
        return std::nullopt;
      return Wanted{launch, operand.getName().getAttr(), share,
                    isGroupedProduct(launch) ? std::optional(minTokensOfExperts) : std::nullopt};
    }
  return std::nullopt;
}

/// The first of the launches right before `end` (null: the end of the block) that leave the memory
/// alone; null: there is none.
npu::LaunchOp quietBefore(Block &block, npu::LaunchOp end) {
  npu::LaunchOp first;
  for (Operation *op = end ? end->getPrevNode() : &block.back(); op; op = op->getPrevNode()) {
    auto launch = dyn_cast<npu::LaunchOp>(op);
    if (launch && !isQuiet(launch))
      break;
    if (launch)
      first = launch;
  }
  return first;
}

/// Of a weight of the following call.
StringAttr nextName(StringAttr parameter) {
  return StringAttr::get(parameter.getContext(), "next." + parameter.getValue());
}

bool isFirst(npu::LaunchOp launch) {
  for (Operation *op = launch->getPrevNode(); op; op = op->getPrevNode())
    if (isa<npu::LaunchOp>(op))
      return false;
  return true;
}

class InsertPrefetches : public impl::InsertPrefetchesBase<InsertPrefetches> {
  void runOnOperation() override;
  void findCallers();
  void fetch(Wanted wanted);
  bool fetchInCallsBefore(Wanted wanted);
  void insertBefore(npu::LaunchOp launch, StringAttr parameter, Wanted wanted);

  void bindFollowing();
  npu::BodyOp bodyOf(npu::CallOp call) { return bodies_.lookup(call.getCalleeAttr().getAttr()); }

  llvm::DenseMap<StringAttr, npu::BodyOp> bodies_; ///< by name
  /// Of each body, the calls that come right before its own; a null one if it begins an entry.
  llvm::DenseMap<npu::BodyOp, SmallVector<npu::CallOp>> callsBefore_;
  /// Parameters that calls before their body fetch.
  llvm::DenseSet<std::pair<npu::BodyOp, StringAttr>> fetchedBefore_;
  /// Of each body, the parameters of following calls that it fetches.
  llvm::DenseMap<npu::BodyOp, SmallVector<StringAttr>> following_;
  int64_t fetched_ = 0;
};

void InsertPrefetches::findCallers() {
  bodies_.clear();
  for (auto body : getOperation().getBody().getOps<npu::BodyOp>())
    bodies_[body.getSymNameAttr()] = body;
  callsBefore_.clear();
  for (auto entry : getOperation().getBody().getOps<npu::EntryOp>()) {
    npu::CallOp previous;
    for (auto call : entry.getBlock().getOps<npu::CallOp>()) {
      callsBefore_[bodyOf(call)].push_back(previous);
      previous = call;
    }
  }
}

void InsertPrefetches::insertBefore(npu::LaunchOp launch, StringAttr parameter, Wanted wanted) {
  OpBuilder builder(launch);
  builder.create<npu::PrefetchOp>(
      llm::addedBy(passName, wanted.reader.getLoc()), FlatSymbolRefAttr::get(parameter),
      builder.getF64FloatAttr(wanted.share),
      wanted.minTokens ? builder.getI64IntegerAttr(*wanted.minTokens) : IntegerAttr(),
      DenseI32ArrayAttr(), npu::StreamAttr());
}

/// In the last launches of every call that comes before one of the body, if all of them leave the
/// memory alone at their end.
bool InsertPrefetches::fetchInCallsBefore(Wanted wanted) {
  auto body = cast<npu::BodyOp>(wanted.reader->getParentOp());
  const auto found = callsBefore_.find(body);
  if (found == callsBefore_.end())
    return false;                                      // nobody calls it
  llvm::MapVector<npu::BodyOp, npu::LaunchOp> callers; // and where they begin to be quiet
  for (npu::CallOp call : found->second) {
    npu::LaunchOp quiet = call ? quietBefore(bodyOf(call).getBlock(), {}) : npu::LaunchOp();
    if (!quiet)
      return false;
    callers[bodyOf(call)] = quiet;
  }
  fetchedBefore_.insert({body, wanted.parameter});
  for (auto &[caller, quiet] : callers) {
    SmallVector<StringAttr> &following = following_[caller];
    if (llvm::is_contained(following, wanted.parameter))
      continue; // another body that follows wants its weight of this name, too
    following.push_back(wanted.parameter);
    insertBefore(quiet, nextName(wanted.parameter), wanted);
  }
  return true;
}

void InsertPrefetches::fetch(Wanted wanted) {
  Block &block = *wanted.reader->getBlock();
  npu::LaunchOp quiet = quietBefore(block, wanted.reader);
  const bool reachesStart = quiet ? isFirst(quiet) : isFirst(wanted.reader);
  if (reachesStart && fetchInCallsBefore(wanted)) {
    ++fetched_;
  } else if (quiet) {
    insertBefore(quiet, wanted.parameter, wanted);
    ++fetched_;
  } else {
    emitRemark(wanted.reader.getLoc())
        << wanted.parameter.getValue()
        << " is not fetched ahead: what comes before it keeps the memory busy";
  }
}

void InsertPrefetches::runOnOperation() {
  npu::ProgramOp program = getOperation();
  const llm::PrefetchShares shares = llm::findPrefetch(program);
  if (shares.qkv == 0 && shares.o == 0 && shares.gateUp == 0)
    return;
  fetched_ = 0;
  fetchedBefore_.clear();
  following_.clear();
  findCallers();
  SmallVector<Wanted> all;
  program.walk([&](npu::LaunchOp launch) {
    if (std::optional<Wanted> wanted = wantedBy(launch, shares))
      all.push_back(*wanted);
  });
  for (Wanted wanted : all)
    fetch(wanted);
  bindFollowing();
  if (fetched_ > 0)
    emitRemark(program.getLoc()) << "fetches " << fetched_ << " weights of bodies ahead";
}

/// Parameters and bindings of what is fetched for following calls.
void InsertPrefetches::bindFollowing() {
  Builder builder(&getContext());
  for (auto body : getOperation().getBody().getOps<npu::BodyOp>()) {
    SmallVector<Attribute> parameters(body.getParameters().getValue());
    for (StringAttr parameter : following_.lookup(body))
      parameters.push_back(npu::ParameterAttr::get(&getContext(), npu::BindingKind::Weight,
                                                   FlatSymbolRefAttr::get(nextName(parameter))));
    body.setParametersAttr(builder.getArrayAttr(parameters));
  }
  const auto bindingIn = [&](npu::CallOp call, StringAttr parameter) -> Attribute {
    if (call && fetchedBefore_.contains({bodyOf(call), parameter}))
      for (auto [named, binding] : llvm::zip(
               bodyOf(call).getParameters().getAsRange<npu::ParameterAttr>(), call.getBindings()))
        if (named.getName().getAttr() == parameter)
          return binding;
    return npu::BindingAttr::get(&getContext());
  };
  for (auto entry : getOperation().getBody().getOps<npu::EntryOp>())
    for (auto call : entry.getBlock().getOps<npu::CallOp>()) {
      SmallVector<Attribute> bindings(call.getBindings().getValue());
      for (StringAttr parameter : following_.lookup(bodyOf(call)))
        bindings.push_back(
            bindingIn(dyn_cast_if_present<npu::CallOp>(call->getNextNode()), parameter));
      call.setBindingsAttr(builder.getArrayAttr(bindings));
    }
}

} // namespace
} // namespace vinci
