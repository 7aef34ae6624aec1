// What this machine can do at best, measured: how fast it reads memory, and how fast it multiplies.
//
// Other users of a shared machine change that from second to second. So samples are short, and are
// taken between the repetitions of what is held to them.
#pragma once

#include "runtime/bench/peak_loops.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class MachinePeak {
public:
  /// For `threads` threads. Takes 512 MiB of memory, in huge pages where the system has them, and
  /// about half a second: of the ways to read it keeps the fastest.
  explicit MachinePeak(uint32_t threads);
  ~MachinePeak();
  MachinePeak(const MachinePeak &) = delete;

  /// GB/s (10^9 bytes) of reading memory that is in no cache. Some 40 ms.
  double readGbPerS();
  /// TFLOP/s of products of `dtype` (integers: TOPS), by the instructions that are the fastest
  /// here, in the processor time of each thread. Some 10 ms.
  double multiplyTflops(DType dtype);

  uint32_t threads() const { return threads_; }
  /// "amx-bf16": those that multiplyTflops found the fastest. Empty before it was called.
  std::string_view instructions(DType dtype) const;
  /// "2 streams, 1024 bytes ahead".
  std::string readMethod() const;

private:
  struct Multiply {
    std::vector<MultiplyLoop> loops; ///< to choose from
    const MultiplyLoop *best = nullptr;
    uint64_t rounds = 0; ///< of a sample
  };

  double read(const ReadLoop &loop);
  double multiply(const MultiplyLoop &loop, uint64_t rounds);
  void choose(Multiply &multiply);
  /// Calls `run(thread)` on all threads at once and gives the seconds until the last has returned.
  double together(const std::function<void(uint32_t)> &run);

  const uint32_t threads_;
  std::byte *memory_ = nullptr;
  ReadLoop readLoop_;
  std::map<DType, Multiply> multiply_;
};

} // namespace vinci
