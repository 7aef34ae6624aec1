// llm -> npu: one launch per op, one npu.weight per weight and layer. See Passes.td.
#include "passes/lower/Kernels.h"
#include "passes/lower/Storage.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_LOWERTONPU
#include "passes/Passes.h.inc"

namespace {

/// A parameter of a device body: a weight as one kernel reads it, or (without a weight) the KV
/// cache.
struct Parameter {
  llm::WeightOp weight;
  npu::Packing packing = npu::Packing::Rows;
  std::string name;
};

/// A body on its way to the device.
struct LoweredBody {
  npu::BodyOp device;
  std::vector<Parameter> parameters;
};

class LowerToNpu : public impl::LowerToNpuBase<LowerToNpu> {
  void runOnOperation() override;

  LogicalResult lower();
  LogicalResult lowerKvCache(OpBuilder &builder);
  void lowerConstants(OpBuilder &builder);
  void lowerBuffers(OpBuilder &builder);
  LogicalResult lowerBody(llm::BodyOp body, OpBuilder &builder);
  void lowerEntry(llm::EntryOp entry, OpBuilder &builder);
  Attribute bind(const Parameter &parameter, std::optional<int64_t> layer);

  llm::LimitsAttr limits_;
  npu::ProgramOp program_;
  std::optional<OpBuilder> weightBuilder_; // before the buffers
  std::vector<llm::BodyOp> bodies_;
  std::vector<llm::EntryOp> entries_;
  std::optional<Storage> storage_;
  NameTable names_;
  DenseMap<Operation *, LoweredBody> lowered_;
  /// The npu.weight for (pieces, type, stack, packing and equal tensors).
  DenseMap<std::pair<Attribute, Attribute>, FlatSymbolRefAttr> weights_;
};

void LowerToNpu::runOnOperation() {
  // A pass object runs on one module after another.
  weightBuilder_.reset();
  bodies_.clear();
  entries_.clear();
  storage_.reset();
  names_ = {};
  lowered_.clear();
  weights_.clear();
  if (failed(lower()))
    signalPassFailure();
}

LogicalResult LowerToNpu::lower() {
  ModuleOp module = getOperation();
  limits_ = llm::findLimits(module);
  llvm::append_range(entries_, module.getOps<llm::EntryOp>());
  if (entries_.empty())
    return emitError(module.getLoc())
           << "the module has no llm.entry; a model needs prefill, decode or score";
  llvm::DenseSet<Operation *> called;
  for (llm::EntryOp entry : entries_)
    for (auto call : entry.getBlock().getOps<llm::CallOp>())
      called.insert(SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr()));
  for (auto body : module.getOps<llm::BodyOp>())
    if (called.contains(body))
      bodies_.push_back(body);

  // The runtime asks for entries by name, so those come first.
  for (llm::EntryOp entry : entries_)
    names_.unique(entry.getSymName());
  for (llm::BodyOp body : bodies_)
    names_.unique(body.getSymName());
  FailureOr<Storage> storage = Storage::assign(bodies_, entries_, names_);
  if (failed(storage))
    return failure();
  storage_ = std::move(*storage);

  auto builder = OpBuilder::atBlockEnd(module.getBody());
  program_ = builder.create<npu::ProgramOp>(module.getLoc());
  builder.setInsertionPointToStart(&program_.getBody().front());
  if (failed(lowerKvCache(builder)))
    return failure();
  lowerConstants(builder);
  lowerBuffers(builder);
  for (llm::BodyOp body : bodies_)
    if (failed(lowerBody(body, builder)))
      return failure();
  for (llm::EntryOp entry : entries_)
    lowerEntry(entry, builder);

  for (llm::EntryOp entry : entries_)
    entry.erase();
  for (auto body : llvm::make_early_inc_range(module.getOps<llm::BodyOp>()))
    body.erase();
  return success();
}

