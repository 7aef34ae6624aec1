// The entries of a plan.
#pragma once

#include <cstdint>

namespace vinci {

/// Each takes any mix of sequences, with their tokens one after another.
enum class EntryKind : uint8_t {
  Prefill, ///< logits for the tokens named in logitIndices
  Decode,  ///< one token per sequence, and logits for each
  Score,   ///< logits for every token
};

/// "prefill", "decode", "score": what the plan calls them.
constexpr const char *toString(EntryKind kind) {
  switch (kind) {
  case EntryKind::Prefill:
    return "prefill";
  case EntryKind::Decode:
    return "decode";
  case EntryKind::Score:
    return "score";
  }
  return "?";
}

} // namespace vinci
