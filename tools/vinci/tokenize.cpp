// `vinci tokenize`: text or chat messages as ids, just as `run` would give them to the model.
#include "runtime/support/error.h"
#include "tools/vinci/commands.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/prompts.h"

namespace vinci {

namespace {
struct TokenizeArguments {
  std::string model;
  std::optional<std::string> text;
  std::string messages;
  std::string tools;
  std::string templateArguments;
  bool noGenerationPrompt = false;
};
} // namespace

static ChatRequest readChat(const TokenizeArguments &arguments) {
  ChatRequest request;
  request.messages = readJsonFile(arguments.messages);
  if (request.messages.is_object() && request.messages.contains("messages"))
    request.messages = nlohmann::ordered_json(request.messages["messages"]);
  if (!arguments.tools.empty())
    request.tools = readJsonFile(arguments.tools);
  if (!arguments.templateArguments.empty())
    request.arguments = parseJsonText("--template-args", arguments.templateArguments);
  request.addGenerationPrompt = !arguments.noGenerationPrompt;
  return request;
}

static void tokenize(const TokenizeArguments &arguments) {
  PromptEncoder encoder(findTokenizerDirectory(arguments.model));
  const Prompt prompt =
      arguments.text ? encoder.fromText(*arguments.text) : encoder.fromChat(readChat(arguments));
  const nlohmann::ordered_json report = {{"ids", prompt.ids}, {"text", *prompt.text}};
  fmt::print("{}\n", report.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void addTokenizeCommand(CLI::App &app) {
  auto *command = app.add_subcommand("tokenize", "Print the token ids of a text or a chat as JSON");
  auto arguments = std::make_shared<TokenizeArguments>();
  command
      ->add_option("MODEL", arguments->model,
                   "A folder with a tokenizer (no config.json needed), or a shipped model's name")
      ->required();
  auto *source = command->add_option_group("Input", "One of");
  source->add_option("--text", arguments->text, "The text");
  auto *messages = source->add_option("--messages", arguments->messages,
                                      "A JSON file with an array of chat messages");
  source->require_option(1);
  command->add_option("--tools", arguments->tools, "A JSON file with an array of tools")
      ->needs(messages);
  command
      ->add_flag("--no-generation-prompt", arguments->noGenerationPrompt,
                 "Do not open the assistant's answer")
      ->needs(messages);
  command
      ->add_option("--template-args", arguments->templateArguments,
                   "A JSON object of further template variables")
      ->needs(messages);
  command->footer("Examples:\n"
                  "  vinci tokenize austen-qwen3 --text \"It is a truth\"\n"
                  "  vinci tokenize path/to/Qwen3-8B --messages chat.json --template-args "
                  "'{\"enable_thinking\":false}'");
  command->callback([arguments] { tokenize(*arguments); });
}

} // namespace vinci
