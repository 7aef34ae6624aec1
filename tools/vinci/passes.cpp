// `vinci passes`: the passes between a model and its plan.
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/report.h"

namespace vinci {

static void printPasses(ReportFormat format) {
  Report report = Report::array();
  for (const Compiler::Pass &pass : compiler().passes())
    report.push_back({{"pass", pass.name},
                      {"phase", pass.phase},
                      {"default", pass.optional ? (pass.onByDefault ? "on" : "off")
                                                : (pass.onByDefault ? "always" : "by flag")},
                      {"needs", pass.needs},
                      {"summary", pass.summary}});
  printReport(report, format);
}

void addPassesCommand(CLI::App &app) {
  auto *command =
      app.add_subcommand("passes", "List the compiler's passes in the order in which they run");
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  addFormatOption(*command, *format);
  command->footer("Those that are on or off can be switched: vinci compile MODEL -o PLAN "
                  "--passes +name,-name\n"
                  "What each does: docs/generated/passes.md");
  command->callback([format] { printPasses(*format); });
}

} // namespace vinci
