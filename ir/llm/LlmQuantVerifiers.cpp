// Shapes of the ops on int8 activations and weights; LlmQuantOps.td fixes their element types.
#include "ir/llm/Checker.h"

using namespace mlir;

namespace vinci::llm {

LogicalResult QuantizeOp::verify() {
  Tensor input("input", getInput()), scale("scale", getScale()), offset("offset", getOffset()),
      result("result", getResult());
  return Checker(*this)
      .activation(input)
      .is("size", scale, 0, 1, "one for all tokens")
      .is("size", offset, 0, 1, "one for all tokens")
      .same("rows", result, 0, input, 0)
      .same("k", result, 1, input, 1);
}

LogicalResult RowMaxOp::verify() {
  Tensor input("input", getInput()), result("result", getResult());
  return Checker(*this)
      .activation(input)
      .same("rows", result, 0, input, 0)
      .is("columns", result, 1, 1, "one value for each row");
}

LogicalResult DynamicQuantizeOp::verify() {
  Tensor input("input", getInput()), scale("scale", getScale()), result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .same("rows", result, 0, input, 0)
      .same("k", result, 1, input, 1)
      .same("rows", scale, 0, input, 0);
  if (!getRowMax())
    return check;
  Tensor rowMax("row_max", getRowMax());
  const DimExpr rows = input.dim(0), all = rowMax.dim(0);
  return check.activation(rowMax)
      .require(all.symbol == rows.symbol && all.scale % rows.scale == 0,
               [&](auto &&out) {
                 out << "row_max has rows = " << toString(all) << ", but input has "
                     << toString(rows) << "; they must be a multiple, one for each part of a row";
               })
      .is("columns", rowMax, 1, 1, "one value for each part of a row");
}

LogicalResult QuantMatmulOp::verify() {
  Tensor input("input", getInput()), weight("weight", getWeight()),
      bias("quant_bias", getQuantBias()), scale("deq_scale", getDeqScale()),
      result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .same("k", weight, 1, input, 1)
      .same("rows", result, 0, input, 0)
      .same("n", result, 1, weight, 0)
      .same("n", bias, 0, weight, 0)
      .same("n", scale, 0, weight, 0);
  return check.exactDepth(weight);
}

LogicalResult DynamicQuantMatmulOp::verify() {
  Tensor input("input", getInput()), scale("scale", getScale()), weight("weight", getWeight()),
      weightScale("weight_scale", getWeightScale()), result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .same("k", weight, 1, input, 1)
      .same("rows", scale, 0, input, 0)
      .same("rows", result, 0, input, 0)
      .same("n", result, 1, weight, 0);
  check.channelScale(weightScale, weight);
  if (getBias()) {
    Tensor bias("bias", getBias());
    check.same("n", bias, 0, weight, 0).sameType(bias, result);
  }
  return check.exactDepth(weight);
}

LogicalResult GroupedDynamicQuantMatmulOp::verify() {
  Tensor input("input", getInput()), scale("scale", getScale()), weight("weight", getWeight()),
      weightScale("weight_scale", getWeightScale()), rowOf("row_of", getRowOf()),
      offsets("expert_offsets", getExpertOffsets()), result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .activation(rowOf)
      .same("k", weight, 2, input, 1)
      .same("rows", scale, 0, input, 0)
      .same("n", result, 1, weight, 1)
      .grouped(input, weight, rowOf, offsets, result, getGather());
  check.channelScale(weightScale, weight);
  return check.exactDepth(weight);
}

LogicalResult WeightQuantMatmulOp::verify() {
  Tensor input("input", getInput()), weight("weight", getWeight()),
      weightScale("weight_scale", getWeightScale()), result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .same("k", weight, 1, input, 1)
      .same("rows", result, 0, input, 0)
      .same("n", result, 1, weight, 0)
      .sameType(input, result);
  check.channelScale(weightScale, weight);
  if (getBias()) {
    Tensor bias("bias", getBias());
    check.same("n", bias, 0, weight, 0).sameType(bias, result);
  }
  return check;
}

LogicalResult GroupedWeightQuantMatmulOp::verify() {
  Tensor input("input", getInput()), weight("weight", getWeight()),
      weightScale("weight_scale", getWeightScale()), rowOf("row_of", getRowOf()),
      offsets("expert_offsets", getExpertOffsets()), result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .activation(rowOf)
      .same("k", weight, 2, input, 1)
      .same("n", result, 1, weight, 1)
      .sameType(input, result)
      .grouped(input, weight, rowOf, offsets, result, getGather());
  check.channelScale(weightScale, weight);
  return check;
}

} // namespace vinci::llm
