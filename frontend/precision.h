// In which element type each region of a model computes: chosen at compile time, checked here,
// carried by the ops of the IR, recorded in the plan.
#pragma once

#include "runtime/support/dtype.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace vinci {

/// A region in float32 rounds where it stores; a region in float16 or bfloat16 rounds the result of
/// every operation (the ops in ir/llm say where). Legal are float32, bfloat16 and float16, where
///   layernorm, softmax and rotary are each float32 or the same as compute;
///   parameters are the same as compute: no kernel multiplies two types.
/// Logits and the routing of experts are float32 under every policy.
struct PrecisionPolicy {
  DType compute = DType::Float32;    ///< activations, the KV cache, operands of matrix products
  DType layernorm = DType::Float32;  ///< inside every rms_norm
  DType softmax = DType::Float32;    ///< attention's scores and weights
  DType rotary = DType::Float32;     ///< cosines and sines, and the rotation by them
  DType parameters = DType::Float32; ///< weights as they are packed
  bool keepOriginDtype = false;      ///< the verifier holds every pass to these types

  bool operator==(const PrecisionPolicy &) const = default;
};

/// What the user asked for; the rest is filled in.
struct RequestedPrecision {
  std::optional<DType> compute = std::nullopt;
  std::optional<DType> layernorm = std::nullopt;
  std::optional<DType> softmax = std::nullopt;
  std::optional<DType> rotary = std::nullopt;
  std::optional<DType> parameters = std::nullopt;
  std::optional<bool> keepOriginDtype = std::nullopt;

  bool operator==(const RequestedPrecision &) const = default;
};

/// The types of a policy by the names that flags, IR, plans and reports give them.
struct PrecisionField {
  std::string_view name;
  DType PrecisionPolicy::*policy;
  std::optional<DType> RequestedPrecision::*requested;
};
inline constexpr std::array<PrecisionField, 5> precisionFields = {{
    {"compute", &PrecisionPolicy::compute, &RequestedPrecision::compute},
    {"layernorm", &PrecisionPolicy::layernorm, &RequestedPrecision::layernorm},
    {"softmax", &PrecisionPolicy::softmax, &RequestedPrecision::softmax},
    {"rotary", &PrecisionPolicy::rotary, &RequestedPrecision::rotary},
    {"parameters", &PrecisionPolicy::parameters, &RequestedPrecision::parameters},
}};

/// What is wrong with a policy, in words that name the values and what would be legal; nullopt if
/// it is legal.
std::optional<std::string> precisionConflict(const PrecisionPolicy &policy);

/// The requested types, and for what is not requested:
///   compute                      `dtype`: that of --dtype or of the checkpoint
///   parameters                   compute
///   layernorm, softmax, rotary   float32
/// Fails where they conflict.
PrecisionPolicy resolvePrecision(DType dtype, const RequestedPrecision &requested = {});

} // namespace vinci
