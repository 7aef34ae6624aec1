#include "backend/plan/lower_to_plan.h"

#include "backend/codegen/codegen.h"
#include "backend/codegen/kernel_spec.h"
#include "backend/plan/costs.h"
#include "ir/llm/Graphs.h"
#include "ir/llm/Locations.h"
#include "ir/llm/Pieces.h"
#include "ir/llm/StepInputs.h"
#include "ir/npu/Npu.h"
#include "ir/npu/Sizes.h"
#include "runtime/plan/layout.h"
#include "runtime/plan/types.h"
#include "runtime/support/error.h"

#include "llvm/ADT/StringSwitch.h"

#include <fmt/ranges.h>

#include <cstring>
#include <map>
#include <string>

namespace vinci {
namespace {

using mlir::RankedTensorType;

static_assert(int(GraphMode::Piecewise) == int(fb::GraphMode::Piecewise));
static_assert(int(GraphMode::FullDecodeOnly) == int(fb::GraphMode::FullDecodeOnly));
static_assert(int(GraphMode::FullAndPiecewise) == int(fb::GraphMode::FullAndPiecewise));
static_assert(int(GraphMode::Full) == int(fb::GraphMode::Full));
static_assert(int(npu::Space::Arena) == int(fb::Space::Arena));
static_assert(int(npu::Space::Input) == int(fb::Space::Input));
static_assert(int(npu::Space::Output) == int(fb::Space::Output));
static_assert(int(npu::Space::Constant) == int(fb::Space::Constant));
static_assert(int(npu::Space::Parameter) == int(fb::Space::Parameter));
static_assert(int(npu::Stream::Compute) == int(fb::Stream::Compute));
static_assert(int(npu::Stream::Cube) == int(fb::Stream::Cube));
static_assert(int(npu::Stream::Vector) == int(fb::Stream::Vector));
static_assert(int(npu::Stream::Communication) == int(fb::Stream::Communication));
static_assert(int(npu::Stream::Prefetch) == int(fb::Stream::Prefetch));
static_assert(int(npu::Packing::Rows) == int(fb::Packing::Rows));
static_assert(int(npu::Packing::Panel32) == int(fb::Packing::Panel32));
static_assert(int(npu::Packing::Panel12) == int(fb::Packing::Panel12));
static_assert(int(llm::ShardKind::Rows) == int(fb::ShardKind::Rows));
static_assert(int(llm::ShardKind::Columns) == int(fb::ShardKind::Columns));
static_assert(int(llm::ShardKind::Stack) == int(fb::ShardKind::Stack));
static_assert(int(llm::ShardKind::FirstOnly) == int(fb::ShardKind::FirstOnly));
static_assert(int(llm::Symbol::One) == int(fb::Symbol::One));
static_assert(int(llm::Symbol::Tokens) == int(fb::Symbol::Tokens));
static_assert(int(llm::Symbol::Sequences) == int(fb::Symbol::Sequences));
static_assert(int(llm::Symbol::LogitRows) == int(fb::Symbol::LogitRows));
static_assert(int(llm::Symbol::TokenShares) == int(fb::Symbol::TokenShares));

fb::DType dtypeOf(mlir::Type type) {
  if (type.isF32())
    return fb::DType::Float32;
  if (type.isBF16())
    return fb::DType::BFloat16;
  if (type.isF16())
    return fb::DType::Float16;
  if (type.isInteger(32))
    return fb::DType::Int32;
  if (type.isInteger(8))
    return fb::DType::Int8;
  failInternal("the program holds a tensor whose element type a plan does not know");
}

std::vector<fb::Dim> dimsOf(RankedTensorType type) {
  std::vector<fb::Dim> dims;
  for (const llm::DimExpr &dim : llm::shapeOf(type))
    dims.emplace_back(fb::Symbol(dim.symbol), uint64_t(dim.scale));
  return dims;
}

std::vector<uint64_t> staticShape(llvm::ArrayRef<int64_t> shape) {
  return {shape.begin(), shape.end()};
}

std::vector<uint32_t> axesOf(llvm::ArrayRef<int64_t> axes) {
  return {axes.begin(), axes.end()};
}

/// Names of one kind of thing and their places in the plan's table.
class Index {
public:
  explicit Index(const char *what) : what_(what) {}

