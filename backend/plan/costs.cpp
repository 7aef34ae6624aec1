#include "backend/plan/costs.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {
namespace {

/// Floating-point operations for each element that a vector kernel touches. What time they take is
/// hidden by the memory's, so one number will do; the td entries of the ops have theirs.
constexpr double vectorFlopsPerElement = 4;

bool has(const KernelSpec &spec, const char *constant) {
  return spec.constants.contains(constant);
}

uint32_t integer(const KernelSpec &spec, const char *constant) {
  return uint32_t(spec.integer(constant));
}

CostClass classOf(const KernelSpec &spec) {
  if (spec.op == "attention")
    return CostClass::Attention;
  if (!has(spec, "k"))
    return CostClass::Vector;
  return has(spec, "num_experts") ? CostClass::GroupedMatmul : CostClass::Matmul;
}

DType dtypeOf(mlir::Type type) {
  return type.isF32()         ? DType::Float32
         : type.isBF16()      ? DType::BFloat16
         : type.isF16()       ? DType::Float16
         : type.isInteger(32) ? DType::Int32
                              : DType::Int8;
}

/// Of an element of each dimension that is counted by a symbol; of all elements if none is.
uint64_t elementsPerRow(mlir::RankedTensorType type, llm::Symbol &symbol) {
  uint64_t elements = 1;
  symbol = llm::Symbol::One;
  for (const llm::DimExpr &dim : llm::shapeOf(type)) {
    elements *= uint64_t(dim.scale);
    if (dim.symbol != llm::Symbol::One)
      symbol = dim.symbol;
  }
  return elements;
}

} // namespace

LaunchCosts::LaunchCosts(npu::ProgramOp program) : program_(program), symbols_(program) {
  for (auto entry : program.getBody().front().getOps<npu::EntryOp>()) {
    if (!entry_)
      entry_ = entry;
    for (auto call : entry.getBlock().getOps<npu::CallOp>())
      calls_.try_emplace(symbols_.lookup(call.getCallee()), call);
  }
  program.walk([&](npu::LaunchOp launch) {
    const llvm::StringRef kernel = launch.getKernel();
    if (kernel == "moe_route" || kernel == "top_k")
      if (auto count = launch.getConstants().getAs<mlir::IntegerAttr>("num_experts")) {
        experts_ = std::max(experts_, uint32_t(count.getInt()));
        topK_ = uint32_t(launch.getConstants().getAs<mlir::IntegerAttr>("top_k").getInt());
      }
  });
}

mlir::RankedTensorType LaunchCosts::typeOf(npu::LaunchOp launch, npu::OperandAttr operand) const {
  const mlir::StringAttr name = operand.getName().getAttr();
  const auto stepTensor = [&](mlir::ArrayAttr names, llvm::ArrayRef<mlir::Type> types) {
    const auto found = llvm::find(names, name);
    return mlir::cast<mlir::RankedTensorType>(types[size_t(found - names.begin())]);
  };
  npu::EntryOp entry = entry_; // MLIR's handles are not const
  switch (operand.getSpace()) {
  case npu::Space::Arena:
    return mlir::cast<npu::BufferOp>(symbols_.lookup(name)).getTensorType();
  case npu::Space::Input:
    return stepTensor(entry.getArgNames(), entry.getFunctionType().getInputs());
  case npu::Space::Output:
    return stepTensor(entry.getResNames(), entry.getFunctionType().getResults());
  case npu::Space::Constant: {
    auto constant = mlir::cast<npu::ConstantOp>(symbols_.lookup(name));
    auto type = mlir::cast<mlir::RankedTensorType>(constant.getValue().getType());
    return constant.getPerRank()
               ? mlir::RankedTensorType::get(type.getShape().drop_front(), type.getElementType())
               : type;
  }
  case npu::Space::Parameter: {
    auto body = launch->getParentOfType<npu::BodyOp>();
    const auto call = calls_.find(body);
    if (call == calls_.end())
      return {};
    for (auto [parameter, binding] :
         llvm::zip(body.getParameters().getAsRange<npu::ParameterAttr>(),
                   npu::CallOp(call->second).getBindings().getAsRange<npu::BindingAttr>()))
      if (parameter.getName().getAttr() == name && binding.getKind() == npu::BindingKind::Weight)
        return mlir::cast<npu::WeightOp>(symbols_.lookup(binding.getWeight().getValue()))
            .getTensorType();
    return {}; // the KV cache
  }
  }
  failInternal("unknown space of an operand");
}

