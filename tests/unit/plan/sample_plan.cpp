#include "tests/unit/plan/sample_plan.h"

#include "runtime/plan/collectives.h"
#include "runtime/plan/layout.h"
#include "runtime/plan/mesh.h"

#include <cstring>
#include <initializer_list>

namespace vinci::sample {
namespace {

using fb::Space;

constexpr uint32_t maxTokens = 8, maxBatch = 4, maxSeqLen = 64, blockSize = 16, kvBlocks = 8;

fb::Dim tokens(uint64_t scale = 1) {
  return {fb::Symbol::Tokens, scale};
}
fb::Dim fixed(uint64_t size) {
  return {fb::Symbol::One, size};
}

void addBuffer(fb::PlanT &plan, const char *name, fb::DType type, std::vector<fb::Dim> dims,
               uint64_t bytes) {
  auto buffer = std::make_unique<fb::BufferT>();
  buffer->name = name;
  buffer->dtype = type;
  buffer->dims = std::move(dims);
  buffer->offset = plan.arena_bytes;
  buffer->bytes = bytes;
  plan.arena_bytes += roundUp(bytes, bufferAlignment);
  plan.buffers.push_back(std::move(buffer));
}

void addWeight(fb::PlanT &plan, std::string name, std::string source, std::vector<uint64_t> shape,
               fb::Packing packing, uint32_t count = 0) {
  auto weight = std::make_unique<fb::WeightT>();
  weight->name = std::move(name);
  weight->pieces.push_back(std::make_unique<fb::WeightPieceT>());
  weight->pieces[0]->source = std::move(source);
  weight->pieces[0]->shape = shape;
  weight->shape = std::move(shape);
  weight->packing = packing;
  weight->count = count;
  weight->dtype = fb::DType::BFloat16;
  weight->bytes = *packedBytes(weight->shape, DType::BFloat16, packing, count);
  plan.weights.push_back(std::move(weight));
}

void addKernel(fb::PlanT &plan, const char *symbol, const char *op, uint32_t operands) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->symbol = symbol;
  kernel->op = op;
  kernel->operands = operands;
  kernel->outputs = 1;
  kernel->cost = std::make_unique<fb::CostT>();
  kernel->cost->rows = std::make_unique<fb::Dim>(tokens());
  kernel->cost->row_bytes = 2 * hidden * 2;
  plan.kernels.push_back(std::move(kernel));
}

fb::BodyT &addBody(fb::PlanT &plan, const char *name, std::vector<std::string> parameters) {
  plan.bodies.push_back(std::make_unique<fb::BodyT>());
  plan.bodies.back()->name = name;
  plan.bodies.back()->parameters = std::move(parameters);
  plan.debug.push_back(std::make_unique<fb::DebugBodyT>());
  return *plan.bodies.back();
}

void launch(fb::PlanT &plan, Kernel kernel, std::initializer_list<fb::Operand> operands,
            std::initializer_list<uint32_t> waits) {
  fb::BodyT &body = *plan.bodies.back();
  body.commands.emplace_back(uint32_t(kernel), uint32_t(body.operands.size()),
                             uint32_t(operands.size()), uint32_t(body.waits.size()),
                             uint32_t(waits.size()), 0, fb::TileRule(fb::Symbol::Tokens, 1, 4, 2));
  body.operands.insert(body.operands.end(), operands);
  body.waits.insert(body.waits.end(), waits);
  plan.debug.back()->ops.push_back("llm." + plan.kernels[kernel]->op);
  plan.debug.back()->locations.push_back("config.json:1:1");
}

fb::Operand arena(Buffer buffer) {
  return {Space::Arena, buffer};
}
fb::Operand input(Input index) {
  return {Space::Input, index};
}
fb::Operand parameter(uint32_t index) {
  return {Space::Parameter, index};
}
const fb::Operand logits(Space::Output, 0);
const fb::Operand inverseFrequencies(Space::Constant, 0);

void addBodies(fb::PlanT &plan) {
  addBody(plan, "prologue", {"embed_tokens"});
  launch(plan, Embedding, {arena(Hidden), input(TokenIds), parameter(0)}, {});
  launch(plan, RopeTable, {arena(Rope), input(Positions), inverseFrequencies}, {});

  addBody(plan, "decoder_layer", {"norm", "q", "k", "v", "o", "kv_cache"});
  launch(plan, RmsNorm, {arena(X), arena(Hidden), parameter(0)}, {});
  launch(plan, MatmulQ, {arena(Q), arena(X), parameter(1)}, {Norm});
  launch(plan, MatmulKv, {arena(K), arena(X), parameter(2)}, {Norm});
  launch(plan, MatmulKv, {arena(V), arena(X), parameter(3)}, {Norm});
  launch(plan, RopeQ, {arena(Q), arena(Q), arena(Rope)}, {ProjectQ});
  launch(plan, RopeQ, {arena(K), arena(K), arena(Rope)}, {ProjectK});
  launch(plan, KvAppend, {parameter(5), arena(K), arena(V), input(SlotMapping)},
         {RotateK, ProjectV});
  launch(plan, Attention,
         {arena(Attended), arena(Q), parameter(5), input(QueryStart), input(ContextLens),
          input(BlockTables)},
         {RotateQ, Append});
  launch(plan, MatmulQ, {arena(O), arena(Attended), parameter(4)}, {Attend});
  launch(plan, Add, {arena(Hidden), arena(Hidden), arena(O)}, {ProjectO});

  addBody(plan, "epilogue_prefill", {"norm", "lm_head"});
  launch(plan, GatherRows, {arena(Rows), arena(Hidden), input(LogitIndices)}, {});
  launch(plan, RmsNorm, {arena(Rows), arena(Rows), parameter(0)}, {0});
  launch(plan, LmHead, {logits, arena(Rows), parameter(1)}, {1});

  addBody(plan, "epilogue", {"norm", "lm_head"});
  launch(plan, RmsNorm, {arena(X), arena(Hidden), parameter(0)}, {});
  launch(plan, LmHead, {logits, arena(X), parameter(1)}, {0});
}

uint32_t weightIndex(const fb::PlanT &plan, const std::string &name) {
  uint32_t index = 0;
  while (plan.weights.at(index)->name != name)
    ++index;
  return index;
}

void addCall(const fb::PlanT &plan, fb::EntryT &entry, Body body, int32_t layer = -1) {
  auto call = std::make_unique<fb::CallT>();
  call->body = body;
  call->layer = layer;
  for (const std::string &name : plan.bodies[body]->parameters)
    if (name == "kv_cache")
      call->bindings.emplace_back(fb::BindingKind::KvCache, uint32_t(layer));
    else
      call->bindings.emplace_back(
          fb::BindingKind::Weight,
          weightIndex(plan, layer < 0 ? name : "layers." + std::to_string(layer) + "." + name));
  entry.calls.push_back(std::move(call));
}

void addTensor(std::vector<std::unique_ptr<fb::StepTensorT>> &tensors, const char *name,
               fb::DType type, std::vector<fb::Dim> dims) {
  auto tensor = std::make_unique<fb::StepTensorT>();
  tensor->name = name;
  tensor->dtype = type;
  tensor->dims = std::move(dims);
  tensors.push_back(std::move(tensor));
}

void addEntry(fb::PlanT &plan, const char *name, Body epilogue, fb::Symbol logitRows) {
  auto entry = std::make_unique<fb::EntryT>();
  entry->name = name;
  const fb::Dim sequences(fb::Symbol::Sequences, 1);
  addTensor(entry->inputs, "token_ids", fb::DType::Int32, {tokens()});
  addTensor(entry->inputs, "positions", fb::DType::Int32, {tokens()});
  addTensor(entry->inputs, "slot_mapping", fb::DType::Int32, {tokens()});
  addTensor(entry->inputs, "query_start", fb::DType::Int32, {fixed(maxBatch + 1)});
  addTensor(entry->inputs, "context_lens", fb::DType::Int32, {sequences});
  addTensor(entry->inputs, "block_tables", fb::DType::Int32,
            {sequences, fixed(maxSeqLen / blockSize)});
  addTensor(entry->inputs, "logit_indices", fb::DType::Int32, {{fb::Symbol::LogitRows, 1}});
  addTensor(entry->outputs, "logits", fb::DType::Float32, {{logitRows, 1}, fixed(vocabulary)});
  addCall(plan, *entry, Prologue);
  for (uint32_t layer = 0; layer < layers; ++layer)
    addCall(plan, *entry, Layer, int32_t(layer));
  addCall(plan, *entry, epilogue);
  plan.entries.push_back(std::move(entry));
}

void addModel(fb::PlanT &plan) {
  plan.model = std::make_unique<fb::ModelT>();
  plan.model->name = "sample";
  plan.model->architecture = "llama";
  plan.model->vocab_size = vocabulary;
  plan.model->hidden_size = hidden;
  plan.model->num_hidden_layers = layers;
  plan.model->max_position_embeddings = maxSeqLen;
  plan.model->dtype = fb::DType::BFloat16;
  plan.model->num_key_value_heads = 1;
  plan.cpu = "avx2";
  plan.cpu_features = {"avx2", "fma"};
  plan.limits = std::make_unique<fb::LimitsT>();
  plan.limits->max_seq_len = maxSeqLen;
  plan.limits->max_tokens_per_step = maxTokens;
  plan.limits->max_batch = maxBatch;
  plan.limits->kv_blocks = kvBlocks;
  plan.kv_cache = std::make_unique<fb::KvCacheT>();
  plan.kv_cache->layers = layers;
  plan.kv_cache->block_size = blockSize;
  plan.kv_cache->num_key_value_heads = 1;
  plan.kv_cache->head_dim = headDim;
  plan.kv_cache->dtype = fb::DType::BFloat16;
  plan.kv_cache->bytes_per_block = *kvBlockBytes(1, headDim, blockSize, DType::BFloat16);
  plan.generation = std::make_unique<fb::GenerationT>();
  plan.generation->eos_token_ids = {2, 5};
  plan.generation->bos_token_id = 1;
  plan.generation->temperature = 0.7;
}

} // namespace

