// `vinci targets`: the CPU targets that kernels can be compiled for.
#include "tools/vinci/commands.h"
#include "tools/vinci/compiler_library.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace vinci {

static void printTargets(ReportFormat format) {
  const auto targets = compiler().targets();
  if (format == ReportFormat::Json) {
    auto report = nlohmann::ordered_json::array();
    for (const auto &target : targets)
      report.push_back({{"name", target.name}, {"features", target.features},
                        {"runs_here", target.runsHere}, {"native", target.isNative}});
    fmt::print("{}\n", report.dump(2));
    return;
  }
  for (const auto &target : targets)
    fmt::print("{:<12} {}{}\n             {}\n", target.name, target.runsHere ? "runs here" : "does not run here",
               target.isNative ? ", what --cpu native means on this machine" : "", fmt::join(target.features, " "));
}

void addTargetsCommand(CLI::App &app) {
  auto *command = app.add_subcommand("targets", "List the CPU targets of --cpu and whether they run here");
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  addFormatOption(*command, *format);
  command->callback([format] { printTargets(*format); });
}

} // namespace vinci
