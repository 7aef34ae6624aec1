// tokenizer.json, the format of Hugging Face tokenizers: version 1.0, byte-level BPE.

#include "runtime/text/tokenizer_definition.h"

namespace vinci {

Problem enterAddedToken(const AddedToken &token, const std::string &source,
                        TokenizerDefinition &definition) {
  if (token.content.empty())
    return "an added token without content";
  if (token.content.size() > AddedTokenMatcher::kMaxContentBytes)
    return fmt::format("an added token of {} bytes; the limit is {}", token.content.size(),
                       AddedTokenMatcher::kMaxContentBytes);
  for (AddedToken &known : definition.addedTokens)
    if (known.content == token.content && known.id == token.id) {
      known.special |= token.special;
      return std::nullopt;
    }
  if (!definition.vocabulary.add(token.content, token.id)) {
    if (auto other = definition.vocabulary.idOf(token.content))
      return fmt::format("token {} is given the id {} here and {} in {}",
                         quoteForMessage(token.content), token.id, *other,
                         definition.addedTokenSources.contains(*other)
                             ? definition.addedTokenSources.at(*other)
                             : "the vocabulary");
    return fmt::format(
        "tokens {} ({}) and {} ({}) are both given the id {}; each token needs its own",
        quoteForMessage(*definition.vocabulary.contentOf(token.id)),
        definition.addedTokenSources.contains(token.id) ? definition.addedTokenSources.at(token.id)
                                                        : "the vocabulary",
        quoteForMessage(token.content), source, token.id);
  }
  definition.addedTokens.push_back(token);
  definition.addedTokenSources.emplace(token.id, source);
  return std::nullopt;
}

void enterVocabulary(const JsonField &vocab, TokenizerDefinition &definition) {
  if (!vocab.isObject())
    vocab.failExpected("an object");
  // Not vocab.members(), which would spell out the path of each of some 150,000 entries.
  for (const auto &[key, value] : vocab.value().members()) {
    std::string_view content = key.toText("token");
    int32_t id = static_cast<int32_t>(value.toInteger("token id", 0, Vocabulary::kMaxTokens - 1));
    if (!definition.vocabulary.add(content, id))
      fail(value.position(), "tokens {} and {} are both given the id {}; each token needs its own",
           quoteForMessage(*definition.vocabulary.contentOf(id)), quoteForMessage(content), id);
  }
  if (definition.vocabulary.size() == 0)
    vocab.fail("a vocabulary without tokens");
  for (int byte = 0; byte < 256; ++byte)
    definition.byteIds[static_cast<size_t>(byte)] =
        definition.vocabulary.idOf(byteLevelCharacter(static_cast<uint8_t>(byte))).value_or(-1);
}

bool splitMerge(std::string_view merge, std::string_view &left, std::string_view &right) {
  size_t space = merge.find(' ');
  if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos)
    return false;
  left = merge.substr(0, space);
  right = merge.substr(space + 1);
  return true;
}

Problem enterMerge(std::string_view left, std::string_view right, TokenizerDefinition &definition) {
  if (left.empty() || right.empty())
    return "a merge with nothing";
  std::string merged = fmt::format("{}{}", left, right);
  std::optional<int32_t> ids[3];
  std::string_view contents[3] = {left, right, merged};
  for (int i = 0; i < 3; ++i)
    if (ids[i] = definition.vocabulary.idOf(contents[i]); !ids[i])
      return fmt::format("merge of {} and {}: {} is not in the vocabulary", quoteForMessage(left),
                         quoteForMessage(right), quoteForMessage(contents[i]));
  definition.merges.add(*ids[0], *ids[1], *ids[2]);
  return std::nullopt;
}

AddedToken readAddedToken(const JsonField &object, int32_t id) {
  AddedToken token;
  token.id = id;
  token.content = object.at("content").string();
  token.special = object.flag("special", false);
  token.normalized = object.flag("normalized", !token.special);
  token.lstrip = object.flag("lstrip", false);
  token.rstrip = object.flag("rstrip", false);
  token.singleWord = object.flag("single_word", false);
  return token;
}