fb::PlanT plan() {
  fb::PlanT plan;
  addModel(plan);
  constexpr auto bf16 = fb::DType::BFloat16;
  addBuffer(plan, "hidden", bf16, {tokens(), fixed(hidden)}, maxTokens * hidden * 2);
  addBuffer(plan, "rope", fb::DType::Float32, {tokens(), fixed(headDim)}, maxTokens * headDim * 4);
  addBuffer(plan, "x", bf16, {tokens(), fixed(hidden)}, maxTokens * hidden * 2);
  addBuffer(plan, "q", bf16, {tokens(), fixed(hidden)}, maxTokens * hidden * 2);
  addBuffer(plan, "k", bf16, {tokens(), fixed(headDim)}, maxTokens * headDim * 2);
  addBuffer(plan, "v", bf16, {tokens(), fixed(headDim)}, maxTokens * headDim * 2);
  addBuffer(plan, "attended", bf16, {tokens(), fixed(hidden)}, maxTokens * hidden * 2);
  addBuffer(plan, "o", bf16, {tokens(), fixed(hidden)}, maxTokens * hidden * 2);
  addBuffer(plan, "rows", bf16, {{fb::Symbol::LogitRows, 1}, fixed(hidden)},
            maxTokens * hidden * 2);
  // The attention's result lies where the norm's was: x is dead by then.
  plan.buffers[Attended]->offset = plan.buffers[X]->offset;

  auto constant = std::make_unique<fb::ConstantT>();
  constant->name = "inv_freq";
  constant->shape = {headDim / 2};
  constant->segment = 1;
  constant->bytes = headDim / 2 * sizeof(float);
  plan.constants.push_back(std::move(constant));

  addWeight(plan, "embed_tokens", "model.embed_tokens.weight", {vocabulary, hidden},
            fb::Packing::Rows);
  for (uint32_t layer = 0; layer < layers; ++layer) {
    std::string name = "layers." + std::to_string(layer) + ".";
    std::string source = "model." + name;
    addWeight(plan, name + "norm", source + "norm.weight", {hidden}, fb::Packing::Rows);
    addWeight(plan, name + "q", source + "q.weight", {hidden, hidden}, fb::Packing::Panel32);
    addWeight(plan, name + "k", source + "k.weight", {headDim, hidden}, fb::Packing::Panel32);
    addWeight(plan, name + "v", source + "v.weight", {headDim, hidden}, fb::Packing::Panel32);
    addWeight(plan, name + "o", source + "o.weight", {hidden, hidden}, fb::Packing::Panel32);
  }
  addWeight(plan, "norm", "model.norm.weight", {hidden}, fb::Packing::Rows);
  addWeight(plan, "lm_head", "lm_head.weight", {vocabulary, hidden}, fb::Packing::Panel32);
  addWeight(plan, "experts", "model.experts.{}.weight", {24, 40}, fb::Packing::Panel32, experts);

  addKernel(plan, "embedding_bfloat16", "embedding", 3);
  addKernel(plan, "rope_table", "rope_table", 3);
  addKernel(plan, "rms_norm_bfloat16", "rms_norm", 3);
  addKernel(plan, "matmul_bfloat16_n32_k32", "matmul", 3);
  addKernel(plan, "matmul_bfloat16_n16_k32", "matmul", 3);
  addKernel(plan, "rope_bfloat16", "rope", 3);
  addKernel(plan, "kv_append_bfloat16", "kv_append", 4);
  addKernel(plan, "attention_bfloat16", "attention", 6);
  addKernel(plan, "add_bfloat16", "add", 3);
  addKernel(plan, "gather_rows_bfloat16", "gather_rows", 3);
  addKernel(plan, "matmul_float32_n40_k32", "matmul", 3);
  addBodies(plan);
  addEntry(plan, "prefill", EpiloguePrefill, fb::Symbol::LogitRows);
  addEntry(plan, "decode", Epilogue, fb::Symbol::Tokens);
  addEntry(plan, "score", Epilogue, fb::Symbol::Tokens);
  return plan;
}