  void add(llvm::StringRef name) { places_.emplace(name.str(), uint32_t(places_.size())); }
  uint32_t operator[](llvm::StringRef name) const {
    auto found = places_.find(name.str());
    if (found == places_.end())
      failInternal("the program has no {} @{}", what_, std::string_view(name));
    return found->second;
  }

private:
  const char *what_;
  std::map<std::string, uint32_t> places_;
};

class Lowering {
public:
  Lowering(mlir::ModuleOp module, const CpuTarget &cpu, KernelCache *cache)
      : module_(module), cpu_(cpu), cache_(cache) {}
  LoweredPlan run(bool kernels);

private:
  template <typename Op> auto members() { return program_.getBody().front().getOps<Op>(); }

  void lowerPrecision(llm::PrecisionAttr attr);
  void lowerModel();
  void lowerGeneration(llm::GenerationAttr attr);
  void lowerLimits();
  void lowerBuffers();
  void lowerConstants();
  void lowerWeights();
  void lowerBody(npu::BodyOp op);
  void lowerLaunch(npu::LaunchOp op, fb::BodyT &body, const Index &parameters);
  void lowerPrefetch(npu::PrefetchOp op, fb::BodyT &body, const Index &parameters);
  void lowerEntry(npu::EntryOp op);
  uint32_t kernelOf(npu::LaunchOp op, const KernelSpec &spec);
  uint32_t collectiveOf(npu::LaunchOp op);
  uint32_t prefetchOf(npu::PrefetchOp op);

