// The plan's enums beside the ones the rest of Vinci uses.
#pragma once

#include "runtime/plan/kernel_abi.h"
#include "runtime/plan/plan_generated.h"
#include "runtime/support/dtype.h"

namespace vinci {

static_assert(int(fb::DType::Float32) == int(DType::Float32));
static_assert(int(fb::DType::BFloat16) == int(DType::BFloat16));
static_assert(int(fb::DType::Float16) == int(DType::Float16));
static_assert(int(fb::DType::Int32) == int(DType::Int32));
static_assert(int(fb::DType::Int8) == int(DType::Int8));
static_assert(int(fb::Symbol::Tokens) == VINCI_DIM_TOKENS);
static_assert(int(fb::Symbol::Sequences) == VINCI_DIM_SEQUENCES);
static_assert(int(fb::Symbol::LogitRows) == VINCI_DIM_LOGIT_ROWS);
static_assert(int(fb::Symbol::TokenShares) == VINCI_DIM_TOKEN_SHARES);
static_assert(int(fb::Symbol::MAX) + 1 == VINCI_DIM_COUNT);

inline DType toDType(fb::DType type) {
  return DType(type);
}
inline fb::DType toPlanDType(DType type) {
  return fb::DType(type);
}

} // namespace vinci
