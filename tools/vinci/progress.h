// A line of progress on stderr for work that takes long enough to wonder about.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vinci {

/// Prints nothing for the first second; then, on a terminal, one line that is rewritten, elsewhere
/// a line every ten seconds.
class Progress {
public:
  explicit Progress(std::string what);
  void report(uint64_t done, uint64_t total);
  /// Ends the line on a terminal.
  void finish();

private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  Clock::time_point next_;
  bool terminal_;
  bool shown_ = false;
};

} // namespace vinci
