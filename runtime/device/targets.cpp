#include "runtime/device/targets.h"

#include <algorithm>

namespace vinci {

// From the vendor's documents; a device is a die (a chip on the Duo card). Numbers of vector cores
// are those of CANN's platform files: Ascend310P3.ini (beside 8 AI cores), Ascend910B3.ini, and
// Ascend910_9392.ini for a die of the A3. Hosts have eight devices, those of the A3 eight cards.
static constexpr NpuTarget table[] = {
    {.name = "host", .description = "the machine that Vinci runs on", .scalesOfWholeRows = true},
    {.name = "310p3",
     .description =
         "one of the two chips of an Atlas 300I Duo: no bfloat16, no collectives on vector cores, "
         "no fused add and norm, no fused gating, no Triton, nothing that quantises on the way",
     .bfloat16 = false,
     .aivCollectives = false,
     .addRmsNorm = false,
     .triton = false,
     .qkvToCache = false,
     .vectorCores = 7,
     .moeGating = false,
     .normQuant = false,
     .swigluQuant = false,
     .groupedMatmulSwiglu = false,
     .matmulAllReduce = false,
     .ranksPerHost = 8},
    {.name = "910b3",
     .description = "Atlas 800T A2",
     .qkvToCache = false,
     .vectorCores = 40,
     .moeGatingExperts = 1024,
     .ranksPerHost = 8},
    {.name = "a3",
     .description = "one of the two dies of an Atlas A3 card",
     .qkvToCache = false,
     .vectorCores = 48,
     .moeGatingExperts = 1024,
     .ranksPerHost = 16},
};

std::span<const NpuTarget> targets() {
  return table;
}

const NpuTarget *findTarget(std::string_view name) {
  const auto target = std::ranges::find(table, name, &NpuTarget::name);
  return target == std::end(table) ? nullptr : target;
}

std::string targetNames() {
  std::string names;
  for (const NpuTarget &target : table)
    names += (names.empty() ? "" : ", ") + std::string(target.name);
  return names;
}

} // namespace vinci
