// The tensors of a step: what the runtime hands to every entry, and gets back.
#pragma once

#include "ir/llm/Llm.h"

namespace vinci::llm {

struct NamedType {
  llvm::StringRef name;
  mlir::RankedTensorType type;
};

/// The seven step inputs in order, all i32; llm.entry in LlmStructureOps.td says what they mean.
llvm::SmallVector<NamedType> stepInputs(mlir::MLIRContext *context, LimitsAttr limits);

/// Names of the entries that the runtime knows.
inline constexpr llvm::StringLiteral entryNames[] = {"prefill", "decode", "score"};

/// The name of the one step output.
inline constexpr llvm::StringLiteral logitsName = "logits";

} // namespace vinci::llm
