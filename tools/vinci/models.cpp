// `vinci models`: the models that ship with Vinci.
#include "tools/vinci/commands.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/resources.h"

#include <nlohmann/json.hpp>

namespace vinci {

static void printModels(ReportFormat format) {
  auto report = nlohmann::ordered_json::array();
  for (const std::string &name : shippedModels()) {
    const auto directory = shippedModelsDirectory() / name;
    const ModelSummary summary = compiler().summarize(directory);
    if (format == ReportFormat::Json)
      report.push_back({{"name", name}, {"architecture", summary.architecture}, {"parameters", summary.parameters},
                        {"dtype", toString(summary.dtype)}, {"directory", directory.string()},
                        {"default", name == defaultModel}});
    else
      fmt::print("{:<18} {:<10} {:>6.1f} M parameters  {}{}\n", name, summary.architecture,
                 summary.parameters / 1e6, toString(summary.dtype), name == defaultModel ? "  (default)" : "");
  }
  if (format == ReportFormat::Json)
    fmt::print("{}\n", report.dump(2));
}

void addModelsCommand(CLI::App &app) {
  auto *command = app.add_subcommand("models", "List the models that ship with Vinci; their names can stand for MODEL");
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  addFormatOption(*command, *format);
  command->callback([format] { printModels(*format); });
}

} // namespace vinci
