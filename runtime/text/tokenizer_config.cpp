// The older files of a model directory: vocab.json with merges.txt, tokenizer_config.json and
// added_tokens.json.

#include "runtime/text/tokenizer_definition.h"

#include <charconv>
#include <set>

namespace vinci {

namespace {

struct DefaultToken {
  std::string_view content;
  bool special;
};

// Qwen's added tokens in the order of their ids, which begin where the vocabulary ends (at 151643
// for the real one).
constexpr DefaultToken kQwenTokens[] = {
    {"<|endoftext|>", true},      {"<|im_start|>", true},
    {"<|im_end|>", true},         {"<|object_ref_start|>", true},
    {"<|object_ref_end|>", true}, {"<|box_start|>", true},
    {"<|box_end|>", true},        {"<|quad_start|>", true},
    {"<|quad_end|>", true},       {"<|vision_start|>", true},
    {"<|vision_end|>", true},     {"<|vision_pad|>", true},
    {"<|image_pad|>", true},      {"<|video_pad|>", true},
    {"<tool_call>", false},       {"</tool_call>", false},
    {"<|fim_prefix|>", false},    {"<|fim_middle|>", false},
    {"<|fim_suffix|>", false},    {"<|fim_pad|>", false},
    {"<|repo_name|>", false},     {"<|file_sep|>", false},
    {"<tool_response>", false},   {"</tool_response>", false},
    {"<think>", false},           {"</think>", false},
};
constexpr int32_t kQwenVocabularySize = 151643;
// Of a vocabulary of another size only these can be meant: all that Qwen2 itself had.
constexpr size_t kQwen2TokenCount = 3;

/// A role that tokenizer_config.json gives to a token: eos_token, image_token,
/// additional_special_tokens[2].
struct Role {
  std::string name;
  std::string content;
  JsonField place;
};

} // namespace

TokenizerDefinition readVocabAndMerges(const JsonDocument &vocab, const std::string &mergesFile,
                                       std::string_view merges) {
  TokenizerDefinition definition;
  definition.file = vocab.fileName();
  enterVocabulary(JsonField(vocab), definition);
  uint32_t line = 0;
  while (!merges.empty()) {
    ++line;
    size_t end = merges.find('\n');
    std::string_view text = merges.substr(0, end);
    merges.remove_prefix(end == std::string_view::npos ? merges.size() : end + 1);
    if (text.ends_with('\r'))
      text.remove_suffix(1);
    if (text.empty() || text.starts_with("#version"))
      continue;
    std::string_view left, right;
    if (!splitMerge(text, left, right))
      fail({mergesFile, line}, "merge is {}; two tokens with one space between are expected",
           quoteForMessage(text));
    if (Problem problem = enterMerge(left, right, definition))
      fail({mergesFile, line}, "{}", *problem);
  }
  definition.normalizeNfc = true;
  definition.splits.emplace_back(kQwen2Split, SourcePosition{vocab.fileName()});
  return definition;
}

static std::string_view contentOfRole(const JsonField &token) {
  return token.isObject() ? token.at("content").string() : token.string();
}

static bool isStandardRole(std::string_view name) {
  for (std::string_view role :
       {"bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token", "mask_token"})
    if (name == role)
      return true;
  return false;
}

static std::vector<Role> readRoles(const JsonField &config) {
  std::vector<Role> roles;
  auto add = [&](std::string name, const JsonField &token) {
    if (!token.isNull())
      roles.push_back({std::move(name), std::string(contentOfRole(token)), token});
  };
  for (JsonField member : config.members()) {
    if (isStandardRole(member.key()))
      add(std::string(member.key()), member);
    if (member.isNull() ||
        (member.key() != "additional_special_tokens" && member.key() != "extra_special_tokens"))
      continue;
    if (member.isObject()) { // from role to token
      for (JsonField token : member.members())
        add(std::string(token.key()), token);
    } else {
      size_t index = 0;
      for (JsonField token : member.elements())
        add(fmt::format("{}[{}]", member.key(), index++), token);
    }
  }
  return roles;
}

// pad, bos and unk are often the end-of-text token. Any other two roles on one token mean that one
// of them is wrong.
static void checkRolesAreDistinct(const std::vector<Role> &roles) {
  for (size_t later = 0; later < roles.size(); ++later)
    for (size_t earlier = 0; earlier < later; ++earlier) {
      const Role &a = roles[earlier], &b = roles[later];
      bool listed = a.name.ends_with(']') || b.name.ends_with(']'); // repeats a role given by name
      if (a.content == b.content && !listed && !(isStandardRole(a.name) && isStandardRole(b.name)))
        b.place.fail("roles {} and {} are both given to token {}", a.name, b.name,
                     quoteForMessage(b.content));
    }
}

static void enterDecoder(const JsonField &decoder, const std::set<std::string> &roleContents,
                         TokenizerDefinition &definition) {
  for (JsonField entry : decoder.members()) {
    int32_t id = -1;
    std::string_view key = entry.key();
    auto [end, problem] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (problem != std::errc() || end != key.data() + key.size() || id < 0 ||
        id >= Vocabulary::kMaxTokens)
      entry.fail("its key is {}; a token id from 0 to {} is expected", quoteForMessage(key),
                 Vocabulary::kMaxTokens - 1);
    AddedToken token = readAddedToken(entry, id);
    token.special |= roleContents.contains(token.content);
    if (Problem wrong = enterAddedToken(token, "added_tokens_decoder", definition))
      entry.fail("{}", *wrong);
  }
}

static void enterAddedTokensFile(const JsonDocument &file,
                                 const std::set<std::string> &roleContents,
                                 TokenizerDefinition &definition) {
  for (JsonField entry : JsonField(file).members()) {
    AddedToken token;
    token.id = static_cast<int32_t>(entry.integer(0, Vocabulary::kMaxTokens - 1));
    token.content = entry.key();
    token.special = roleContents.contains(token.content);
    for (const DefaultToken &known : kQwenTokens)
      token.special |= known.special && known.content == token.content;
    if (Problem problem = enterAddedToken(token, "added_tokens.json", definition))
      entry.fail("{}", *problem);
  }
}

static void enterQwenDefaults(TokenizerDefinition &definition) {
  int32_t vocabularySize = definition.vocabulary.size();
  size_t count = vocabularySize == kQwenVocabularySize ? std::size(kQwenTokens) : kQwen2TokenCount;
  int32_t next = vocabularySize;
  for (const DefaultToken &known : std::span(kQwenTokens).first(count)) {
    AddedToken token;
    token.content = known.content;
    token.special = known.special;
    std::optional<int32_t> id = definition.vocabulary.idOf(known.content);
    token.id = id ? *id : next++;
    if (Problem problem = enterAddedToken(token, "Qwen2 defaults", definition))
      fail(SourcePosition{definition.file}, "{}", *problem);
  }
}

static void enterRoles(const std::vector<Role> &roles, TokenizerDefinition &definition) {
  for (const Role &role : roles) {
    std::optional<int32_t> id = definition.vocabulary.idOf(role.content);
    // A model that never sees its pad_token may lack it, but without these two nothing begins or
    // ends.
    if (!id && (role.name == "eos_token" || role.name == "bos_token"))
      role.place.fail("token {} is not in the vocabulary", quoteForMessage(role.content));
    bool known = false;
    for (const AddedToken &token : definition.addedTokens)
      known |= token.content == role.content;
    if (!id || known)
      continue;
    AddedToken token;
    token.id = *id;
    token.content = role.content;
    token.special = true;
    if (Problem problem = enterAddedToken(token, role.name, definition))
      role.place.fail("{}", *problem);
  }
}

// LlamaTokenizer makes its template from these two flags, whatever tokenizer.json says.
static void applyLlamaTemplate(const JsonField &config, const std::vector<Role> &roles,
                               TokenizerDefinition &definition) {
  std::optional<JsonField> name = config.findNonNull("tokenizer_class");
  if (!name || (name->string() != "LlamaTokenizer" && name->string() != "LlamaTokenizerFast"))
    return;
  auto idOf = [&](std::string_view flag, std::string_view wanted) {
    for (const Role &role : roles)
      if (role.name == wanted)
        return std::vector<int32_t>{*definition.vocabulary.idOf(role.content)};
    config.fail("{} is true, but there is no {}", flag, wanted);
  };
  definition.prefix.clear();
  definition.suffix.clear();
  if (config.flag("add_bos_token", true))
    definition.prefix = idOf("add_bos_token", "bos_token");
  if (config.flag("add_eos_token", false))
    definition.suffix = idOf("add_eos_token", "eos_token");
}

static void checkFlags(const JsonField &config, const TokenizerDefinition &definition,
                       bool fromVocabJson) {
  if (config.flag("split_special_tokens", false))
    config.at("split_special_tokens").failExpected("false");
  if (config.flag("add_prefix_space", false) && !definition.addPrefixSpace)
    config.at("add_prefix_space")
        .fail("true, but {} puts no space before words; legal is false", definition.file);
  std::optional<JsonField> name = config.findNonNull("tokenizer_class");
  if (fromVocabJson && name && name->string() != "Qwen2Tokenizer" &&
      name->string() != "Qwen2TokenizerFast")
    name->fail("{} needs a tokenizer.json; vocab.json with merges.txt is enough for Qwen2Tokenizer",
               name->describe());
}

void applyTokenizerConfig(const JsonDocument *config, const JsonDocument *addedTokens,
                          TokenizerDefinition &definition) {
  bool fromVocabJson = definition.origin.empty();
  std::vector<Role> roles;
  std::set<std::string> roleContents;
  std::optional<JsonField> decoder;
  if (config) {
    JsonField root(*config);
    checkFlags(root, definition, fromVocabJson);
    roles = readRoles(root);
    checkRolesAreDistinct(roles);
    decoder = root.findNonNull("added_tokens_decoder");
  }
  for (const Role &role : roles)
    roleContents.insert(role.content);

  size_t before = definition.addedTokens.size();
  if (decoder)
    enterDecoder(*decoder, roleContents, definition);
  if (!fromVocabJson) {
    if (definition.addedTokens.size() > before)
      definition.origin = "tokenizer.json and tokenizer_config.json";
  } else if (decoder) {
    definition.origin = "tokenizer_config.json";
  } else if (addedTokens) {
    enterAddedTokensFile(*addedTokens, roleContents, definition);
    definition.origin = "added_tokens.json";
  } else {
    enterQwenDefaults(definition);
    definition.origin = "Qwen2 defaults";
  }
  enterRoles(roles, definition);
  if (config)
    applyLlamaTemplate(JsonField(*config), roles, definition);
}

} // namespace vinci
