#include "tools/vinci/progress.h"

#include <fmt/format.h>
#include <unistd.h>

namespace vinci {

Progress::Progress(std::string what)
    : what_(std::move(what)), next_(Clock::now() + std::chrono::seconds(1)),
      terminal_(isatty(STDERR_FILENO)) {}

void Progress::report(uint64_t done, uint64_t total) {
  if (Clock::now() < next_ || total == 0)
    return;
  next_ = Clock::now() + std::chrono::milliseconds(terminal_ ? 200 : 10000);
  fmt::print(stderr, "{}{}: {:.0f} %{}", terminal_ ? "\r" : "", what_,
             100.0 * double(done) / double(total), terminal_ ? "" : "\n");
  shown_ = true;
}

void Progress::finish() {
  if (shown_ && terminal_)
    fmt::print(stderr, "\r{}: done \n", what_);
}

} // namespace vinci
