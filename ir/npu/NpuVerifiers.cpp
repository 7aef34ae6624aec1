// What makes a device program consistent: every name resolves, every launch writes what may be
// written, every call binds what its body asks for, and every buffer lies in the arena.
#include "ir/llm/Pieces.h"
#include "ir/llm/StepInputs.h"
#include "ir/npu/Npu.h"
#include "ir/npu/Sizes.h"
#include "runtime/support/dtype.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace vinci::npu {

/// The passes look at pairs of commands; this bounds their time and memory.
static constexpr int64_t maxCommands = 4096;
static constexpr size_t maxOperands = 16;

template <typename... Members>
static LogicalResult holdsOnly(Operation *op, Block &block, StringRef legal) {
  for (Operation &member : block)
    if (!isa<Members...>(member))
      return member.emitOpError() << "is not allowed in " << op->getName() << "; legal are "
                                  << legal;
  return success();
}

//===- Program and its members ----------------------------------------------------------------===//

LogicalResult ProgramOp::verify() {
  if (getArenaBytes() && (static_cast<int64_t>(*getArenaBytes()) < 0 ||
                          static_cast<int64_t>(*getArenaBytes()) > maxArenaBytes))
    return emitOpError() << "has an arena of " << static_cast<int64_t>(*getArenaBytes())
                         << " bytes; legal are 0 to " << maxArenaBytes;
  return success();
}

LogicalResult ProgramOp::verifyRegions() {
  Block &block = getBody().front();
  if (failed(holdsOnly<KvCacheOp, ConstantOp, WeightOp, BufferOp, BodyOp, EntryOp>(
          *this, block, "kv_cache, constant, weight, buffer, body and entry of npu")))
    return failure();
  auto caches = block.getOps<KvCacheOp>();
  if (!caches.empty() && std::next(caches.begin()) != caches.end())
    return (*std::next(caches.begin())).emitOpError()
           << "is the second; all layers share one geometry";

  llm::LimitsAttr limits = llm::findLimits(*this);
  if (!limits)
    return emitOpError() << "needs the module attribute " << llm::LlmDialect::limitsAttrName;
  for (BufferOp buffer : block.getOps<BufferOp>()) {
    std::optional<int64_t> bytes = bytesAtLimits(buffer.getTensorType(), limits);
    if (!bytes)
      return buffer.emitOpError() << "@" << buffer.getSymName() << " of type " << buffer.getType()
                                  << " has more than " << maxArenaBytes << " bytes at the limits";
    if (!getArenaBytes())
      continue;
    if (!buffer.getOffset())
      return buffer.emitOpError() << "@" << buffer.getSymName()
                                  << " has no offset, but the program has an arena";
    if (static_cast<int64_t>(*buffer.getOffset() + *bytes) > static_cast<int64_t>(*getArenaBytes()))
      return buffer.emitOpError() << "@" << buffer.getSymName() << " ends at byte "
                                  << *buffer.getOffset() + *bytes << ", past the arena's "
                                  << static_cast<int64_t>(*getArenaBytes());
  }
  return success();
}

LogicalResult KvCacheOp::verify() {
  int64_t layers = getLayers();
  if (layers < 1 || layers > llm::maxHiddenLayers)
    return emitOpError() << "is for " << layers << " layers; legal are 1 to "
                         << llm::maxHiddenLayers;
  return success();
}

LogicalResult ConstantOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getType());
  if (!isa<DenseElementsAttr>(getValue()) || !type || elementBytes(type.getElementType()) != 4)
    return emitOpError() << "@" << getSymName() << " is " << getValue().getType()
                         << "; legal are dense tensors of f32 and i32";
  return success();
}

