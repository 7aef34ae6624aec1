#include "tools/vinci/prompts.h"
#include "runtime/support/error.h"
#include "runtime/support/json.h"

#include <charconv>
#include <iostream>
#include <iterator>

namespace vinci {
namespace fs = std::filesystem;

const Tokenizer &PromptEncoder::tokenizer() {
  if (!tokenizer_)
    tokenizer_.emplace(Tokenizer::fromDirectory(directory_.string()));
  return *tokenizer_;
}

const Tokenizer *PromptEncoder::tokenizerIfAny() {
  std::error_code error;
  const bool has = fs::exists(directory_ / "tokenizer.json", error) ||
                   fs::exists(directory_ / "vocab.json", error);
  return has ? &tokenizer() : nullptr;
}

Prompt PromptEncoder::fromText(const std::string &text) {
  return {tokenizer().encodePrompt(text), text};
}

Prompt PromptEncoder::fromChat(const ChatRequest &request) {
  if (!template_)
    template_.emplace(chatTemplate_.empty()
                          ? ChatTemplate::fromDirectory(directory_.string())
                          : ChatTemplate::fromText(chatTemplate_, "the plan's chat template",
                                                   directory_.string()));
  std::string text = template_->render(request);
  std::vector<int32_t> ids = tokenizer().encode(text);
  return {std::move(ids), std::move(text)};
}

Prompt PromptEncoder::fromRecord(const PromptRecord &record) {
  switch (record.kind) {
  case PromptRecord::Kind::Text:
    return fromText(record.text);
  case PromptRecord::Kind::Ids:
    return {record.ids, std::nullopt};
  case PromptRecord::Kind::Chat:
    return fromChat({record.messages, record.tools, true, record.templateArguments});
  }
  failInternal("unknown kind of prompt");
}

std::vector<int32_t> parseIds(const std::string &flag, const std::string &list) {
  std::vector<int32_t> ids;
  size_t begin = 0;
  while (begin <= list.size()) {
    const size_t end = std::min(list.find(',', begin), list.size());
    std::string piece = list.substr(begin, end - begin);
    piece.erase(0, piece.find_first_not_of(' '));
    int32_t id = 0;
    const auto [stop, error] = std::from_chars(piece.data(), piece.data() + piece.size(), id);
    if (error != std::errc() || stop != piece.data() + piece.size() || id < 0)
      fail("{}: '{}' is not a token id; ids are integers from 0, separated by commas", flag, piece);
    ids.push_back(id);
    begin = end + 1;
  }
  return ids;
}

std::vector<int32_t> readIdsFile(const fs::path &path) {
  const JsonDocument document = JsonDocument::read(path);
  if (!document.root().isArray())
    document.root().failExpected("the file", "an array of token ids");
  std::vector<int32_t> ids;
  for (const JsonValue &element : document.root().elements())
    ids.push_back(int32_t(element.toInteger("a token id", 0, std::numeric_limits<int32_t>::max())));
  return ids;
}

nlohmann::ordered_json parseJsonText(const std::string &name, const std::string &text) {
  JsonDocument::parse(text, name); // refuses with the place; what is left is JSON
  return nlohmann::ordered_json::parse(text);
}

nlohmann::ordered_json readJsonFile(const std::string &path) {
  if (path == "-")
    return parseJsonText("<stdin>", {std::istreambuf_iterator<char>(std::cin), {}});
  return parseJsonText(path, readTextFile(path, JsonLimits().maxBytes));
}

} // namespace vinci
