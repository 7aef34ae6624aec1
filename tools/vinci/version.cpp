// `vinci version`: of the tool, of the plans it reads, of LLVM.
#include "runtime/plan/plan_file.h"
#include "tools/vinci/report.h"

#include <llvm/Config/llvm-config.h>

namespace vinci {

static void printVersion(ReportFormat format) {
  printReport({{"vinci", VINCI_VERSION},
               {"plan_schema", fmt::format("{}.{}", planSchemaMajor, planSchemaMinor)},
               {"llvm", LLVM_VERSION_STRING}},
              format);
}

void addVersionCommand(CLI::App &app) {
  auto *command =
      app.add_subcommand("version", "Print the versions of Vinci, of its plans and of LLVM");
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  addFormatOption(*command, *format);
  command->callback([format] { printVersion(*format); });
}

} // namespace vinci