LogicalResult WeightOp::verify() {
  RankedTensorType type = dyn_cast<RankedTensorType>(getType());
  if (!type || !llm::hasNamedDims(type) || !type.hasStaticShape() ||
      elementBytes(type.getElementType()) == 0)
    return emitOpError() << "@" << getSymName() << " is " << getType()
                         << "; legal are static tensors of f32, bf16, f16, i8 and i32";
  for (llm::PieceAttr piece : getPieceList()) {
    StringRef source = piece.getSource();
    if (source.empty() || source.contains("{layer}") ||
        source.contains("{}") != getStack().has_value())
      return emitOpError() << "@" << getSymName() << " has the source \"" << source
                           << "\"; legal is the name of a checkpoint tensor, with {} if and only "
                              "if it is a stack";
  }
  if (failed(llm::verifyPieces(*this, getPieces(), getStack(), type)) ||
      failed(llm::verifyEqual(*this, getEqual(), getPieces(), getStack())))
    return failure();
  const bool matrix = getMatrixShape().size() == 2;
  if (getPacking() == Packing::Panel32 && (!matrix || type.getElementType().isInteger(32)))
    return emitOpError() << "@" << getSymName() << " is a " << (!matrix ? "vector" : "table of i32")
                         << "; only matrices of floats and i8 are packed in panels";
  if (getPacking() == Packing::Panel12 && (!matrix || !type.getElementType().isBF16()))
    return emitOpError() << "@" << getSymName() << " is a "
                         << (!matrix ? "vector" : "matrix of another type")
                         << "; only matrices of bf16 are packed as panel12";
  return success();
}

LogicalResult BufferOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !llm::hasNamedDims(type) || elementBytes(type.getElementType()) == 0)
    return emitOpError()
           << "@" << getSymName() << " is " << getType()
           << "; legal are tensors of f32, bf16, f16, i8 and i32 with named dynamic dimensions";
  int64_t offset = getOffset().value_or(0);
  if (offset < 0 || offset > maxArenaBytes || offset % arenaAlignment != 0)
    return emitOpError() << "@" << getSymName() << " is at " << offset
                         << "; offsets are multiples of " << arenaAlignment << " from 0 to "
                         << maxArenaBytes;
  return success();
}

//===- Bodies and launches --------------------------------------------------------------------===//

ParameterAttr BodyOp::findParameter(StringRef name) {
  for (auto parameter : getParameters().getAsRange<ParameterAttr>())
    if (parameter.getName().getValue() == name)
      return parameter;
  return {};
}

LogicalResult BodyOp::verify() {
  llvm::StringSet<> seen;
  for (auto parameter : getParameters().getAsRange<ParameterAttr>())
    if (parameter.getKind() == BindingKind::Nothing)
      return emitOpError() << "@" << getSymName() << " has a parameter '"
                           << parameter.getName().getValue()
                           << "' that stands for nothing; legal are weight and kv_cache";
    else if (!seen.insert(parameter.getName().getValue()).second)
      return emitOpError() << "@" << getSymName() << " has two parameters named '"
                           << parameter.getName().getValue() << "'";
  return success();
}

/// Events are recorded once each, in order, and a stream waits for earlier ones of others.
static LogicalResult verifyEvents(BodyOp body) {
  SmallVector<Stream> recorded; // of each event, the stream
  for (Operation &op : body.getBlock()) {
    if (auto record = dyn_cast<RecordOp>(op)) {
      if (record.getEvent() != recorded.size())
        return op.emitOpError() << "is of event " << static_cast<int64_t>(record.getEvent())
                                << "; events are numbered in the order in which they are recorded, "
                                   "the next is "
                                << recorded.size();
      recorded.push_back(record.getStream());
    } else if (auto wait = dyn_cast<WaitOp>(op)) {
      if (wait.getEvent() >= recorded.size())
        return op.emitOpError() << "is for event " << static_cast<int64_t>(wait.getEvent())
                                << ", which is not recorded before it";
      if (recorded[wait.getEvent()] == wait.getStream())
        return op.emitOpError() << "lets the stream " << stringifyStream(wait.getStream())
                                << " wait for event " << static_cast<int64_t>(wait.getEvent())
                                << " of its own; commands of a stream follow each other anyway";
    }
  }
  return success();
}

LogicalResult BodyOp::verifyRegions() {
  if (failed(holdsOnly<LaunchOp, PrefetchOp, RecordOp, WaitOp>(
          *this, getBlock(), "npu.launch, npu.prefetch, npu.record and npu.wait")))
    return failure();
  int64_t count = 0;
  for (CommandOpInterface command : getCommands()) {
    for (int32_t wait : command.getWaits().value_or(ArrayRef<int32_t>()))
      if (wait < 0 || wait >= count)
        return command->emitOpError() << "is command " << count << " and waits for " << wait
                                      << "; legal are earlier commands, 0 to " << count - 1;
    ++count;
  }
  if (count > maxCommands)
    return emitOpError() << "@" << getSymName() << " has " << count << " commands; at most "
                         << maxCommands << " are legal";
  return verifyEvents(*this);
}

