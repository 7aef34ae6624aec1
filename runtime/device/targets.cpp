#include "runtime/device/targets.h"

#include <algorithm>

namespace vinci {

// From the vendor's documents; a device is a die (a chip on the Duo card).
static constexpr NpuTarget table[] = {
    {"host", "the machine that Vinci runs on", true, true},
    {"310p3",
     "one of the two chips of an Atlas 300I Duo: no bfloat16, no collectives on vector cores",
     false, false},
    {"910b3", "Atlas 800T A2", true, true},
    {"a3", "one of the two dies of an Atlas A3 card", true, true},
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