LogicalResult LowerToNpu::lowerKvCache(OpBuilder &builder) {
  llm::KvCacheOp first;
  for (llm::BodyOp body : bodies_)
    for (auto cache : body.getBlock().getOps<llm::KvCacheOp>()) {
      if (!first)
        first = cache;
      if (cache.getType() != first.getType())
        return cache.emitOpError() << "is " << cache.getType() << ", but another layer has "
                                   << first.getType() << "; all layers share one geometry";
    }
  if (first)
    builder.create<npu::KvCacheOp>(first.getLoc(), llm::findModel(first).getNumHiddenLayers(),
                                   cast<llm::KvCacheType>(first.getType()));
  return success();
}

void LowerToNpu::lowerConstants(OpBuilder &builder) {
  for (llm::BodyOp body : bodies_)
    for (Operation &op : body.getBlock())
      if (isConstant(&op))
        if (auto name = storage_->operandFor(op.getResult(0)).getName();
            !program_.lookupSymbol(name))
          builder.create<npu::ConstantOp>(op.getLoc(), name.getValue(),
                                          op.getAttrOfType<ElementsAttr>("value"),
                                          isa<llm::RankConstantOp>(op));
}

void LowerToNpu::lowerBuffers(OpBuilder &builder) {
  Operation *firstBuffer = nullptr;
  for (const Storage::Location &location : storage_->locations()) {
    if (location.space != npu::Space::Arena)
      continue;
    auto buffer =
        builder.create<npu::BufferOp>(location.loc, location.name, IntegerAttr(), location.type);
    firstBuffer = firstBuffer ? firstBuffer : buffer;
  }
  weightBuilder_ = builder;
  if (firstBuffer)
    weightBuilder_->setInsertionPoint(firstBuffer);
}

LogicalResult LowerToNpu::lowerBody(llm::BodyOp body, OpBuilder &builder) {
  std::vector<std::pair<Operation *, Kernel>> kernels;
  for (Operation &op : body.getBlock()) {
    if (!isCompute(&op))
      continue;
    FailureOr<Kernel> kernel = kernelFor(&op, limits_);
    if (failed(kernel))
      return failure();
    kernels.emplace_back(&op, std::move(*kernel));
  }

  // Parameters in the order in which the body declares them; a weight has one for each way in which
  // it is read.
  LoweredBody &lowered = lowered_[body];
  NameTable names;
  for (Operation &op : body.getBlock()) {
    if (auto weight = dyn_cast<llm::WeightOp>(op)) {
      for (npu::Packing packing :
           {npu::Packing::Rows, npu::Packing::Panel32, npu::Packing::Panel12})
        if (llvm::any_of(kernels, [&](auto &entry) {
              return llvm::any_of(entry.second.inputs, [&](const KernelInput &input) {
                return input.value == weight.getResult() && input.packing == packing;
              });
            }))
          lowered.parameters.push_back({weight, packing, names.unique(weight.getSymName())});
    } else if (isa<llm::KvCacheOp>(op) && !op.use_empty()) {
      lowered.parameters.push_back({{}, {}, names.unique("kv_cache")});
    }
  }
  auto operandFor = [&](Value value, npu::Packing packing) {
    auto weight = value.getDefiningOp<llm::WeightOp>();
    for (const Parameter &parameter : lowered.parameters)
      if (parameter.weight == weight && parameter.packing == packing &&
          (weight || isa<llm::KvCacheType>(value.getType())))
        return npu::OperandAttr::get(&getContext(), npu::Space::Parameter,
                                     FlatSymbolRefAttr::get(&getContext(), parameter.name));
    return storage_->operandFor(value);
  };

  SmallVector<Attribute> parameters;
  for (const Parameter &parameter : lowered.parameters)
    parameters.push_back(npu::ParameterAttr::get(
        &getContext(), parameter.weight ? npu::BindingKind::Weight : npu::BindingKind::KvCache,
        FlatSymbolRefAttr::get(&getContext(), parameter.name)));
  lowered.device = builder.create<npu::BodyOp>(body.getLoc(), body.getSymName(), parameters);
  auto launches = OpBuilder::atBlockEnd(&lowered.device.getBlock());
  for (auto &[op, kernel] : kernels) {
    SmallVector<Attribute> outputs, inputs;
    for (Value output : kernel.outputs)
      outputs.push_back(operandFor(output, npu::Packing::Rows));
    for (const KernelInput &input : kernel.inputs)
      inputs.push_back(operandFor(input.value, input.packing));
    launches.create<npu::LaunchOp>(
        op->getLoc(), kernel.name, launches.getArrayAttr(outputs), launches.getArrayAttr(inputs),
        kernel.constants.getDictionary(&getContext()),
        kernel.axes.empty() ? DenseI64ArrayAttr() : launches.getDenseI64ArrayAttr(kernel.axes),
        DenseI32ArrayAttr(), npu::StreamAttr());
  }
  return success();
}

