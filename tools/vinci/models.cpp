// `vinci models`: the models that ship with Vinci.
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/report.h"
#include "tools/vinci/resources.h"

namespace vinci {

static void printModels(ReportFormat format) {
  Report report = Report::array();
  for (const std::string &name : shippedModels()) {
    const auto directory = shippedModelsDirectory() / name;
    const ModelSummary summary = compiler().summarize({.files = {directory}});
    report.push_back({{"model", name},
                      {"architecture", summary.architecture},
                      {"parameters", summary.parameters},
                      {"dtype", toString(summary.dtype)},
                      {"default", name == defaultModel},
                      {"directory", directory.string()}});
  }
  printReport(report, format);
}

void addModelsCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "models", "List the models that ship with Vinci; their names can stand for MODEL");
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  addFormatOption(*command, *format);
  command->callback([format] { printModels(*format); });
}

} // namespace vinci
