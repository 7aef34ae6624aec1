#include "runtime/text/chat_template.h"

#include "runtime/text/child_process.h"
#include "runtime/text/json_field.h"

#include <csignal>
#include <cstring>
#include <filesystem>

namespace vinci {

extern const char *const kRenderChatTemplateSource; // render_chat_template.py

static constexpr size_t kMaxTemplateBytes = size_t(1) << 20;
static constexpr unsigned kMaxDepth = 128;

// transformers' special_tokens_map: the roles that have a token, and the list of further special
// tokens.
static nlohmann::ordered_json readSpecialTokens(const JsonField &config) {
  auto content = [](const JsonField &token) {
    return std::string(token.isObject() ? token.at("content").string() : token.string());
  };
  nlohmann::ordered_json tokens = nlohmann::ordered_json::object();
  for (const char *role :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    if (std::optional<JsonField> token = config.findNonNull(role))
      tokens[role] = content(*token);
  for (const char *key : {"additional_special_tokens", "extra_special_tokens"}) {
    std::optional<JsonField> further = config.findNonNull(key);
    if (!further)
      continue;
    if (further->isObject()) { // from role to token
      for (const JsonField &token : further->members())
        tokens[std::string(token.key())] = content(token);
    } else {
      for (const JsonField &token : further->elements())
        tokens["additional_special_tokens"].push_back(content(token));
    }
  }
  return tokens;
}

ChatTemplate ChatTemplate::fromText(std::string text, const std::string &name,
                                    const std::string &directory) {
  ChatTemplate result;
  result.isJinjaFile_ = true; // its lines are those of the text
  result.specialTokens_ = nlohmann::ordered_json::object();
  const std::filesystem::path config = std::filesystem::path(directory) / "tokenizer_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(config, ignored)) {
    const JsonDocument document = JsonDocument::read(config);
    result.specialTokens_ = readSpecialTokens(JsonField(document));
  }
  result.variants_.push_back({"default", std::move(text), {name}});
  return result;
}

ChatTemplate ChatTemplate::fromDirectory(const std::string &directory) {
  std::filesystem::path folder(directory);
  std::string jinjaFile = (folder / "chat_template.jinja").string();
  std::string configFile = (folder / "tokenizer_config.json").string();
  ChatTemplate result;
  std::error_code ignored;
  std::optional<JsonDocument> config;
  result.specialTokens_ = nlohmann::ordered_json::object();
  if (std::filesystem::exists(configFile, ignored)) {
    config = JsonDocument::read(configFile);
    result.specialTokens_ = readSpecialTokens(JsonField(*config));
  }
  if (std::filesystem::exists(jinjaFile, ignored)) {
    result.isJinjaFile_ = true;
    result.variants_.push_back(
        {"default", readTextFile(jinjaFile, kMaxTemplateBytes), {jinjaFile}});
    return result;
  }
  auto add = [&](std::string name, const JsonField &text) {
    if (text.string().size() > kMaxTemplateBytes)
      text.fail("a template of {} bytes; the limit is {}", text.string().size(), kMaxTemplateBytes);
    result.variants_.push_back({std::move(name), std::string(text.string()), text.position()});
  };
  if (config)
    if (std::optional<JsonField> field = JsonField(*config).findNonNull("chat_template")) {
      if (field->isArray())
        for (const JsonField &variant : field->elements())
          add(std::string(variant.at("name").string()), variant.at("template"));
      else
        add("default", *field);
      return result;
    }
  fail(SourcePosition{directory},
       "the model has no chat template: neither chat_template.jinja nor chat_template in "
       "tokenizer_config.json; give the prompt as plain text");
}

const ChatTemplate::Variant &ChatTemplate::choose(bool withTools) const {
  std::string names;
  const Variant *chosen = nullptr;
  for (const Variant &variant : variants_) {
    if (variant.name == "default" && !chosen)
      chosen = &variant;
    if (variant.name == "tool_use" && withTools)
      chosen = &variant;
    names += (names.empty() ? "" : ", ") + quoteForMessage(variant.name);
  }
  if (chosen)
    return *chosen;
  fail(variants_.empty() ? SourcePosition{} : variants_.front().position,
       "none of the chat templates ({}) is called \"default\"", names);
}

void ChatTemplate::failInTemplate(const Variant &variant, uint32_t line,
                                  const std::string &message) const {
  if (isJinjaFile_)
    fail({variant.position.file, line, 0}, "chat template: {}", message);
  if (line == 0)
    fail(variant.position, "chat template: {}", message);
  fail(variant.position, "chat template, line {}: {}", line, message);
}

// Copying and writing JSON recurse.
static bool isDeeperThan(const nlohmann::ordered_json &value, unsigned limit) {
  if (!value.is_structured())
    return false;
  if (limit == 0)
    return true;
  for (const auto &child : value)
    if (isDeeperThan(child, limit - 1))
      return true;
  return false;
}

static void requireObjects(const nlohmann::ordered_json &list, const char *name) {
  if (!list.is_array())
    fail("{} must be a JSON array of objects, not {}", name, list.type_name());
  for (size_t i = 0; i < list.size(); ++i)
    if (!list[i].is_object())
      fail("{}[{}] must be a JSON object, not {}", name, i, list[i].type_name());
}

// The further variables, with the special tokens below them: an argument may replace a special
// token.
static nlohmann::ordered_json mergeArguments(const nlohmann::ordered_json &specialTokens,
                                             const nlohmann::ordered_json &arguments) {
  nlohmann::ordered_json merged = specialTokens;
  if (arguments.is_null())
    return merged;
  if (!arguments.is_object())
    fail("template arguments must be a JSON object, not {}", arguments.type_name());
  for (const auto &[name, value] : arguments.items()) {
    for (const char *own : {"messages", "tools", "documents", "add_generation_prompt"})
      if (name == own)
        fail("template argument \"{}\" is set by Vinci itself; use another name", name);
    merged[name] = value;
  }
  return merged;
}

std::string ChatTemplate::render(const ChatRequest &request, const RenderLimits &limits) const {
  for (const auto *part : {&request.messages, &request.tools, &request.arguments})
    if (isDeeperThan(*part, kMaxDepth))
      fail("messages, tools or template arguments nested deeper than {} levels", kMaxDepth);
  requireObjects(request.messages, "messages");
  if (!request.tools.is_null())
    requireObjects(request.tools, "tools");
  const Variant &variant = choose(!request.tools.is_null());

  nlohmann::ordered_json input;
  input["template"] = variant.text;
  input["messages"] = request.messages;
  input["tools"] = request.tools;
  input["add_generation_prompt"] = request.addGenerationPrompt;
  input["arguments"] = mergeArguments(specialTokens_, request.arguments);
  input["cpu_seconds"] = limits.cpuSeconds;
  input["memory_bytes"] = limits.memoryBytes;
  // Text that is not UTF-8 becomes U+FFFD here as it does in the tokenizer.
  std::string text = input.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);

