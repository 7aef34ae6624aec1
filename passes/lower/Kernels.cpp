#include "passes/lower/Kernels.h"

#include "runtime/support/dtype.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vinci {
namespace {

using npu::Packing;

std::vector<llm::DimExpr> shape(Value value) {
  auto dims = llm::shapeOf(cast<RankedTensorType>(value.getType()));
  return {dims.begin(), dims.end()};
}

int64_t size(Value value, size_t index) {
  return shape(value)[index].scale;
}

StringRef dtypeName(Type type) {
  std::string_view name = toString(type.isF32()         ? DType::Float32
                                   : type.isBF16()      ? DType::BFloat16
                                   : type.isF16()       ? DType::Float16
                                   : type.isInteger(32) ? DType::Int32
                                                        : DType::Int8);
  return {name.data(), name.size()};
}

/// Collects a kernel: outputs, inputs and constants in any order.
class KernelBuilder {
public:
  explicit KernelBuilder(Operation *op) : op_(op), builder_(op->getContext()) {
    kernel_.name = op->getName().stripDialect();
  }

  KernelBuilder &writes(ValueRange values) {
    kernel_.outputs.append(values.begin(), values.end());
    return *this;
  }
  KernelBuilder &reads(Value value) {
    kernel_.inputs.push_back({value});
    return *this;
  }
  /// Weights are packed before the program runs, so nothing else can take their place.
  KernelBuilder &readsWeight(Value value, Packing packing = Packing::Rows) {
    if (!failed_ && !value.getDefiningOp<llm::WeightOp>()) {
      op_->emitOpError() << "has a weight of type " << value.getType()
                         << " that no llm.weight of its body declares";
      failed_ = true;
    }
    kernel_.inputs.push_back({value, packing});
    return *this;
  }
  KernelBuilder &set(StringRef name, int64_t value) {
    kernel_.constants.set(name, builder_.getI64IntegerAttr(value));
    return *this;
  }
  KernelBuilder &set(StringRef name, const APFloat &value) {
    kernel_.constants.set(name, builder_.getF64FloatAttr(value.convertToDouble()));
    return *this;
  }
  KernelBuilder &set(StringRef name, StringRef value) {
    kernel_.constants.set(name, builder_.getStringAttr(value));
    return *this;
  }
  KernelBuilder &type(StringRef name, Type value) { return set(name, dtypeName(value)); }
  KernelBuilder &dtype(Value value, StringRef name = "dtype") {
    return type(name, cast<RankedTensorType>(value.getType()).getElementType());
  }
  /// The kernel handles rows of `value` only if they are counted by `symbol` alone.
  KernelBuilder &rowsPer(llm::Symbol symbol, Value value) {
    if (!failed_ && shape(value)[0] != llm::DimExpr(symbol)) {
      op_->emitOpError() << "has rows = " << llm::toString(shape(value)[0])
                         << "; its kernel takes a row per "
                         << (symbol == llm::Symbol::Tokens ? "token" : "logit row")
                         << ", rows = " << llm::toString(symbol);
      failed_ = true;
    }
    return *this;
  }
  /// Like rowsPer(Tokens), but any multiple of tokens is fine; returns the multiple through
  /// `multiple`.
  KernelBuilder &rowsPerTokenTimes(Value value, int64_t &multiple) {
    llm::DimExpr rows = shape(value)[0];
    multiple = rows.scale;
    if (!failed_ && rows.symbol != llm::Symbol::Tokens) {
      op_->emitOpError() << "has rows = " << llm::toString(rows)
                         << "; its kernel takes rows per token, rows = tokens or a multiple";
      failed_ = true;
    }
    return *this;
  }

  /// The optional last input, and the flag that says whether it is there.
  KernelBuilder &readsLast(StringRef flag, Value value) {
    if (value)
      reads(value);
    return set(flag, value ? 1 : 0);
  }
  KernelBuilder &over(ArrayRef<int64_t> axes) {
    kernel_.axes.assign(axes.begin(), axes.end());
    return *this;
  }

