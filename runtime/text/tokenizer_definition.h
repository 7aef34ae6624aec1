// What a tokenizer's files say, read and checked but not yet put to work. Internal to runtime/text.
#pragma once

#include "runtime/support/error.h"
#include "runtime/text/added_tokens.h"
#include "runtime/text/bpe.h"
#include "runtime/text/json_field.h"
#include "runtime/text/split_pattern.h"
#include "runtime/text/vocabulary.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vinci {

struct TokenizerDefinition {
  std::string file; ///< the file that holds the vocabulary, for messages
  Vocabulary vocabulary;
  std::array<int32_t, 256> byteIds{}; ///< the token of each single byte, -1 where there is none
  BpeMerges merges;
  bool ignoreMerges =
      false; ///< a word that is a token as a whole is that token, whatever the merges say
  bool normalizeNfc = false;
  std::vector<SplitPattern>
      splits; ///< applied one after the other, each to the pieces of the one before
  bool addPrefixSpace = false; ///< a word that begins without a space gets one
  bool gpt2Split = false;      ///< then GPT-2's pattern, after the prefix space
  std::vector<AddedToken> addedTokens;
  std::map<int32_t, std::string>
      addedTokenSources;               ///< by id: where the token was given, for messages
  std::vector<int32_t> prefix, suffix; ///< what the post-processor's template puts round a prompt
  std::string origin;                  ///< where addedTokens came from
};

/// What is wrong with an entry, or nothing. The caller knows the place, and finding it costs a walk
/// over the file.
using Problem = std::optional<std::string>;

/// Enters an added token; `source` says where it was given. A problem if its id belongs to another
/// token or its content has another id already; both tokens are named. A content entered before
/// keeps its settings, but may become special.
Problem enterAddedToken(const AddedToken &token, const std::string &source,
                        TokenizerDefinition &definition);

/// Enters the entries of `vocab`, an object from content to id.
void enterVocabulary(const JsonField &vocab, TokenizerDefinition &definition);

/// Cuts "a b" at its space; false if it has not exactly one.
bool splitMerge(std::string_view merge, std::string_view &left, std::string_view &right);

/// Enters the merge of two contents.
Problem enterMerge(std::string_view left, std::string_view right, TokenizerDefinition &definition);

/// Reads the settings of a token: an object with content, special, lstrip, rstrip, single_word and
/// normalized.
AddedToken readAddedToken(const JsonField &object, int32_t id);

/// tokenizer.json.
TokenizerDefinition readTokenizerJson(const JsonDocument &document);

/// vocab.json and merges.txt, to be used as Qwen2Tokenizer does; added tokens are not entered.
TokenizerDefinition readVocabAndMerges(const JsonDocument &vocab, const std::string &mergesFile,
                                       std::string_view merges);

/// Takes over what tokenizer_config.json (`config`) and added_tokens.json (`addedTokens`) say,
/// either of which may be null: added tokens, Qwen2's own where no file names any, the tokens'
/// roles. Sets the origin.
void applyTokenizerConfig(const JsonDocument *config, const JsonDocument *addedTokens,
                          TokenizerDefinition &definition);

} // namespace vinci