std::unique_ptr<fb::ShardT> shard(fb::ShardKind kind, std::vector<uint32_t> axes, uint32_t parts) {
  auto shard = std::make_unique<fb::ShardT>();
  shard->kind = kind;
  shard->axes = std::move(axes);
  shard->parts = parts;
  return shard;
}

void addShard(fb::WeightT &weight, size_t piece, std::unique_ptr<fb::ShardT> shard) {
  switch (shard->kind) {
  case fb::ShardKind::Rows:
    weight.shape[0] -= weight.pieces[piece]->shape[0];
    weight.shape[0] += partSize(weight.pieces[piece]->shape[0], shard->parts);
    break;
  case fb::ShardKind::Columns:
    weight.shape[1] = partSize(weight.pieces[piece]->shape[1], shard->parts);
    break;
  case fb::ShardKind::Stack:
    weight.count /= shard->parts;
    break;
  case fb::ShardKind::FirstOnly:
    break;
  }
  weight.bytes = *packedBytes(weight.shape, toDType(weight.dtype), weight.packing, weight.count);
  weight.pieces[piece]->shards.push_back(std::move(shard));
}

uint32_t addCollective(fb::PlanT &plan, fb::CollectiveKind kind, std::vector<uint32_t> axes,
                       fb::DType dtype, fb::Dim count) {
  const std::string op(collectiveName(kind));
  addKernel(plan, (op + std::to_string(plan.kernels.size())).c_str(), op.c_str(), 2);
  auto collective = std::make_unique<fb::CollectiveT>();
  collective->kind = kind;
  collective->axes = std::move(axes);
  collective->dtype = dtype;
  collective->count = std::make_unique<fb::Dim>(count);
  plan.kernels.back()->collective = std::move(collective);
  return uint32_t(plan.kernels.size() - 1);
}

