// `vinci inspect`: what is in a model, in IR, in a plan.
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/explain.h"
#include "tools/vinci/inspect_plan.h"
#include "tools/vinci/model_source.h"

namespace vinci {

namespace {
struct InspectArguments {
  std::string source;
  bool summary = false, ir = false, commands = false, kernels = false, assembly = false,
       memory = false, weights = false;
  std::string passes, explain;
  ReportFormat format = ReportFormat::Text;
};
} // namespace

static void printIr(const std::string &ir, ReportFormat format) {
  if (format == ReportFormat::Json)
    printReport({{"ir", ir}}, format);
  else
    fmt::print("{}", ir);
}

static void inspectModel(const Source &source, const InspectArguments &arguments) {
  if (arguments.commands || arguments.kernels || arguments.assembly || arguments.memory ||
      !arguments.explain.empty())
    fail(SourcePosition{source.path.string()},
         "a model has no commands, kernels or memory yet; compile it, then inspect the plan "
         "(of a model: --summary, --ir, --weights)");
  if (arguments.ir) {
    CompileOptions options;
    options.passes = parsePasses(arguments.passes);
    options.stopAfter = arguments.passes.empty() ? "import" : "fuse";
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
  printReport(report, arguments.format);
}

static void inspectIr(const Source &source, const InspectArguments &arguments) {
  if (arguments.commands || arguments.kernels || arguments.assembly || arguments.memory ||
      arguments.weights || !arguments.explain.empty())
    fail(SourcePosition{source.path.string()},
         "IR has no commands, kernels, memory or weights of its own; "
         "compile it, then inspect the plan");
  printIr(compiler().printIr(source.path), arguments.format);
}

/// The machine code of every kernel, each under its symbol.
static Report planAssembly(const Plan &plan) {
  Report assembly = Report::object();
  for (const fb::Kernel *kernel : *plan.root()->kernels()) {
    if (kernel->collective())
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
  if (!arguments.passes.empty() && (source.kind != SourceKind::Model || !arguments.ir))
    fail("--passes goes with a model and --ir");
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
  command->add_flag("--memory", arguments->memory, "A plan's arena, KV cache and constants")
      ->group(group);
  command->add_flag("--weights", arguments->weights, "Tensors and how they are packed")
      ->group(group);
  addPassesFlag(*command, arguments->passes);
  command->get_option("--passes")
      ->description("With --ir: the graph after the fusions, with passes switched as for compile")
      ->group(group);
  addFormatOption(*command, arguments->format);
  command->footer("Examples:\n"
                  "  vinci inspect models/austen-qwen3 --ir\n"
                  "  vinci inspect models/austen-qwen3 --ir --passes=-all,+fuse-swiglu\n"
                  "  vinci inspect austen.plan --commands\n"
                  "  vinci inspect austen.plan --explain decoder_layer:2\n"
                  "  vinci inspect austen.plan --kernels --asm --format json");
  command->callback([arguments] { inspect(*arguments); });
}

} // namespace vinci
