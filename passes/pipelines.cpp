#include "passes/pipelines.h"

#include "passes/passes.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace vinci {

void buildCompilePipeline(OpPassManager &passes, const PipelineOptions &options) {
  auto runs = [&](Phase phase) { return options.startAfter < phase && phase <= options.stopAfter; };

  if (runs(Phase::Partition)) {
    const ParallelDegrees &degrees = options.degrees;
    passes.addPass(createPartition({degrees.world, degrees.attentionTp, degrees.moeTp,
                                    degrees.embeddingTp, degrees.lmHeadTp}));
  }
  if (runs(Phase::Lower))
    passes.addPass(createLowerToNpu());
  if (runs(Phase::Schedule))
    passes.addNestedPass<npu::ProgramOp>(createScheduleCommands());
  if (runs(Phase::Memory))
    passes.addNestedPass<npu::ProgramOp>(createPlanMemory({options.reuseMemory}));
}

Phase reachedPhase(ModuleOp module) {
  auto programs = module.getOps<npu::ProgramOp>();
  if (programs.empty())
    return llm::findMesh(module) ? Phase::Partition : Phase::Import;
  npu::ProgramOp program = *programs.begin();
  if (program.getArenaBytes())
    return Phase::Memory;
  WalkResult unscheduled = program.walk([](npu::LaunchOp launch) {
    return launch.getWaits() ? WalkResult::advance() : WalkResult::interrupt();
  });
  return unscheduled.wasInterrupted() ? Phase::Lower : Phase::Schedule;
}

namespace {

struct CommandLineOptions : PassPipelineOptions<CommandLineOptions> {
  Option<Phase> stopAfter{
      *this, "stop-after", llvm::cl::desc("The last phase to run"), llvm::cl::init(Phase::Plan),
      llvm::cl::values(clEnumValN(Phase::Import, "import", "the model as llm IR"),
                       clEnumValN(Phase::Partition, "partition", "what each rank computes"),
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
        buildCompilePipeline(passes,
                             {.stopAfter = options.stopAfter, .reuseMemory = options.reuseMemory});
      });
}

} // namespace vinci