/// The element types among a kernel's constants that a module's llm.precision decides.
struct KeptConstant {
  StringLiteral kernel, name;
  llm::PrecisionRegion region;
  StringLiteral flag = ""; ///< a constant without which the type means nothing
};
static constexpr KeptConstant keptConstants[] = {
    {"rms_norm", "dtype", llm::PrecisionRegion::Compute},
    {"rms_norm", "compute", llm::PrecisionRegion::Layernorm},
    {"add_rms_norm", "dtype", llm::PrecisionRegion::Compute},
    {"add_rms_norm", "compute", llm::PrecisionRegion::Layernorm},
    {"rms_norm_quant", "dtype", llm::PrecisionRegion::Compute},
    {"rms_norm_quant", "compute", llm::PrecisionRegion::Layernorm},
    {"rope_table", "dtype", llm::PrecisionRegion::Rotary},
    {"rope", "dtype", llm::PrecisionRegion::Compute},
    {"rope", "compute", llm::PrecisionRegion::Rotary},
    {"rope_qk", "dtype", llm::PrecisionRegion::Compute},
    {"rope_qk", "compute", llm::PrecisionRegion::Rotary},
    {"attention", "dtype", llm::PrecisionRegion::Compute},
    {"attention", "softmax", llm::PrecisionRegion::Softmax},
    {"split_qkv", "dtype", llm::PrecisionRegion::Compute},
    {"split_qkv", "compute", llm::PrecisionRegion::Layernorm, "norm"},
    {"split_qkv", "rotary", llm::PrecisionRegion::Rotary, "rope"},
    {"append_qkv", "dtype", llm::PrecisionRegion::Compute},
    {"append_qkv", "compute", llm::PrecisionRegion::Layernorm, "norm"},
    {"append_qkv", "rotary", llm::PrecisionRegion::Rotary, "rope"},
    {"matmul", "dtype", llm::PrecisionRegion::Compute},
    {"matmul_all_reduce", "dtype", llm::PrecisionRegion::Compute},
    {"grouped_matmul", "dtype", llm::PrecisionRegion::Compute},
    {"grouped_matmul_swiglu", "dtype", llm::PrecisionRegion::Compute}};

/// The type of this name, or null.
static Type elementType(MLIRContext *context, StringRef name) {
  std::optional<DType> type = parseDType({name.data(), name.size()});
  if (type == DType::Float32)
    return Float32Type::get(context);
  if (type == DType::BFloat16)
    return BFloat16Type::get(context);
  if (type == DType::Float16)
    return Float16Type::get(context);
  return {};
}

static LogicalResult verifyKeptConstants(LaunchOp launch) {
  for (const KeptConstant &kept : keptConstants) {
    auto name = launch.getConstants().getAs<StringAttr>(kept.name);
    if (kept.kernel != launch.getKernel() || !name)
      continue;
    auto flag = launch.getConstants().getAs<IntegerAttr>(kept.flag);
    if (!kept.flag.empty() && flag && flag.getValue().isZero())
      continue;
    Type type = elementType(launch.getContext(), name);
    std::string what = ("of " + kept.kernel + " has " + kept.name).str();
    if (type && failed(llm::verifyKept(launch, kept.region, what, type)))
      return failure();
  }
  return success();
}

