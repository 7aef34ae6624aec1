#include "runtime/text/tokenizer.h"

#include "runtime/text/tokenizer_definition.h"
#include "runtime/text/utf8.h"

#include <filesystem>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

namespace vinci {

static constexpr size_t kMaxMergesBytes = size_t(1) << 28;

struct Tokenizer::State {
  explicit State(TokenizerDefinition read);

  TokenizerDefinition definition;
  SplitPattern gpt2Split;
  AddedTokenMatcher rawTokens;        // looked for in the text as given
  AddedTokenMatcher normalizedTokens; // looked for after normalisation
  std::vector<std::string> bytes;     // by id
  std::vector<bool> special;          // by id
};

static const icu::Normalizer2 &nfc() {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2 *normalizer = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status))
    failInternal("ICU has no NFC data: {}", u_errorName(status));
  return *normalizer;
}

static std::string toNfc(std::string_view text) {
  std::string result;
  icu::StringByteSink<std::string> sink(&result, static_cast<int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  nfc().normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                      nullptr, status);
  if (U_FAILURE(status))
    failInternal("NFC of {} bytes: {}", text.size(), u_errorName(status));
  return result;
}

static bool isAscii(std::string_view text) {
  uint8_t bits = 0;
  for (char character : text)
    bits |= static_cast<uint8_t>(character);
  return bits < 0x80;
}

Tokenizer::State::State(TokenizerDefinition read)
    : definition(std::move(read)), gpt2Split(kGpt2Split, {definition.file}) {
  int32_t size = definition.vocabulary.size();
  bytes.resize(static_cast<size_t>(size));
  special.resize(static_cast<size_t>(size));
  for (int32_t id = 0; id < size; ++id)
    if (auto content = definition.vocabulary.contentOf(id))
      bytes[static_cast<size_t>(id)] = fromByteLevel(*content);
  for (const AddedToken &token : definition.addedTokens) {
    special[static_cast<size_t>(token.id)] = token.special;
    if (!token.normalized)
      rawTokens.add(token.content, token);
    else
      normalizedTokens.add(definition.normalizeNfc ? toNfc(token.content) : token.content, token);
  }
}

namespace {

/// One call of encode: its memory, and the way of the text through the stages.
class Encoding {
public:
  Encoding(const TokenizerDefinition &definition, const SplitPattern &gpt2Split)
      : definition_(definition), gpt2Split_(gpt2Split) {}

  std::vector<int32_t> ids;

  /// Text without added tokens: cut it into words, and each of them into tokens.
  void addText(std::string_view text) {
    std::vector<std::string_view> pieces{text}, finer;
    for (const SplitPattern &split : definition_.splits) {
      finer.clear();
      for (std::string_view piece : pieces)
        split.split(piece, finer);
      pieces.swap(finer);
    }
    for (std::string_view piece : pieces) {
      if (!definition_.addPrefixSpace || piece.starts_with(' '))
        addPiece(piece);
      else
        addPiece(prefixed_.emplace_back(fmt::format(" {}", piece)));
    }
  }

private:
  void addPiece(std::string_view piece) {
    if (!definition_.gpt2Split)
      return addWord(piece);
    std::vector<std::string_view> words;
    gpt2Split_.split(piece, words);
    for (std::string_view word : words)
      addWord(word);
  }

  // Words repeat, so what became of one is remembered: as a range of ids already given out.
  void addWord(std::string_view word) {
    if (word.size() > kMaxRememberedBytes)
      return mergeWord(word);
    auto [known, isNew] = words_.try_emplace(word);
    if (!isNew) {
      for (size_t i = 0; i < known->second.count; ++i)
        ids.push_back(ids[known->second.begin + i]);
      return;
    }
    size_t begin = ids.size();
    mergeWord(word);
    known->second = {begin, ids.size() - begin};
  }

  void mergeWord(std::string_view word) {
    if (definition_.ignoreMerges)
      if (auto id = definition_.vocabulary.idOf(toByteLevel(word)))
        return ids.push_back(*id);
    symbols_.clear();
    for (char character : word) {
      uint8_t byte = static_cast<uint8_t>(character);
      int32_t id = definition_.byteIds[byte];
      if (id < 0)
        fail(SourcePosition{definition_.file},
             "the vocabulary has no token for byte 0x{:02x} of {}; it needs {} in its spelling",
             byte, quoteForMessage(word), quoteForMessage(byteLevelCharacter(byte)));
      symbols_.push_back(id);
    }
    definition_.merges.apply(symbols_, workspace_, ids);
  }

  static constexpr size_t kMaxRememberedBytes = 64;

