// What makes a module of bodies, entries and calls a model: signatures, names, layers.
#include "ir/llm/Llm.h"
#include "ir/llm/Pieces.h"
#include "ir/llm/StepInputs.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace vinci::llm {

//===- Signatures -----------------------------------------------------------------------------===//

/// Lower-case identifiers with dots: what names of buffers, parameters and step tensors are made
/// of.
static bool isName(StringRef name) {
  return !name.empty() && llvm::isAlpha(name.front()) &&
         llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
}

static LogicalResult verifyName(Operation *op, StringRef what, StringRef name) {
  if (isName(name))
    return success();
  return op->emitOpError() << "names " << what << " '" << name
                           << "'; a name is a letter followed by letters, digits, '_' and '.'";
}

static LogicalResult verifyTensor(Operation *op, StringRef what, Type type) {
  if (hasNamedDims(type))
    return success();
  return op->emitOpError()
         << what << " is of type " << type
         << "; legal are tensors whose dynamic dimensions are all named by #llm.dims, of at most "
         << maxElements << " elements";
}

/// The entry block's arguments are what the type and the names say.
static LogicalResult verifySignature(Operation *op, Block &block, FunctionType type,
                                     ArrayAttr names) {
  if (names.size() != type.getNumInputs())
    return op->emitOpError() << "names " << names.size() << " arguments, but its type has "
                             << type.getNumInputs();
  if (block.getArgumentTypes() != type.getInputs())
    return op->emitOpError() << "has arguments that differ from its type " << type;
  llvm::StringSet<> seen;
  for (auto [name, input] : llvm::zip(names.getAsValueRange<StringAttr>(), type.getInputs())) {
    if (failed(verifyName(op, "an argument", name)))
      return failure();
    if (!seen.insert(name).second)
      return op->emitOpError() << "has two arguments named '" << name << "'";
    if (failed(verifyTensor(op, ("argument '" + name + "'").str(), input)))
      return failure();
  }
  for (auto [index, result] : llvm::enumerate(type.getResults()))
    if (failed(verifyTensor(op, "result #" + std::to_string(index), result)))
      return failure();
  return success();
}

LogicalResult ReturnOp::verify() {
  Operation *parent = (*this)->getParentOp();
  auto type = parent->getAttrOfType<TypeAttr>("function_type");
  auto function = type ? dyn_cast<FunctionType>(type.getValue()) : FunctionType();
  if (!function)
    return emitOpError() << "stands in an op without a function type";
  if (function.getNumResults() != getNumOperands())
    return emitOpError() << "returns " << getNumOperands() << " values, but " << parent->getName()
                         << " has " << function.getNumResults() << " results";
  for (auto [index, type] : llvm::enumerate(getOperandTypes()))
    if (type != function.getResult(index))
      return emitOpError() << "returns " << type << " as result #" << index << ", but "
                           << parent->getName() << " declares " << function.getResult(index);
  return success();
}

//===- Bodies ---------------------------------------------------------------------------------===//

bool BodyOp::isLayered() {
  return llvm::any_of(getBlock(), [](Operation &op) {
    auto weight = dyn_cast<WeightOp>(op);
    return isa<KvCacheOp>(op) || (weight && weight.isLayered());
  });
}

LogicalResult BodyOp::verify() {
  if (failed(verifyName(*this, "itself", getSymName())))
    return failure();
  return verifySignature(*this, getBlock(), getFunctionType(), getArgNames());
}

