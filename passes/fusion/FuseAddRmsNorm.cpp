// A residual add and the norm after it in one op, also where calls lie between them. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

#include <map>

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEADDRMSNORM
#include "passes/Passes.h.inc"

namespace {

class FuseAddRmsNorm;
constexpr StringLiteral passName = impl::FuseAddRmsNormBase<FuseAddRmsNorm>::getArgumentName();

llm::BodyOp calleeOf(llm::CallOp call) {
  return SymbolTable::lookupNearestSymbolFrom<llm::BodyOp>(call, call.getCalleeAttr());
}

llm::ReturnOp returnOf(llm::BodyOp body) {
  return cast<llm::ReturnOp>(body.getBlock().getTerminator());
}

/// The first op of the block that uses the value.
Operation *firstUser(Value value) {
  return *llvm::min_element(
      value.getUsers(), [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); });
}

/// The first norm of `sum`, or null.
llm::RmsNormOp normOf(Value sum) {
  llm::RmsNormOp first;
  for (Operation *user : sum.getUsers())
    if (auto norm = dyn_cast<llm::RmsNormOp>(user);
        norm && norm.getInput() == sum && (!first || norm->isBeforeInBlock(first)))
      first = norm;
  return first;
}

//===- Within a body --------------------------------------------------------------------------===//

/// Replaces an add and the first norm of its result; false if there is none.
bool fuse(llm::AddOp add) {
  llm::RmsNormOp norm = normOf(add.getResult());
  if (!norm)
    return false;
  for (Value value : {norm.getWeight(), norm.getBias()})
    if (value && !makeAvailable(value, add))
      return remarkNotFused(add) << "the weight of the norm is computed after the sum", false;
  OpBuilder builder(add);
  auto fused = builder.create<llm::AddRmsNormOp>(
      llm::madeOf(passName, {add, norm}), norm.getType(), add.getType(), add.getRhs(), add.getLhs(),
      norm.getWeight(), norm.getBias(), norm.getEpsAttr(), norm.getComputeAttr());
  norm.replaceAllUsesWith(fused.getNormed());
  add.replaceAllUsesWith(fused.getSum());
  norm.erase();
  add.erase();
  return true;
}

//===- Across calls ---------------------------------------------------------------------------===//

/// The gathers that are the only users of a value whose gathered rows are normed; else empty.
SmallVector<llm::GatherRowsOp> gathersOf(Value value) {
  SmallVector<llm::GatherRowsOp> gathers;
  for (Operation *user : value.getUsers()) {
    auto gather = dyn_cast<llm::GatherRowsOp>(user);
    if (!gather || !normOf(gather.getResult()))
      return {};
    gathers.push_back(gather);
  }
  return gathers;
}

/// Which arguments of a body are passed as the two operands of an add.
using Form = std::vector<bool>;

/// Moves adds that bodies return into the bodies that norm the sums: a body then returns both
/// operands, and takes `hidden` and `residual`.
class AcrossCalls {
public:
  explicit AcrossCalls(ModuleOp module) : module_(module) {}
  void run();

private:
  llm::AddOp returnedAdd(llm::BodyOp body, unsigned index);
  bool isSplit(Value value);
  Form formOf(llm::CallOp call);
  void makeVariants(llm::BodyOp body);
  /// Where the sum is computed that `value`, which comes in parts, stood for.
  Location placeOf(Value value);
  /// `call` is one that passes arguments in that form.
  void rewriteBody(llm::BodyOp body, const Form &form, llm::CallOp call,
                   ArrayRef<unsigned> splitResults);
  void rewriteEntry(llm::EntryOp entry);

  ModuleOp module_;
  /// The calls of each body, in the order of the module.
  llvm::MapVector<Operation *, SmallVector<llm::CallOp>> calls_;
  /// The results of each body that are returned in parts.
  DenseMap<Operation *, SmallVector<unsigned>> splitResults_;
  /// The adds that made them, by body and result.
  DenseMap<std::pair<Operation *, unsigned>, LocationAttr> adds_;
  /// The body for each form in which calls pass arguments.
  DenseMap<Operation *, std::map<Form, llm::BodyOp>> variants_;
};

