// Prompts as token ids: text and chats through the model's own tokenizer and template, loaded when
// first needed.
#pragma once

#include "runtime/text/chat_template.h"
#include "runtime/text/prompt_file.h"
#include "runtime/text/tokenizer.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vinci {

struct Prompt {
  std::vector<int32_t> ids;
  std::optional<std::string> text; ///< absent where ids were given
};

class PromptEncoder {
public:
  /// `chatTemplate` is used in place of the directory's; empty: the directory's.
  explicit PromptEncoder(std::filesystem::path modelDirectory, std::string chatTemplate = "")
      : directory_(std::move(modelDirectory)), chatTemplate_(std::move(chatTemplate)) {}

  /// Throws Error if the model has no tokenizer.
  const Tokenizer &tokenizer();
  /// The tokenizer if the model has one: ids in and ids out need none.
  const Tokenizer *tokenizerIfAny();

  Prompt fromText(const std::string &text);
  Prompt fromChat(const ChatRequest &request);
  Prompt fromRecord(const PromptRecord &record);

private:
  std::filesystem::path directory_;
  std::string chatTemplate_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> template_;
};

/// "1,2,3" as ids. Throws Error naming `flag` and the first piece that is no id.
std::vector<int32_t> parseIds(const std::string &flag, const std::string &list);

/// A JSON file with an array of token ids.
std::vector<int32_t> readIdsFile(const std::filesystem::path &path);

/// JSON from a file ("-" is standard input) for chats; refuses what is nested too deep or no JSON,
/// naming the place.
nlohmann::ordered_json readJsonFile(const std::string &path);
/// The same from text; `name` stands for the file.
nlohmann::ordered_json parseJsonText(const std::string &name, const std::string &text);

} // namespace vinci
