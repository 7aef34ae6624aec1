// `vinci diff`: how two plans, or two files of IR, differ in what they do.
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/plan_diff.h"
#include "tools/vinci/program_diff.h"
#include "tools/vinci/sides.h"

namespace vinci {

namespace {
struct DiffArguments {
  std::string a, b;
  std::string aOptions, bOptions;
  CompileFlags compile;
  ReportFormat format = ReportFormat::Text;
};
} // namespace

/// A plan as it is, or that of a model. Looks for no weights.
static Plan planOf(const Source &source, const CompileFlags &flags) {
  if (source.kind == SourceKind::Model) {
    CompileResult result =
        compiler().compile(toImportRequest(source.path, flags), toCompileOptions(flags));
    for (const std::string &warning : result.warnings)
      fmt::print(stderr, "{}\n", warning);
    return Plan::parse(std::move(result.plan), source.path.string());
  }
  if (flags.any())
    fail(SourcePosition{source.path.string()},
         "this plan is compiled already; compile options go with a model directory");
  return Plan::open(source.path);
}

static Report differences(const SideArguments &a, const SideArguments &b) {
  const Source sourceA = findSource(a.source), sourceB = findSource(b.source);
  const bool irA = sourceA.kind == SourceKind::Ir, irB = sourceB.kind == SourceKind::Ir;
  if (irA != irB)
    fail(SourcePosition{(irA ? sourceA : sourceB).path.string()},
         "IR is compared with IR; {} is none", (irA ? sourceB : sourceA).path.string());
  if (!irA)
    return planDifferences(planOf(sourceA, a.compile), planOf(sourceB, b.compile));
  if (a.compile.any() || b.compile.any())
    fail(SourcePosition{sourceA.path.string()},
         "IR is compared as it is; compile options go with a model directory");
  Report report = Report::object();
  if (Report rows =
          commandDifferences(compiler().viewIr(sourceA.path), compiler().viewIr(sourceB.path));
      !rows.empty())
    report["commands"] = std::move(rows);
  return report;
}

static void diff(const DiffArguments &arguments) {
  const SideArguments a =
      sideArguments({arguments.a, {}, arguments.compile}, "--a", arguments.aOptions);
  const SideArguments b =
      sideArguments({arguments.b.empty() ? arguments.a : arguments.b, {}, arguments.compile}, "--b",
                    arguments.bOptions);
  Report report = {{"a", a.source}, {"b", b.source}};
  const Report found = differences(a, b);
  report["same"] = found.empty();
  report.update(found);
  printReport(report, arguments.format);
}

void addDiffCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "diff", "How two plans or two files of IR differ: commands, collectives, weights, memory");
  auto arguments = std::make_shared<DiffArguments>();
  command
      ->add_option(
          "A", arguments->a,
          "A plan, an IR file, or a model directory or shipped model's name, whose plan is "
          "meant")
      ->required();
  command->add_option("B", arguments->b, "What to compare it with (default: A)");
  command->add_option("--a", arguments->aOptions, "Compile options for A alone, as one text");
  command->add_option("--b", arguments->bOptions, "Compile options for B alone");
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer("Names of buffers and values, the order of tables and machine code make no "
                  "difference. To compare what plans compute, use `vinci compare`.\n"
                  "Examples:\n"
                  "  vinci diff before.plan after.plan\n"
                  "  vinci diff austen-qwen3 --b \"--passes=-fuse-swiglu\"\n"
                  "  vinci diff dump/03-fuse-swiglu.mlir dump/04-concat-gate-up.mlir");
  command->callback([arguments] { diff(*arguments); });
}

} // namespace vinci