  FailureOr<Kernel> build() {
    if (failed_)
      return failure();
    return std::move(kernel_);
  }

private:
  Operation *op_;
  Builder builder_;
  Kernel kernel_;
  bool failed_ = false;
};

constexpr llm::Symbol Tokens = llm::Symbol::Tokens;

//===- One function per op --------------------------------------------------------------------===//

/// Whether a matmul anywhere in the module reads what `table` is: a tied head.
bool isMultiplied(llm::WeightOp table) {
  const auto readsIt = [&](llm::MatmulOp matmul) {
    auto weight = matmul.getWeight().getDefiningOp<llm::WeightOp>();
    const bool isSame = weight && weight.getPieces() == table.getPieces() &&
                        weight.getType() == table.getType() && !weight.getStack();
    return isSame ? WalkResult::interrupt() : WalkResult::advance();
  };
  return table && table->getParentOfType<ModuleOp>().walk(readsIt).wasInterrupted();
}

/// How kernels read a matrix that they multiply by.
Packing panelsOf(Value weight) {
  const Type type = cast<RankedTensorType>(weight.getType()).getElementType();
  return type.isBF16() ? Packing::Panel12 : Packing::Panel32;
}

/// A table that is multiplied by as well is read in that packing: it is in memory once.
FailureOr<Kernel> kernel(llm::EmbeddingOp op) {
  const bool panels = isMultiplied(op.getTable().getDefiningOp<llm::WeightOp>());
  return KernelBuilder(op)
      .writes(op.getResult())
      .reads(op.getTokenIds())
      .readsWeight(op.getTable(), panels ? panelsOf(op.getTable()) : Packing::Rows)
      .readsLast("sharded", op.getStart())
      .set("panels", panels)
      .dtype(op.getTable())
      .set("hidden", size(op.getTable(), 1))
      .set("vocab", size(op.getTable(), 0))
      .set("rows", llm::toString(shape(op.getTokenIds())[0]))
      .build();
}

FailureOr<Kernel> kernel(llm::JoinColumnsOp op) {
  return KernelBuilder(op)
      .writes(op.getResult())
      .reads(op.getInput())
      .dtype(op.getInput())
      .set("n", size(op.getResult(), 1))
      .set("part", size(op.getInput(), 1))
      .set("rows", llm::toString(shape(op.getResult())[0]))
      .build();
}

/// Operands: receive, send. `count` elements for each of `rows`: what the smaller of the two holds.
FailureOr<Kernel> collective(Operation *op, ArrayRef<int64_t> axes) {
  Value input = op->getOperand(0), result = op->getResult(0);
  Value part = isa<llm::ReduceScatterOp>(op) ? result : input;
  int64_t count = 1;
  for (const llm::DimExpr &dim : shape(part))
    count *= dim.scale;
  const llm::Symbol rows = shape(part)[0].symbol;
  KernelBuilder builder(op);
  builder.writes(result)
      .reads(input)
      .dtype(input)
      .set("count", count)
      .set("rows", llm::toString(rows))
      .over(axes);
  if (rows == llm::Symbol::TokenShares && !isa<llm::AllReduceOp>(op))
    builder.set("whole", llm::toString(llm::Symbol::Tokens));
  return builder.build();
}

FailureOr<Kernel> kernel(llm::RopeTableOp op) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getPositions())
      .writes(op.getResult())
      .reads(op.getPositions())
      .reads(op.getInvFreq())
      .dtype(op.getResult())
      .set("head_dim", size(op.getResult(), 1))
      .build();
}

/// The weight of a norm, and its bias if it has one.
template <typename Op> KernelBuilder &readsNormWeights(KernelBuilder &builder, Op op) {
  builder.readsWeight(op.getWeight());
  if (op.getBias())
    builder.readsWeight(op.getBias());
  return builder.set("bias", op.getBias() ? 1 : 0);
}

