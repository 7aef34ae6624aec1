#include "tools/vinci/commands.h"

namespace vinci {

void addFormatOption(CLI::App &command, ReportFormat &format) {
  static const std::map<std::string, ReportFormat> formats = {{"text", ReportFormat::Text},
                                                              {"json", ReportFormat::Json}};
  command
      .add_option_function<std::string>(
          "--format",
          [&format](const std::string &name) {
            const auto found = formats.find(name);
            if (found == formats.end())
              throw CLI::ValidationError("--format", "'" + name + "' is not a report format; legal are text and json");
            format = found->second;
          },
          "How to print the report: text or json (default: text)");
}

} // namespace vinci
