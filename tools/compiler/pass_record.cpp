#include "tools/compiler/pass_record.h"

#include "backend/plan/lower_to_plan.h"
#include "passes/pipelines.h"
#include "runtime/support/error.h"
#include "tools/compiler/ir_view.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"

#include <algorithm>

namespace vinci {
namespace {

std::string print(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  return text;
}

/// Runs what has to be run on the way from `module`, which changes, to a plan: no fusion, nothing
/// that can be switched.
std::vector<std::byte> planOf(mlir::ModuleOp module, const std::string &after,
                              const CpuTarget &cpu) {
  std::string complaint;
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && complaint.empty())
      complaint = diagnostic.str();
  });
  mlir::PassManager passes(module.getContext());
  PipelineOptions pipeline;
  pipeline.startAfter = std::max(reachedPhase(module), Phase::Fuse);
  for (const PassInfo &pass : compilePasses())
    if (pass.optional)
      pipeline.switches[pass.name] = false;
  buildCompilePipeline(passes, pipeline);
  if (mlir::failed(passes.run(module)))
    failInternal("the IR after {} does not lower: {}", after, complaint);
  LoweredPlan lowered = lowerToPlan(module, cpu, nullptr, /*kernels=*/false);
  return serializePlan(lowered.tables, lowered.segments);
}

} // namespace

void PassRecorder::keep(std::string name, mlir::ModuleOp module) {
  copies_->push_back({std::move(name), module.clone()});
}

void PassRecorder::attach(mlir::PassManager &passes) {
  struct Instrumentation final : mlir::PassInstrumentation {
    explicit Instrumentation(std::shared_ptr<std::vector<Copy>> copies)
        : copies(std::move(copies)) {}
    void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override {
      if (pass->getArgument().empty()) // the adaptors that nest pipelines
        return;
      auto module = mlir::dyn_cast<mlir::ModuleOp>(op);
      if (!module)
        module = op->getParentOfType<mlir::ModuleOp>();
      copies->push_back({pass->getArgument().str(), module.clone()});
    }
    std::shared_ptr<std::vector<Copy>> copies;
  };
  passes.addInstrumentation(std::make_unique<Instrumentation>(copies_));
}

std::vector<PassRecord> PassRecorder::records(const CpuTarget &cpu) const {
  std::vector<PassRecord> records;
  std::string textBefore;
  for (const Copy &copy : *copies_) {
    PassRecord record;
    record.name = copy.name;
    for (const PassInfo &pass : compilePasses())
      if (pass.name == copy.name) {
        record.phase = toString(pass.phase);
        record.summary = pass.summary;
      }
    std::string text = print(*copy.module);
    record.changed = text != textBefore;
    if (record.changed) {
      record.bodies = viewOf(*copy.module);
      record.plan = planOf(*copy.module, copy.name, cpu);
    }
    textBefore = std::move(text);
    records.push_back(std::move(record));
  }
  return records;
}

} // namespace vinci