/// The constants of rms_norm and add_rms_norm.
template <typename Op> KernelBuilder &norm(KernelBuilder &builder, Op op) {
  llm::DimExpr rows = shape(op.getInput())[0];
  int64_t heads = op.getInput().getType().getRank() == 3 ? size(op.getInput(), 1) : 1;
  return readsNormWeights(builder, op)
      .dtype(op.getInput())
      .type("compute", op.getCompute())
      .set("n", size(op.getWeight(), 0))
      .set("groups", rows.scale * heads)
      .set("eps", op.getEps())
      .set("rows", llm::toString(rows.symbol));
}

FailureOr<Kernel> kernel(llm::RmsNormOp op) {
  KernelBuilder builder(op);
  builder.writes(op.getResult()).reads(op.getInput());
  return norm(builder, op).build();
}

FailureOr<Kernel> kernel(llm::AddRmsNormOp op) {
  KernelBuilder builder(op);
  builder.writes({op.getNormed(), op.getSum()}).reads(op.getInput()).reads(op.getResidual());
  return norm(builder, op).build();
}

/// What an op quantises by, or that the rows have scales of their own; after its other inputs.
template <typename Op> KernelBuilder &quantises(KernelBuilder &builder, Op op) {
  if (op.getQuantScale())
    builder.readsWeight(op.getQuantScale()).readsWeight(op.getQuantOffset());
  return builder.set("dynamic", op.getScale() ? 1 : 0);
}

FailureOr<Kernel> kernel(llm::RmsNormQuantOp op) {
  KernelBuilder builder(op);
  builder.writes(op->getResults()).reads(op.getInput());
  if (op.getResidual())
    builder.reads(op.getResidual());
  return quantises(readsNormWeights(builder, op), op)
      .dtype(op.getInput())
      .type("compute", op.getCompute())
      .set("n", size(op.getWeight(), 0))
      .set("eps", op.getEps())
      .set("residual", op.getResidual() ? 1 : 0)
      .set("rows", llm::toString(shape(op.getInput())[0]))
      .build();
}

/// The operands and constants of a matmul.
template <typename Op> KernelBuilder &matmul(KernelBuilder &builder, Op op) {
  llm::DimExpr rows = shape(op.getInput())[0];
  builder.writes(op.getResult())
      .reads(op.getInput())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .dtype(op.getInput())
      .dtype(op.getResult(), "out_dtype")
      .set("n", size(op.getWeight(), 0))
      .set("k", size(op.getWeight(), 1))
      .set("bias", op.getBias() ? 1 : 0)
      .set("rows", llm::toString(rows));
  if (op.getBias())
    builder.readsWeight(op.getBias());
  return builder;
}

FailureOr<Kernel> kernel(llm::MatmulOp op) {
  KernelBuilder builder(op);
  return matmul(builder, op).build();
}

FailureOr<Kernel> kernel(llm::MatmulAllReduceOp op) {
  KernelBuilder builder(op);
  return matmul(builder, op).over(op.getAxes()).build();
}

FailureOr<Kernel> kernel(llm::RopeOp op) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getInput())
      .writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getTable())
      .dtype(op.getInput())
      .dtype(op.getTable(), "compute")
      .set("heads", size(op.getInput(), 1))
      .set("head_dim", size(op.getInput(), 2))
      .build();
}

FailureOr<Kernel> kernel(llm::RopeQkOp op) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getQuery())
      .writes({op.getQueryResult(), op.getKeyResult()})
      .reads(op.getQuery())
      .reads(op.getKey())
      .reads(op.getTable())
      .dtype(op.getQuery())
      .dtype(op.getTable(), "compute")
      .set("heads", size(op.getQuery(), 1))
      .set("kv_heads", size(op.getKey(), 1))
      .set("head_dim", size(op.getQuery(), 2))
      .build();
}

FailureOr<Kernel> kernel(llm::KvAppendOp op, llm::LimitsAttr limits) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getKey())
      .writes(op.getResult())
      .reads(op.getKey())
      .reads(op.getValue())
      .reads(op.getSlotMapping())
      .dtype(op.getKey())
      .set("kv_heads", size(op.getKey(), 1))
      .set("head_dim", size(op.getKey(), 2))
      .set("block_size", limits.getBlockSize())
      .build();
}

