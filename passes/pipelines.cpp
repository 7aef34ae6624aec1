#include "passes/pipelines.h"

#include "passes/passes.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace vinci {
namespace {

/// A pass that --passes can switch.
struct Optional {
  std::unique_ptr<Pass> (*create)();
  bool onByDefault;
  const char *needs; ///< of the target or the deployment, which the pass asks; empty: nothing
};

/// In the order in which they run: what makes one op of several for a later one comes first.
constexpr Optional fusions[] = {
    {createFuseMoeGating, true, "a kernel for softmax and top-k, experts within its limit"},
    {createFuseMoeRouting, true, ""},
    {createFuseGroupedMatmulGather, true, ""},
    {createFuseMoeFinalize, true, ""},
    {createMergeQuantize, true, ""},
    {createFuseSwiglu, true, ""},
    {createConcatGateUp, true, ""},
    {createConcatQkv, true, ""},
    {createFuseQkRmsNorm, true, "Triton, vector cores for the KV heads"},
    {createFuseQkNormRope, true, "Triton, vector cores for the KV heads"},
    {createFuseKvAppend, true, "a kernel from projection to cache"},
    {createFuseRope, true, ""},
    {createFuseMatmulAllReduce, false, "a product that sums its parts"},
    {createFuseAddRmsNorm, true, "a fused add and norm"},
    {createFuseNormQuant, true, "a norm that quantises"},
    {createFuseGroupedMatmulSwiglu, true, "a product by experts that gates"},
    {createFuseSwigluQuant, true, "a swiglu that quantises"},
};

constexpr Optional prefetches = {createInsertPrefetches, true,
                                 "shares of weights to prefetch, which a deployment says"};
constexpr Optional streams = {createAssignStreams, false, ""};

struct Step {
  Phase phase;
  std::unique_ptr<Pass> pass;
  bool onProgram = false; ///< works on the npu.program of the module
  const Optional *optional = nullptr;
  const char *flag = nullptr; ///< which asks for it; null: it needs none
  const char *unless = nullptr; ///< which leaves it out; null: none does
};

/// The pipeline, pass by pass.
std::vector<Step> steps(const PipelineOptions &options) {
  const ParallelDegrees &degrees = options.degrees;
  std::vector<Step> steps;
  steps.push_back(
      {Phase::Partition, createPartition({degrees.world, degrees.attentionTp, degrees.moeTp,
                                          degrees.embeddingTp, degrees.lmHeadTp})});
  if (options.sequenceParallel)
    steps.push_back(
        {Phase::Partition, createScatterTokens(), false, nullptr, "--sequence-parallel"});
  if (options.wholeRowScales.value_or(true))
    steps.push_back({Phase::Partition, createScaleWholeRows({options.wholeRowScales.has_value()}),
                     false, nullptr, nullptr,
                     "a stack that has such scales; --dynamic-scales row or rank overrules it"});
  steps.push_back({Phase::Partition, createVerifyPartition()});
  for (const Optional &fusion : fusions)
    steps.push_back({Phase::Fuse, fusion.create(), false, &fusion});
  steps.push_back({Phase::Fuse, createMarkPhase({std::string(toString(Phase::Fuse))})});
  steps.push_back({Phase::Lower, createLowerToNpu()});
  steps.push_back({Phase::Lower, createLimitLogitRows(), true});
  steps.push_back({Phase::Schedule, prefetches.create(), true, &prefetches});
  steps.push_back({Phase::Schedule, createScheduleCommands(), true});
  steps.push_back({Phase::Schedule, streams.create(), true, &streams});
  steps.push_back({Phase::Schedule, createInsertEvents(), true});
  steps.push_back({Phase::Memory, createPlanMemory({options.reuseMemory}), true});
  return steps;
}

} // namespace

std::vector<PassInfo> compilePasses() {
  std::vector<PassInfo> infos;
  for (const Step &step : steps({.sequenceParallel = true}))
    infos.push_back({step.pass->getArgument().str(), step.phase, step.optional != nullptr,
                     step.optional ? step.optional->onByDefault : !step.flag,
                     step.optional ? step.optional->needs
                     : step.flag   ? step.flag
                     : step.unless ? step.unless
                                   : "",
                     step.pass->getDescription().str()});
  return infos;
}

void buildCompilePipeline(OpPassManager &passes, const PipelineOptions &options) {
  // Of IR that a dump has from within the phase, streams may have changed since.
  if (options.startAfter == Phase::Schedule)
    passes.nest<npu::ProgramOp>().addPass(createInsertEvents());
  for (Step &step : steps(options)) {
    if (step.phase <= options.startAfter || step.phase > options.stopAfter)
      continue;
    if (step.optional) {
      auto found = options.switches.find(step.pass->getArgument().str());
      if (found != options.switches.end() ? !found->second : !step.optional->onByDefault)
        continue;
    }
    (step.onProgram ? passes.nest<npu::ProgramOp>() : passes).addPass(std::move(step.pass));
  }
}

Phase reachedPhase(ModuleOp module) {
  auto programs = module.getOps<npu::ProgramOp>();
  if (programs.empty()) {
    auto mark = module->getAttrOfType<StringAttr>(llm::LlmDialect::phaseAttrName);
    if (mark && mark.getValue() == StringRef(toString(Phase::Fuse)))
      return Phase::Fuse;
    return llm::findMesh(module) ? Phase::Partition : Phase::Import;
  }
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
                       clEnumValN(Phase::Fuse, "fuse", "with ops fused"),
                       clEnumValN(Phase::Lower, "lower", "a device program in npu IR"),
                       clEnumValN(Phase::Schedule, "schedule", "with what each launch waits for"),
                       clEnumValN(Phase::Memory, "memory", "with the place of every buffer"),
                       clEnumValN(Phase::Plan, "plan", "all there is"))};
  Option<bool> fuse{*this, "fuse", llvm::cl::desc("Run the fusions that are on by default"),
                    llvm::cl::init(true)};
  Option<bool> reuseMemory{*this, "reuse-memory", llvm::cl::desc("Let buffers share memory"),
                           llvm::cl::init(true)};
};

} // namespace

void registerCompilePipeline() {
  PassPipelineRegistration<CommandLineOptions>(
      "compile-pipeline", "From the llm IR of a model to its device program",
      [](OpPassManager &passes, const CommandLineOptions &options) {
        PipelineOptions pipeline;
        pipeline.stopAfter = options.stopAfter;
        pipeline.reuseMemory = options.reuseMemory;
        if (!options.fuse)
          for (const PassInfo &pass : compilePasses())
            if (pass.optional && pass.phase == Phase::Fuse)
              pipeline.switches[pass.name] = false;
        buildCompilePipeline(passes, pipeline);
      });
}

} // namespace vinci