static void readNormalizer(const JsonField &normalizer, TokenizerDefinition &definition) {
  JsonField type = normalizer.at("type");
  if (type.string() == "NFC") {
    definition.normalizeNfc = true;
  } else if (type.string() == "Sequence") {
    for (JsonField part : normalizer.at("normalizers").elements())
      readNormalizer(part, definition);
  } else {
    type.failExpected("\"NFC\" or \"Sequence\"");
  }
}

static void readSplit(const JsonField &split, TokenizerDefinition &definition) {
  JsonField behavior = split.at("behavior");
  if (behavior.string() != "Isolated")
    behavior.failExpected("\"Isolated\"");
  if (split.flag("invert", false))
    split.at("invert").failExpected("false");
  JsonField pattern = split.at("pattern");
  std::optional<JsonField> regex = pattern.find("Regex");
  if (!regex)
    pattern.fail("a split pattern other than {{\"Regex\": …}} is not supported");
  definition.splits.emplace_back(regex->string(), regex->position());
}

// `byteLevelSeen`: ByteLevel stands last and once, since what it makes of the text is no longer
// text.
static void readPreTokenizer(const JsonField &step, bool &byteLevelSeen,
                             TokenizerDefinition &definition) {
  JsonField type = step.at("type");
  if (byteLevelSeen)
    type.fail("a pre_tokenizer after ByteLevel is not supported");
  if (type.string() == "ByteLevel") {
    byteLevelSeen = true;
    definition.addPrefixSpace = step.flag("add_prefix_space", true);
    definition.gpt2Split = step.flag("use_regex", true);
  } else if (type.string() == "Split") {
    readSplit(step, definition);
  } else if (type.string() == "Sequence") {
    for (JsonField part : step.at("pretokenizers").elements())
      readPreTokenizer(part, byteLevelSeen, definition);
  } else {
    type.failExpected("\"Split\", \"ByteLevel\" or \"Sequence\"");
  }
}

// One element of a template: {"Sequence": {"id": "A"}} or {"SpecialToken": {"id": "<s>"}}.
static void readTemplate(const JsonField &processor, TokenizerDefinition &definition) {
  bool sequenceSeen = false;
  std::vector<int32_t> prefix, suffix;
  for (JsonField piece : processor.at("single").elements()) {
    if (std::optional<JsonField> sequence = piece.find("Sequence")) {
      if (sequenceSeen || sequence->at("id").string() != "A")
        sequence->fail("a template for one sequence must hold sequence \"A\" once");
      sequenceSeen = true;
      continue;
    }
    std::string_view name = piece.at("SpecialToken").at("id").string();
    for (JsonField id : processor.at("special_tokens").at(name).at("ids").elements())
      (sequenceSeen ? suffix : prefix)
          .push_back(static_cast<int32_t>(id.integer(0, Vocabulary::kMaxTokens - 1)));
  }
  if (!sequenceSeen)
    processor.at("single").fail("a template for one sequence must hold sequence \"A\" once");
  definition.prefix.insert(definition.prefix.begin(), prefix.begin(), prefix.end());
  definition.suffix.insert(definition.suffix.end(), suffix.begin(), suffix.end());
}

static void readPostProcessor(const JsonField &processor, TokenizerDefinition &definition) {
  JsonField type = processor.at("type");
  if (type.string() == "ByteLevel")
    return; // concerns offsets only
  if (type.string() == "TemplateProcessing") {
    readTemplate(processor, definition);
  } else if (type.string() == "Sequence") {
    for (JsonField part : processor.at("processors").elements())
      readPostProcessor(part, definition);
  } else {
    type.failExpected("\"ByteLevel\", \"TemplateProcessing\" or \"Sequence\"");
  }
}