/// What split_qkv and append_qkv read first, and their constants.
template <typename Op> KernelBuilder &splitQkv(KernelBuilder &builder, Op op, int64_t kvHeads) {
  const bool norm = bool(op.getQueryNorm()), rope = bool(op.getTable());
  Type f32 = Float32Type::get(op.getContext());
  builder.rowsPer(Tokens, op.getQkv()).reads(op.getQkv());
  if (norm)
    builder.readsWeight(op.getQueryNorm()).readsWeight(op.getKeyNorm());
  if (rope)
    builder.reads(op.getTable());
  return builder.dtype(op.getQkv())
      .type("compute", op.getCompute())
      .type("rotary", rope ? cast<RankedTensorType>(op.getTable().getType()).getElementType() : f32)
      .set("heads", size(op.getQuery(), 1))
      .set("kv_heads", kvHeads)
      .set("head_dim", size(op.getQuery(), 2))
      .set("norm", norm ? 1 : 0)
      .set("rope", rope ? 1 : 0)
      .set("eps", norm ? *op.getEps() : APFloat(0.0));
}

FailureOr<Kernel> kernel(llm::SplitQkvOp op) {
  KernelBuilder builder(op);
  builder.writes({op.getQuery(), op.getKey(), op.getValue()});
  return splitQkv(builder, op, size(op.getKey(), 1)).build();
}

FailureOr<Kernel> kernel(llm::AppendQkvOp op, llm::LimitsAttr limits) {
  KernelBuilder builder(op);
  builder.writes({op.getQuery(), op.getResult()});
  return splitQkv(builder, op, op.getCache().getType().getHeads())
      .reads(op.getSlotMapping())
      .set("block_size", limits.getBlockSize())
      .build();
}

FailureOr<Kernel> kernel(llm::AttentionOp op, llm::LimitsAttr limits) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getQuery())
      .writes(op.getResult())
      .reads(op.getQuery())
      .reads(op.getCache())
      .reads(op.getQueryStart())
      .reads(op.getContextLens())
      .reads(op.getBlockTables())
      .dtype(op.getQuery())
      .type("softmax", op.getSoftmax())
      .set("heads", size(op.getQuery(), 1))
      .set("kv_heads", op.getCache().getType().getHeads())
      .set("head_dim", size(op.getQuery(), 2))
      .set("block_size", limits.getBlockSize())
      .set("max_blocks", size(op.getBlockTables(), 1))
      .set("scale", op.getScale())
      .build();
}

/// What add, mul and silu have in common: heads are columns.
KernelBuilder &elementwise(KernelBuilder &builder, Operation *op) {
  Value result = op->getResult(0);
  builder.writes(result);
  for (Value operand : op->getOperands())
    builder.reads(operand);
  bool heads = cast<RankedTensorType>(result.getType()).getRank() == 3;
  return builder.dtype(result).set("n", size(result, 1) * (heads ? size(result, 2) : 1));
}

/// The residual stream may be divided by tokens.
FailureOr<Kernel> kernel(llm::AddOp op) {
  KernelBuilder builder(op);
  return elementwise(builder, op).set("rows", llm::toString(shape(op.getResult())[0])).build();
}

FailureOr<Kernel> kernelPerToken(Operation *op) {
  int64_t perToken = 0;
  KernelBuilder builder(op);
  return elementwise(builder.rowsPerTokenTimes(op->getResult(0), perToken), op)
      .set("rows_per_token", perToken)
      .build();
}

FailureOr<Kernel> kernel(llm::SwigluOp op) {
  int64_t perToken = 0;
  KernelBuilder builder(op);
  builder.rowsPerTokenTimes(op.getResult(), perToken).writes(op.getResult()).reads(op.getGate());
  if (op.getUp())
    builder.reads(op.getUp());
  return builder.dtype(op.getResult())
      .set("n", size(op.getResult(), 1))
      .set("rows_per_token", perToken)
      .set("two_operands", op.getUp() ? 1 : 0)
      .build();
}

