// `vinci import`: what the files of a model and its deployment resolve to, and where each value was
// said.
#include "runtime/support/json.h"
#include "tools/vinci/compile_options.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/report.h"

namespace vinci {

namespace {
struct ImportArguments {
  std::vector<std::string> files;
  std::vector<std::string> environment;
  ImportRequest request;
  ReportFormat format = ReportFormat::Text;
};
} // namespace

/// `section.setting  value  origin`, aligned, a blank line between sections.
static void printSettings(const Report &resolved) {
  for (const auto &[section, settings] : resolved.items()) {
    if (!settings.is_object())
      continue;
    Report rows = Report::array();
    for (const auto &[name, setting] : settings.items()) {
      std::string value = setting["value"].is_string() ? setting["value"].get<std::string>()
                                                       : setting["value"].dump();
      if (value.size() > 60 || value.find('\n') != std::string::npos)
        value = quoteForMessage(value, 56);
      rows.push_back({{section, name}, {"value", value}, {"origin", setting["origin"]}});
    }
    printReport(rows, ReportFormat::Text);
    fmt::print("\n");
  }
}

static void printFindings(const Report &resolved) {
  for (const Report &finding : resolved["findings"]) {
    const std::string at = finding["at"], kind = finding["kind"], message = finding["message"];
    fmt::print("{}{}{}: {}\n", at, at.empty() ? "" : ": ", kind == "note" ? "note" : "warning",
               message);
  }
}

static void importFiles(ImportArguments &arguments) {
  for (const std::string &file : arguments.files) {
    const Source source = findSource(file);
    if (source.kind != SourceKind::Model)
      fail(SourcePosition{file}, "import reads what describes a model, not plans or IR");
    // A path that was given is the file that is meant, even if it is called config.json.
    std::error_code error;
    const bool given = std::filesystem::exists(file, error);
    arguments.request.files.push_back(given ? std::filesystem::path(file) : source.path);
  }
  for (const std::string &file : arguments.environment)
    arguments.request.files.push_back(file);
  if (arguments.request.files.empty() && arguments.request.serveFlags.empty())
    throw Error(ErrorKind::Usage, {}, "import takes FILEs, --env FILE or --from-vllm-args TEXT");
  const std::string json = compiler().importFiles(arguments.request);
  if (arguments.format == ReportFormat::Json) {
    fmt::print("{}", json);
    return;
  }
  const Report resolved = Report::parse(json);
  printSettings(resolved);
  printFindings(resolved);
}

void addImportCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "import", "Show what a model's and a deployment's files resolve to, and why");
  auto arguments = std::make_shared<ImportArguments>();
  command->add_option(
      "FILE", arguments->files,
      "Model directories and files: config.json (Hugging Face, MindIE), "
      "predict_*.yaml, recipes, serve flags as JSON, launch scripts, deployment.json");
  command->add_option("--env", arguments->environment, "A file of environment variables");
  command->add_option("--from-vllm-args", arguments->request.serveFlags,
                      "The flags of a vLLM serve command, as one text");
  command->add_option("--target", arguments->request.target, "The NPU: host, 310p3, 910b3 or a3");
  command->add_flag("--strict", arguments->request.strict, "Contradictions are errors");
  addFormatOption(*command, arguments->format);
  command->footer("Examples:\n"
                  "  vinci import models/qwq-32b-mindie\n"
                  "  vinci import predict_qwq_32b.yaml launch.sh --strict\n"
                  "  vinci import models/qwen3-8b --format json > resolved.json");
  command->callback([arguments] { importFiles(*arguments); });
}

} // namespace vinci
