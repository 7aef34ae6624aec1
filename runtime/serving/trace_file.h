// Traces of a load: JSON Lines, a request each, in the order of their arrival.
//
//   {"arrival_ms": 12.5, "input_tokens": 61, "output_tokens": 512}
//
// Optional: max_tokens (default: output_tokens), priority (1 to 5, default 5), and prefix with
// prefix_tokens: requests with the same prefix number begin with the same prefix_tokens tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vinci {

struct TraceRequest {
  int64_t arrivalNs = 0;
  uint32_t inputTokens = 0, outputTokens = 0;
  uint32_t maxTokens = 0;
  uint32_t priority = 5;
  uint64_t prefix = 0;
  uint32_t prefixTokens = 0; ///< 0: shares nothing

  bool operator==(const TraceRequest &) const = default;
};

/// Throws Error at the place for what is not such a line, an unknown or missing field, a value out
/// of range, a request that arrives before the one above, or a file without requests.
std::vector<TraceRequest> readTraceFile(const std::string &path);

/// The same from the text of such a file; `file` is its name in messages.
std::vector<TraceRequest> parseTrace(const std::string &file, std::string_view text);

} // namespace vinci