FailureOr<Kernel> kernel(llm::SwigluQuantOp op) {
  int64_t perToken = 0;
  KernelBuilder builder(op);
  builder.rowsPerTokenTimes(op.getResult(), perToken).writes(op->getResults()).reads(op.getGate());
  if (op.getUp())
    builder.reads(op.getUp());
  return quantises(builder, op)
      .dtype(op.getGate())
      .set("n", size(op.getResult(), 1))
      .set("rows_per_token", perToken)
      .set("two_operands", op.getUp() ? 1 : 0)
      .build();
}

FailureOr<Kernel> kernel(llm::GatherRowsOp op) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getInput())
      .rowsPer(llm::Symbol::LogitRows, op.getIndices())
      .writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getIndices())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .build();
}

/// softmax, normalize_rows: rows of float32.
FailureOr<Kernel> rowwise(Operation *op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op->getResult(0), perToken)
      .set("rows_per_token", perToken)
      .writes(op->getResults())
      .reads(op->getOperand(0))
      .set("n", size(op->getResult(0), 1))
      .build();
}

FailureOr<Kernel> kernel(llm::TopKOp op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getInput(), perToken)
      .set("rows_per_token", perToken)
      .writes({op.getValues(), op.getIndices()})
      .reads(op.getInput())
      .set("num_experts", size(op.getInput(), 1))
      .set("top_k", static_cast<int64_t>(op.getK()))
      .build();
}

FailureOr<Kernel> kernel(llm::MoeRouteOp op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getLogits(), perToken)
      .set("rows_per_token", perToken)
      .writes({op.getWeights(), op.getExperts()})
      .reads(op.getLogits())
      .set("num_experts", size(op.getLogits(), 1))
      .set("top_k", static_cast<int64_t>(op.getTopK()))
      .set("norm_topk_prob", op.getNormalize() ? 1 : 0)
      .build();
}

/// argsort, expert_offsets, moe_sort.
template <typename Op> FailureOr<Kernel> sorting(Op op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getExperts(), perToken)
      .set("rows_per_token", perToken)
      .writes(op->getResults())
      .reads(op.getExperts())
      .readsLast("sharded", op.getFirst())
      .set("num_experts", static_cast<int64_t>(op.getNumExperts()))
      .set("top_k", size(op.getExperts(), 1))
      .build();
}

FailureOr<Kernel> kernel(llm::InversePermutationOp op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getInput(), perToken)
      .set("rows_per_token", perToken)
      .writes(op.getResult())
      .reads(op.getInput())
      .build();
}

FailureOr<Kernel> kernel(llm::PermuteTokensOp op) {
  int64_t pairs = 0, perToken = 1;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getRowOf(), pairs)
      .rowsPerTokenTimes(op.getInput(), perToken)
      .writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getRowOf())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .set("rows_per_token", perToken)
      .set("top_k", pairs / perToken)
      .build();
}

FailureOr<Kernel> kernel(llm::UnpermuteTokensOp op) {
  int64_t pairs = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getInput(), pairs)
      .writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getPositionOf())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .set("rows_per_token", pairs)
      .build();
}

FailureOr<Kernel> kernel(llm::WeightedSumOp op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getWeights(), perToken)
      .set("rows_per_token", perToken)
      .writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getWeights())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .set("top_k", size(op.getWeights(), 1))
      .build();
}

/// The results and constants of products by experts.
template <typename Op> KernelBuilder &grouped(KernelBuilder &builder, Op op) {
  // Pairs of a token and a choice have rows; with `gather` the input has one for each token.
  int64_t pairs = 0, perToken = 1;
  builder.rowsPerTokenTimes(op.getRowOf(), pairs);
  if (op.getGather())
    builder.rowsPerTokenTimes(op.getInput(), perToken);
  return builder.writes(op->getResults())
      .set("n", size(op.getResult(), 1))
      .set("k", size(op.getWeight(), 2))
      .set("num_experts", size(op.getWeight(), 0))
      .set("rows_per_token", perToken)
      .set("top_k", pairs / perToken)
      .set("gather", op.getGather() ? 1 : 0);
}

