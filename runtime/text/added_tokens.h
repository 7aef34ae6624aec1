// Tokens that are looked for in the text itself, before it is cut into words: <|im_end|>, <think>
// and their like.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;    ///< left out when decoding with skipSpecialTokens
  bool normalized = false; ///< looked for in the normalised text, not in the text as given
  bool lstrip = false;     ///< takes the white space before it along
  bool rstrip = false;     ///< takes the white space after it along
  bool singleWord = false; ///< only where no word character touches it
};

/// Finds added tokens in text: leftmost first, the longest where several begin (Hugging Face
/// tokenizers' rule).
class AddedTokenMatcher {
public:
  static constexpr size_t kMaxContentBytes = 512;

  /// Looks for `pattern` (not empty) on behalf of `token`. Of equal patterns the first added is
  /// found.
  void add(std::string_view pattern, const AddedToken &token);

  /// A stretch of text: an added token if id >= 0, else text between them.
  struct Piece {
    std::string_view text;
    int32_t id = -1;
  };
  /// Cuts valid UTF-8 into pieces, none of them empty text.
  std::vector<Piece> split(std::string_view text) const;

private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children; // by ascending byte
    int32_t token = -1;                                 // index into tokens_
  };
  struct Rule {
    int32_t id;
    bool lstrip, rstrip, singleWord;
  };
  struct Match {
    size_t length = 0;
    int32_t token = -1;
  };
  Match longestAt(std::string_view text, size_t at) const;

  std::vector<Node> nodes_{1};
  std::vector<Rule> tokens_;
  bool startsPattern_[256] = {};
};

} // namespace vinci
