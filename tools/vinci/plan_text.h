// Parts of a plan as short texts, for reports.
#pragma once

#include "runtime/plan/plan.h"

#include <string>

namespace vinci {

/// "bfloat16".
std::string dtypeName(fb::DType type);

/// "tokens", "8*tokens", "256".
std::string symbolText(fb::Symbol symbol, uint64_t scale);

/// "bfloat16[tokens, 256]".
std::string shapeText(fb::DType type, const flatbuffers::Vector<const fb::Dim *> *dims);

/// What a command of `body` reads or writes: a buffer's name, "in:token_ids", "out:logits",
/// "const:inv_freq", or a parameter, "@q_proj".
std::string operandText(const fb::Plan *plan, const fb::Body *body, const fb::Operand *operand);

/// The tensors that the weight is made of, and how ranks share them:
/// "a.weight by rows/4, b.weight"; tensors that must be equal: "a.input_scale = b.input_scale".
std::string sourcesText(const fb::Weight &weight);

} // namespace vinci
