#include "runtime/bench/machine_peak.h"

#include "runtime/exec/cpu_features.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <thread>

namespace vinci {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t memoryBytes = size_t(512) << 20, hugePage = size_t(2) << 20;
/// Of what a sample of multiplications takes.
constexpr double sampleSeconds = 0.01;

/// Of the calling thread.
double processorSeconds() {
  timespec time;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

} // namespace

MachinePeak::MachinePeak(uint32_t threads) : threads_(threads) {
  void *memory = ::mmap(nullptr, memoryBytes + hugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail("cannot get {} bytes of memory to read from: {}", memoryBytes, std::strerror(errno));
  memory_ = static_cast<std::byte *>(memory);
  ::madvise(memory, memoryBytes + hugePage, MADV_HUGEPAGE);
  // Pages that were never written are all one page of zeros.
  together([&](uint32_t thread) {
    std::memset(memory_ + memoryBytes / threads_ * thread, int(thread) + 1, memoryBytes / threads_);
  });

  const std::vector<std::string> features = hostFeatures();
  double best = 0;
  for (const ReadLoop &loop : readLoops(features))
    if (const double speed = std::max(read(loop), read(loop)); speed > best) {
      best = speed;
      readLoop_ = loop;
    }
  for (MultiplyLoop &loop : multiplyLoops(features))
    multiply_[loop.dtype].loops.push_back(loop);
}

MachinePeak::~MachinePeak() {
  ::munmap(memory_, memoryBytes + hugePage);
}

double MachinePeak::together(const std::function<void(uint32_t)> &run) {
  std::atomic<uint32_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> others;
  for (uint32_t thread = 1; thread < threads_; ++thread)
    others.emplace_back([&, thread] {
      ++ready;
      while (!go.load(std::memory_order_acquire))
        _mm_pause();
      run(thread);
    });
  while (ready.load() + 1 < threads_)
    std::this_thread::yield();
  const Clock::time_point start = Clock::now();
  go.store(true, std::memory_order_release);
  run(0);
  for (std::thread &other : others)
    other.join();
  return secondsSince(start);
}

double MachinePeak::read(const ReadLoop &loop) {
  const size_t part = memoryBytes / threads_ / 4096 * 4096;
  const double seconds =
      together([&](uint32_t thread) { loop.run(memory_ + part * thread, part); });
  return double(part) * threads_ / seconds / 1e9;
}

double MachinePeak::readGbPerS() {
  return std::max(read(readLoop_), read(readLoop_));
}

double MachinePeak::multiply(const MultiplyLoop &loop, uint64_t rounds) {
  // Processor time: a thread that has to wait for a processor is not slower at multiplying. All at
  // once, as threads that share a core or a clock are.
  std::vector<double> seconds(threads_);
  together([&](uint32_t thread) {
    const double start = processorSeconds();
    loop.run(rounds);
    seconds[thread] = processorSeconds() - start;
  });
  double speed = 0;
  for (double ofThread : seconds)
    speed += loop.flops * double(rounds) / ofThread / 1e12;
  return speed;
}

void MachinePeak::choose(Multiply &multiply) {
  double best = 0;
  for (const MultiplyLoop &loop : multiply.loops) {
    // As many rounds as a sample has time for.
    uint64_t rounds = 1000;
    double seconds = 0;
    do {
      rounds *= 4;
      const double start = processorSeconds();
      loop.run(rounds);
      seconds = processorSeconds() - start;
    } while (seconds < sampleSeconds / 8);
    rounds = uint64_t(double(rounds) * sampleSeconds / seconds);
    if (const double speed = this->multiply(loop, rounds); speed > best) {
      best = speed;
      multiply.best = &loop;
      multiply.rounds = rounds;
    }
  }
}

double MachinePeak::multiplyTflops(DType dtype) {
  const auto found = multiply_.find(dtype);
  if (found == multiply_.end())
    failInternal("there is no loop that multiplies {} on this processor", toString(dtype));
  Multiply &multiply = found->second;
  if (!multiply.best)
    choose(multiply);
  return this->multiply(*multiply.best, multiply.rounds);
}

std::string_view MachinePeak::instructions(DType dtype) const {
  const auto found = multiply_.find(dtype);
  return found == multiply_.end() || !found->second.best ? "" : found->second.best->instructions;
}

std::string MachinePeak::readMethod() const {
  return fmt::format("{} stream{}{}", readLoop_.streams, readLoop_.streams == 1 ? "" : "s",
                     readLoop_.ahead ? fmt::format(", {} bytes ahead", readLoop_.ahead) : "");
}

} // namespace vinci