Cost LaunchCosts::costOf(npu::LaunchOp launch, const KernelSpec &spec) const {
  Cost cost;
  cost.kind = classOf(spec);
  cost.activations = has(spec, "dtype") ? spec.dtype() : DType::Float32;
  cost.weights = cost.activations;
  double elements = 0;
  mlir::RankedTensorType factor; // the weight of a product
  llm::Symbol rows = llm::Symbol::One;
  const auto add = [&](npu::OperandAttr operand) {
    const mlir::RankedTensorType type = typeOf(launch, operand);
    if (!type)
      return;
    llm::Symbol symbol;
    const uint64_t count = elementsPerRow(type, symbol);
    const DType dtype = dtypeOf(type.getElementType());
    const uint64_t bytes = count * byteSize(dtype);
    const bool isTable = spec.op == "embedding" || spec.op == "gather_rows";
    if (operand.getSpace() == npu::Space::Parameter) {
      // Scales and norms are small; what is multiplied is the largest.
      if (cost.kind != CostClass::Vector && bytes > cost.fixedBytes) {
        cost.weights = dtype;
        factor = type;
      }
      cost.fixedBytes += isTable ? 0 : bytes;
    } else if (symbol == llm::Symbol::One) {
      cost.fixedBytes += bytes;
    } else if (rows == llm::Symbol::One || symbol == rows) {
      rows = symbol;
      cost.rowBytes += bytes;
      elements += double(count);
    }
  };
  for (mlir::ArrayAttr list : {launch.getOutputs(), launch.getInputs()})
    for (auto operand : list.getAsRange<npu::OperandAttr>())
      add(operand);
  cost.rows = {VinciDim(rows), 1};
  switch (cost.kind) {
  case CostClass::Vector:
    if (spec.op == "embedding" || spec.op == "gather_rows")
      cost.rowBytes *= 2; // a row of the table for each that is written
    if (spec.op == "kv_append" || spec.op == "append_qkv")
      cost.rowBytes += 2 * uint64_t(spec.integer("kv_heads")) * uint64_t(spec.integer("head_dim")) *
                       byteSize(cost.activations);
    cost.rowFlops = vectorFlopsPerElement * elements;
    break;
  case CostClass::GroupedMatmul: {
    // Bytes are those of one of a token's experts. Where groups of ranks bring their tokens, a rank
    // has rows for those of all.
    const uint64_t pairs = uint64_t(spec.integer("rows_per_token") * spec.integer("top_k"));
    cost.groups = integer(spec, "num_experts");
    cost.experts = std::max(cost.groups, experts_);
    cost.topK = std::min(topK_, cost.experts);
    cost.rows.scale = std::max<uint64_t>(pairs / cost.topK, 1);
    cost.rowBytes /= pairs;
    [[fallthrough]];
  }
  case CostClass::Matmul:
    if (factor) {
      cost.n = uint64_t(factor.getDimSize(factor.getRank() - 2));
      cost.k = uint64_t(factor.getDimSize(factor.getRank() - 1));
    } else { // of a body that nothing calls
      cost.n = uint64_t(spec.integer("n"));
      cost.k = uint64_t(spec.integer("k"));
    }
    if (has(spec, "rows")) {
      const uint64_t scale = std::max<uint64_t>(spec.rows().scale, 1);
      cost.rows.scale = scale;
      cost.rowBytes /= scale;
    }
    break;
  case CostClass::Attention:
    cost.heads = integer(spec, "heads");
    cost.kvHeads = integer(spec, "kv_heads");
    cost.headDim = integer(spec, "head_dim");
    cost.fixedBytes = cost.rowBytes = 0;
    break;
  case CostClass::Collective:
    failInternal("a collective is no kernel");
  }
  return cost;
}

} // namespace vinci