static void requireNothing(const JsonField &object, std::string_view key) {
  std::optional<JsonField> value = object.findNonNull(key);
  if (value && !(value->isString() && value->string().empty()))
    value->failExpected("null (nothing else is supported)");
}

// Both concern characters that the vocabulary lacks: with a token for each of the 256 bytes there
// are none.
static void requireAllBytes(const JsonField &setting, const TokenizerDefinition &definition) {
  for (size_t byte = 0; byte < 256; ++byte)
    if (definition.byteIds[byte] < 0)
      setting.fail("{} is not supported with a vocabulary that has no token for byte 0x{:02x}",
                   setting.describe(), byte);
}

// Each merge is "a b" or ["a", "b"].
static void readMerges(const JsonField &merges, TokenizerDefinition &definition) {
  if (!merges.isArray())
    merges.failExpected("an array");
  for (JsonValue merge : merges.value().elements()) {
    std::string_view left, right;
    if (merge.isArray()) {
      std::vector<JsonValue> pair = merge.elements();
      if (pair.size() != 2)
        merge.failExpected("merge", "a pair of tokens");
      left = pair[0].toText("merge");
      right = pair[1].toText("merge");
    } else if (!splitMerge(merge.toText("merge"), left, right)) {
      merge.failExpected("merge", "two tokens with one space between");
    }
    if (Problem problem = enterMerge(left, right, definition))
      fail(merge.position(), "{}", *problem);
  }
}

static void readModel(const JsonField &model, TokenizerDefinition &definition) {
  std::optional<JsonField> type = model.find("type");
  if (type && type->string() != "BPE")
    type->failExpected("\"BPE\"");
  std::optional<JsonField> dropout = model.findNonNull("dropout");
  if (dropout && dropout->number() != 0)
    dropout->failExpected("0 or null");
  requireNothing(model, "continuing_subword_prefix");
  requireNothing(model, "end_of_word_suffix");
  definition.ignoreMerges = model.flag("ignore_merges", false);
  enterVocabulary(model.at("vocab"), definition);
  if (std::optional<JsonField> unknown = model.findNonNull("unk_token"))
    requireAllBytes(*unknown, definition);
  if (model.flag("byte_fallback", false))
    requireAllBytes(model.at("byte_fallback"), definition);
  readMerges(model.at("merges"), definition);
}

TokenizerDefinition readTokenizerJson(const JsonDocument &document) {
  JsonField root(document);
  TokenizerDefinition definition;
  definition.file = document.fileName();
  std::optional<JsonField> version = root.find("version");
  if (version && version->string() != "1.0")
    version->failExpected("\"1.0\"");
  requireNothing(root, "truncation");
  requireNothing(root, "padding");
  readModel(root.at("model"), definition);
  if (std::optional<JsonField> normalizer = root.findNonNull("normalizer"))
    readNormalizer(*normalizer, definition);
  bool byteLevelSeen = false;
  JsonField preTokenizer = root.at("pre_tokenizer");
  if (!preTokenizer.isNull())
    readPreTokenizer(preTokenizer, byteLevelSeen, definition);
  if (!byteLevelSeen)
    preTokenizer.fail("no ByteLevel: only byte-level BPE is supported");
  JsonField decoder = root.at("decoder");
  if (decoder.isNull() || decoder.at("type").string() != "ByteLevel")
    decoder.failExpected("a ByteLevel decoder");
  if (std::optional<JsonField> processor = root.findNonNull("post_processor"))
    readPostProcessor(*processor, definition);
  if (std::optional<JsonField> added = root.findNonNull("added_tokens"))
    for (JsonField entry : added->elements()) {
      int32_t id = static_cast<int32_t>(entry.at("id").integer(0, Vocabulary::kMaxTokens - 1));
      if (Problem problem = enterAddedToken(readAddedToken(entry, id), "added_tokens", definition))
        entry.fail("{}", *problem);
    }
  definition.origin = "tokenizer.json";
  return definition;
}

} // namespace vinci
