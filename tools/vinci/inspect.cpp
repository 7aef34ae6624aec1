// `vinci inspect`: what is in a model, in IR, in a plan.
#include "runtime/plan/collectives.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/explain.h"
#include "tools/vinci/inspect_plan.h"
#include "tools/vinci/memory_advice.h"
#include "tools/vinci/model_source.h"

namespace vinci {

namespace {
struct InspectArguments {
  std::string source;
  bool summary = false, ir = false, commands = false, kernels = false, assembly = false,
       memory = false, maxSeq = false, weights = false;
  std::string explain;
  CompileFlags compile;
  ReportFormat format = ReportFormat::Text;
};
} // namespace

static void printIr(const std::string &ir, ReportFormat format) {
  if (format == ReportFormat::Json)
    printReport({{"ir", ir}}, format);
  else
    fmt::print("{}", ir);
}

/// The sections --memory and --max-seq of a plan on a device.
static void addDeviceSections(Report &report, const InspectArguments &arguments,
                              const PlanMemory &memory, const std::vector<std::string> &changes) {
  if (arguments.memory)
    report["device_memory"] = budgetReport(memory, changes);
  if (arguments.maxSeq)
    report["max_seq"] = longestSequenceReport(memory);
}

[[noreturn]] static void failWithoutDevice(const Source &source) {
  fail(SourcePosition{source.path.string()},
       "--max-seq asks for a device, but this is for the host; give a model an NPU with --target "
       "(310p3, 910b3 or a3)");
}

/// What the model takes of its device, compiled with the flags, but for its kernels.
static void inspectModelMemory(const Source &source, const InspectArguments &arguments) {
  const ImportRequest request = toImportRequest(source.path, arguments.compile);
  CompileOptions options = toCompileOptions(arguments.compile);
  options.kernels = false;
  const CompileResult result = compiler().compile(request, options);
  for (const std::string &warning : result.warnings)
    fmt::print(stderr, "{}\n", warning);
  const Plan plan = Plan::parse(result.plan, source.path.string());
  Report report = Report::object();
  if (const DeviceSpec *device = deviceOf(result.deployment)) {
    const PlanMemory memory(plan, result.deployment, *device, options.kvBlocks);
    std::vector<std::string> changes;
    if (arguments.memory && !memory.problem().empty())
      changes = changesThatFit(request, options, result, memory);
    addDeviceSections(report, arguments, memory, changes);
  } else if (arguments.maxSeq) {
    failWithoutDevice(source);
  }
  if (arguments.memory)
    report["memory"] = planMemory(plan);
  printReport(report, arguments.format);
}

static void inspectModel(const Source &source, const InspectArguments &arguments) {
  if (arguments.commands || arguments.kernels || arguments.assembly || !arguments.explain.empty())
    fail(SourcePosition{source.path.string()},
         "a model has no commands or kernels yet; compile it, then inspect the plan "
         "(of a model: --summary, --ir, --weights, --memory, --max-seq)");
  if (arguments.memory || arguments.maxSeq)
    return inspectModelMemory(source, arguments);
  if (arguments.ir) {
    CompileOptions options;
    options.passes = parsePasses(arguments.compile.passes);
    options.stopAfter = arguments.compile.passes.empty() ? "import" : "fuse";
    options.irLocations = false;
    return printIr(compiler().compile({.files = {source.path}}, options).ir, arguments.format);
  }
  const ModelSummary model = compiler().summarize({.files = {source.path}});
  if (arguments.weights) {
    Report rows = Report::array();
    for (const auto &tensor : model.tensors)
      rows.push_back(
          {{"tensor", tensor.name}, {"dtype", toString(tensor.dtype)}, {"shape", tensor.shape}});
    return printReport(rows, arguments.format);
  }
  Report report = {{"model", model.name},
                   {"architecture", model.architecture},
                   {"dtype", toString(model.dtype)},
                   {"parameters", model.parameters},
                   {"weight_bytes", model.weightBytes},
                   {"hidden_size", model.hiddenSize},
                   {"num_hidden_layers", model.numHiddenLayers},
                   {"num_attention_heads", model.numAttentionHeads},
                   {"num_key_value_heads", model.numKeyValueHeads},
                   {"head_dim", model.headDim},
                   {"vocab_size", model.vocabSize},
                   {"max_position_embeddings", model.maxPositionEmbeddings},
                   {"kv_bytes_per_token", model.kvBytesPerToken},
                   {"tensors", model.tensors.size()},
                   {"precision", precisionReport(model.precision)}};
  if (!model.quantisation.empty()) {
    Report layers = Report::array();
    for (const auto &[first, last, scheme] : model.quantisation)
      layers.push_back({{"layers", fmt::format("{}-{}", first, last)}, {"scheme", scheme}});
    report["quantisation"] = layers;
  }
  if (!model.headScheme.empty())
    report["lm_head"] = model.headScheme;
  printReport(report, arguments.format);
}

static void inspectIr(const Source &source, const InspectArguments &arguments) {
  if (arguments.commands || arguments.kernels || arguments.assembly || arguments.memory ||
      arguments.maxSeq || arguments.weights || !arguments.explain.empty())
    fail(SourcePosition{source.path.string()},
         "IR has no commands, kernels, memory or weights of its own; "
         "compile it, then inspect the plan");
  printIr(compiler().printIr(source.path), arguments.format);
}

/// The machine code of every kernel, each under its symbol.
static Report planAssembly(const Plan &plan) {
  Report assembly = Report::object();
  for (const fb::Kernel *kernel : *plan.root()->kernels()) {
    if (!isCompiled(*kernel))
      continue;
    const auto object = plan.segment(kernel->segment());
    assembly[kernel->symbol()->str()] =
        compiler().disassemble({object.begin(), object.end()}, kernel->symbol()->str());
  }
  return assembly;
}

static void inspectPlan(const Source &source, const InspectArguments &arguments) {
  if (arguments.ir)
    fail(SourcePosition{source.path.string()},
         "a plan holds no IR; use --commands, or compile with --stop-after or --dump-ir");
  const Plan plan = Plan::open(source.path);
  Report report = Report::object();
  if (arguments.summary)
    report["summary"] = planSummary(plan);
  if (arguments.commands)
    report.update(planCommands(plan));
  if (!arguments.explain.empty())
    report.update(explainCommand(plan, arguments.explain, arguments.format));
  if (arguments.kernels)
    report["kernels"] = planKernels(plan);
  if (const auto *target = plan.root()->target();
      const DeviceSpec *device = target ? findDeviceSpec(target->string_view()) : nullptr)
    addDeviceSections(report, arguments, PlanMemory(plan, {}, *device), {});
  else if (arguments.maxSeq)
    failWithoutDevice(source);
  if (arguments.memory)
    report["memory"] = planMemory(plan);
  if (arguments.weights)
    report["weights"] = planWeights(plan);
  if (arguments.assembly)
    report["assembly"] = planAssembly(plan);
  if (report.empty())
    report = planSummary(plan);
  printReport(report, arguments.format);
}

static void inspect(const InspectArguments &arguments) {
  const Source source = findSource(arguments.source);
  const bool takesOptions =
      source.kind == SourceKind::Model && (arguments.memory || arguments.maxSeq);
  CompileFlags beyondPasses = arguments.compile;
  beyondPasses.passes.clear();
  if (!arguments.compile.passes.empty() && !takesOptions &&
      (source.kind != SourceKind::Model || !arguments.ir))
    fail("--passes goes with a model and --ir, --memory or --max-seq");
  if (beyondPasses.any() && !takesOptions)
    fail("compile options go with a model and --memory or --max-seq");
  switch (source.kind) {
  case SourceKind::Model:
    return inspectModel(source, arguments);
  case SourceKind::Ir:
    return inspectIr(source, arguments);
  case SourceKind::Plan:
    return inspectPlan(source, arguments);
  }
}

void addInspectCommand(CLI::App &app) {
  auto *command = app.add_subcommand("inspect", "Look into a model, IR or a plan");
  auto arguments = std::make_shared<InspectArguments>();
  command
      ->add_option("MODEL|IR|PLAN", arguments->source,
                   "What to look into; recognised by its content")
      ->required();
  constexpr const char *group = "What to show (default: --summary)";
  command->add_flag("--summary", arguments->summary, "Sizes, limits, target")->group(group);
  command->add_flag("--ir", arguments->ir, "The graph of a model, or an IR file")->group(group);
  command
      ->add_flag("--commands", arguments->commands,
                 "A plan's commands and calls, with what they came from")
      ->group(group);
  command
      ->add_option("--explain", arguments->explain,
                   "A command of a plan, BODY:NUMBER as in --commands: the ops that it stands for, "
                   "the passes that made it, its layers, the lines of the model's files")
      ->group(group);
  command->add_flag("--kernels", arguments->kernels, "A plan's kernels")->group(group);
  command->add_flag("--asm", arguments->assembly, "With --kernels: their machine code")
      ->group(group);
  command
      ->add_flag("--memory", arguments->memory,
                 "What a device's memory goes to; arena, KV cache and constants")
      ->group(group);
  command
      ->add_flag("--max-seq", arguments->maxSeq,
                 "The longest sequence on the device, and what binds it")
      ->group(group);
  command->add_flag("--weights", arguments->weights, "Tensors and how they are packed")
      ->group(group);
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer("Examples:\n"
                  "  vinci inspect models/austen-qwen3 --ir\n"
                  "  vinci inspect models/austen-qwen3 --ir --passes=-all,+fuse-swiglu\n"
                  "  vinci inspect qwq-32b-mindie --memory --max-seq --set memory.device_gib=32\n"
                  "  vinci inspect austen.plan --commands\n"
                  "  vinci inspect austen.plan --explain decoder_layer:2\n"
                  "  vinci inspect austen.plan --kernels --asm --format json");
  command->callback([arguments] { inspect(*arguments); });
}

} // namespace vinci
