#include "runtime/text/prompt_file.h"

#include "runtime/text/json_field.h"

#include <algorithm>

namespace vinci {

static constexpr size_t kMaxFileBytes = size_t(256) << 20;

static constexpr std::string_view kLegalFields =
    "\"prompt\", \"ids\" or \"prompt_ids\", \"messages\" (with \"tools\" and \"template_args\"), "
    "\"question\" "
    "(gsm8k), \"context\" and \"input\" (LongBench); for sampling max_tokens, temperature, top_k, "
    "top_p, "
    "repetition_penalty and seed";

SamplingParams SamplingOverrides::applyTo(SamplingParams params) const {
  params.temperature = temperature.value_or(params.temperature);
  params.topK = topK.value_or(params.topK);
  params.topP = topP.value_or(params.topP);
  params.repetitionPenalty = repetitionPenalty.value_or(params.repetitionPenalty);
  params.seed = seed.value_or(params.seed);
  return params;
}

static std::vector<int32_t> readIds(const JsonField &field) {
  if (!field.isArray())
    field.failExpected("an array of token ids");
  std::vector<int32_t> ids;
  for (JsonValue id : field.value().elements())
    ids.push_back(static_cast<int32_t>(id.toInteger("token id", 0, INT32_MAX)));
  if (ids.empty())
    field.failExpected("an array of at least one token id");
  return ids;
}

static nlohmann::ordered_json readObjects(const JsonField &field) {
  for (const JsonField &element : field.elements())
    if (!element.isObject())
      element.failExpected("an object");
  return toOrderedJson(field.value());
}

static void setText(const JsonField &field, PromptRecord &prompt) {
  prompt.kind = PromptRecord::Kind::Text;
  prompt.text = field.string();
}

static void setIds(const JsonField &field, PromptRecord &prompt) {
  prompt.kind = PromptRecord::Kind::Ids;
  prompt.ids = readIds(field);
}

// Takes one of the fields that belong to sampling; false if `field` is none of them.
static bool readSampling(const JsonField &field, SamplingOverrides &sampling) {
  std::string_view key = field.key();
  if (key == "max_tokens")
    sampling.maxTokens = field.integer(1, INT32_MAX);
  else if (key == "temperature")
    sampling.temperature = field.number();
  else if (key == "top_k")
    sampling.topK = field.integer(0, INT64_MAX);
  else if (key == "top_p")
    sampling.topP = field.number();
  else if (key == "repetition_penalty")
    sampling.repetitionPenalty = field.number();
  else if (key == "seed")
    sampling.seed = static_cast<uint64_t>(field.integer(0, INT64_MAX));
  else
    return false;
  try {
    sampling.applyTo({}).check();
  } catch (const Error &error) {
    throw Error(error.kind(), field.position(), error.message());
  }
  return true;
}

static bool isOneOf(std::string_view key, std::initializer_list<std::string_view> keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// The field that makes an object a prompt. Exactly one of them must be there.
static std::string_view findForm(const JsonField &object) {
  std::string_view form;
  for (std::string_view key : {"prompt", "ids", "prompt_ids", "messages", "question", "context"}) {
    if (!object.value().find(key))
      continue;
    if (!form.empty())
      object.fail("has both \"{}\" and \"{}\"; one of them is expected", form, key);
    form = key;
  }
  if (form.empty())
    object.fail("no prompt here; legal fields are {}", kLegalFields);
  return form;
}

static bool belongsTo(std::string_view form, std::string_view key) {
  if (form == "messages")
    return isOneOf(key, {"tools", "template_args"});
  if (form == "question")
    return key == "answer";
  if (form == "context")
    return isOneOf(key,
                   {"input", "answers", "length", "dataset", "language", "all_classes", "_id"});
  return false;
}

static void readObject(const JsonField &object, PromptRecord &prompt) {
  std::string_view form = findForm(object);
  for (const JsonField &field : object.members())
    if (field.key() != form && !belongsTo(form, field.key()) &&
        !readSampling(field, prompt.sampling))
      field.fail("unknown field beside \"{}\"; legal fields are {}", form, kLegalFields);
  JsonField content = object.at(form);
  if (form == "ids" || form == "prompt_ids" || (form == "prompt" && content.isArray())) {
    setIds(content, prompt);
  } else if (form == "messages") {
    prompt.kind = PromptRecord::Kind::Chat;
    prompt.messages = readObjects(content);
    if (std::optional<JsonField> tools = object.findNonNull("tools"))
      prompt.tools = readObjects(*tools);
    if (std::optional<JsonField> arguments = object.findNonNull("template_args")) {
      if (!arguments->isObject())
        arguments->failExpected("an object");
      prompt.templateArguments = toOrderedJson(arguments->value());
    }
  } else {
    setText(content, prompt);
  }
  if (form == "context") {
    std::string_view input = object.at("input").string();
    if (!input.empty())
      prompt.text =
          prompt.text.empty() ? std::string(input) : fmt::format("{}\n\n{}", prompt.text, input);
  }
}

static PromptRecord readPrompt(const JsonField &element) {
  PromptRecord prompt;
  if (element.isString())
    setText(element, prompt);
  else if (element.isArray())
    setIds(element, prompt);
  else if (element.isObject())
    readObject(element, prompt);
  else
    element.failExpected(
        fmt::format("a prompt: a string, an array of token ids, or an object with the fields {}",
                    kLegalFields));
  return prompt;
}

// An array is a list of prompts, except that one of integers is itself the ids of one.
static bool isListOfPrompts(const JsonValue &value) {
  if (!value.isArray())
    return false;
  std::vector<JsonValue> elements = value.elements();
  return elements.empty() || !std::all_of(elements.begin(), elements.end(),
                                          [](JsonValue element) { return element.isInteger(); });
}

static std::vector<PromptRecord> readDocument(const JsonDocument &document) {
  JsonField root(document);
  std::vector<PromptRecord> prompts;
  if (!isListOfPrompts(root.value())) {
    prompts.push_back(readPrompt(root));
    return prompts;
  }
  size_t index = 0;
  for (JsonValue element : root.value().elements())
    prompts.push_back(readPrompt(JsonField(element, fmt::format("prompt {}", index++))));
  return prompts;
}

// Several lines that each hold a whole JSON value.
static bool isJsonLines(std::string_view text) {
  size_t end = text.find('\n', std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (end == std::string_view::npos ||
      text.find_first_not_of(" \t\r\n", end) == std::string_view::npos)
    return false;
  return nlohmann::json::accept(text.substr(0, end));
}

static std::vector<PromptRecord> readLines(const std::string &file, std::string_view text) {
  std::vector<PromptRecord> prompts;
  for (uint32_t line = 1; !text.empty(); ++line) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    try {
      JsonDocument document = JsonDocument::parse(std::string(content), file);
      prompts.push_back(
          readPrompt(JsonField(document.root(), fmt::format("prompt {}", prompts.size()))));
      prompts.back().line = line;
    } catch (const Error &error) { // whose lines count from 1 again
      throw Error(error.kind(), {file, line, error.position().column}, error.message());
    }
  }
  return prompts;
}

std::vector<PromptRecord> parsePrompts(const std::string &file, std::string text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    fail(SourcePosition{file},
         "the file is empty; a JSON array or JSON Lines of prompts is expected");
  std::vector<PromptRecord> prompts =
      isJsonLines(text) ? readLines(file, text)
                        : readDocument(JsonDocument::parse(std::move(text), file));
  if (prompts.empty())
    fail(SourcePosition{file}, "the file holds no prompt");
  return prompts;
}

std::vector<PromptRecord> readPromptFile(const std::string &path) {
  return parsePrompts(path, readTextFile(path, kMaxFileBytes));
}

} // namespace vinci
