// The NPUs that Vinci compiles for: what a target can do, as far as compiling depends on it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vinci {

struct NpuTarget {
  std::string_view name;
  std::string_view description;
  bool bfloat16 = true; ///< has arithmetic for it; a model in bfloat16 is run in float16 without
  bool aivCollectives = true;  ///< vector cores can run collectives
  bool addRmsNorm = true;      ///< has a kernel for a residual add with the norm after it
  bool triton = true;          ///< runs kernels written in Triton, as those on fused q, k and v are
  bool qkvToCache = true;      ///< has a kernel that writes keys and values of a fused projection
  int vectorCores = 0;         ///< 0: no kernel depends on them
  bool moeGating = true;       ///< has a kernel for softmax and top-k in one (moe_gating_top_k)
  int moeGatingExperts = 0;    ///< the most that it chooses from; 0: any number
  bool normQuant = true;       ///< rms_norm as int8: add_rms_norm_quant, .._dynamic_quant
  bool swigluQuant = true;     ///< swiglu as int8: swiglu_quant, dequant_swiglu_quant
  /// A product by experts with the swiglu of gate and up, on int8 with the next quantisation:
  /// grouped_matmul_swiglu, grouped_matmul_swiglu_quant.
  bool groupedMatmulSwiglu = true;
  bool scalesOfWholeRows = false; ///< ranks agree on the scale of a row that they have parts of
  bool matmulAllReduce = true; ///< has a kernel for a product with the sum of its parts
  int ranksPerHost = 0;        ///< 0: all of them
};

/// host, 310p3, 910b3, a3.
std::span<const NpuTarget> targets();

/// nullptr for an unknown one.
const NpuTarget *findTarget(std::string_view name);

/// "host, 310p3, 910b3, a3", for messages.
std::string targetNames();

} // namespace vinci