/// The add that makes this result, if its operands can be returned instead.
llm::AddOp AcrossCalls::returnedAdd(llm::BodyOp body, unsigned index) {
  auto add = returnOf(body).getOperand(index).getDefiningOp<llm::AddOp>();
  if (!add)
    return {};
  bool normed = false, all = true;
  for (llm::CallOp call : calls_[body])
    for (OpOperand &use : call.getResult(index).getUses()) {
      auto next = dyn_cast<llm::CallOp>(use.getOwner());
      Value argument =
          next ? calleeOf(next).getBlock().getArgument(use.getOperandNumber()) : Value();
      bool good = argument && (normOf(argument) || !gathersOf(argument).empty());
      normed |= good;
      all &= good;
    }
  if (!normed)
    return {};
  if (!all)
    return remarkNotFused(add) << "some call passes the sum to a body that does not norm it",
           llm::AddOp();
  if (!add->hasOneUse())
    return remarkNotFused(add) << "the body that returns the sum uses it, too", llm::AddOp();
  // Both parts are returned, each in the place of an argument that the body reads at its beginning.
  for (Value part : add->getOperands())
    if (isa<BlockArgument>(part) || add.getLhs() == add.getRhs() ||
        llvm::any_of(part.getUsers(), llvm::IsaPred<llm::ReturnOp>))
      return remarkNotFused(add) << "a part of the sum is an argument of the body, or is returned "
                                    "by itself, or twice",
             llm::AddOp();
  return add;
}

/// True for results of calls that come in parts.
bool AcrossCalls::isSplit(Value value) {
  auto call = value.getDefiningOp<llm::CallOp>();
  return call &&
         llvm::is_contained(splitResults_[calleeOf(call)], cast<OpResult>(value).getResultNumber());
}

Location AcrossCalls::placeOf(Value value) {
  auto call = value.getDefiningOp<llm::CallOp>();
  return adds_.lookup({calleeOf(call), cast<OpResult>(value).getResultNumber()});
}

Form AcrossCalls::formOf(llm::CallOp call) {
  Form form;
  for (Value input : call.getInputs())
    form.push_back(isSplit(input));
  return form;
}

/// `name` of an argument, or with a number if there is one of that name.
StringAttr uniqueArgument(ArrayRef<Attribute> names, StringRef name, MLIRContext *context) {
  auto unique = StringAttr::get(context, name);
  for (unsigned i = 1; llvm::is_contained(names, unique); ++i)
    unique = StringAttr::get(context, name + "." + Twine(i));
  return unique;
}

void AcrossCalls::rewriteBody(llm::BodyOp body, const Form &form, llm::CallOp call,
                              ArrayRef<unsigned> splitResults) {
  SmallVector<Attribute> names(body.getArgNames().getValue());
  Block &block = body.getBlock();
  for (unsigned i = form.size(); i-- > 0;) {
    if (!form[i])
      continue;
    Value hidden = block.getArgument(i);
    Value residual = block.insertArgument(i + 1, hidden.getType(), hidden.getLoc());
    names.insert(names.begin() + i + 1, uniqueArgument(names, "residual", body.getContext()));
    Location place = placeOf(call.getInputs()[i]);
    SmallVector<llm::GatherRowsOp> gathers = gathersOf(hidden);
    OpBuilder builder(firstUser(hidden));
    if (gathers.empty()) {
      auto sum = builder.create<llm::AddOp>(place, hidden.getType(), residual, hidden);
      hidden.replaceAllUsesExcept(sum.getResult(), sum);
    }
    for (llm::GatherRowsOp gather : gathers) {
      builder.setInsertionPoint(gather);
      auto rows = [&](Value part) {
        return builder.create<llm::GatherRowsOp>(gather.getLoc(), gather.getType(), part,
                                                 gather.getIndices());
      };
      Value ofHidden = rows(hidden), ofResidual = rows(residual);
      gather.replaceAllUsesWith(
          builder.create<llm::AddOp>(place, gather.getType(), ofResidual, ofHidden).getResult());
      gather.erase();
    }
  }
  llm::ReturnOp end = returnOf(body);
  SmallVector<Value> results;
  for (auto [index, value] : llvm::enumerate(end->getOperands())) {
    if (!llvm::is_contained(splitResults, index)) {
      results.push_back(value);
      continue;
    }
    auto add = value.getDefiningOp<llm::AddOp>();
    results.append({add.getRhs(), add.getLhs()});
  }
  SmallVector<Value> before(end->getOperands());
  end->setOperands(results);
  for (unsigned index : splitResults)
    before[index].getDefiningOp()->erase();
  body.setFunctionType(FunctionType::get(body.getContext(), block.getArgumentTypes(),
                                         ValueRange(results).getTypes()));
  body.setArgNamesAttr(ArrayAttr::get(body.getContext(), names));
}

