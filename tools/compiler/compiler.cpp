#include "tools/compiler/compiler.h"
#include "backend/codegen/cpu_target.h"
#include "backend/codegen/disassembler.h"
#include "backend/plan/lower_to_plan.h"
#include "frontend/builder/builder.h"
#include "frontend/checkpoint_weights.h"
#include "frontend/import/import.h"
#include "frontend/settings/deployment_json.h"
#include "passes/pipelines.h"
#include "runtime/exec/cpu_features.h"
#include "tools/compiler/degrees.h"
#include "tools/compiler/diagnostics.h"
#include "tools/compiler/graphs.h"
#include "tools/compiler/ir_dump.h"
#include "tools/compiler/ir_file.h"
#include "tools/compiler/ir_view.h"
#include "tools/compiler/pass_record.h"
#include "tools/compiler/reference_config.h"

#include "mlir/IR/MLIRContext.h"

namespace vinci {
namespace fs = std::filesystem;

namespace {

class MlirCompiler final : public Compiler {
public:
  CompileResult compile(const ImportRequest &request, const CompileOptions &options) override;
  CompileResult compileIr(const fs::path &irFile, const CompileOptions &options) override;
  ModelSummary summarize(const ImportRequest &request) override;
  ReferenceConfig referenceConfig(const ImportRequest &request) override {
    return toReferenceConfig(requireModel(vinci::importFiles(request), request));
  }
  std::string importFiles(const ImportRequest &request) override {
    return writeDeploymentJson(vinci::importFiles(request));
  }
  std::string printIr(const fs::path &irFile) override;
  std::vector<BodyView> viewIr(const fs::path &irFile) override;
  std::string disassemble(const std::vector<std::byte> &object, std::string_view symbol) override {
    return vinci::disassemble(object, std::string(symbol));
  }
  std::vector<std::string> phases() override { return {phaseNames.begin(), phaseNames.end()}; }
  std::vector<Pass> passes() override;
  std::vector<Target> targets() override;
};

} // namespace

static std::string print(mlir::ModuleOp module, bool locations) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, mlir::OpPrintingFlags().enableDebugInfo(locations));
  return text + "\n";
}

/// From a verified module to the last phase that is asked for.
static CompileResult finish(mlir::ModuleOp module, const ParallelDegrees &degrees,
                            bool sequenceParallel, const CompileOptions &options,
                            DiagnosticCollector &diagnostics) {
  const Phase last = options.stopAfter.empty() ? Phase::Plan : *parsePhase(options.stopAfter);
  mlir::PassManager passes(module.getContext());
  IrDump dump(options.dumpIrDirectory);
  dump.write("import", module);
  dump.attach(passes);
  PassRecorder recorder;
  if (options.recordPasses) {
    recorder.keep("import", module);
    recorder.attach(passes);
  }
  buildCompilePipeline(passes, {.startAfter = reachedPhase(module),
                                .stopAfter = last,
                                .degrees = degrees,
                                .sequenceParallel = sequenceParallel,
                                .wholeRowScales = options.wholeRowScales,
                                .switches = options.passes});
  if (mlir::failed(passes.run(module)))
    diagnostics.throwError();
  CompileResult result;
  result.remarks = diagnostics.remarks();
  if (options.recordPasses)
    result.passes = recorder.records(resolveCpu(options.cpu));
  if (last != Phase::Plan) {
    result.ir = print(module, options.irLocations);
    return result;
  }
  std::optional<KernelCache> kernels;
  if (!options.kernelCacheDirectory.empty())
    kernels.emplace(options.kernelCacheDirectory);
  LoweredPlan lowered =
      lowerToPlan(module, resolveCpu(options.cpu), kernels ? &*kernels : nullptr, options.kernels);
  if (kernels)
    result.warnings = kernels->warnings();
  result.plan = serializePlan(lowered.tables, lowered.segments);
  return result;
}

/// A flag, or else what the deployment says.
static RequestedLimit choose(const std::optional<int64_t> &flag, const Setting<int64_t> &setting) {
  return flag ? RequestedLimit(flag) : RequestedLimit(setting.value, setting.origin);
}

