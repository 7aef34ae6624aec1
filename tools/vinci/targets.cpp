// `vinci targets`: the CPU targets that kernels can be compiled for.
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/report.h"

namespace vinci {

static void printTargets(ReportFormat format) {
  Report report = Report::array();
  for (const auto &target : compiler().targets())
    report.push_back({{"target", target.name},
                      {"runs_here", target.runsHere},
                      {"native", target.isNative},
                      {"features", target.features}});
  printReport(report, format);
}

void addTargetsCommand(CLI::App &app) {
  auto *command =
      app.add_subcommand("targets", "List the CPU targets of --cpu and whether they run here");
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  addFormatOption(*command, *format);
  command->callback([format] { printTargets(*format); });
}

} // namespace vinci
