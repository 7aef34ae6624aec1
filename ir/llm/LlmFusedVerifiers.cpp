// Shapes and element types of the ops that fusions make of chains; LlmFusedOps.td fixes the rest.
#include "ir/llm/Checker.h"

#include "runtime/support/kernel_limits.h"

using namespace mlir;

namespace vinci::llm {

/// How rms_norm_quant and swiglu_quant quantise rows: by one scale and offset, or with a result for
/// the scale of each.
template <typename Op> static Checker &quantises(Checker &check, Op op, const Tensor &result) {
  const bool fixed = bool(op.getQuantScale());
  check.require(fixed == bool(op.getQuantOffset()), [&](auto &&out) {
    out << "has one of the scale and the offset to quantise by; legal are both or none";
  });
  check.require(fixed != bool(op.getScale()), [&](auto &&out) {
    out << (fixed ? "quantises by a scale, and has a result for scales of the rows"
                  : "has no scale to quantise by, and no result for scales of the rows")
        << "; legal is one of them";
  });
  if (fixed)
    return check.single(op.getQuantScale(), "quant_scale")
        .single(op.getQuantOffset(), "quant_offset");
  if (op.getScale())
    check.same("rows", Tensor("scale", op.getScale()), 0, result, 0);
  return check;
}

LogicalResult RmsNormQuantOp::verify() {
  Tensor input("input", getInput()), weight("weight", getWeight()), result("result", getResult());
  auto [legal, message] = positive("eps", getEps());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .same("n", weight, 0, input, 1)
      .sameType(weight, input)
      .require(legal, message)
      .normBias(getBias(), input)
      .computesIn("computes in", getCompute(), input)
      .same("rows", result, 0, input, 0)
      .same("n", result, 1, input, 1)
      .require(bool(getResidual()) == bool(getSum()), [&](auto &&out) {
        out << "has one of the residual and the sum; legal are both or none";
      });
  for (auto [name, value] : {std::pair("residual", getResidual()), std::pair("sum", getSum())})
    check.require(!value || value.getType() == getInput().getType(), [&](auto &&out) {
      out << name << " is " << value.getType() << ", but input is " << getInput().getType()
          << "; they must be equal";
    });
  return quantises(check, *this, result)
      .keeps(PrecisionRegion::Compute, "normalises", input.type.getElementType())
      .keeps(PrecisionRegion::Layernorm, "computes in", getCompute());
}

LogicalResult SwigluQuantOp::verify() {
  Tensor gate("gate", getGate()), result("result", getResult());
  Checker check(*this);
  check.activation(gate).same("rows", result, 0, gate, 0);
  if (getUp())
    check.same("n", result, 1, gate, 1).require(getUp().getType() == gate.type, [&](auto &&out) {
      out << "up is " << getUp().getType() << ", but gate is " << gate.type
          << "; they must be equal";
    });
  else
    check.is("columns", gate, 1, result.dim(1).scale * 2, "twice those of the result");
  return quantises(check, *this, result);
}

/// The result has a column for each gate of the weight, in whole panels.
static Checker &gated(Checker &check, const Tensor &weight, const Tensor &result) {
  return check.is("rows", weight, 1, result.dim(1).scale * 2, "twice the columns of the result")
      .require(result.dim(1).scale % gatedColumns == 0, [&](auto &&out) {
        out << "result has n = " << toString(result.dim(1)) << "; it must be a multiple of "
            << gatedColumns << ", a panel of the weight";
      });
}

LogicalResult GroupedMatmulSwigluOp::verify() {
  Tensor input("input", getInput()), weight("weight", getWeight()), rowOf("row_of", getRowOf()),
      offsets("expert_offsets", getExpertOffsets()), result("result", getResult());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .activation(rowOf)
      .same("k", weight, 2, input, 1)
      .sameType(weight, input)
      .sameType(result, input)
      .grouped(input, weight, rowOf, offsets, result, getGather());
  return gated(check, weight, result)
      .keeps(PrecisionRegion::Compute, "multiplies", input.type.getElementType());
}

LogicalResult GroupedMatmulSwigluQuantOp::verify() {
  Tensor input("input", getInput()), scale("scale", getScale()), weight("weight", getWeight()),
      weightScale("weight_scale", getWeightScale()), rowOf("row_of", getRowOf()),
      offsets("expert_offsets", getExpertOffsets()), result("result", getResult()),
      resultScale("result_scale", getResultScale());
  Checker check(*this);
  check.activation(input)
      .constant(weight)
      .activation(rowOf)
      .same("k", weight, 2, input, 1)
      .same("rows", scale, 0, input, 0)
      .same("rows", resultScale, 0, rowOf, 0)
      .require(getElementType().isF32() || getElementType().isBF16() || getElementType().isF16(),
               [&](auto &&out) {
                 out << "rounds to " << getElementType() << "; legal are f32, bf16 and f16";
               })
      .grouped(input, weight, rowOf, offsets, result, getGather());
  return gated(check, weight, result)
      .require(result.dim(1).scale <= maxGatedRow,
               [&](auto &&out) {
                 out << "result has n = " << toString(result.dim(1)) << "; at most " << maxGatedRow
                     << " are kept until their scale is known";
               })
      .channelScale(weightScale, weight)
      .exactDepth(weight);
}

} // namespace vinci::llm
