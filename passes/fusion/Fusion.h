// What the fusions share: the target they ask, and what they say.
//
// Every fusion is bitwise: the fused op rounds where the chain rounded, so its results are the same
// bits (tests/golden/fusion.py). A fusion that leaves a chain alone says why, in a remark at the op
// that would have been the first of it.
#pragma once

#include "ir/llm/Llm.h"
#include "runtime/device/targets.h"

#include "llvm/ADT/STLExtras.h"

#include <optional>
#include <string>

namespace vinci {

/// What `llm.target` names; the host, which can do everything, if there is none. Fails with a
/// diagnostic for a name that is no target's.
mlir::FailureOr<const NpuTarget *> targetOf(mlir::ModuleOp module);

/// What keeps the target's kernel from working on the heads that `split` makes; nullopt if nothing.
/// The limits are those of the Triton kernel that reads a fused projection once: a program per KV
/// head and group of tokens, on blocks whose sizes are powers of two. The host's has none.
std::optional<std::string> whyNoQkvKernel(const NpuTarget &target, llm::SplitQkvOp split);

/// The only reader of `value`, if it is an `Op`.
template <typename Op> Op onlyReader(mlir::Value value) {
  return value.hasOneUse() ? llvm::dyn_cast<Op>(*value.getUsers().begin()) : Op();
}

/// True if some reader of `value` is an `Op`.
template <typename Op> bool isReadBy(mlir::Value value) {
  return llvm::any_of(value.getUsers(), llvm::IsaPred<Op>);
}

/// `fused` in place of `split` and of what `query` and `key`, the only readers of its heads, made.
void replaceSplit(llm::SplitQkvOp split, mlir::Operation *query, mlir::Operation *key,
                  llm::SplitQkvOp fused);

/// Two weights that declare the same tensors.
bool sameDeclared(mlir::Value a, mlir::Value b);

/// True if `value` is there before `op`, at which it may be moved: a weight that is declared later.
bool makeAvailable(mlir::Value value, mlir::Operation *op);

/// A remark at `op`, to be continued with the reason why it was not fused.
mlir::InFlightDiagnostic remarkNotFused(mlir::Operation *op);

/// A remark on the module with what a pass has fused, if anything: "fused 3 of silu and mul".
void remarkFused(mlir::ModuleOp module, int64_t count, llvm::StringRef what);

/// Calls `fuse` for each `Op` that the module has now; remarks of how many it said true.
template <typename Op, typename Fuse>
void fuseEach(mlir::ModuleOp module, llvm::StringRef what, Fuse fuse) {
  llvm::SmallVector<Op> ops;
  module.walk([&](Op op) { ops.push_back(op); });
  remarkFused(module, llvm::count_if(ops, fuse), what);
}

} // namespace vinci
