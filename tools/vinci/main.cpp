// vinci: compile language models ahead of time, look inside, run the compiled plans.
//
// Exit codes: 0 fine; 1 a bad value or file, or a difference; 2 an unknown flag or a missing
// argument; 70 a defect.
#include "runtime/support/error.h"
#include "tools/vinci/commands.h"
#include "tools/vinci/processes.h"

#include <algorithm>
#include <cstdio>
#include <fmt/ranges.h>
#include <system_error>

using namespace vinci;

static constexpr const char *examples =
    "Examples:\n"
    "  vinci run --prompt \"It is a truth\"                     continue a prompt with the model "
    "that ships with Vinci\n"
    "  vinci compile models/austen-qwen3 -o austen.plan       compile a model directory ahead of "
    "time\n"
    "  vinci inspect austen.plan --commands                   what the plan executes\n"
    "  vinci run austen.plan --model models/austen-qwen3 --chat \"Good morning\"\n"
    "\n"
    "Environment: VINCI_CACHE_DIR (compiled plans and packed weights; default ~/.cache/vinci)";

/// Prints the message and gives the exit code. Under mpirun it does not come back.
static int reportFailure(const std::string &message, ErrorKind kind) {
  failProcesses(message, exitCode(kind));
  return exitCode(kind);
}

/// Reports what CLI11 found wrong with the command line. A value that cannot be used is 1,
/// everything else is 2.
static int reportUsage(const CLI::App &app, const CLI::ParseError &error) {
  const bool badValue = dynamic_cast<const CLI::ConversionError *>(&error) ||
                        dynamic_cast<const CLI::ValidationError *>(&error);
  std::string command = "vinci";
  for (const CLI::App *sub : app.get_subcommands())
    command += " " + sub->get_name();
  return reportFailure(fmt::format("error: {} (see '{} --help')", error.what(), command),
                       badValue ? ErrorKind::User : ErrorKind::Usage);
}

/// CLI11 only says that a subcommand is required; this says which word is none.
static void checkCommand(const CLI::App &app, int argc, char **argv) {
  if (argc < 2 || argv[1][0] == '-')
    return;
  std::vector<std::string> names;
  for (const CLI::App *command : app.get_subcommands({}))
    names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) == names.end())
    throw Error(
        ErrorKind::Usage, {},
        fmt::format("'{}' is not a command; legal are {}", argv[1], fmt::join(names, ", ")));
}

static std::string commandLine(int argc, char **argv) {
  std::string line;
  for (int i = 0; i < argc; ++i)
    line += fmt::format("{}{}", i ? " " : "", argv[i]);
  return line;
}

/// The words behind the program's name, last first, as CLI11 takes them. In `simulate`,
/// `--routing trace FILE` becomes `--routing trace:FILE`: to CLI11, an option of one word or two
/// takes the model too.
static std::vector<std::string> wordsOf(int argc, char **argv) {
  std::vector<std::string> words;
  const auto isTrace = [&] {
    return words.size() > 1 && words.front() == "simulate" &&
           (words.back() == "--routing=trace" ||
            (words.back() == "trace" && words[words.size() - 2] == "--routing"));
  };
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] != '-' && isTrace())
      words.back() += fmt::format(":{}", argv[i]);
    else
      words.emplace_back(argv[i]);
  std::ranges::reverse(words);
  return words;
}

int main(int argc, char **argv) {
  CLI::App app("Compiles large language models for Ascend-class NPUs and runs the compiled plans "
               "on a simulated device.");
  app.name("vinci");
  app.require_subcommand(1);
  app.footer(examples);
  addCompileCommand(app);
  addImportCommand(app);
  addPackCommand(app);
  addConvertCommand(app);
  addQuantizeCommand(app);
  addRunCommand(app);
  addEvalCommand(app);
  addBenchCommand(app);
  addCompareCommand(app);
  addDiffCommand(app);
  addSimulateCommand(app);
  addExploreCommand(app);
  addCalibrateCommand(app);
  addTokenizeCommand(app);
  addInspectCommand(app);
  addVerifyCommand(app);
  addPassesCommand(app);
  addTargetsCommand(app);
  addModelsCommand(app);
  addVersionCommand(app);
  addCompletionCommand(app);

  const std::string defect = "This is a defect of Vinci. To reproduce: " + commandLine(argc, argv);
  try {
    checkCommand(app, argc, argv);
    joinProcesses(argc > 1 ? argv[1] : "");
    app.parse(wordsOf(argc, argv));
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      fail("cannot write to standard output");
    leaveProcesses();
    return 0;
  } catch (const CLI::Success &success) { // --help
    const int code = app.exit(success);
    leaveProcesses();
    return code;
  } catch (const CLI::ParseError &error) {
    return reportUsage(app, error);
  } catch (const Error &error) {
    return reportFailure(error.kind() == ErrorKind::Internal
                             ? fmt::format("{}\n{}", error.what(), defect)
                             : error.what(),
                         error.kind());
  } catch (const std::bad_alloc &) {
    return reportFailure("error: out of memory", ErrorKind::User);
  } catch (const std::system_error &error) { // what fmt and std::filesystem say of a full disk
    return reportFailure(fmt::format("error: {}{}",
                                     std::ferror(stdout) ? "cannot write to standard output: " : "",
                                     error.what()),
                         ErrorKind::User);
  } catch (const std::exception &error) {
    return reportFailure(fmt::format("internal error: {}\n{}", error.what(), defect),
                         ErrorKind::Internal);
  }
}