/// The name of a tensor with the layer filled in.
StringAttr sourceFor(StringAttr name, std::optional<int64_t> layer) {
  std::string source = name.str();
  if (size_t at = source.find("{layer}"); at != std::string::npos)
    source.replace(at, StringRef("{layer}").size(), std::to_string(*layer));
  return StringAttr::get(name.getContext(), source);
}

/// The pieces with the layer filled in.
ArrayAttr piecesFor(llm::WeightOp weight, std::optional<int64_t> layer) {
  SmallVector<Attribute> pieces;
  for (llm::PieceAttr piece : weight.getPieceList())
    pieces.push_back(llm::PieceAttr::get(weight.getContext(), sourceFor(piece.getSource(), layer),
                                         piece.getShape(), piece.getShards()));
  return ArrayAttr::get(weight.getContext(), pieces);
}

/// The tensors that are equal to it, likewise; null if there are none.
ArrayAttr equalFor(llm::WeightOp weight, std::optional<int64_t> layer) {
  SmallVector<Attribute> equal;
  if (!weight.getEqual())
    return {};
  for (auto name : weight.getEqualAttr().getAsRange<StringAttr>())
    equal.push_back(sourceFor(name, layer));
  return ArrayAttr::get(weight.getContext(), equal);
}

Attribute LowerToNpu::bind(const Parameter &parameter, std::optional<int64_t> layer) {
  if (!parameter.weight)
    return npu::BindingAttr::get(&getContext(), *layer);
  llm::WeightOp weight = parameter.weight;
  Builder builder(&getContext());
  ArrayAttr pieces = piecesFor(weight, layer), equal = equalFor(weight, layer);
  Attribute shape =
      builder.getArrayAttr({TypeAttr::get(weight.getResult().getType()),
                            builder.getI64IntegerAttr(static_cast<int64_t>(parameter.packing)),
                            builder.getBoolAttr(weight.getStack().has_value()),
                            equal ? equal : builder.getArrayAttr({})});
  FlatSymbolRefAttr &symbol = weights_[{pieces, shape}];
  if (!symbol) {
    std::string name = weight.isLayered()
                           ? "layers." + std::to_string(*layer) + "." + weight.getSymName().str()
                           : weight.getSymName().str();
    symbol = FlatSymbolRefAttr::get(&getContext(), names_.unique(name));
    weightBuilder_->create<npu::WeightOp>(weight.getLoc(), symbol.getValue(), pieces,
                                          weight.getStackAttr(), equal, parameter.packing,
                                          weight.getResult().getType());
  }
  return npu::BindingAttr::get(symbol);
}

void LowerToNpu::lowerEntry(llm::EntryOp entry, OpBuilder &builder) {
  auto device =
      builder.create<npu::EntryOp>(entry.getLoc(), entry.getSymName(), entry.getFunctionType(),
                                   entry.getArgNames(), entry.getResNames());
  auto calls = OpBuilder::atBlockEnd(&device.getBlock());
  for (auto call : entry.getBlock().getOps<llm::CallOp>()) {
    Operation *body = SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr());
    std::optional<int64_t> layer;
    if (call.getLayer())
      layer = *call.getLayer();
    SmallVector<Attribute> bindings;
    for (const Parameter &parameter : lowered_[body].parameters)
      bindings.push_back(bind(parameter, layer));
    calls.create<npu::CallOp>(call.getLoc(), call.getCallee(), call.getLayerAttr(),
                              calls.getArrayAttr(bindings));
  }
}

} // namespace
} // namespace vinci
