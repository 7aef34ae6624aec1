// Checks of shapes and element types, for the verifiers of the computing ops. Messages name the
// tensor, the dimension, its value, and the value that would be legal.
#pragma once

#include "ir/llm/Llm.h"
#include "ir/llm/Precision.h"
#include "runtime/support/dtype.h"

#include <cmath>

namespace vinci::llm {

/// A tensor of an op, by the name it has in the op's description.
struct Tensor {
  llvm::StringRef name;
  mlir::RankedTensorType type;

  Tensor(llvm::StringRef name, mlir::Value value)
      : name(name), type(llvm::cast<mlir::RankedTensorType>(value.getType())) {}
  DimExpr dim(int64_t index) const {
    return shapeOf(type)[index < 0 ? type.getRank() + index : index];
  }
};

/// Finite and above zero.
inline auto positive(llvm::StringRef name, const llvm::APFloat &value) {
  double number = value.convertToDouble();
  return std::pair(std::isfinite(number) && number > 0, [name, number](auto &&out) {
    out << name << " is " << number << "; it must be finite and greater than 0";
  });
}

/// Checks of one op. The first failure is reported, the rest is skipped.
class Checker {
public:
  explicit Checker(mlir::Operation *op) : op_(op) {}

  operator llvm::LogicalResult() const { return mlir::success(!failed_); }
  bool failed() const { return failed_; }

  /// The first dimension counts rows (symbolic), the others are constants.
  Checker &activation(const Tensor &tensor) {
    for (int64_t i = 0; i < tensor.type.getRank(); ++i)
      if (tensor.dim(i).isConstant() == (i == 0))
        return report() << tensor.name << " is of shape " << shapeString(tensor.type)
                        << "; the first dimension must be symbolic, and the others constant",
               *this;
    Symbol symbol = tensor.dim(0).symbol;
    return require(symbol != Symbol::Sequences, [&](auto &&out) {
      out << tensor.name << " has rows per sequence; legal are rows per token or logit row";
    });
  }

  /// Every dimension is a constant.
  Checker &constant(const Tensor &tensor) {
    return require(tensor.type.hasStaticShape(), [&](auto &&out) {
      out << tensor.name << " is of shape " << shapeString(tensor.type)
          << "; every dimension must be constant";
    });
  }

  /// Dimension `dim` of both tensors is the same.
  Checker &same(llvm::StringRef dim, const Tensor &a, int64_t i, const Tensor &b, int64_t j) {
    return equal(dim, a, i, b.dim(j), [&](auto &&out) {
      out << "but " << b.name << " has " << toString(b.dim(j)) << "; they must be equal";
    });
  }

  /// Dimension `dim` of the tensor is `expected`, for the reason given.
  Checker &is(llvm::StringRef dim, const Tensor &a, int64_t i, DimExpr expected,
              llvm::StringRef why) {
    return equal(dim, a, i, expected,
                 [&](auto &&out) { out << "it must be " << toString(expected) << ", " << why; });
  }

  Checker &sameType(const Tensor &a, const Tensor &b) {
    return require(a.type.getElementType() == b.type.getElementType(), [&](auto &&out) {
      out << a.name << " has elements of type " << a.type.getElementType() << ", but " << b.name
          << " of type " << b.type.getElementType() << "; they must be equal";
    });
  }

  /// An optional operand of one element.
  Checker &single(mlir::Value value, llvm::StringRef name) {
    if (value)
      is("size", Tensor(name, value), 0, 1, "a number");
    return *this;
  }

  /// The optional bias of a norm of `input`.
  Checker &normBias(mlir::Value value, const Tensor &input) {
    if (!value)
      return *this;
    Tensor bias("bias", value);
    return constant(bias).same("n", bias, 0, input, -1).sameType(bias, input);
  }

  /// A region of the op computes in `type`, f32 or the type of the tensor it works on.
  Checker &computesIn(llvm::StringRef what, mlir::Type type, const Tensor &a) {
    return require(type.isF32() || type == a.type.getElementType(), [&](auto &&out) {
      out << what << " " << type << ", but " << a.name << " has elements of type "
          << a.type.getElementType() << "; legal are f32 and the type of " << a.name;
    });
  }

  /// `type` is what a module that keeps its precision says of `region`.
  Checker &keeps(PrecisionRegion region, llvm::StringRef what, mlir::Type type) {
    if (!failed_)
      failed_ = mlir::failed(verifyKept(op_, region, what, type));
    return *this;
  }

  /// The rows of a product by experts: `result` has one for each of `rowOf`, and so has the input,
  /// or with `gather` top_k times fewer; `offsets` bound those of each expert of the weight.
  Checker &grouped(const Tensor &input, const Tensor &weight, const Tensor &rowOf,
                   const Tensor &offsets, const Tensor &result, bool gather) {
    same("rows", result, 0, rowOf, 0)
        .is("size", offsets, 0, weight.dim(0).scale + 1, "the experts of the weight + 1");
    return gather ? perChoice(input, rowOf) : same("rows", input, 0, rowOf, 0);
  }

  /// `rowOf` has a row for each choice of each row of the input.
  Checker &perChoice(const Tensor &input, const Tensor &rowOf) {
    return require(
        input.dim(0).symbol == rowOf.dim(0).symbol && rowOf.dim(0).scale % input.dim(0).scale == 0,
        [&](auto &&out) {
          out << "row_of has rows = " << toString(rowOf.dim(0)) << ", but input has "
              << toString(input.dim(0)) << "; they must be a multiple, top_k times as many";
        });
  }

  /// Sums of int8 over k are exact in int32.
  Checker &exactDepth(const Tensor &weight) {
    int64_t depth = weight.dim(-1).scale;
    return require(depth <= maxInt8Depth, [&](auto &&out) {
      out << weight.name << " has k = " << depth << "; at most " << maxInt8Depth
          << " products of int8 surely fit into int32";
    });
  }

  /// A scale for each output channel of each slice of the weight.
  Checker &channelScale(const Tensor &scale, const Tensor &weight) {
    const int64_t rank = weight.type.getRank();
    if (rank == 3)
      same("num_experts", scale, 0, weight, 0);
    return constant(scale)
        .same("n", scale, rank - 2, weight, rank - 2)
        .is("columns", scale, rank - 1, 1, "one scale per channel");
  }

  /// `write` is called with the diagnostic if the condition does not hold.
  template <typename Write> Checker &require(bool condition, Write write) {
    if (!failed_ && !condition)
      write(report());
    return *this;
  }

private:
  template <typename Write>
  Checker &equal(llvm::StringRef dim, const Tensor &a, int64_t i, DimExpr expected, Write why) {
    return require(a.dim(i) == expected, [&](auto &&out) {
      out << a.name << " has " << dim << " = " << toString(a.dim(i)) << ", ";
      why(out);
    });
  }

  mlir::InFlightDiagnostic report() {
    failed_ = true;
    return op_->emitOpError();
  }

  mlir::Operation *op_;
  bool failed_ = false;
};

/// A matmul, or one that goes on with what it computes (LlmComputeVerifiers.cpp).
template <typename Op> llvm::LogicalResult verifyMatmul(Op op);

} // namespace vinci::llm
