#include "frontend/builder/body_builder.h"

#include "mlir/IR/Location.h"

using namespace mlir;

namespace vinci {

Location BuildContext::at(const std::string &key) {
  SourcePosition position = spec.origin(key);
  return FileLineColLoc::get(builder.getContext(), position.file, position.line, position.column);
}

static llm::BodyOp createBody(BuildContext &context, StringRef name, Location location,
                              ArrayRef<NamedArgument> arguments, ArrayRef<Type> results) {
  SmallVector<StringRef> names;
  SmallVector<Type> types;
  for (const NamedArgument &argument : arguments) {
    names.push_back(argument.name);
    types.push_back(argument.type);
  }
  FunctionType type = context.builder.getFunctionType(types, results);
  return context.builder.create<llm::BodyOp>(location, name, type, names);
}

BodyBuilder::BodyBuilder(BuildContext &context, StringRef name, Location location,
                         ArrayRef<NamedArgument> arguments, ArrayRef<Type> results)
    : context_(context), body_(createBody(context, name, location, arguments, results)),
      guard_(context.builder) {
  context.builder.setInsertionPointToEnd(&body_.getBlock());
}

llm::BodyOp BodyBuilder::results(ValueRange values) {
  ops().create<llm::ReturnOp>(body_.getLoc(), values);
  return body_;
}

void BodyBuilder::declare(const std::vector<WeightSpec> &weights, Location location) {
  for (const WeightSpec &weight : weights) {
    SmallVector<llm::DimExpr> shape(weight.shape.begin(), weight.shape.end());
    IntegerAttr stack;
    if (weight.stack > 0) {
      shape.insert(shape.begin(), weight.stack);
      stack = ops().getI64IntegerAttr(weight.stack);
    }
    weights_[weight.symbol] = ops().create<llm::WeightOp>(
        location, llm::tensorOf(context_.precision.getParameters(), shape),
        ops().getStringAttr(weight.symbol), ops().getStringAttr(weight.source), stack);
  }
}

Value BodyBuilder::rmsNorm(Value input, StringRef weightSymbol) {
  return ops().create<llm::RmsNormOp>(context_.at("rms_norm_eps"), input.getType(), input,
                                      weight(weightSymbol),
                                      ops().getF64FloatAttr(context_.spec.rmsNormEps),
                                      TypeAttr::get(context_.precision.getLayernorm()));
}

Value BodyBuilder::linear(Value input, StringRef symbol, Location location, Type resultType) {
  Value matrix = weight(symbol);
  SmallVector<llm::DimExpr> shape = llm::shapeOf(cast<RankedTensorType>(input.getType()));
  shape.back() = cast<RankedTensorType>(matrix.getType()).getDimSize(0);
  Type type = llm::tensorOf(resultType ? resultType : context_.precision.getCompute(), shape);
  return ops().create<llm::MatmulOp>(location, type, input, matrix,
                                     weight((symbol + ".bias").str()));
}

Value BodyBuilder::add(Value lhs, Value rhs, Location location) {
  return ops().create<llm::AddOp>(location, lhs.getType(), lhs, rhs);
}

Value BodyBuilder::gated(Value gate, Value up, Location location) {
  Value activated = ops().create<llm::SiluOp>(location, gate.getType(), gate);
  return ops().create<llm::MulOp>(location, up.getType(), activated, up);
}

} // namespace vinci
