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

LaunchCosts::LaunchCosts(npu::ProgramOp program) : symbols_(program) {
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

/// Each operand is read or written once; what a kernel does otherwise, costOf says.
LaunchCosts::Traffic LaunchCosts::trafficOf(npu::LaunchOp launch) const {
  Traffic traffic;
  const auto add = [&](npu::OperandAttr operand, bool isInput) {
    const mlir::RankedTensorType type = typeOf(launch, operand);
    if (!type)
      return;
    llm::Symbol symbol;
    const uint64_t elements = elementsPerRow(type, symbol);
    const uint64_t bytes = elements * type.getElementTypeBitWidth() / 8;
    if (operand.getSpace() == npu::Space::Parameter) {
      if (bytes > traffic.weightBytes) // scales and biases are small
        traffic.weight = type;
      traffic.weightBytes += bytes;
    } else if (symbol == llm::Symbol::One) {
      traffic.constantBytes += bytes;
    } else if (traffic.rows == llm::Symbol::One || symbol == traffic.rows) {
      traffic.rows = symbol;
      traffic.rowBytes += bytes;
      traffic.rowElements += double(elements);
      if (!isInput)
        traffic.writtenBytes += bytes;
      else if (!traffic.input)
        traffic.input = type;
    }
  };
  for (auto operand : launch.getOutputs().getAsRange<npu::OperandAttr>())
    add(operand, /*isInput=*/false);
  for (auto operand : launch.getInputs().getAsRange<npu::OperandAttr>())
    add(operand, /*isInput=*/true);
  return traffic;
}

void LaunchCosts::addVector(const KernelSpec &spec, const Traffic &traffic, Cost &cost) const {
  cost.rowFlops = vectorFlopsPerElement * traffic.rowElements;
  if (spec.op == "embedding" || spec.op == "gather_rows") {
    // A row of the table is read for each that is written, not the table.
    cost.fixedBytes = traffic.constantBytes;
    cost.rowBytes += traffic.writtenBytes;
  }
  if (spec.op == "kv_append" || spec.op == "append_qkv") // keys and values, into the cache
    cost.rowBytes += 2 * uint64_t(spec.integer("kv_heads")) * uint64_t(spec.integer("head_dim")) *
                     byteSize(cost.activations);
}

void LaunchCosts::addProduct(const KernelSpec &spec, const Traffic &traffic, Cost &cost) const {
  // A body that nothing calls has no weights to ask.
  const auto size = [&](unsigned fromLast, const char *constant) {
    return traffic.weight ? uint64_t(traffic.weight.getDimSize(traffic.weight.getRank() - fromLast))
                          : uint64_t(spec.integer(constant));
  };
  cost.n = size(2, "n"); // of both gate and up, where a kernel makes one of them
  cost.k = size(1, "k");
  if (traffic.weight && traffic.weight.getElementType().isInteger(8))
    cost.weights = DType::Int8;
  if (traffic.input && traffic.input.getElementType().isInteger(8))
    cost.activations = DType::Int8;
  uint64_t rows = has(spec, "rows") ? spec.rows().scale : 1, rowsOfBytes = rows;
  if (cost.kind == CostClass::GroupedMatmul) {
    // Rows are tokens, bytes those of one of a token's experts. Where groups of ranks bring their
    // tokens, a rank has rows for those of all.
    const uint64_t pairs = uint64_t(spec.integer("rows_per_token") * spec.integer("top_k"));
    cost.groups = integer(spec, "num_experts");
    cost.experts = std::max(cost.groups, experts_);
    cost.topK = std::min(topK_, cost.experts);
    rows = std::max<uint64_t>(pairs / cost.topK, 1);
    rowsOfBytes = pairs;
  }
  cost.rows.scale = rows;
  cost.rowBytes /= rowsOfBytes;
}

Cost LaunchCosts::costOf(npu::LaunchOp launch, const KernelSpec &spec) const {
  const Traffic traffic = trafficOf(launch);
  const DType dtype = has(spec, "dtype") ? spec.dtype() : DType::Float32;
  Cost cost{.kind = classOf(spec),
            .weights = dtype,
            .activations = dtype,
            .rows = {VinciDim(traffic.rows), 1},
            .fixedBytes = traffic.weightBytes + traffic.constantBytes,
            .rowBytes = traffic.rowBytes};
  switch (cost.kind) {
  case CostClass::Vector:
    addVector(spec, traffic, cost);
    break;
  case CostClass::Matmul:
  case CostClass::GroupedMatmul:
    addProduct(spec, traffic, cost);
    break;
  case CostClass::Attention: // what it reads follows from the lengths of the sequences
    cost.fixedBytes = cost.rowBytes = 0;
    cost.heads = integer(spec, "heads");
    cost.kvHeads = integer(spec, "kv_heads");
    cost.headDim = integer(spec, "head_dim");
    break;
  case CostClass::Collective:
    failInternal("a collective is no kernel");
  }
  return cost;
}

} // namespace vinci
