// Runs command lists on TBB: one set of workers for all devices of the process.
#pragma once

#include "runtime/device/command_list.h"

#include <cstdint>
#include <memory>

namespace vinci {

/// How the work is divided: region_run.h. Entering a run costs about a microsecond while the
/// workers are warm, a command well below one; after the first run of a list nothing is allocated.
///
/// Any number of threads is legal, also more than there are processors, and results never depend on
/// it: TBB may give fewer workers than asked for, at worst the calling thread alone.
class RegionExecutor final : public CommandRunner {
public:
  /// Throws Error for 0 threads, or more than maxThreads.
  explicit RegionExecutor(uint32_t threads);
  ~RegionExecutor() override;

  static constexpr uint32_t maxThreads = 1024;
  /// The processors that this process may use.
  static uint32_t defaultThreads();

  uint32_t threads() const;
  void run(std::span<CommandList *const> lists) override;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace vinci