  ChildResult child = runChild({python_, "-I", "-c", kRenderChatTemplateSource}, text,
                               {limits.wallTime, limits.outputBytes});
  switch (child.outcome) {
  case ChildResult::Outcome::NotStarted:
    fail("chat templates are rendered by {}, which cannot be started ({}); install it with: "
         "apt-get install python3 python3-jinja2",
         python_, std::strerror(child.status));
  case ChildResult::Outcome::TimedOut:
    failInTemplate(variant, 0, fmt::format("not rendered within {} ms", limits.wallTime.count()));
  case ChildResult::Outcome::TooMuch:
    failInTemplate(variant, 0, fmt::format("renders more than {} bytes", limits.outputBytes));
  case ChildResult::Outcome::Signalled:
    if (child.status == SIGXCPU || child.status == SIGKILL)
      failInTemplate(variant, 0,
                     fmt::format("not rendered within {} s of processor time", limits.cpuSeconds));
    failInTemplate(variant, 0, fmt::format("{} died of signal {}", python_, child.status));
  case ChildResult::Outcome::Exited:
    break;
  }
  nlohmann::json reply = nlohmann::json::parse(child.output, nullptr, false);
  if (!reply.is_object())
    failInTemplate(variant, 0,
                   fmt::format("{} ended with status {}: {}", python_, child.status,
                               quoteForMessage(child.errors, 1000)));
  if (reply.contains("missing"))
    fail("chat templates are rendered by {}, which has no module {}; install it with: apt-get "
         "install python3-jinja2",
         python_, reply["missing"].get<std::string>());
  if (reply.contains("error"))
    failInTemplate(variant, reply["line"].get<uint32_t>(), reply["error"].get<std::string>());
  return reply["text"].get<std::string>();
}

} // namespace vinci
