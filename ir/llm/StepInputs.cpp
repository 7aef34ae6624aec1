#include "ir/llm/StepInputs.h"

namespace vinci::llm {

llvm::SmallVector<NamedType> stepInputs(mlir::MLIRContext *context, LimitsAttr limits) {
  mlir::Type i32 = mlir::IntegerType::get(context, 32);
  mlir::RankedTensorType perToken = tensorOf(i32, {Symbol::Tokens});
  return {
      {"token_ids", perToken},
      {"positions", perToken},
      {"slot_mapping", perToken},
      {"query_start", tensorOf(i32, {limits.getMaxBatch() + 1})},
      {"context_lens", tensorOf(i32, {Symbol::Sequences})},
      {"block_tables", tensorOf(i32, {Symbol::Sequences, limits.getMaxBlocksPerSequence()})},
      {"logit_indices", tensorOf(i32, {Symbol::LogitRows})},
  };
}

} // namespace vinci::llm