LogicalResult BodyOp::verifyRegions() {
  llvm::StringMap<Operation *> names;
  Operation *cache = nullptr;
  for (Operation &op : getBlock()) {
    if (!isa<LlmDialect>(op.getDialect()))
      return op.emitOpError() << "is not an op of the llm dialect; a body holds nothing else";
    if (isa<KvCacheOp>(op)) {
      if (cache)
        return op.emitOpError() << "is the second of body @" << getSymName()
                                << "; a layer has one KV cache";
      cache = &op;
    }
    if (!isa<WeightOp, ConstantOp, RankConstantOp>(op))
      continue;
    StringRef name = op.getAttrOfType<StringAttr>("sym_name");
    if (!names.try_emplace(name, &op).second)
      return op.emitOpError() << "declares '" << name << "', which body @" << getSymName()
                              << " has declared already";
  }
  if (!isa<ReturnOp>(getBlock().back()))
    return emitOpError() << "must end with llm.return";
  return success();
}

LogicalResult WeightOp::verify() {
  if (failed(verifyName(*this, "itself", getSymName())))
    return failure();
  RankedTensorType type = getResult().getType();
  if (!type.hasStaticShape())
    return emitOpError() << "is of shape " << shapeString(type) << "; weights have static shapes";

  for (PieceAttr piece : getPieceList()) {
    // What is left of a source when the placeholders are gone must be plain text.
    StringRef source = piece.getSource();
    size_t layers = source.count("{layer}"), slices = source.count("{}");
    size_t braces = source.count('{') + source.count('}');
    if (source.empty() || braces != 2 * (layers + slices) || layers > 1 || slices > 1)
      return emitOpError()
             << "has the source \"" << source
             << "\"; legal is the name of a checkpoint tensor with at most one {layer} and one {}";
    if (getStack().has_value() != (slices == 1))
      return emitOpError() << "has the source \"" << source
                           << "\"; a stack needs one {} in it, and {} needs a stack";
  }
  if (failed(verifyPieces(*this, getPieces(), getStack(), type)))
    return failure();
  return verifyEqual(*this, getEqual(), getPieces(), getStack());
}

bool WeightOp::isLayered() {
  return llvm::any_of(getPieceList(), [](PieceAttr piece) {
    return piece.getSource().strref().contains("{layer}");
  });
}

LogicalResult ConstantOp::verify() {
  if (failed(verifyName(*this, "itself", getSymName())))
    return failure();
  if (!isa<DenseElementsAttr>(getValue()))
    return emitOpError() << "holds no dense<...> elements";
  if (!getResult().getType().hasStaticShape())
    return emitOpError() << "is of shape " << shapeString(getResult().getType())
                         << "; constants have static shapes";
  return success();
}

LogicalResult KvCacheOp::verify() {
  return success();
}

//===- Entries --------------------------------------------------------------------------------===//

static LogicalResult verifyStepInputs(EntryOp entry, LimitsAttr limits) {
  auto expected = stepInputs(entry.getContext(), limits);
  FunctionType type = entry.getFunctionType();
  if (type.getNumInputs() != expected.size())
    return entry.emitOpError() << "has " << type.getNumInputs() << " arguments; a step has "
                               << expected.size()
                               << " inputs: token_ids, positions, slot_mapping, query_start, "
                               << "context_lens, block_tables, logit_indices";
  for (auto [index, input] : llvm::enumerate(expected)) {
    StringRef name = cast<StringAttr>(entry.getArgNames()[index]);
    if (name != input.name)
      return entry.emitOpError() << "names argument #" << index << " '" << name << "'; step input #"
                                 << index << " is '" << input.name << "'";
    if (type.getInput(index) != input.type)
      return entry.emitOpError() << "has '" << name << "' of type " << type.getInput(index)
                                 << "; it is " << input.type << " within these limits";
  }
  return success();
}

static LogicalResult verifyLogits(EntryOp entry, ModelAttr model) {
  FunctionType type = entry.getFunctionType();
  if (type.getNumResults() != 1 || entry.getResNames().size() != 1 ||
      cast<StringAttr>(entry.getResNames()[0]) != logitsName)
    return entry.emitOpError() << "must have one result named '" << logitsName << "'";
  Type f32 = Float32Type::get(entry.getContext());
  Type perRow = tensorOf(f32, {Symbol::LogitRows, model.getVocabSize()});
  Type perToken = tensorOf(f32, {Symbol::Tokens, model.getVocabSize()});
  if (type.getResult(0) != perRow && type.getResult(0) != perToken)
    return entry.emitOpError() << "has logits of type " << type.getResult(0) << "; legal are "
                               << perRow << " and " << perToken;
  return success();
}

