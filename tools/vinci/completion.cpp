// `vinci completion bash|zsh|fish`: a completion script made from the commands and options
// themselves.
#include "runtime/support/error.h"
#include "tools/vinci/commands.h"

namespace vinci {

static std::vector<std::string> longOptions(const CLI::App &command) {
  std::vector<std::string> names;
  for (const CLI::Option *option : command.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

static void printBash(const CLI::App &app) {
  fmt::print("_vinci() {{\n  local word=${{COMP_WORDS[COMP_CWORD]}} words\n  case "
             "${{COMP_WORDS[1]}} in\n");
  std::string commands;
  for (const CLI::App *command : app.get_subcommands({})) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    fmt::print("    {}) words=\"{}\" ;;\n", command->get_name(),
               fmt::join(longOptions(*command), " "));
  }
  fmt::print("    *) words=\"{}\" ;;\n  esac\n", commands);
  fmt::print("  if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"{}\"; fi\n", commands);
  fmt::print("  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
             "  if [ \"$COMP_CWORD\" -gt 1 ] && [[ $word != -* ]]; then COMPREPLY+=($(compgen -f "
             "-- \"$word\")); fi\n"
             "}}\ncomplete -o filenames -F _vinci vinci\n");
}

static void printFish(const CLI::App &app) {
  for (const CLI::App *command : app.get_subcommands({})) {
    fmt::print("complete -c vinci -n __fish_use_subcommand -a {} -d '{}'\n", command->get_name(),
               command->get_description());
    for (const std::string &name : longOptions(*command))
      fmt::print("complete -c vinci -n '__fish_seen_subcommand_from {}' -l {}\n",
                 command->get_name(), name.substr(2));
  }
}

void addCompletionCommand(CLI::App &app) {
  auto *command = app.add_subcommand("completion", "Print a completion script for a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")->required();
  command->footer("Example:\n  source <(vinci completion bash)");
  command->callback([&app, shell] {
    if (*shell == "bash")
      printBash(app);
    else if (*shell == "zsh") {
      fmt::print("autoload -U +X bashcompinit && bashcompinit\n");
      printBash(app);
    } else if (*shell == "fish")
      printFish(app);
    else
      fail("there is no completion for the shell '{}'; legal are bash, zsh and fish", *shell);
  });
}

} // namespace vinci
