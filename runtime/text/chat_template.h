// A conversation as the text that a chat model was trained on, by the model's own template.
//
// Templates are Jinja, and transformers renders them with python3-jinja2's
// ImmutableSandboxedEnvironment; so does this, in a child process (/usr/bin/python3 -I) with a bare
// environment that may write no file and is stopped when it takes too much time or memory. Nothing
// is started before render().
#pragma once

#include "runtime/support/error.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vinci {

/// What a template is rendered with.
struct ChatRequest {
  nlohmann::ordered_json messages; ///< an array of objects, usually {"role": …, "content": …}
  nlohmann::ordered_json tools = nullptr; ///< an array of objects, or null for none
  bool addGenerationPrompt = true;        ///< end with the beginning of the assistant's answer
  /// Further variables, such as {"enable_thinking": false}, or null.
  nlohmann::ordered_json arguments = nullptr;
};

struct RenderLimits {
  std::chrono::milliseconds wallTime{20000};
  uint32_t cpuSeconds = 10;
  size_t memoryBytes = size_t(512) << 20;
  size_t outputBytes = size_t(64) << 20;
};

class ChatTemplate {
public:
  /// Reads chat_template.jinja, or else chat_template of tokenizer_config.json: a string, or a list
  /// of
  /// {"name": …, "template": …} of which "tool_use" serves conversations with tools and "default"
  /// all others. The special tokens (bos_token, eos_token, …) come from tokenizer_config.json. A
  /// directory with no template is an error.
  static ChatTemplate fromDirectory(const std::string &directory);
  /// The template `text`, which `name` stands for in messages, with the special tokens of `directory`.
  static ChatTemplate fromText(std::string text, const std::string &name,
                               const std::string &directory);

  /// The text of the conversation. What the template refuses (raise_exception) or cannot do is an
  /// error with the template's file, its line and its message.
  std::string render(const ChatRequest &request, const RenderLimits &limits = {}) const;

  /// Another interpreter, for tests.
  void setPython(std::string path) { python_ = std::move(path); }

private:
  struct Variant {
    std::string name;
    std::string text;
    SourcePosition position;
  };
  const Variant &choose(bool withTools) const;
  /// Where line `line` of a template is; `message` says it where the position cannot.
  [[noreturn]] void failInTemplate(const Variant &variant, uint32_t line,
                                   const std::string &message) const;

  std::vector<Variant> variants_;
  bool isJinjaFile_ = false;
  nlohmann::ordered_json specialTokens_;
  std::string python_ = "/usr/bin/python3";
};

} // namespace vinci