/// What those on floats read.
template <typename Op> FailureOr<Kernel> groupedMatmul(Op op) {
  KernelBuilder builder(op);
  return grouped(builder, op)
      .reads(op.getInput())
      .reads(op.getRowOf())
      .reads(op.getExpertOffsets())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .dtype(op.getInput())
      .build();
}

FailureOr<Kernel> kernel(llm::GroupedMatmulOp op) {
  return groupedMatmul(op);
}

FailureOr<Kernel> kernel(llm::GroupedMatmulSwigluOp op) {
  return groupedMatmul(op);
}

FailureOr<Kernel> kernel(llm::MoeCombineOp op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getWeights(), perToken)
      .set("rows_per_token", perToken)
      .writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getPositionOf())
      .reads(op.getWeights())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .set("top_k", size(op.getWeights(), 1))
      .build();
}

//===- Quantised ------------------------------------------------------------------------------===//

FailureOr<Kernel> kernel(llm::QuantizeOp op) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getInput())
      .writes(op.getResult())
      .reads(op.getInput())
      .readsWeight(op.getScale())
      .readsWeight(op.getOffset())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .build();
}

FailureOr<Kernel> kernel(llm::RowMaxOp op) {
  int64_t perToken = 0;
  return KernelBuilder(op)
      .rowsPerTokenTimes(op.getInput(), perToken)
      .writes(op.getResult())
      .reads(op.getInput())
      .dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .set("rows_per_token", perToken)
      .build();
}

FailureOr<Kernel> kernel(llm::DynamicQuantizeOp op) {
  const llm::DimExpr rows = shape(op.getInput())[0];
  KernelBuilder builder(op);
  builder.writes({op.getResult(), op.getScale()})
      .reads(op.getInput())
      .readsLast("row_max", op.getRowMax());
  const int64_t parts = op.getRowMax() ? shape(op.getRowMax())[0].scale / rows.scale : 1;
  return builder.dtype(op.getInput())
      .set("n", size(op.getInput(), 1))
      .set("parts", parts)
      .set("rows", llm::toString(rows))
      .build();
}

FailureOr<Kernel> kernel(llm::QuantMatmulOp op) {
  return KernelBuilder(op)
      .rowsPer(Tokens, op.getInput())
      .writes(op.getResult())
      .reads(op.getInput())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .readsWeight(op.getQuantBias())
      .readsWeight(op.getDeqScale())
      .dtype(op.getResult())
      .set("n", size(op.getWeight(), 0))
      .set("k", size(op.getWeight(), 1))
      .build();
}

FailureOr<Kernel> kernel(llm::DynamicQuantMatmulOp op) {
  KernelBuilder builder(op);
  builder.writes(op.getResult())
      .reads(op.getInput())
      .reads(op.getScale())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .readsWeight(op.getWeightScale())
      .dtype(op.getResult())
      .set("n", size(op.getWeight(), 0))
      .set("k", size(op.getWeight(), 1))
      .set("bias", op.getBias() ? 1 : 0)
      .set("rows", llm::toString(shape(op.getInput())[0]));
  if (op.getBias())
    builder.readsWeight(op.getBias());
  return builder.build();
}

/// What products by experts on int8 read; `type` is what they round to.
template <typename Op> FailureOr<Kernel> groupedQuantMatmul(Op op, Type type) {
  KernelBuilder builder(op);
  return grouped(builder, op)
      .reads(op.getInput())
      .reads(op.getScale())
      .reads(op.getRowOf())
      .reads(op.getExpertOffsets())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .readsWeight(op.getWeightScale())
      .type("dtype", type)
      .build();
}

