// The subcommands of `vinci`, one file each. Every function adds its subcommand, with options, help
// and examples.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace vinci {

void addCompileCommand(CLI::App &app);
void addImportCommand(CLI::App &app);
void addPackCommand(CLI::App &app);
void addConvertCommand(CLI::App &app);
void addQuantizeCommand(CLI::App &app);
void addRunCommand(CLI::App &app);
void addEvalCommand(CLI::App &app);
void addBenchCommand(CLI::App &app);
void addCompareCommand(CLI::App &app);
void addDiffCommand(CLI::App &app);
void addSimulateCommand(CLI::App &app);
void addExploreCommand(CLI::App &app);
void addCalibrateCommand(CLI::App &app);
void addTokenizeCommand(CLI::App &app);
void addInspectCommand(CLI::App &app);
void addVerifyCommand(CLI::App &app);
void addPassesCommand(CLI::App &app);
void addTargetsCommand(CLI::App &app);
void addModelsCommand(CLI::App &app);
void addVersionCommand(CLI::App &app);
void addCompletionCommand(CLI::App &app);

/// How a report is printed.
enum class ReportFormat { Text, Json, Html };

/// Adds `--format text|json`, or `text|json|html`; what `format` holds is the default.
void addFormatOption(CLI::App &command, ReportFormat &format, bool html = false);

} // namespace vinci
