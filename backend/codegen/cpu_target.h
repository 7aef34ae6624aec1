// The CPUs that kernels can be compiled for. A target is a name for a list of features, never a
// processor's name: a virtual machine hides half of what a processor's name implies.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

struct CpuTarget {
  /// "avx2", "avx512", "avx512-vnni", "avx512-bf16" or "amx".
  std::string name;
  /// LLVM feature names that the kernels of a plan for this target may use, and nothing more,
  /// sorted.
  std::vector<std::string> features;
  /// Width of the vectors that the kernels are tuned for: 32 or 64.
  unsigned vectorBytes = 0;

  bool has(std::string_view feature) const;
  bool operator==(const CpuTarget &) const = default;
};

/// The names that resolveCpu accepts besides "native", weakest first.
std::span<const std::string_view> cpuTargetNames();

/// The target called `name`; "native" is the strongest one that this host can run. Throws a user
/// error for any other name, and for "native" on a host that cannot even run avx2.
CpuTarget resolveCpu(std::string_view name);

} // namespace vinci
