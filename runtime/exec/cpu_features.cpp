#include "runtime/exec/cpu_features.h"

#include "runtime/support/error.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vinci {

/// Linux lets a process use the tile registers of AMX only if it asks (Documentation/arch/x86/
/// xstate.rst); what the process has is then there in all its threads.
static bool tilesArePermitted() {
  constexpr long requestPermission = 0x1023, tileData = 18;
  static const bool permitted = syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return permitted;
}

std::vector<std::string> hostFeatures() {
  std::vector<std::string> features;
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    if (feature.second && (!feature.first().starts_with("amx") || tilesArePermitted()))
      features.push_back(feature.first().str());
  std::ranges::sort(features);
  return features;
}

void checkFeatures(std::span<const std::string> required, std::span<const std::string> available,
                   const std::string &origin) {
  std::vector<std::string> missing;
  for (const std::string &feature : required)
    if (std::ranges::find(available, feature) == available.end())
      missing.push_back(feature);
  if (missing.empty())
    return;
  // Of all that the host has, the vector features are what decides between compile targets.
  std::vector<std::string> vectorFeatures;
  for (const std::string &feature : available)
    if (feature.starts_with("avx") || feature.starts_with("amx") || feature == "fma" ||
        feature == "f16c")
      vectorFeatures.push_back(feature);
  fail(SourcePosition{origin},
       "its kernels need the processor features {}, which this host lacks (it has {}); compile the "
       "model again for this host",
       fmt::join(missing, ", "),
       vectorFeatures.empty() ? "no vector features"
                              : fmt::format("{}", fmt::join(vectorFeatures, ", ")));
}

void checkHostFeatures(std::span<const std::string> required, const std::string &origin) {
  checkFeatures(required, hostFeatures(), origin);
}

} // namespace vinci
