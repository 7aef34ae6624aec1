#include "tools/vinci/sides.h"

#include "runtime/support/error.h"

#include <CLI/CLI.hpp>

namespace vinci {

SideArguments sideArguments(SideArguments shared, const char *flag, const std::string &text) {
  CLI::App options;
  options.set_help_flag();
  options.add_option("--model", shared.model);
  addCompileFlags(options, shared.compile);
  try {
    options.parse(text);
  } catch (const CLI::ParseError &error) {
    throw Error(ErrorKind::Usage, {},
                fmt::format("{} '{}': {}; legal are compile options and --model", flag, text,
                            error.what()));
  }
  return shared;
}

} // namespace vinci