static LogicalResult verifyCollective(LaunchOp launch) {
  llm::MeshAttr mesh = llm::findMesh(launch);
  ArrayRef<int64_t> axes = *launch.getAxes();
  if (!mesh || axes.empty() || axes.front() < 0 || axes.back() >= int64_t(mesh.getAxes().size()) ||
      !llvm::is_sorted(axes, std::less_equal<>()))
    return launch.emitOpError()
           << "goes over the axes [" << axes
           << "]; legal are ascending indices of the axes of the module's llm.mesh";
  if (launch.getKernel() == "matmul_all_reduce")
    return success(); // its operands are those of the catalogue's matmul
  if (!llvm::is_contained({"all_reduce", "all_gather", "reduce_scatter"}, launch.getKernel()))
    return launch.emitOpError() << "is the collective \"" << launch.getKernel()
                                << "\"; legal are all_reduce, all_gather, reduce_scatter and "
                                   "matmul_all_reduce";
  if (launch.getOutputs().size() != 1 || launch.getInputs().size() != 1)
    return launch.emitOpError() << "is a collective with " << launch.getOutputs().size()
                                << " outputs and " << launch.getInputs().size()
                                << " inputs; it has one of each";
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getKernel().empty())
    return emitOpError() << "names no kernel";
  if (getOutputs().empty())
    return emitOpError() << "writes nothing";
  if (getOutputs().size() + getInputs().size() > maxOperands)
    return emitOpError() << "has " << getOutputs().size() + getInputs().size()
                         << " operands; at most " << maxOperands << " are legal";
  for (NamedAttribute constant : getConstants()) {
    Attribute value = constant.getValue();
    auto integer = dyn_cast<IntegerAttr>(value);
    auto real = dyn_cast<FloatAttr>(value);
    if (!isa<StringAttr>(value) && !(integer && integer.getType().isInteger(64)) &&
        !(real && real.getType().isF64()))
      return emitOpError() << "has the constant " << constant.getName().getValue() << " = " << value
                           << "; legal are i64, f64 and strings";
  }
  if (getAxes() && failed(verifyCollective(*this)))
    return failure();
  return verifyKeptConstants(*this);
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto body = cast<BodyOp>((*this)->getParentOp());
  auto unknown = [&](OperandAttr operand, StringRef legal) {
    return emitOpError() << "names " << stringifySpace(operand.getSpace()) << " "
                         << operand.getName() << "; " << legal;
  };
  static constexpr StringLiteral inputs[] = {"token_ids",    "positions",    "slot_mapping",
                                             "query_start",  "context_lens", "block_tables",
                                             "logit_indices"};
  for (auto [list, writes] : {std::pair(getOutputs(), true), std::pair(getInputs(), false)})
    for (auto operand : list.getAsRange<OperandAttr>()) {
      FlatSymbolRefAttr name = operand.getName();
      switch (operand.getSpace()) {
      case Space::Arena:
        if (!symbols.lookupNearestSymbolFrom<BufferOp>(*this, name))
          return unknown(operand, "the program has no such buffer");
        break;
      case Space::Constant:
        if (!symbols.lookupNearestSymbolFrom<ConstantOp>(*this, name))
          return unknown(operand, "the program has no such constant");
        break;
      case Space::Parameter: {
        ParameterAttr parameter = body.findParameter(name.getValue());
        if (!parameter)
          return unknown(operand, "the body has no such parameter");
        if (writes && parameter.getKind() == BindingKind::Weight)
          return emitOpError() << "writes the weight " << name << "; weights are read-only";
        break;
      }
      case Space::Input:
        if (!llvm::is_contained(inputs, name.getValue()))
          return unknown(operand, "a step has no such input");
        break;
      case Space::Output:
        if (name.getValue() != llm::logitsName)
          return unknown(operand, "the output of a step is @logits");
        break;
      }
      if (writes && (operand.getSpace() == Space::Constant || operand.getSpace() == Space::Input))
        return emitOpError() << "writes " << stringifySpace(operand.getSpace()) << " " << name
                             << ", which is read-only";
    }
  return success();
}

LogicalResult PrefetchOp::verify() {
  const double share = getShare().convertToDouble();
  if (!(share > 0 && share <= 1))
    return emitOpError() << "of " << getWeightAttr() << " has the share " << getShareAttr()
                         << "; legal are shares above 0 and up to 1";
  if (getMinTokens() && (static_cast<int64_t>(*getMinTokens()) < 0 ||
                         static_cast<int64_t>(*getMinTokens()) > INT32_MAX))
    return emitOpError() << "is for steps from " << static_cast<int64_t>(*getMinTokens())
                         << " tokens; legal are 0 to " << INT32_MAX;
  return success();
}

