#include "frontend/builder/builder.h"
#include "frontend/builder/body_builder.h"
#include "frontend/checkpoint_weights.h"
#include "ir/llm/Graphs.h"
#include "ir/llm/StepInputs.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

#include <algorithm>
#include <map>

using namespace mlir;

namespace vinci {

static llm::PrecisionAttr precisionAttr(OpBuilder &builder, const PrecisionPolicy &policy) {
  if (const auto conflict = precisionConflict(policy))
    fail("{}", *conflict);
  return llm::PrecisionAttr::get(
      builder.getContext(), elementType(builder, policy.compute),
      elementType(builder, policy.layernorm), elementType(builder, policy.softmax),
      elementType(builder, policy.rotary), elementType(builder, policy.parameters),
      builder.getBoolAttr(policy.keepOriginDtype));
}

static llm::LimitsAttr limitsAttr(MLIRContext *context, const Limits &limits) {
  const bool limitsRows = limits.maxLogitRows < limits.maxTokensPerStep;
  return llm::LimitsAttr::get(context, limits.maxSeqLen, limits.maxTokensPerStep, limits.maxBatch,
                              limits.kvBlocks, limits.blockSize, std::nullopt,
                              limitsRows ? std::optional(limits.maxLogitRows) : std::nullopt);
}

static llm::ModelAttr modelAttr(OpBuilder &builder, const ModelSpec &spec, Type dtype) {
  auto number = [&](const std::optional<double> &value) {
    return value ? builder.getF64FloatAttr(*value) : FloatAttr();
  };
  const GenerationDefaults &defaults = spec.generation;
  BoolAttr doSample = defaults.doSample ? builder.getBoolAttr(*defaults.doSample) : BoolAttr();
  auto text = [&](const std::optional<std::string> &value) {
    return value ? builder.getStringAttr(*value) : StringAttr();
  };
  SmallVector<StringRef> prompts(defaults.prompts.begin(), defaults.prompts.end());
  auto generation = llm::GenerationAttr::get(
      builder.getContext(), spec.eosTokenIds, spec.bosTokenId, spec.padTokenId, doSample,
      number(defaults.temperature), defaults.topK, number(defaults.topP),
      number(defaults.repetitionPenalty), text(defaults.chatTemplate),
      prompts.empty() ? ArrayAttr() : builder.getStrArrayAttr(prompts), defaults.maxTokens,
      text(defaults.inputTokens), text(defaults.outputTokens), defaults.requests,
      defaults.concurrency);
  return llm::ModelAttr::get(
      builder.getContext(), spec.name, toString(spec.architecture), spec.vocabSize, spec.hiddenSize,
      spec.numHiddenLayers, spec.maxPositionEmbeddings, dtype,
      int64_t(checkpointSize(spec).parameters), generation, spec.numKeyValueHeads);
}

/// Gives each op of a body a role, which tells it from others of its kind: the weight that it works
/// with or, if none, that made what it works on. Locations carry it (ir/llm/Origin.h).
static void nameRoles(llm::BodyOp body) {
  DenseMap<Value, StringAttr> roles;
  const auto roleOf = [&](Operation &op) -> StringAttr {
    for (Value operand : op.getOperands())
      if (operand.getDefiningOp<llm::WeightOp>())
        return roles.lookup(operand);
    // What is added last to the residual stream, not what came before.
    SmallVector<Value> operands(op.getOperands());
    if (isa<llm::AddOp>(op))
      std::reverse(operands.begin(), operands.end());
    for (Value operand : operands)
      if (StringAttr role = roles.lookup(operand))
        return role;
    return {};
  };
  for (Operation &op : body.getBlock()) {
    auto weight = dyn_cast<llm::WeightOp>(op);
    StringAttr role = weight ? weight.getSymNameAttr() : roleOf(op);
    for (Value result : op.getResults())
      roles[result] = role;
    if (role && !weight && op.getNumResults() > 0)
      op.setLoc(NameLoc::get(role, op.getLoc()));
  }
}

namespace {

struct Bodies {
  llm::BodyOp prologue;
  std::map<LayerKind, llm::BodyOp> layers;
  llm::BodyOp epilogue;
  llm::BodyOp epiloguePrefill;
};

} // namespace

static Bodies buildBodies(BuildContext &context) {
  Bodies bodies;
  bodies.prologue = buildPrologue(context);
  for (const auto &[kind, layers] : context.spec.layerKinds())
    bodies.layers[kind] = buildDecoderLayer(context, kind);
  bodies.epiloguePrefill = buildEpilogue(context, true);
  bodies.epilogue = buildEpilogue(context, false);
  return bodies;
}

/// Calls the prologue, every layer in turn, and an epilogue.
static void buildEntry(BuildContext &context, const Bodies &bodies, StringRef name) {
  OpBuilder &builder = context.builder;
  llm::BodyOp epilogue = name == "prefill" ? bodies.epiloguePrefill : bodies.epilogue;
  SmallVector<StringRef> names;
  SmallVector<Type> types;
  for (const llm::NamedType &input : llm::stepInputs(builder.getContext(), context.limits)) {
    names.push_back(input.name);
    types.push_back(input.type);
  }
  FunctionType type = builder.getFunctionType(types, epilogue.getFunctionType().getResults());
  Location file = context.at("");
  auto entry =
      builder.create<llm::EntryOp>(file, name, type, names, ArrayRef<StringRef>{llm::logitsName});
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&entry.getBlock());