/// What flags ask for and, where they are silent, the deployment. --dtype alone overrules it as a
/// whole.
static RequestedPrecision requestedPrecision(const DeploymentSpec::Precision &deployment,
                                             const CompileOptions &options) {
  RequestedPrecision requested = options.precision;
  if (options.dtype)
    return requested;
  const auto take = [](std::optional<DType> &type, const Setting<std::string> &setting) {
    if (!type && setting)
      type = parseDType(*setting);
  };
  take(requested.compute, deployment.compute);
  take(requested.layernorm, deployment.layernorm);
  take(requested.softmax, deployment.softmax);
  take(requested.rotary, deployment.rotary);
  take(requested.parameters, deployment.parameters);
  if (!requested.keepOriginDtype)
    requested.keepOriginDtype = deployment.keepOriginDtype.value;
  return requested;
}

static BuildOptions buildOptions(const ModelSpec &spec, const DeploymentSpec &deployment,
                                 const CompileOptions &options) {
  const DeploymentSpec::Scheduler &scheduler = deployment.scheduler;
  BuildOptions build;
  build.target = deployment.target.valueOr("");
  const DeploymentSpec::Execution &execution = deployment.execution;
  build.prefetch = {execution.prefetchQkv.valueOr(0), execution.prefetchO.valueOr(0),
                    execution.prefetchGateUp.valueOr(0)};
  build.precision = resolvePrecision(options.dtype.value_or(spec.dtype),
                                     requestedPrecision(deployment.precision, options));
  build.limits = resolveLimits(spec, {.maxSeqLen = choose(options.maxSeqLen, scheduler.maxSeqLen),
                                      .maxTokensPerStep = choose(options.maxTokensPerStep,
                                                                 scheduler.maxNumBatchedTokens
                                                                     ? scheduler.maxNumBatchedTokens
                                                                     : scheduler.maxPrefillTokens),
                                      .maxBatch = choose(options.maxBatch, scheduler.maxNumSeqs),
                                      .kvBlocks = choose(options.kvBlocks, scheduler.numBlocks),
                                      .blockSize = choose(options.blockSize, scheduler.blockSize),
                                      .maxLogitRows = options.maxLogitRows});
  return build;
}

CompileResult MlirCompiler::compile(const ImportRequest &request, const CompileOptions &options) {
  Imported imported = vinci::importFiles(request);
  const ModelSpec &spec = requireModel(imported, request);
  const DeploymentSpec &deployment = imported.resolved.deployment;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticCollector diagnostics(context);
  BuildOptions build = buildOptions(spec, deployment, options);
  const ParallelDegrees degrees = resolveDegrees(options.degrees, deployment.parallel);
  const auto streams = options.passes.find("assign-streams");
  const bool multistream = streams != options.passes.end() && streams->second;
  build.graphs =
      resolveGraphs(spec, deployment, build.limits, degrees, multistream, imported.findings);
  const auto module = buildModel(context, spec, build);
  const bool sequenceParallel =
      resolveSequenceParallel(options, deployment.parallel, degrees, imported.findings);
  CompileResult result = finish(*module, degrees, sequenceParallel, options, diagnostics);
  for (const Finding &finding : imported.findings.list())
    result.warnings.push_back(toString(finding));
  result.deployment = deployment;
  return result;
}

CompileResult MlirCompiler::compileIr(const fs::path &irFile, const CompileOptions &options) {
  if (options.dtype || options.precision != RequestedPrecision() || options.maxSeqLen ||
      options.maxTokensPerStep || options.maxBatch || options.kvBlocks || options.blockSize ||
      options.maxLogitRows)
    fail(SourcePosition{irFile.string()},
         "IR has its dtype, its precision and its limits in it; --dtype, --precision, "
         "--block-size and the --max options go with a model");
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticCollector diagnostics(context);
  const auto module = readIrFile(context, irFile, diagnostics);
  for (const PassInfo &pass : compilePasses())
    if (options.passes.contains(pass.name) && reachedPhase(*module) >= pass.phase)
      fail(SourcePosition{irFile.string()},
           "this IR has gone through the phase {}; --passes with {} goes with a model or with IR "
           "before the phase {}",
           toString(reachedPhase(*module)), pass.name, toString(pass.phase));
  if (options.sequenceParallel && reachedPhase(*module) >= Phase::Partition)
    fail(SourcePosition{irFile.string()},
         "this IR has gone through the phase {}; --sequence-parallel goes with a model or with IR "
         "before the phase {}",
         toString(reachedPhase(*module)), toString(Phase::Partition));
  if (options.wholeRowScales && reachedPhase(*module) >= Phase::Partition)
    fail(SourcePosition{irFile.string()},
         "this IR has gone through the phase {}; --dynamic-scales goes with a model or with IR "
         "before the phase {}",
         toString(reachedPhase(*module)), toString(Phase::Partition));
  try {
    CompileResult result = finish(*module, resolveDegrees(options.degrees, {}),
                                  options.sequenceParallel.value_or(false), options, diagnostics);
    if (auto target = (*module)->getAttrOfType<mlir::StringAttr>(llm::LlmDialect::targetAttrName))
      result.deployment.target = {target.str(), SourcePosition{irFile.string()},
                                  Authority::Deployment};
    return result;
  } catch (const Error &error) {
    // What the passes promise each other, IR from outside need not keep: not a defect of Vinci's.
    if (error.kind() == ErrorKind::Internal)
      fail(SourcePosition{irFile.string()}, "{}", error.message());
    throw;
  }
}