LogicalResult PrefetchOp::verifySymbolUses(SymbolTableCollection &) {
  ParameterAttr parameter = cast<BodyOp>((*this)->getParentOp()).findParameter(getWeight());
  if (!parameter)
    return emitOpError() << "names parameter " << getWeightAttr()
                         << "; the body has no such parameter";
  if (parameter.getKind() != BindingKind::Weight)
    return emitOpError() << "names parameter " << getWeightAttr() << ", which is a "
                         << stringifyBindingKind(parameter.getKind())
                         << "; weights alone are fetched ahead";
  return success();
}

LogicalResult RecordOp::verify() {
  return success(); // with the other events of its body
}

LogicalResult WaitOp::verify() {
  return success(); // with the other events of its body
}

//===- Entries and calls ----------------------------------------------------------------------===//

LogicalResult EntryOp::verify() {
  FunctionType type = getFunctionType();
  if (type.getNumInputs() != getArgNames().size() || type.getNumResults() != getResNames().size())
    return emitOpError() << "@" << getSymName() << " has " << type.getNumInputs() << " inputs and "
                         << type.getNumResults() << " outputs, but names " << getArgNames().size()
                         << " and " << getResNames().size();
  for (ArrayRef<Type> types : {type.getInputs(), type.getResults()})
    for (Type tensor : types)
      if (!llm::hasNamedDims(tensor) ||
          elementBytes(cast<RankedTensorType>(tensor).getElementType()) == 0)
        return emitOpError()
               << "@" << getSymName() << " has a step tensor of type " << tensor
               << "; legal are tensors of f32, bf16, f16, i8 and i32 with named dynamic dimensions";
  return success();
}

LogicalResult EntryOp::verifyRegions() {
  return holdsOnly<CallOp>(*this, getBlock(), "npu.call");
}

LogicalResult CallOp::verify() {
  if (getLayer() && (static_cast<int64_t>(*getLayer()) < 0 ||
                     static_cast<int64_t>(*getLayer()) >= llm::maxHiddenLayers))
    return emitOpError() << "is for layer " << static_cast<int64_t>(*getLayer())
                         << "; legal are 0 to " << llm::maxHiddenLayers - 1;
  return success();
}

/// True if a launch, and not prefetches alone, names the parameter.
static bool isLaunchedWith(BodyOp body, StringRef parameter) {
  for (auto launch : body.getBlock().getOps<LaunchOp>())
    for (ArrayAttr list : {launch.getOutputs(), launch.getInputs()})
      for (auto operand : list.getAsRange<OperandAttr>())
        if (operand.getSpace() == Space::Parameter && operand.getName().getValue() == parameter)
          return true;
  return false;
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto body = symbols.lookupNearestSymbolFrom<BodyOp>(*this, getCalleeAttr());
  if (!body)
    return emitOpError() << "calls @" << getCallee()
                         << ", and the program has no npu.body of this name";
  if (body.getParameters().size() != getBindings().size())
    return emitOpError() << "binds " << getBindings().size() << " parameters, but body @"
                         << getCallee() << " has " << body.getParameters().size();
  for (auto [parameter, binding] : llvm::zip(body.getParameters().getAsRange<ParameterAttr>(),
                                             getBindings().getAsRange<BindingAttr>())) {
    StringRef name = parameter.getName().getValue();
    if (binding.getKind() == BindingKind::Nothing) {
      if (isLaunchedWith(body, name))
        return emitOpError() << "binds nothing to parameter '" << name
                             << "', which launches of the body name";
      continue;
    }
    if (parameter.getKind() != binding.getKind())
      return emitOpError() << "binds a " << stringifyBindingKind(binding.getKind())
                           << " to parameter '" << name << "', which is a "
                           << stringifyBindingKind(parameter.getKind());
    if (binding.getKind() == BindingKind::Weight) {
      if (!symbols.lookupNearestSymbolFrom<WeightOp>(*this, binding.getWeight()))
        return emitOpError() << "binds weight " << binding.getWeight()
                             << ", which the program does not have";
      continue;
    }
    auto program = (*this)->getParentOfType<ProgramOp>();
    auto caches = program.getBody().front().getOps<KvCacheOp>();
    int64_t layers = caches.empty() ? 0 : (*caches.begin()).getLayers();
    if (binding.getLayer() < 0 || binding.getLayer() >= layers)
      return emitOpError() << "binds the KV cache of layer " << binding.getLayer()
                           << "; the program has " << layers << " layers of cache";
  }
  return success();
}

} // namespace vinci::npu
