#include "tools/compiler/ir_view.h"

#include "ir/llm/Llm.h"
#include "ir/llm/Locations.h"
#include "ir/npu/Npu.h"

#include "mlir/IR/AsmState.h"

#include <algorithm>
#include <map>

namespace vinci {
namespace {

template <typename Printable> std::string print(const Printable &value) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  value.print(stream);
  return text;
}

/// The operands of launches are attributes, named as in the program; waits follow from them.
void viewLaunch(npu::LaunchOp launch, CommandView &view) {
  view.op = launch.getKernel().str();
  view.key = view.op + print(launch.getConstants());
  if (auto axes = launch.getAxesAttr())
    view.key += " over " + print(axes);
  for (auto [from, to] :
       {std::pair(launch.getOutputs(), &view.outputs), std::pair(launch.getInputs(), &view.inputs)})
    for (auto operand : from.getAsRange<npu::OperandAttr>()) {
      to->push_back(operand.getName().getValue().str());
      if (operand.getSpace() == npu::Space::Parameter)
        view.key += " @" + to->back();
    }
}

/// A prefetch is the same one whatever it waits for.
void viewPrefetch(npu::PrefetchOp prefetch, CommandView &view) {
  view.op = "prefetch";
  view.inputs.push_back(prefetch.getWeight().str());
  view.key = view.op + " @" + view.inputs.back() + " " + print(prefetch.getShareAttr());
}

void viewOp(mlir::Operation *op, mlir::AsmState &names, const std::string &scope,
            CommandView &view) {
  view.op = op->getName().stripDialect().str();
  view.key = op->getName().getStringRef().str() + print(op->getAttrDictionary());
  const auto add = [&](mlir::Value value, std::vector<std::string> &to) {
    std::string name;
    llvm::raw_string_ostream stream(name);
    value.printAsOperand(stream, names);
    to.push_back(scope + name);
    view.key += " " + print(value.getType());
  };
  for (mlir::Value result : op->getResults())
    add(result, view.outputs);
  for (mlir::Value operand : op->getOperands())
    add(operand, view.inputs);
}

CommandView viewOf(mlir::Operation *op, mlir::AsmState &names, const std::string &scope) {
  CommandView view;
  llvm::raw_string_ostream stream(view.text);
  op->print(stream, names);
  view.location = llm::locationText(op->getLoc());
  auto launch = mlir::dyn_cast<npu::LaunchOp>(op);
  view.origin = llm::originOf(launch ? ("llm." + launch.getKernel()).str()
                                     : op->getName().getStringRef().str(),
                              op->getLoc());
  if (launch)
    viewLaunch(launch, view);
  else if (auto prefetch = mlir::dyn_cast<npu::PrefetchOp>(op))
    viewPrefetch(prefetch, view);
  else
    viewOp(op, names, scope, view);
  return view;
}

bool isFunction(mlir::Operation *op) {
  return mlir::isa<llm::BodyOp, llm::EntryOp, npu::BodyOp, npu::EntryOp>(op);
}

/// How often each body is called in the entry that calls it most.
std::map<std::string, size_t> callCounts(mlir::ModuleOp module) {
  std::map<std::string, size_t> most;
  module.walk([&](mlir::Operation *op) {
    if (!mlir::isa<llm::EntryOp, npu::EntryOp>(op))
      return;
    std::map<std::string, size_t> counts;
    for (mlir::Operation &call : op->getRegion(0).front())
      if (auto callee = call.getAttrOfType<mlir::FlatSymbolRefAttr>("callee"))
        ++counts[callee.getValue().str()];
    for (const auto &[name, count] : counts)
      most[name] = std::max(most[name], count);
  });
  return most;
}

} // namespace

std::vector<BodyView> viewOf(mlir::ModuleOp module) {
  const std::map<std::string, size_t> calls = callCounts(module);
  std::vector<BodyView> bodies;
  // One numbering for all: each op by itself would number its function anew.
  mlir::AsmState names(module, mlir::OpPrintingFlags().enableDebugInfo(false).useLocalScope());
  const auto addBlock = [&](const std::string &name, mlir::Block &block, auto &self) -> void {
    const size_t place = bodies.size();
    const auto called = calls.find(name);
    bodies.push_back({name, called == calls.end() ? 1 : called->second, {}});
    for (mlir::Operation &op : block) {
      if (mlir::isa<npu::RecordOp, npu::WaitOp>(op))
        continue; // they follow from waits and streams
      if (isFunction(&op))
        self(mlir::SymbolTable::getSymbolName(&op).getValue().str(), op.getRegion(0).front(), self);
      else if (mlir::isa<npu::ProgramOp>(op))
        self("program", op.getRegion(0).front(), self);
      else
        bodies[place].commands.push_back(viewOf(&op, names, name + "/"));
    }
  };
  addBlock("module", *module.getBody(), addBlock);
  // Attributes of the module: what the model is and how large a step may become.
  for (mlir::NamedAttribute attribute : module->getAttrs()) {
    CommandView view;
    view.op = attribute.getName().str();
    view.text = view.key = view.op + " = " + print(attribute.getValue());
    bodies.front().commands.push_back(std::move(view));
  }
  return bodies;
}

} // namespace vinci