  mlir::ModuleOp module_;
  const CpuTarget &cpu_;
  KernelCache *cache_;
  npu::ProgramOp program_;
  std::optional<LaunchCosts> costs_;
  fb::PlanT plan_;
  std::vector<std::byte> constantBytes_;
  std::vector<KernelSpec> specs_; ///< of the compiled ones among plan_.kernels
  std::map<KernelSpec, uint32_t> kernels_;
  std::map<std::string, uint32_t> collectives_, prefetches_;
  Index inputs_{"step input"}, outputs_{"step output"}, buffers_{"npu.buffer"},
      constants_{"npu.constant"}, weights_{"npu.weight"}, bodies_{"npu.body"};
};

void Lowering::lowerGeneration(llm::GenerationAttr attr) {
  auto generation = std::make_unique<fb::GenerationT>();
  for (int64_t id : attr.getEosTokenIds())
    generation->eos_token_ids.push_back(int32_t(id));
  generation->bos_token_id = int32_t(attr.getBosTokenId().value_or(-1));
  generation->pad_token_id = int32_t(attr.getPadTokenId().value_or(-1));
  if (attr.getDoSample())
    generation->do_sample = attr.getDoSample().getValue();
  if (attr.getTemperature())
    generation->temperature = attr.getTemperature().getValueAsDouble();
  if (attr.getTopK())
    generation->top_k = *attr.getTopK();
  if (attr.getTopP())
    generation->top_p = attr.getTopP().getValueAsDouble();
  if (attr.getRepetitionPenalty())
    generation->repetition_penalty = attr.getRepetitionPenalty().getValueAsDouble();
  if (attr.getChatTemplate())
    generation->chat_template = attr.getChatTemplate().str();
  if (attr.getPrompts())
    for (mlir::Attribute prompt : attr.getPrompts())
      generation->prompts.push_back(llvm::cast<mlir::StringAttr>(prompt).str());
  if (attr.getMaxTokens())
    generation->max_tokens = uint32_t(*attr.getMaxTokens());
  if (attr.getInputTokens())
    generation->input_tokens = attr.getInputTokens().str();
  if (attr.getOutputTokens())
    generation->output_tokens = attr.getOutputTokens().str();
  if (attr.getRequests())
    generation->requests = uint32_t(*attr.getRequests());
  if (attr.getConcurrency())
    generation->concurrency = uint32_t(*attr.getConcurrency());
  plan_.generation = std::move(generation);
}

void Lowering::lowerPrecision(llm::PrecisionAttr attr) {
  if (!attr)
    return;
  auto precision = std::make_unique<fb::PrecisionT>();
  precision->compute = dtypeOf(attr.getCompute());
  precision->layernorm = dtypeOf(attr.getLayernorm());
  precision->softmax = dtypeOf(attr.getSoftmax());
  precision->rotary = dtypeOf(attr.getRotary());
  precision->parameters = dtypeOf(attr.getParameters());
  precision->keep_origin = attr.getKeepOrigin().getValue();
  plan_.precision = std::move(precision);
}

void Lowering::lowerModel() {
  auto attr = module_->getAttrOfType<llm::ModelAttr>(llm::LlmDialect::modelAttrName);
  if (!attr)
    failInternal("the module has no attribute {}",
                 std::string_view(llm::LlmDialect::modelAttrName));
  auto model = std::make_unique<fb::ModelT>();
  model->name = attr.getName().str();
  model->architecture = attr.getArchitecture().str();
  model->vocab_size = uint32_t(attr.getVocabSize());
  model->hidden_size = uint32_t(attr.getHiddenSize());
  model->num_hidden_layers = uint32_t(attr.getNumHiddenLayers());
  model->max_position_embeddings = uint32_t(attr.getMaxPositionEmbeddings());
  model->dtype = dtypeOf(attr.getDtype());
  model->parameters = uint64_t(attr.getParameters());
  plan_.model = std::move(model);
  lowerGeneration(attr.getGeneration());
  lowerPrecision(llm::findPrecision(module_));
  if (auto target = module_->getAttrOfType<mlir::StringAttr>(llm::LlmDialect::targetAttrName))
    plan_.target = target.str();
  if (GraphCapture graphs = llm::findGraphs(module_); graphs.mode != GraphMode::None) {
    plan_.graphs = std::make_unique<fb::GraphsT>();
    plan_.graphs->mode = fb::GraphMode(graphs.mode);
    plan_.graphs->sizes = std::move(graphs.sizes);
  }
  plan_.cpu = cpu_.name;
  plan_.cpu_features = cpu_.features;
}

void Lowering::lowerLimits() {
  llm::LimitsAttr attr = llm::findLimits(program_);
  auto limits = std::make_unique<fb::LimitsT>();
  limits->max_seq_len = uint32_t(attr.getMaxSeqLen());
  limits->max_tokens_per_step = uint32_t(attr.getMaxTokensPerStep());
  limits->max_batch = uint32_t(attr.getMaxBatch());
  limits->kv_blocks = uint32_t(attr.getKvBlocks());
  limits->token_shares = uint32_t(attr.getTokenShares().value_or(1));
  limits->max_logit_rows = uint32_t(attr.getMaxLogitRows().value_or(0));
  plan_.limits = std::move(limits);

  auto caches = members<npu::KvCacheOp>();
  if (caches.empty())
    failInternal("the program has no npu.kv_cache");
  npu::KvCacheOp op = *caches.begin();
  auto type = mlir::cast<llm::KvCacheType>(op.getType());
  auto cache = std::make_unique<fb::KvCacheT>();
  cache->layers = uint32_t(op.getLayers());
  cache->block_size = uint32_t(attr.getBlockSize());
  cache->num_key_value_heads = uint32_t(type.getHeads());
  auto model = module_->getAttrOfType<llm::ModelAttr>(llm::LlmDialect::modelAttrName);
  plan_.model->num_key_value_heads =
      uint32_t(model.getNumKeyValueHeads().value_or(type.getHeads()));
  if (llm::MeshAttr mesh = llm::findMesh(module_)) {
    plan_.mesh = axesOf(mesh.getAxes());
    plan_.data_axes = axesOf(mesh.getData());
  }
  cache->head_dim = uint32_t(type.getHeadDim());
  cache->dtype = dtypeOf(type.getElementType());
  cache->bytes_per_block = uint64_t(npu::kvBytesPerBlock(type, attr));
  plan_.kv_cache = std::move(cache);
}

void Lowering::lowerBuffers() {
  if (!program_.getArenaBytes())
    failInternal("the program has no arena: plan-memory has not run");
  plan_.arena_bytes = *program_.getArenaBytes();
  for (npu::BufferOp op : members<npu::BufferOp>()) {
    auto buffer = std::make_unique<fb::BufferT>();
    buffer->name = op.getSymName().str();
    buffer->dtype = dtypeOf(op.getTensorType().getElementType());
    buffer->dims = dimsOf(op.getTensorType());
    buffer->offset = op.getOffset().value_or(0);
    buffer->bytes = uint64_t(*npu::bytesAtLimits(op.getTensorType(), llm::findLimits(program_)));
    buffers_.add(op.getSymName());
    plan_.buffers.push_back(std::move(buffer));
  }
}

void Lowering::lowerConstants() {
  for (npu::ConstantOp op : members<npu::ConstantOp>()) {
    auto value = mlir::cast<mlir::DenseElementsAttr>(op.getValue());
    auto constant = std::make_unique<fb::ConstantT>();
    constant->name = op.getSymName().str();
    constant->dtype = dtypeOf(value.getElementType());
    const int64_t tables = op.getPerRank() ? value.getType().getDimSize(0) : 1;
    constant->per_rank = op.getPerRank();
    constant->shape = staticShape(value.getType().getShape().drop_front(op.getPerRank() ? 1 : 0));
    constant->segment = 1;
    constant->offset = roundUp(constantBytes_.size(), bufferAlignment);
    constantBytes_.resize(constant->offset);
    constant->bytes = uint64_t(value.getNumElements() / tables) * 4; // of i32 or f32
    // Element by element: the attribute stores a single one if all are equal. Tables of several
    // ranks begin at multiples of the alignment.
    uint64_t index = 0;
    auto append = [&](auto element) {
      static_assert(sizeof(element) == 4);
      const uint64_t table = index * 4 / constant->bytes;
      constantBytes_.resize(constant->offset + table * roundUp(constant->bytes, bufferAlignment) +
                            index * 4 % constant->bytes);
      auto bytes = std::as_bytes(std::span(&element, 1));
      constantBytes_.insert(constantBytes_.end(), bytes.begin(), bytes.end());
      ++index;
    };
    if (value.getElementType().isF32())
      for (float element : value.getValues<float>())
        append(element);
    else
      for (int32_t element : value.getValues<int32_t>())
        append(element);
    constants_.add(op.getSymName());
    plan_.constants.push_back(std::move(constant));
  }
}

std::vector<std::unique_ptr<fb::WeightPieceT>> piecesOf(npu::WeightOp op) {
  std::vector<std::unique_ptr<fb::WeightPieceT>> pieces;
  for (llm::PieceAttr attr : op.getPieceList()) {
    auto piece = std::make_unique<fb::WeightPieceT>();
    piece->source = attr.getSource().str();
    piece->shape =
        staticShape(llm::checkpointShape(attr, op.getTensorType(), op.getStack().has_value()));
    for (llm::ShardAttr shardAttr : attr.getShards()) {
      auto shard = std::make_unique<fb::ShardT>();
      shard->kind = fb::ShardKind(shardAttr.getKind());
      shard->axes = axesOf(shardAttr.getAxes());
      shard->parts = uint32_t(shardAttr.getParts());
      piece->shards.push_back(std::move(shard));
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

void Lowering::lowerWeights() {
  for (npu::WeightOp op : members<npu::WeightOp>()) {
    auto weight = std::make_unique<fb::WeightT>();
    weight->name = op.getSymName().str();
    weight->pieces = piecesOf(op);
    if (op.getEqual())
      for (mlir::StringAttr name : op.getEqualAttr().getAsRange<mlir::StringAttr>())
        weight->equal.push_back(name.str());
    weight->count = uint32_t(op.getStack().value_or(0));
    weight->shape = staticShape(op.getMatrixShape());
    weight->dtype = dtypeOf(op.getTensorType().getElementType());
    weight->packing = fb::Packing(op.getPacking());
    std::optional<uint64_t> bytes =
        packedBytes(weight->shape, toDType(weight->dtype), weight->packing, weight->count);
    if (!bytes)
      failInternal("weight @{} is larger than any memory", weight->name);
    weight->bytes = *bytes;
    weights_.add(op.getSymName());
    plan_.weights.push_back(std::move(weight));
  }
}

KernelSpec specOf(npu::LaunchOp op) {
  KernelSpec spec;
  spec.op = op.getKernel().str();
  for (mlir::NamedAttribute constant : op.getConstants()) {
    Attribute &value = spec.constants[constant.getName().str()];
    if (auto integer = mlir::dyn_cast<mlir::IntegerAttr>(constant.getValue()))
      value = integer.getInt();
    else if (auto real = mlir::dyn_cast<mlir::FloatAttr>(constant.getValue()))
      value = real.getValueAsDouble();
    else
      value = mlir::cast<mlir::StringAttr>(constant.getValue()).getValue().str();
  }
  if (const auto axes = op.getAxes()) {
    int64_t mask = 0;
    for (int64_t axis : *axes)
      mask |= int64_t(1) << axis;
    spec.constants["axes"] = mask;
  }
  validate(spec);
  return spec;
}

std::unique_ptr<fb::CostT> toPlan(const Cost &cost) {
  auto table = std::make_unique<fb::CostT>();
  table->kind = fb::CostClass(cost.kind);
  table->weights = toPlanDType(cost.weights);
  table->activations = toPlanDType(cost.activations);
  table->rows = std::make_unique<fb::Dim>(fb::Symbol(cost.rows.symbol), cost.rows.scale);
  table->n = cost.n;
  table->k = cost.k;
  table->groups = cost.groups;
  table->experts = cost.experts;
  table->top_k = cost.topK;
  table->heads = cost.heads;
  table->kv_heads = cost.kvHeads;
  table->head_dim = cost.headDim;
  table->fixed_bytes = cost.fixedBytes;
  table->row_bytes = cost.rowBytes;
  table->row_flops = cost.rowFlops;
  return table;
}

uint32_t Lowering::kernelOf(npu::LaunchOp op, const KernelSpec &spec) {
  auto [found, isNew] = kernels_.emplace(spec, uint32_t(plan_.kernels.size()));
  if (!isNew)
    return found->second;
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->symbol = symbolName(spec);
  kernel->op = spec.op;
  kernel->operands = operandCount(spec);
  kernel->outputs = outputCount(spec);
  if (op.getOutputs().size() != kernel->outputs ||
      op.getOutputs().size() + op.getInputs().size() != kernel->operands)
    failInternal("a launch of {} has {} outputs and {} inputs; the catalogue has {} and {}",
                 spec.op, op.getOutputs().size(), op.getInputs().size(), kernel->outputs,
                 kernel->operands - kernel->outputs);
  kernel->cost = toPlan(costs_->costOf(op, spec));
  if (op.getAxes()) { // then it sums what it has computed
    auto sum = std::make_unique<fb::CollectiveT>();
    sum->kind = fb::CollectiveKind::AllReduce;
    sum->axes = axesOf(*op.getAxes());
    sum->dtype = toPlanDType(spec.dtype("out_dtype"));
    sum->count = std::make_unique<fb::Dim>(fb::Symbol(spec.rows().symbol),
                                           spec.rows().scale * uint64_t(spec.integer("n")));
    kernel->collective = std::move(sum);
  }
  plan_.kernels.push_back(std::move(kernel));
  specs_.push_back(spec);
  return found->second;
}

/// Equal collectives share an entry of the kernel table, as equal kernels do.
uint32_t Lowering::collectiveOf(npu::LaunchOp op) {
  auto constant = [&](const char *name) { return op.getConstants().get(name); };
  const auto dtype = parseDType(mlir::cast<mlir::StringAttr>(constant("dtype")).getValue().str());
  const auto rows = llm::parseDim(mlir::cast<mlir::StringAttr>(constant("rows")).getValue());
  const int64_t count = mlir::cast<mlir::IntegerAttr>(constant("count")).getInt();
  auto collective = std::make_unique<fb::CollectiveT>();
  collective->kind = llvm::StringSwitch<fb::CollectiveKind>(op.getKernel())
                         .Case("all_reduce", fb::CollectiveKind::AllReduce)
                         .Case("all_gather", fb::CollectiveKind::AllGather)
                         .Default(fb::CollectiveKind::ReduceScatter);
  collective->axes = axesOf(*op.getAxes());
  collective->dtype = toPlanDType(*dtype);
  collective->count = std::make_unique<fb::Dim>(fb::Symbol(rows->symbol), uint64_t(count));
  std::string whole;
  if (auto symbol = mlir::dyn_cast_if_present<mlir::StringAttr>(constant("whole"))) {
    whole = fmt::format("_of_{}x{}", count, std::string_view(symbol.getValue()));
    collective->whole = std::make_unique<fb::Dim>(
        fb::Symbol(llm::parseDim(symbol.getValue())->symbol), uint64_t(count));
  }

  auto kernel = std::make_unique<fb::KernelT>();
  kernel->op = op.getKernel().str();
  kernel->symbol = fmt::format("{}_{}_{}x{}{}_over_{}", kernel->op, toString(*dtype), count,
                               std::string_view(llm::toString(rows->symbol)), whole,
                               fmt::join(collective->axes, "_"));
  kernel->operands = 2;
  kernel->outputs = 1;
  auto [found, isNew] = collectives_.emplace(kernel->symbol, uint32_t(plan_.kernels.size()));
  if (isNew) {
    kernel->collective = std::move(collective);
    plan_.kernels.push_back(std::move(kernel));
  }
  return found->second;
}

uint32_t Lowering::prefetchOf(npu::PrefetchOp op) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->prefetch = std::make_unique<fb::PrefetchT>();
  kernel->prefetch->share = op.getShare().convertToDouble();
  kernel->prefetch->min_tokens = uint32_t(op.getMinTokens().value_or(0));
  kernel->op = "prefetch";
  kernel->symbol = fmt::format("prefetch_{}", kernel->prefetch->share);
  if (kernel->prefetch->min_tokens > 0)
    kernel->symbol += fmt::format("_from_{}", kernel->prefetch->min_tokens);
  kernel->operands = 1;
  auto [found, isNew] = prefetches_.emplace(kernel->symbol, uint32_t(plan_.kernels.size()));
  if (isNew)
    plan_.kernels.push_back(std::move(kernel));
  return found->second;
}

/// Appends the waits of a command and returns where they begin.
uint32_t lowerWaits(npu::CommandOpInterface op, fb::BodyT &body) {
  auto first = uint32_t(body.waits.size());
  for (int32_t wait : op.getWaits().value_or(llvm::ArrayRef<int32_t>()))
    body.waits.push_back(uint32_t(wait));
  return first;
}

uint32_t streamOf(npu::CommandOpInterface op) {
  return uint32_t(op.getStream().value_or(npu::Stream::Compute));
}

void Lowering::lowerPrefetch(npu::PrefetchOp op, fb::BodyT &body, const Index &parameters) {
  const uint32_t kernel = prefetchOf(op);
  const auto operandFirst = uint32_t(body.operands.size());
  body.operands.emplace_back(fb::Space::Parameter, parameters[op.getWeight()]);
  const uint32_t waitFirst = lowerWaits(op, body);
  body.commands.emplace_back(kernel, operandFirst, 1u, waitFirst,
                             uint32_t(body.waits.size()) - waitFirst, streamOf(op),
                             fb::TileRule(fb::Symbol::One, 1, 1, 1));
}

void Lowering::lowerLaunch(npu::LaunchOp op, fb::BodyT &body, const Index &parameters) {
  std::optional<KernelSpec> spec;
  if (!op.getAxes() || op.getKernel() == "matmul_all_reduce")
    spec = specOf(op);
  uint32_t kernel = spec ? kernelOf(op, *spec) : collectiveOf(op);
  auto operandFirst = uint32_t(body.operands.size());
  for (mlir::ArrayAttr list : {op.getOutputs(), op.getInputs()})
    for (auto operand : list.getAsRange<npu::OperandAttr>()) {
      const Index &names = operand.getSpace() == npu::Space::Arena      ? buffers_
                           : operand.getSpace() == npu::Space::Input    ? inputs_
                           : operand.getSpace() == npu::Space::Output   ? outputs_
                           : operand.getSpace() == npu::Space::Constant ? constants_
                                                                        : parameters;
      body.operands.emplace_back(fb::Space(operand.getSpace()),
                                 names[operand.getName().getValue()]);
    }
  const uint32_t waitFirst = lowerWaits(op, body);
  KernelTiles tiles = spec ? tileRule(*spec, cpu_) : KernelTiles();
  body.commands.emplace_back(
      kernel, operandFirst, uint32_t(body.operands.size()) - operandFirst, waitFirst,
      uint32_t(body.waits.size()) - waitFirst, streamOf(op),
      fb::TileRule(fb::Symbol(tiles.symbol), tiles.scale, tiles.rowBlock, tiles.columns));
}

void addOrigin(const llm::Origin &origin, uint32_t depth, fb::DebugBodyT &debug) {
  auto entry = std::make_unique<fb::DebugOpT>();
  entry->op = origin.op;
  entry->role = origin.role;
  entry->location = origin.location;
  entry->pass = origin.pass;
  entry->depth = depth;
  debug.origins.push_back(std::move(entry));
  for (const llm::Origin &part : origin.of)
    addOrigin(part, depth + 1, debug);
}

/// The events of a body, by the commands between which they lie. What no command comes before or
/// after orders nothing.
std::vector<fb::Event> eventsOf(npu::BodyOp body) {
  std::map<npu::Stream, uint32_t> last;                 // ordinal of a stream's last command
  std::vector<std::optional<uint32_t>> recorded;        // after which command each event happens
  std::map<npu::Stream, std::vector<uint32_t>> waiting; // for these, the next command of a stream
  std::vector<fb::Event> events;
  uint32_t ordinal = 0;
  for (mlir::Operation &op : body.getBlock()) {
    if (auto record = mlir::dyn_cast<npu::RecordOp>(op)) {
      const auto found = last.find(record.getStream());
      recorded.push_back(found == last.end() ? std::nullopt : std::optional(found->second));
    } else if (auto wait = mlir::dyn_cast<npu::WaitOp>(op)) {
      if (recorded[wait.getEvent()])
        waiting[wait.getStream()].push_back(*recorded[wait.getEvent()]);
    } else {
      const auto stream =
          mlir::cast<npu::CommandOpInterface>(op).getStream().value_or(npu::Stream::Compute);
      for (uint32_t record : waiting[stream])
        events.emplace_back(record, ordinal);
      waiting[stream].clear();
      last[stream] = ordinal++;
    }
  }
  return events;
}

void Lowering::lowerBody(npu::BodyOp op) {
  auto body = std::make_unique<fb::BodyT>();
  auto debug = std::make_unique<fb::DebugBodyT>();
  body->name = op.getSymName().str();
  Index parameters("parameter");
  for (auto parameter : op.getParameters().getAsRange<npu::ParameterAttr>()) {
    parameters.add(parameter.getName().getValue());
    body->parameters.push_back(parameter.getName().getValue().str());
  }
  for (npu::CommandOpInterface command : op.getCommands()) {
    if (auto launch = mlir::dyn_cast<npu::LaunchOp>(*command)) {
      lowerLaunch(launch, *body, parameters);
      debug->ops.push_back("llm." + launch.getKernel().str());
    } else {
      lowerPrefetch(mlir::cast<npu::PrefetchOp>(*command), *body, parameters);
      debug->ops.push_back("npu.prefetch");
    }
    debug->locations.push_back(llm::locationText(command->getLoc()));
    addOrigin(llm::originOf(debug->ops.back(), command->getLoc()), 0, *debug);
  }
  body->events = eventsOf(op);
  bodies_.add(op.getSymName());
  plan_.bodies.push_back(std::move(body));
  plan_.debug.push_back(std::move(debug));
}

std::vector<std::unique_ptr<fb::StepTensorT>> stepTensors(mlir::ArrayAttr names,
                                                          llvm::ArrayRef<mlir::Type> types) {
  std::vector<std::unique_ptr<fb::StepTensorT>> tensors;
  for (auto [name, type] : llvm::zip(names.getAsRange<mlir::StringAttr>(), types)) {
    auto tensor = std::make_unique<fb::StepTensorT>();
    auto tensorType = mlir::cast<RankedTensorType>(type);
    tensor->name = name.getValue().str();
    tensor->dtype = dtypeOf(tensorType.getElementType());
    tensor->dims = dimsOf(tensorType);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void Lowering::lowerEntry(npu::EntryOp op) {
  auto entry = std::make_unique<fb::EntryT>();
  entry->name = op.getSymName().str();
  entry->inputs = stepTensors(op.getArgNames(), op.getFunctionType().getInputs());
  entry->outputs = stepTensors(op.getResNames(), op.getFunctionType().getResults());
  for (npu::CallOp callOp : op.getBlock().getOps<npu::CallOp>()) {
    auto call = std::make_unique<fb::CallT>();
    call->body = bodies_[callOp.getCallee()];
    call->layer = callOp.getLayer() ? int32_t(*callOp.getLayer()) : -1;
    for (auto binding : callOp.getBindings().getAsRange<npu::BindingAttr>())
      if (binding.getKind() == npu::BindingKind::Weight)
        call->bindings.emplace_back(fb::BindingKind::Weight,
                                    weights_[binding.getWeight().getValue()]);
      else if (binding.getKind() == npu::BindingKind::KvCache)
        call->bindings.emplace_back(fb::BindingKind::KvCache, uint32_t(binding.getLayer()));
      else
        call->bindings.emplace_back(fb::BindingKind::Nothing, 0u);
    entry->calls.push_back(std::move(call));
  }
  plan_.entries.push_back(std::move(entry));
}

LoweredPlan Lowering::run(bool kernels) {
  auto programs = module_.getOps<npu::ProgramOp>();
  if (programs.empty())
    failInternal("the module holds no npu.program: lower-to-npu has not run");
  program_ = *programs.begin();
  costs_.emplace(program_);
  lowerModel();
  lowerLimits();
  for (const auto &input : llm::stepInputs(module_.getContext(), llm::findLimits(program_)))
    inputs_.add(input.name);
  outputs_.add(llm::logitsName);
  lowerBuffers();
  lowerConstants();
  lowerWeights();
  for (npu::BodyOp body : members<npu::BodyOp>())
    lowerBody(body);
  for (npu::EntryOp entry : members<npu::EntryOp>())
    lowerEntry(entry);

  LoweredPlan result;
  const auto specs = kernels ? std::span<const KernelSpec>(specs_) : std::span<const KernelSpec>();
  result.segments.push_back({fb::SegmentKind::Object, compileKernels(specs, cpu_, cache_)});
  if (!constantBytes_.empty())
    result.segments.push_back({fb::SegmentKind::Constants, std::move(constantBytes_)});
  result.tables = std::move(plan_);
  return result;
}

} // namespace

LoweredPlan lowerToPlan(mlir::ModuleOp module, const CpuTarget &cpu, KernelCache *cache,
                        bool kernels) {
  return Lowering(module, cpu, cache).run(kernels);
}

} // namespace vinci
