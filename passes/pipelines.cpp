#include "passes/pipelines.h"

#include "passes/passes.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace vinci {

void buildCompilePipeline(OpPassManager &passes, const PipelineOptions &options) {
  auto reaches = [&](Phase phase) { return options.stopAfter >= phase; };

  if (reaches(Phase::Lower))
    passes.addPass(createLowerToNpu());
  if (reaches(Phase::Schedule))
    passes.addNestedPass<npu::ProgramOp>(createScheduleCommands());
  if (reaches(Phase::Memory))
    passes.addNestedPass<npu::ProgramOp>(createPlanMemory({options.reuseMemory}));
}

namespace {

struct CommandLineOptions : PassPipelineOptions<CommandLineOptions> {
  Option<Phase> stopAfter{
      *this, "stop-after", llvm::cl::desc("The last phase to run"), llvm::cl::init(Phase::Plan),
      llvm::cl::values(clEnumValN(Phase::Import, "import", "the model as llm IR"),
                       clEnumValN(Phase::Lower, "lower", "a device program in npu IR"),
                       clEnumValN(Phase::Schedule, "schedule", "with what each launch waits for"),
                       clEnumValN(Phase::Memory, "memory", "with the place of every buffer"),
                       clEnumValN(Phase::Plan, "plan", "all there is"))};
  Option<bool> reuseMemory{*this, "reuse-memory", llvm::cl::desc("Let buffers share memory"),
                           llvm::cl::init(true)};
};

} // namespace

void registerCompilePipeline() {
  PassPipelineRegistration<CommandLineOptions>(
      "compile-pipeline", "From the llm IR of a model to its device program",
      [](OpPassManager &passes, const CommandLineOptions &options) {
        buildCompilePipeline(passes, {options.stopAfter, options.reuseMemory});
      });
}

} // namespace vinci