fb::PlanT rankedPlan(std::vector<uint32_t> mesh) {
  fb::PlanT result = plan();
  const auto axis = uint32_t(mesh.size() - 1);
  const uint32_t parts = mesh.back();
  result.mesh = std::move(mesh);
  for (auto &weight : result.weights) {
    if (weight->name.ends_with(".q"))
      addShard(*weight, 0, shard(fb::ShardKind::Rows, {axis}, parts));
    if (weight->name.ends_with(".k") || weight->name.ends_with(".v"))
      addShard(*weight, 0, shard(fb::ShardKind::Rows, {axis}, 1));
    if (weight->name.ends_with(".o"))
      addShard(*weight, 0, shard(fb::ShardKind::Columns, {axis}, parts));
    if (weight->name == "experts")
      addShard(*weight, 0, shard(fb::ShardKind::Stack, {axis}, parts));
  }
  for (Buffer buffer : {Q, Attended}) {
    result.buffers[buffer]->dims[1] = fixed(hidden / parts);
    result.buffers[buffer]->bytes = maxTokens * hidden / parts * 2;
  }
  addCollective(result, fb::CollectiveKind::AllReduce, {axis}, fb::DType::BFloat16, tokens(hidden));

  // The sum of what the ranks project comes before the residual, which takes its place.
  fb::BodyT &layer = *result.bodies[Layer];
  const fb::Command residual = layer.commands[Residual];
  const auto operand = uint32_t(layer.operands.size()), wait = uint32_t(layer.waits.size());
  layer.operands.insert(layer.operands.end(), {arena(O), arena(O)});
  layer.waits.insert(layer.waits.end(), {ProjectO, Residual});
  layer.commands[Residual] =
      fb::Command(kernelCount, operand, 2, wait, 1, 0, fb::TileRule(fb::Symbol::One, 1, 1, 1));
  layer.commands.push_back(fb::Command(residual.kernel(), residual.operand_first(),
                                       residual.operand_count(), wait + 1, 1, 0, residual.tiles()));
  auto &debug = *result.debug[Layer];
  debug.ops.insert(debug.ops.end() - 1, "llm.all_reduce");
  debug.locations.push_back("config.json:1:1");
  return result;
}

