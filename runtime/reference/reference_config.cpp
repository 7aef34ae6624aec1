#include "runtime/reference/reference_config.h"

#include <algorithm>

namespace vinci {

bool ReferenceConfig::hasExperts(uint64_t layer) const {
  return numExperts > 0 && (layer + 1) % decoderSparseStep == 0 &&
         std::ranges::find(mlpOnlyLayers, layer) == mlpOnlyLayers.end();
}

ReferenceSchemes ReferenceConfig::schemesOf(uint64_t layer) const {
  return schemes.empty() ? ReferenceSchemes() : schemes[layer];
}

} // namespace vinci