  auto input = [&](StringRef wanted) -> Value {
    return entry.getBlock().getArgument(llvm::find(names, wanted) - names.begin());
  };
  auto call = [&](llm::BodyOp body, std::optional<int64_t> layer, ValueRange arguments) {
    return builder.create<llm::CallOp>(body.getLoc(), body.getFunctionType().getResults(),
                                       FlatSymbolRefAttr::get(body.getSymNameAttr()),
                                       layer ? builder.getI64IntegerAttr(*layer) : IntegerAttr(),
                                       arguments);
  };
  auto start = call(bodies.prologue, std::nullopt, {input("token_ids"), input("positions")});
  Value hidden = start.getResult(0), rope = start.getResult(1);
  for (int64_t layer = 0; layer < context.spec.numHiddenLayers; ++layer)
    hidden = call(bodies.layers.at(context.spec.layerKind(layer)), layer,
                  {hidden, rope, input("slot_mapping"), input("query_start"), input("context_lens"),
                   input("block_tables")})
                 .getResult(0);
  SmallVector<Value> last = {hidden};
  if (epilogue == bodies.epiloguePrefill)
    last.push_back(input("logit_indices"));
  builder.create<llm::ReturnOp>(file, call(epilogue, std::nullopt, last).getResults());
}

OwningOpRef<ModuleOp> buildModel(MLIRContext &mlirContext, const ModelSpec &spec,
                                 const BuildOptions &options) {
  mlirContext.loadDialect<llm::LlmDialect>();
  OpBuilder builder(&mlirContext);
  BuildContext context{spec, limitsAttr(&mlirContext, options.limits),
                       precisionAttr(builder, options.precision), builder};

  OwningOpRef<ModuleOp> module = ModuleOp::create(context.at(""));
  (*module)->setAttr(llm::LlmDialect::modelAttrName,
                     modelAttr(builder, spec, context.precision.getCompute()));
  (*module)->setAttr(llm::LlmDialect::limitsAttrName, context.limits);
  (*module)->setAttr(llm::LlmDialect::precisionAttrName, context.precision);
  if (!options.target.empty())
    (*module)->setAttr(llm::LlmDialect::targetAttrName, builder.getStringAttr(options.target));
  llm::setGraphs(*module, options.graphs);
  llm::setPrefetch(*module, options.prefetch);
  context.builder.setInsertionPointToEnd(module->getBody());
  Bodies bodies = buildBodies(context);
  for (auto body : module->getOps<llm::BodyOp>())
    nameRoles(body);
  for (StringRef entry : llm::entryNames)
    buildEntry(context, bodies, entry);

  std::string complaint;
  ScopedDiagnosticHandler handler(&mlirContext, [&](Diagnostic &diagnostic) {
    if (complaint.empty())
      complaint = diagnostic.str();
  });
  if (failed(verify(*module)))
    failInternal("the IR built from the config is invalid: {}", complaint);
  return module;
}

} // namespace vinci