FailureOr<Kernel> kernel(llm::GroupedDynamicQuantMatmulOp op) {
  return groupedQuantMatmul(op, op.getResult().getType().getElementType());
}

FailureOr<Kernel> kernel(llm::GroupedMatmulSwigluQuantOp op) {
  return groupedQuantMatmul(op, op.getElementType());
}

FailureOr<Kernel> kernel(llm::WeightQuantMatmulOp op) {
  KernelBuilder builder(op);
  builder.rowsPer(Tokens, op.getInput())
      .writes(op.getResult())
      .reads(op.getInput())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .readsWeight(op.getWeightScale())
      .dtype(op.getInput())
      .set("n", size(op.getWeight(), 0))
      .set("k", size(op.getWeight(), 1))
      .set("bias", op.getBias() ? 1 : 0);
  if (op.getBias())
    builder.readsWeight(op.getBias());
  return builder.build();
}

FailureOr<Kernel> kernel(llm::GroupedWeightQuantMatmulOp op) {
  KernelBuilder builder(op);
  return grouped(builder, op)
      .reads(op.getInput())
      .reads(op.getRowOf())
      .reads(op.getExpertOffsets())
      .readsWeight(op.getWeight(), panelsOf(op.getWeight()))
      .readsWeight(op.getWeightScale())
      .dtype(op.getInput())
      .build();
}

} // namespace

FailureOr<Kernel> kernelFor(Operation *op, llm::LimitsAttr limits) {
  return llvm::TypeSwitch<Operation *, FailureOr<Kernel>>(op)
      .Case<llm::EmbeddingOp, llm::JoinColumnsOp, llm::RopeTableOp, llm::AddOp, llm::RmsNormOp,
            llm::AddRmsNormOp, llm::RmsNormQuantOp, llm::MatmulOp, llm::MatmulAllReduceOp,
            llm::RopeOp, llm::RopeQkOp, llm::SplitQkvOp, llm::SwigluOp, llm::SwigluQuantOp,
            llm::GatherRowsOp, llm::TopKOp, llm::MoeRouteOp, llm::InversePermutationOp,
            llm::PermuteTokensOp, llm::GroupedMatmulOp, llm::GroupedMatmulSwigluOp,
            llm::GroupedMatmulSwigluQuantOp, llm::UnpermuteTokensOp, llm::WeightedSumOp,
            llm::MoeCombineOp, llm::QuantizeOp, llm::RowMaxOp, llm::DynamicQuantizeOp,
            llm::QuantMatmulOp, llm::DynamicQuantMatmulOp, llm::GroupedDynamicQuantMatmulOp,
            llm::WeightQuantMatmulOp, llm::GroupedWeightQuantMatmulOp>(
          [](auto typed) { return kernel(typed); })
      .Case<llm::KvAppendOp, llm::AppendQkvOp, llm::AttentionOp>(
          [&](auto typed) { return kernel(typed, limits); })
      .Case<llm::MulOp, llm::SiluOp>([](auto typed) { return kernelPerToken(typed); })
      .Case<llm::SoftmaxOp, llm::NormalizeRowsOp>([](auto typed) { return rowwise(typed); })
      .Case<llm::ArgsortOp, llm::ExpertOffsetsOp, llm::MoeSortOp>(
          [](auto typed) { return sorting(typed); })
      .Case<llm::AllReduceOp, llm::AllGatherOp, llm::ReduceScatterOp>(
          [](auto typed) { return collective(typed, typed.getAxes()); })
      .Default([](Operation *other) -> FailureOr<Kernel> {
        return other->emitOpError() << "has no kernel";
      });
}

bool isAlias(Operation *op) {
  return isa<llm::SplitHeadsOp, llm::MergeHeadsOp>(op);
}

bool isConstant(Operation *op) {
  return isa<llm::ConstantOp, llm::RankConstantOp>(op);
}

bool isCompute(Operation *op) {
  return !isAlias(op) && !isConstant(op) && !isa<llm::WeightOp, llm::KvCacheOp, llm::ReturnOp>(op);
}

} // namespace vinci