  struct Range {
    size_t begin = 0;
    size_t count = 0;
  };
  const TokenizerDefinition &definition_;
  const SplitPattern &gpt2Split_;
  std::deque<std::string> prefixed_; // keeps the words that words_ refers to
  std::unordered_map<std::string_view, Range> words_;
  std::vector<int32_t> symbols_;
  BpeMerges::Workspace workspace_;
};

} // namespace

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) noexcept = default;

Tokenizer Tokenizer::fromDirectory(const std::string &directory) {
  auto pathOf = [&](const char *name) {
    return (std::filesystem::path(directory) / name).string();
  };
  auto exists = [&](const char *name) {
    std::error_code ignored;
    return std::filesystem::exists(pathOf(name), ignored);
  };
  auto readIfThere = [&](const char *name) {
    return exists(name) ? std::optional(JsonDocument::read(pathOf(name))) : std::nullopt;
  };

  TokenizerDefinition definition;
  if (exists("tokenizer.json")) {
    definition = readTokenizerJson(JsonDocument::read(pathOf("tokenizer.json")));
  } else if (exists("vocab.json") && exists("merges.txt")) {
    std::string merges = readTextFile(pathOf("merges.txt"), kMaxMergesBytes);
    definition =
        readVocabAndMerges(JsonDocument::read(pathOf("vocab.json")), pathOf("merges.txt"), merges);
  } else {
    fail(SourcePosition{directory},
         "no tokenizer: needs tokenizer.json, or vocab.json and merges.txt");
  }
  std::optional<JsonDocument> config = readIfThere("tokenizer_config.json");
  std::optional<JsonDocument> addedTokens = readIfThere("added_tokens.json");
  applyTokenizerConfig(config ? &*config : nullptr, addedTokens ? &*addedTokens : nullptr,
                       definition);
  return Tokenizer(std::make_unique<State>(std::move(definition)));
}

Tokenizer Tokenizer::fromJson(const std::string &file, std::string text) {
  return Tokenizer(
      std::make_unique<State>(readTokenizerJson(JsonDocument::parse(std::move(text), file))));
}

std::vector<int32_t> Tokenizer::encode(std::string_view given) const {
  if (given.size() > kMaxTextBytes)
    fail("a text of {} bytes; the limit is {}", given.size(), kMaxTextBytes);
  std::string mended;
  if (findInvalidUtf8(given) != std::string_view::npos)
    given = mended = replaceInvalidUtf8(given);

  const TokenizerDefinition &definition = state_->definition;
  Encoding encoding(definition, state_->gpt2Split);
  std::deque<std::string> normalized; // keeps the words that the encoding remembers
  for (const auto &stretch : state_->rawTokens.split(given)) {
    if (stretch.id >= 0) {
      encoding.ids.push_back(stretch.id);
      continue;
    }
    std::string_view text = stretch.text;
    if (definition.normalizeNfc && !isAscii(text))
      text = normalized.emplace_back(toNfc(text));
    for (const auto &piece : state_->normalizedTokens.split(text)) {
      if (piece.id >= 0)
        encoding.ids.push_back(piece.id);
      else
        encoding.addText(piece.text);
    }
  }
  return std::move(encoding.ids);
}

std::vector<int32_t> Tokenizer::encodePrompt(std::string_view text) const {
  std::vector<int32_t> ids = encode(text);
  const TokenizerDefinition &definition = state_->definition;
  ids.insert(ids.begin(), definition.prefix.begin(), definition.prefix.end());
  ids.insert(ids.end(), definition.suffix.begin(), definition.suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecialTokens) const {
  std::string text;
  Utf8Stream stream;
  for (int32_t id : ids)
    if (!skipSpecialTokens || !isSpecial(id))
      stream.push(bytesOf(id), text);
  stream.flush(text);
  return text;
}

std::string_view Tokenizer::bytesOf(int32_t id) const {
  if (id < 0)
    fail("token id {} is negative", id);
  return id < vocabularySize() ? std::string_view(state_->bytes[static_cast<size_t>(id)])
                               : std::string_view();
}

std::optional<int32_t> Tokenizer::idOf(std::string_view content) const {
  return state_->definition.vocabulary.idOf(content);
}

int32_t Tokenizer::vocabularySize() const {
  return state_->definition.vocabulary.size();
}

bool Tokenizer::isSpecial(int32_t id) const {
  return id >= 0 && id < vocabularySize() && state_->special[static_cast<size_t>(id)];
}

const std::string &Tokenizer::origin() const {
  return state_->definition.origin;
}

} // namespace vinci