void insertPrefetch(fb::PlanT &plan, uint32_t bodyIndex, uint32_t at, uint32_t parameter,
                    double share, uint32_t minTokens) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->op = "prefetch";
  kernel->symbol = "prefetch_" + std::to_string(plan.kernels.size());
  kernel->operands = 1;
  kernel->prefetch = std::make_unique<fb::PrefetchT>();
  kernel->prefetch->share = share;
  kernel->prefetch->min_tokens = minTokens;
  plan.kernels.push_back(std::move(kernel));
  fb::BodyT &body = *plan.bodies[bodyIndex];
  for (uint32_t &wait : body.waits)
    wait += wait >= at ? 1 : 0;
  body.commands.insert(
      body.commands.begin() + at,
      fb::Command(uint32_t(plan.kernels.size() - 1), uint32_t(body.operands.size()), 1, 0, 0,
                  uint32_t(fb::Stream::Prefetch), fb::TileRule(fb::Symbol::One, 1, 1, 1)));
  body.operands.emplace_back(fb::Space::Parameter, parameter);
  fb::DebugBodyT &debug = *plan.debug[bodyIndex];
  debug.ops.insert(debug.ops.begin() + at, "npu.prefetch");
  debug.locations.insert(debug.locations.begin() + at, "config.json:1:1");
}

std::vector<SegmentData> segments() {
  std::vector<std::byte> object(5000), constants(headDim / 2 * sizeof(float));
  for (size_t i = 0; i < object.size(); ++i)
    object[i] = std::byte(i * 7 % 251);
  const float one = 1.0f;
  for (size_t i = 0; i < constants.size(); i += sizeof one)
    std::memcpy(constants.data() + i, &one, sizeof one);
  return {{fb::SegmentKind::Object, object}, {fb::SegmentKind::Constants, constants}};
}

std::vector<std::byte> bytes() {
  fb::PlanT tables = plan();
  return serializePlan(tables, segments());
}

} // namespace vinci::sample
