#include "frontend/builder/body_builder.h"

#include "runtime/support/error.h"

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

Type elementType(OpBuilder &builder, DType dtype) {
  switch (dtype) {
  case DType::Float32:
    return builder.getF32Type();
  case DType::BFloat16:
    return builder.getBF16Type();
  case DType::Float16:
    return builder.getF16Type();
  case DType::Int32:
    return builder.getI32Type();
  case DType::Int8:
    return builder.getI8Type();
  }
  failInternal("unknown element type");
}

void BodyBuilder::declare(const std::vector<WeightSpec> &weights, Location location) {
  for (const WeightSpec &weight : weights) {
    if (weight.unread)
      continue;
    schemes_[weight.symbol] = weight.scheme;
    SmallVector<llm::DimExpr> shape(weight.shape.begin(), weight.shape.end());
    IntegerAttr stack;
    if (weight.stack > 0) {
      shape.insert(shape.begin(), weight.stack);
      stack = ops().getI64IntegerAttr(weight.stack);
    }
    auto piece = llm::PieceAttr::get(ops().getContext(), ops().getStringAttr(weight.source),
                                     ArrayRef<int64_t>(), ArrayRef<llm::ShardAttr>());
    weights_[weight.symbol] = ops().create<llm::WeightOp>(
        location,
        llm::tensorOf(weight.dtype ? elementType(ops(), *weight.dtype)
                                   : context_.precision.getParameters(),
                      shape),
        ops().getStringAttr(weight.symbol), ops().getArrayAttr({piece}), stack, ArrayAttr());
  }
}

Value BodyBuilder::rmsNorm(Value input, StringRef weightSymbol) {
  return ops().create<llm::RmsNormOp>(context_.at("rms_norm_eps"), input.getType(), input,
                                      weight(weightSymbol), weight((weightSymbol + ".bias").str()),
                                      ops().getF64FloatAttr(context_.spec.rmsNormEps),
                                      TypeAttr::get(context_.precision.getLayernorm()));
}

llm::DynamicQuantizeOp BodyBuilder::dynamicQuantize(Value input, Location location) {
  llm::DynamicQuantizeOp &op = quantized_[input];
  if (!op) {
    SmallVector<llm::DimExpr> shape = llm::shapeOf(cast<RankedTensorType>(input.getType()));
    op = ops().create<llm::DynamicQuantizeOp>(location, llm::tensorOf(ops().getI8Type(), shape),
                                              llm::tensorOf(context_.f32(), shape.front()), input,
                                              /*row_max=*/Value());
  }
  return op;
}

Value BodyBuilder::linear(Value input, StringRef symbol, Location location, Type resultType) {
  auto belonging = [&](const char *name) { return weight((symbol + name).str()); };
  Value matrix = weight(symbol);
  SmallVector<llm::DimExpr> shape = llm::shapeOf(cast<RankedTensorType>(input.getType()));
  Type inputType = llm::tensorOf(ops().getI8Type(), shape); // of a quantised one
  shape.back() = cast<RankedTensorType>(matrix.getType()).getDimSize(0);
  Type type = llm::tensorOf(resultType ? resultType : context_.precision.getCompute(), shape);
  switch (schemes_.lookup(symbol)) {
  case QuantScheme::Float:
    return ops().create<llm::MatmulOp>(location, type, input, matrix, belonging(".bias"));
  case QuantScheme::W8A8: {
    Value quantized = ops().create<llm::QuantizeOp>(
        location, inputType, input, belonging(".input_scale"), belonging(".input_offset"));
    return ops().create<llm::QuantMatmulOp>(location, type, quantized, matrix,
                                            belonging(".quant_bias"), belonging(".deq_scale"));
  }
  case QuantScheme::W8A8Dynamic: {
    llm::DynamicQuantizeOp quantized = dynamicQuantize(input, location);
    return ops().create<llm::DynamicQuantMatmulOp>(location, type, quantized.getResult(),
                                                   quantized.getScale(), matrix,
                                                   belonging(".weight_scale"), belonging(".bias"));
  }
  case QuantScheme::W8A16:
    return ops().create<llm::WeightQuantMatmulOp>(location, type, input, matrix,
                                                  belonging(".weight_scale"), belonging(".bias"));
  }
  failInternal("unknown scheme of quantisation");
}

Value BodyBuilder::groupedLinear(Value input, StringRef symbol, Value rowOf, Value expertOffsets,
                                 Location location) {
  Value matrix = weight(symbol);
  llm::DimExpr rows = llm::shapeOf(cast<RankedTensorType>(rowOf.getType())).front();
  Type type = context_.activation({rows, cast<RankedTensorType>(matrix.getType()).getDimSize(1)});
  Value scale = weight((symbol + ".weight_scale").str());
  if (schemes_.lookup(symbol) == QuantScheme::W8A16)
    return ops().create<llm::GroupedWeightQuantMatmulOp>(location, type, input, matrix, scale,
                                                         rowOf, expertOffsets, /*gather=*/false);
  if (scale) {
    llm::DynamicQuantizeOp quantized = dynamicQuantize(input, location);
    return ops().create<llm::GroupedDynamicQuantMatmulOp>(location, type, quantized.getResult(),
                                                          quantized.getScale(), matrix, scale,
                                                          rowOf, expertOffsets, /*gather=*/false);
  }
  return ops().create<llm::GroupedMatmulOp>(location, type, input, matrix, rowOf, expertOffsets,
                                            /*gather=*/false);
}

Value BodyBuilder::add(Value lhs, Value rhs, Location location) {
  return ops().create<llm::AddOp>(location, lhs.getType(), lhs, rhs);
}

Value BodyBuilder::gated(Value gate, Value up, Location location) {
  Value activated = ops().create<llm::SiluOp>(location, gate.getType(), gate);
  return ops().create<llm::MulOp>(location, up.getType(), activated, up);
}

} // namespace vinci
