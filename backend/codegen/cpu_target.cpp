#include "backend/codegen/cpu_target.h"

#include "runtime/support/error.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <array>

namespace vinci {
namespace {

// Processors with AMX multiply pairs of bfloat16 (vdpbf16ps) no faster than they do fused
// multiply-adds; those of the row above it do.
struct TargetRow {
  std::string_view name;
  std::vector<std::string> features; ///< what the host must have and kernels may use
  unsigned vectorBytes;
};

std::vector<std::string> with(std::vector<std::string> features,
                              std::initializer_list<const char *> more) {
  features.insert(features.end(), more.begin(), more.end());
  std::ranges::sort(features);
  return features;
}

const std::vector<std::string> avx2Features = {"avx2", "f16c", "fma"};
const std::vector<std::string> avx512Features =
    with(avx2Features, {"avx512bw", "avx512dq", "avx512f", "avx512vl"});
const std::vector<std::string> vnniFeatures = with(avx512Features, {"avx512vnni"});
const std::vector<std::string> bf16Features = with(vnniFeatures, {"avx512bf16"});
const std::vector<std::string> amxFeatures =
    with(bf16Features, {"amx-bf16", "amx-int8", "amx-tile"});

const std::array<TargetRow, 5> &targets() {
  static const std::array<TargetRow, 5> rows = {{
      {"avx2", avx2Features, 32},
      {"avx512", avx512Features, 64},
      {"avx512-vnni", vnniFeatures, 64},
      {"avx512-bf16", bf16Features, 64},
      {"amx", amxFeatures, 64},
  }};
  return rows;
}

CpuTarget toTarget(const TargetRow &row) {
  return {std::string(row.name), row.features, row.vectorBytes};
}

} // namespace

bool CpuTarget::has(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

std::span<const std::string_view> cpuTargetNames() {
  static const std::array<std::string_view, 5> names = {"avx2", "avx512", "avx512-vnni",
                                                        "avx512-bf16", "amx"};
  return names;
}

CpuTarget resolveCpu(std::string_view name) {
  const auto &rows = targets();
  if (name == "native") {
    const llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    auto runsHere = [&](const TargetRow &row) {
      return std::ranges::all_of(row.features,
                                 [&](const auto &feature) { return host.lookup(feature); });
    };
    const auto strongest = std::find_if(rows.rbegin(), rows.rend(), runsHere);
    if (strongest == rows.rend())
      fail("cpu target \"native\": this host lacks avx2, f16c or fma; name a target to compile "
           "for another machine");
    return toTarget(*strongest);
  }
  const auto row = std::ranges::find(rows, name, &TargetRow::name);
  if (row == rows.end())
    fail("unknown cpu target \"{}\"; legal are native, {}", name,
         fmt::join(cpuTargetNames(), ", "));
  return toTarget(*row);
}

} // namespace vinci