ModelSummary MlirCompiler::summarize(const ImportRequest &request) {
  const Imported imported = vinci::importFiles(request);
  const ModelSpec &spec = requireModel(imported, request);
  ModelSummary summary;
  summary.name = spec.name;
  summary.architecture = toString(spec.architecture);
  summary.dtype = spec.dtype;
  summary.precision = resolvePrecision(spec.dtype);
  summary.hiddenSize = spec.hiddenSize;
  summary.numHiddenLayers = spec.numHiddenLayers;
  summary.numAttentionHeads = spec.numAttentionHeads;
  summary.numKeyValueHeads = spec.numKeyValueHeads;
  summary.headDim = spec.headDim;
  summary.vocabSize = spec.vocabSize;
  summary.maxPositionEmbeddings = spec.maxPositionEmbeddings;
  summary.kvBytesPerToken = 2 * spec.keyValueWidth() * spec.numHiddenLayers * byteSize(spec.dtype);
  summary.parameters = uint64_t(checkpointSize(spec).parameters);
  summary.weightBytes = uint64_t(checkpointSize(spec).bytes);
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    summary.tensors.push_back({tensor.name, tensor.dtype.value_or(spec.dtype), tensor.shape});
  for (uint64_t layer = 0; spec.quant && layer < spec.quant->layers.size(); ++layer) {
    const std::string scheme = toString(spec.quant->layers[layer]);
    if (summary.quantisation.empty() || summary.quantisation.back().scheme != scheme)
      summary.quantisation.push_back({layer, layer, scheme});
    summary.quantisation.back().last = layer;
  }
  if (spec.quant && spec.quant->head != QuantScheme::Float)
    summary.headScheme = toString(spec.quant->head);
  return summary;
}

std::string MlirCompiler::printIr(const fs::path &irFile) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticCollector diagnostics(context);
  return print(*readIrFile(context, irFile, diagnostics), /*locations=*/false);
}

std::vector<BodyView> MlirCompiler::viewIr(const fs::path &irFile) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticCollector diagnostics(context);
  return viewOf(*readIrFile(context, irFile, diagnostics));
}

std::vector<Compiler::Pass> MlirCompiler::passes() {
  std::vector<Pass> passes;
  for (const PassInfo &pass : compilePasses())
    passes.push_back({pass.name, std::string(toString(pass.phase)), pass.optional, pass.onByDefault,
                      pass.needs, pass.summary});
  return passes;
}

std::vector<Compiler::Target> MlirCompiler::targets() {
  const std::vector<std::string> host = hostFeatures();
  const std::string native = resolveCpu("native").name;
  std::vector<Target> targets;
  for (const std::string_view name : cpuTargetNames()) {
    const CpuTarget target = resolveCpu(name);
    const bool runs = std::all_of(
        target.features.begin(), target.features.end(), [&](const std::string &feature) {
          return std::find(host.begin(), host.end(), feature) != host.end();
        });
    targets.push_back({target.name, target.features, runs, target.name == native});
  }
  return targets;
}

} // namespace vinci

vinci::Compiler *vinciCompiler(uint32_t interface) {
  if (interface != vinci::compilerInterface)
    return nullptr;
  static vinci::MlirCompiler instance;
  return &instance;
}
