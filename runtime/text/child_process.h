// A program run to its end with text in and text out. Internal to runtime/text.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

struct ChildLimits {
  std::chrono::milliseconds wallTime{15000};
  size_t outputBytes = size_t(64) << 20; ///< of standard output; more is an error
};

struct ChildResult {
  enum class Outcome {
    Exited,     ///< `status` is its exit status
    Signalled,  ///< `status` is the signal that ended it
    TimedOut,   ///< killed after wallTime
    TooMuch,    ///< killed after outputBytes
    NotStarted, ///< `status` is errno
  };
  Outcome outcome = Outcome::NotStarted;
  int status = 0;
  std::string output;
  std::string errors; ///< the first few KiB of standard error
};

/// Runs arguments[0] (a path) with a bare environment (UTF-8, and TZ if there is one), `input` on
/// standard input. Always waits for the child; never raises SIGPIPE.
ChildResult runChild(const std::vector<std::string> &arguments, std::string_view input,
                     const ChildLimits &limits);

} // namespace vinci