LogicalResult EntryOp::verify() {
  if (!llvm::is_contained(entryNames, getSymName()))
    return emitOpError() << "is named '" << getSymName()
                         << "'; legal are prefill, decode and score";
  if (failed(verifySignature(*this, getBlock(), getFunctionType(), getArgNames())))
    return failure();
  ModelAttr model = findModel(*this);
  LimitsAttr limits = findLimits(*this);
  if (!model || !limits)
    return emitOpError() << "needs the module attribute "
                         << (model ? LlmDialect::limitsAttrName : LlmDialect::modelAttrName);
  return success(succeeded(verifyStepInputs(*this, limits)) &&
                 succeeded(verifyLogits(*this, model)));
}

LogicalResult EntryOp::verifyRegions() {
  std::vector<bool> called(findModel(*this).getNumHiddenLayers(), false);
  for (Operation &op : getBlock()) {
    if (isa<ReturnOp>(op))
      continue;
    auto call = dyn_cast<CallOp>(op);
    if (!call)
      return op.emitOpError() << "is not allowed in an entry; legal are llm.call and llm.return";
    if (!call.getLayer())
      continue;
    int64_t layer = *call.getLayer();
    if (layer < 0 || layer >= static_cast<int64_t>(called.size()))
      return call.emitOpError() << "names layer " << layer << "; the model has layers 0 to "
                                << called.size() - 1;
    if (called[layer])
      return call.emitOpError() << "runs layer " << layer << " a second time in entry @"
                                << getSymName();
    called[layer] = true;
  }
  if (!isa<ReturnOp>(getBlock().back()))
    return emitOpError() << "must end with llm.return";
  auto missing = llvm::find(called, false);
  if (missing != called.end())
    return emitOpError() << "never calls layer " << missing - called.begin()
                         << "; the model has layers 0 to " << called.size() - 1;
  return success();
}

LogicalResult CallOp::verify() {
  return success();
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto body = symbols.lookupNearestSymbolFrom<BodyOp>(*this, getCalleeAttr());
  if (!body)
    return emitOpError() << "calls @" << getCallee()
                         << ", and the module has no llm.body of this name";
  FunctionType type = body.getFunctionType();
  if (type.getNumInputs() != getInputs().size() || type.getNumResults() != getOutputs().size())
    return emitOpError() << "passes " << getInputs().size() << " values and takes "
                         << getOutputs().size() << ", but body @" << getCallee() << " has "
                         << type.getNumInputs() << " arguments and " << type.getNumResults()
                         << " results";
  for (auto [index, input] : llvm::enumerate(getInputs()))
    if (input.getType() != type.getInput(index))
      return emitOpError() << "passes " << input.getType() << " as argument #" << index
                           << ", but body @" << getCallee() << " takes " << type.getInput(index);
  for (auto [index, output] : llvm::enumerate(getOutputs()))
    if (output.getType() != type.getResult(index))
      return emitOpError() << "takes " << output.getType() << " as result #" << index
                           << ", but body @" << getCallee() << " returns " << type.getResult(index);
  if (!body.getBody().hasOneBlock())
    return success(); // the body's own verifier says so
  if (body.isLayered() && !getLayer())
    return emitOpError() << "names no layer, but body @" << getCallee()
                         << " uses the weights or the KV cache of one";
  if (!body.isLayered() && getLayer())
    return emitOpError() << "names layer " << *getLayer() << ", but nothing in body @"
                         << getCallee() << " belongs to a layer";
  return success();
}

} // namespace vinci::llm
