// Shapes and element types of the ops of a mixture of experts.
#include "ir/llm/Checker.h"

using namespace mlir;

namespace vinci::llm {

/// "tokens*8" for [tokens, 8]: a row for each pair of a token and a choice.
static DimExpr pairsOf(const Tensor &choices) {
  return DimExpr(choices.dim(0).symbol, choices.dim(0).scale * choices.dim(1).scale);
}

//===- Gating ---------------------------------------------------------------------------------===//

LogicalResult SoftmaxOp::verify() {
  return Checker(*this).activation(Tensor("input", getInput()));
}

LogicalResult NormalizeRowsOp::verify() {
  return Checker(*this).activation(Tensor("input", getInput()));
}

/// The `k` best of the columns of `from`, which are `what`; `name` is what the op calls k.
static LogicalResult verifyBest(Operation *op, StringRef name, int64_t k, const Tensor &from,
                                StringRef what, const Tensor &values, const Tensor &indices) {
  return Checker(op)
      .activation(from)
      .require(k >= 1 && k <= from.dim(1).scale,
               [&](auto &&out) {
                 out << name << " is " << k << "; legal are 1 to " << toString(from.dim(1)) << ", "
                     << what;
               })
      .same("tokens", values, 0, from, 0)
      .same("tokens", indices, 0, from, 0)
      .is(name, values, 1, k, name)
      .is(name, indices, 1, k, name);
}

LogicalResult TopKOp::verify() {
  return verifyBest(*this, "k", static_cast<int64_t>(getK()), Tensor("input", getInput()),
                    "the columns of the input", Tensor("values", getValues()),
                    Tensor("indices", getIndices()));
}

LogicalResult MoeRouteOp::verify() {
  return verifyBest(*this, "top_k", static_cast<int64_t>(getTopK()), Tensor("logits", getLogits()),
                    "the experts", Tensor("weights", getWeights()),
                    Tensor("experts", getExperts()));
}

//===- Routing --------------------------------------------------------------------------------===//

/// What argsort, expert_offsets and moe_sort read.
template <typename Op> static Checker &verifySorted(Checker &check, Op op) {
  int64_t numExperts = op.getNumExperts();
  return check.activation(Tensor("experts", op.getExperts()))
      .require(
          numExperts >= 1 && numExperts < maxDimension,
          [&](auto &&out) { out << "num_experts is " << numExperts << "; it must be at least 1"; })
      .single(op.getFirst(), "first");
}

static Checker &verifyOffsets(Checker &check, const Tensor &offsets, int64_t numExperts) {
  return check.is("size", offsets, 0, numExperts + 1, "num_experts + 1");
}

LogicalResult ArgsortOp::verify() {
  Checker check(*this);
  if (verifySorted(check, *this).failed())
    return failure();
  return check.is("rows", Tensor("result", getResult()), 0,
                  pairsOf(Tensor("experts", getExperts())), "tokens * top_k");
}

LogicalResult InversePermutationOp::verify() {
  return Checker(*this).activation(Tensor("input", getInput()));
}

LogicalResult ExpertOffsetsOp::verify() {
  Checker check(*this);
  if (verifySorted(check, *this).failed())
    return failure();
  return verifyOffsets(check, Tensor("result", getResult()), getNumExperts());
}

LogicalResult MoeSortOp::verify() {
  Tensor rowOf("row_of", getRowOf()), positionOf("position_of", getPositionOf());
  Checker check(*this);
  if (verifySorted(check, *this).failed())
    return failure();
  DimExpr pairs = pairsOf(Tensor("experts", getExperts()));
  check.is("rows", rowOf, 0, pairs, "tokens * top_k")
      .is("rows", positionOf, 0, pairs, "tokens * top_k");
  return verifyOffsets(check, Tensor("expert_offsets", getExpertOffsets()), getNumExperts());
}

//===- Rows of experts ------------------------------------------------------------------------===//

LogicalResult PermuteTokensOp::verify() {
  Tensor input("input", getInput()), rowOf("row_of", getRowOf()), result("result", getResult());
  return Checker(*this)
      .activation(input)
      .activation(rowOf)
      .perChoice(input, rowOf)
      .same("rows", result, 0, rowOf, 0)
      .same("n", result, 1, input, 1)
      .sameType(result, input);
}

LogicalResult UnpermuteTokensOp::verify() {
  Tensor input("input", getInput()), positionOf("position_of", getPositionOf()),
      result("result", getResult());
  return Checker(*this)
      .activation(input)
      .same("rows", positionOf, 0, input, 0)
      .same("rows", result, 0, input, 0)
      .same("n", result, 1, input, 1)
      .sameType(result, input);
}

LogicalResult GroupedMatmulOp::verify() {
  Tensor input("input", getInput()), weight("weight", getWeight()), rowOf("row_of", getRowOf()),
      offsets("expert_offsets", getExpertOffsets()), result("result", getResult());
  return Checker(*this)
      .activation(input)
      .constant(weight)
      .activation(rowOf)
      .same("k", weight, 2, input, 1)
      .sameType(weight, input)
      .same("n", result, 1, weight, 1)
      .sameType(result, input)
      .grouped(input, weight, rowOf, offsets, result, getGather())
      .keeps(PrecisionRegion::Compute, "multiplies", input.type.getElementType());
}

/// weighted_sum and moe_combine: `input` has a row per pair, `result` one per token.
static Checker &verifySum(Checker &check, const Tensor &input, const Tensor &weights,
                          const Tensor &result) {
  return check.is("rows", input, 0, pairsOf(weights), "tokens * top_k")
      .same("tokens", result, 0, weights, 0)
      .same("n", result, 1, input, 1)
      .sameType(result, input);
}

LogicalResult WeightedSumOp::verify() {
  Tensor input("input", getInput()), weights("weights", getWeights());
  Checker check(*this);
  if (check.activation(input).activation(weights).failed())
    return failure();
  return verifySum(check, input, weights, Tensor("result", getResult()));
}

LogicalResult MoeCombineOp::verify() {
  Tensor input("input", getInput()), positionOf("position_of", getPositionOf()),
      weights("weights", getWeights());
  Checker check(*this);
  if (check.activation(input).activation(weights).failed())
    return failure();
  return verifySum(check.is("rows", positionOf, 0, pairsOf(weights), "tokens * top_k"), input,
                   weights, Tensor("result", getResult()));
}

} // namespace vinci::llm