void AcrossCalls::rewriteEntry(llm::EntryOp entry) {
  DenseMap<Value, SmallVector<Value, 2>> now; // of results of calls
  SmallVector<llm::CallOp> calls(entry.getBlock().getOps<llm::CallOp>());
  auto mapped = [&](ValueRange values) {
    SmallVector<Value> result;
    for (Value value : values) {
      auto found = now.find(value);
      if (found == now.end())
        result.push_back(value);
      else
        result.append(found->second);
    }
    return result;
  };
  for (llm::CallOp call : calls) {
    llm::BodyOp original = calleeOf(call);
    llm::BodyOp body = variants_[original][formOf(call)];
    OpBuilder builder(call);
    auto next = builder.create<llm::CallOp>(call.getLoc(), body.getFunctionType().getResults(),
                                            FlatSymbolRefAttr::get(body.getSymNameAttr()),
                                            call.getLayerAttr(), mapped(call.getInputs()));
    unsigned result = 0;
    for (Value output : call.getOutputs()) {
      now[output].push_back(next.getResult(result++));
      if (isSplit(output))
        now[output].push_back(next.getResult(result++));
    }
  }
  Operation *end = entry.getBlock().getTerminator();
  end->setOperands(mapped(end->getOperands()));
  for (llm::CallOp call : llvm::reverse(calls))
    call.erase();
}

/// A body for each form of its calls. The one that takes the most parts keeps the name.
void AcrossCalls::makeVariants(llm::BodyOp body) {
  std::map<Form, llm::BodyOp> &variants = variants_[body];
  for (llm::CallOp call : calls_[body])
    variants[formOf(call)] = {};
  auto parts = [](auto &variant) { return llvm::count(variant.first, true); };
  auto keeps = llvm::max_element(variants, [&](auto &a, auto &b) { return parts(a) < parts(b); });
  keeps->second = body;
  for (auto &[form, variant] : variants) {
    if (variant)
      continue;
    std::string name = (body.getSymName() + "_first").str();
    for (unsigned i = 1; module_.lookupSymbol(name); ++i)
      name = (body.getSymName() + "_first." + Twine(i)).str();
    OpBuilder builder(body);
    variant = cast<llm::BodyOp>(builder.clone(*body));
    variant.setSymName(name);
  }
}

void AcrossCalls::run() {
  for (auto entry : module_.getOps<llm::EntryOp>())
    for (auto call : entry.getBlock().getOps<llm::CallOp>())
      calls_[calleeOf(call)].push_back(call);
  bool any = false;
  for (auto &[op, calls] : calls_)
    for (unsigned i = 0, count = calls.front().getNumResults(); i < count; ++i)
      if (llm::AddOp add = returnedAdd(cast<llm::BodyOp>(op), i)) {
        splitResults_[op].push_back(i);
        adds_[{op, i}] = add.getLoc();
        any = true;
      }
  if (!any)
    return;
  for (auto &[op, calls] : calls_)
    makeVariants(cast<llm::BodyOp>(op));
  for (auto &[op, calls] : calls_)
    for (auto &[form, body] : variants_[op])
      rewriteBody(body, form,
                  *llvm::find_if(calls, [&](llm::CallOp call) { return formOf(call) == form; }),
                  splitResults_[op]);
  for (auto entry : module_.getOps<llm::EntryOp>())
    rewriteEntry(entry);
}

//===- The pass -------------------------------------------------------------------------------===//

class FuseAddRmsNorm : public impl::FuseAddRmsNormBase<FuseAddRmsNorm> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<const NpuTarget *> target = targetOf(module);
    if (failed(target))
      return signalPassFailure();
    if (!(*target)->addRmsNorm) {
      emitRemark(module.getLoc()) << "not fused: " << (*target)->name
                                  << " has no kernel for an add with the norm after it";
      return;
    }
    AcrossCalls(module).run();
    fuseEach<llm::AddOp>(module, "add and rms_norm", fuse);
  }
};

} // namespace
} // namespace vinci
