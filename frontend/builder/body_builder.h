// Emits the ops of one llm.body. Internal to the builder.
#pragma once

#include "frontend/builder/builder.h"
#include "frontend/checkpoint_weights.h"

#include "ir/llm/Llm.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace vinci {

mlir::Type elementType(mlir::OpBuilder &builder, DType dtype);

/// What every body needs to know.
struct BuildContext {
  const ModelSpec &spec;
  llm::LimitsAttr limits;
  llm::PrecisionAttr precision; ///< of what is not quantised
  mlir::OpBuilder builder;

  /// Where config.json says `key`, or the file if it does not.
  mlir::Location at(const std::string &key);
  mlir::Type i32() { return builder.getI32Type(); }
  mlir::Type f32() { return builder.getF32Type(); }
  mlir::RankedTensorType activation(llvm::ArrayRef<llm::DimExpr> shape) {
    return llm::tensorOf(precision.getCompute(), shape);
  }
  /// [tokens, hidden_size]: what flows from layer to layer.
  mlir::RankedTensorType hiddenType() { return activation({llm::Symbol::Tokens, spec.hiddenSize}); }
  /// [tokens, head_dim]: cosines and sines.
  mlir::RankedTensorType ropeType() {
    return llm::tensorOf(precision.getRotary(), {llm::Symbol::Tokens, spec.headDim});
  }
};

struct NamedArgument {
  llvm::StringRef name;
  mlir::Type type;
};

/// An open body: construct it, emit ops, and finish with results(). Values are named by the weights
/// that make them.
class BodyBuilder {
public:
  BodyBuilder(BuildContext &context, llvm::StringRef name, mlir::Location location,
              llvm::ArrayRef<NamedArgument> arguments, llvm::ArrayRef<mlir::Type> results);

  mlir::Value argument(unsigned index) { return body_.getBlock().getArgument(index); }
  llm::BodyOp results(mlir::ValueRange values);

  /// Declares weights, those that are read; matmuls and norms name them by their symbols.
  void declare(const std::vector<WeightSpec> &weights, mlir::Location location);
  mlir::Value weight(llvm::StringRef symbol) const { return weights_.lookup(symbol); }

  /// With the bias `weightSymbol`.bias if it was declared.
  mlir::Value rmsNorm(mlir::Value input, llvm::StringRef weightSymbol);
  /// input times the weight, plus the bias if `symbol`.bias was declared; in the activations' type
  /// unless `resultType` is given. Quantised, with an input of that type, if what belongs to a
  /// quantised weight was declared.
  mlir::Value linear(mlir::Value input, llvm::StringRef symbol, mlir::Location location,
                     mlir::Type resultType = {});
  /// Each row of the input, which are in the order `rowOf`, times the weight of its expert,
  /// quantised likewise.
  mlir::Value groupedLinear(mlir::Value input, llvm::StringRef symbol, mlir::Value rowOf,
                            mlir::Value expertOffsets, mlir::Location location);
  mlir::Value add(mlir::Value lhs, mlir::Value rhs, mlir::Location location);
  /// silu(gate) * up.
  mlir::Value gated(mlir::Value gate, mlir::Value up, mlir::Location location);

  mlir::OpBuilder &ops() { return context_.builder; }

private:
  llm::DynamicQuantizeOp dynamicQuantize(mlir::Value input, mlir::Location location);

  BuildContext &context_;
  llm::BodyOp body_;
  mlir::OpBuilder::InsertionGuard guard_; ///< back to the module when the body is done
  llvm::StringMap<mlir::Value> weights_;
  llvm::StringMap<QuantScheme> schemes_;                          ///< of linears, by their symbols
  llvm::DenseMap<mlir::Value, llm::DynamicQuantizeOp> quantized_; ///< by input: once for all users
};

/// The bodies; each returns its op, whose name the entries call.
llm::BodyOp buildPrologue(BuildContext &context);
llm::BodyOp buildDecoderLayer(BuildContext &context, const LayerKind &kind);
/// With `gather` only the rows of logit_indices get logits, otherwise every token.
llm::BodyOp buildEpilogue(BuildContext &context, bool gather);

} // namespace vinci
