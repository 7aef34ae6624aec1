// The tables of a plan one by one: model, limits, KV cache, segments, buffers, constants, weights,
// kernels, debug.
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "runtime/plan/plan_file.h"
#include "runtime/plan/verify_internal.h"
#include "runtime/support/lengths.h"

#include <cmath>
#include <set>

namespace vinci::planverify {
namespace {

void verifyLimits(const Context &context) {
  const std::string where = "limits";
  const fb::Limits *limits = context.require(context.plan.limits(), "plan", where);
  context.requireRange(limits->max_seq_len(), 1, maxInt32, where, "max_seq_len");
  context.requireRange(limits->max_tokens_per_step(), 1, maxInt32, where, "max_tokens_per_step");
  // decode runs one token per sequence.
  context.requireRange(limits->max_batch(), 1, limits->max_tokens_per_step(), where, "max_batch");
  context.requireRange(limits->kv_blocks(), 1, maxInt32, where, "kv_blocks");
  context.requireRange(limits->token_shares(), 1, maxRanks, where, "token_shares");
  if (limits->max_logit_rows() != 0) // decode wants those of each sequence
    context.requireRange(limits->max_logit_rows(), limits->max_batch(),
                         limits->max_tokens_per_step(), where, "max_logit_rows");
}

void verifyKvCache(const Context &context) {
  const std::string where = "kv_cache";
  const fb::KvCache *cache = context.require(context.plan.kv_cache(), "plan", where);
  const fb::Limits *limits = context.plan.limits();
  context.requireRange(cache->layers(), 1, maxLayers, where, "layers");
  if (cache->block_size() == 0 || cache->block_size() % 16 != 0)
    context.fail(where, "block_size is {}, legal are multiples of 16", cache->block_size());
  context.requireRange(cache->num_key_value_heads(), 1, maxInt32, where, "num_key_value_heads");
  context.requireRange(cache->head_dim(), 1, maxInt32, where, "head_dim");
  context.requireFloat(cache->dtype(), where);
  std::optional<uint64_t> bytes = kvBlockBytes(cache->num_key_value_heads(), cache->head_dim(),
                                               cache->block_size(), toDType(cache->dtype()));
  if (!bytes || cache->bytes_per_block() != *bytes)
    context.fail(where, "bytes_per_block is {}, its geometry makes {}", cache->bytes_per_block(),
                 bytes ? std::to_string(*bytes) : "too many");
  std::optional<uint64_t> total = checkedMul(*bytes, limits->kv_blocks());
  if (!total || !checkedMul(*total, cache->layers()))
    context.fail(where, "{} blocks of {} bytes in {} layers are larger than any memory",
                 limits->kv_blocks(), *bytes, cache->layers());
  // slot_mapping is int32.
  if (uint64_t(limits->kv_blocks()) * cache->block_size() > maxInt32)
    context.fail(where, "kv_blocks {} of block_size {} have more slots than an int32 can name",
                 limits->kv_blocks(), cache->block_size());
}

void verifyGeneration(const Context &context) {
  const std::string where = "generation";
  const fb::Generation *generation = context.require(context.plan.generation(), "plan", where);
  int64_t vocabulary = context.plan.model()->vocab_size();
  auto requireToken = [&](int64_t id, int64_t least, std::string_view fieldName) {
    if (id < least || id >= vocabulary)
      context.fail(where, "{} {} is outside the vocabulary of {}", fieldName, id, vocabulary);
  };
  for (int32_t id : *context.require(generation->eos_token_ids(), where, "eos_token_ids"))
    requireToken(id, 0, "eos_token_ids");
  requireToken(generation->bos_token_id(), -1, "bos_token_id");
  requireToken(generation->pad_token_id(), -1, "pad_token_id");
  auto requireFinite = [&](flatbuffers::Optional<double> value, std::string_view fieldName) {
    if (value && !std::isfinite(*value))
      context.fail(where, "{} is not a finite number", fieldName);
  };
  requireFinite(generation->temperature(), "temperature");
  requireFinite(generation->top_p(), "top_p");
  requireFinite(generation->repetition_penalty(), "repetition_penalty");
  for (auto [lengths, fieldName] : {std::pair(generation->input_tokens(), "input_tokens"),
                                    std::pair(generation->output_tokens(), "output_tokens")})
    if (lengths && lengths->size())
      LengthDistribution::parse(lengths->string_view(), fmt::format("{}: {}", where, fieldName),
                                SourcePosition{context.name});
  for (auto [count, fieldName] : {std::pair(generation->max_tokens(), "max_tokens"),
                                  std::pair(generation->requests(), "requests"),
                                  std::pair(generation->concurrency(), "concurrency")})
    if (count)
      context.requireRange(*count, 1, maxInt32, where, fieldName);
}

void verifyPrecision(const Context &context) {
  const std::string where = "precision";
  const fb::Precision *precision = context.plan.precision();
  if (!precision)
    return;
  for (auto [region, type] :
       {std::pair("compute", precision->compute()), std::pair("layernorm", precision->layernorm()),
        std::pair("softmax", precision->softmax()), std::pair("rotary", precision->rotary()),
        std::pair("parameters", precision->parameters())})
    context.requireFloat(type, where + " of " + region);
  if (precision->compute() != context.plan.model()->dtype())
    context.fail(where, "compute is {}, the model's dtype is {}",
                 toString(toDType(precision->compute())),
                 toString(toDType(context.plan.model()->dtype())));
}

void verifyGraphs(const Context &context) {
  const std::string where = "graphs";
  const fb::Graphs *graphs = context.plan.graphs();
  if (!graphs)
    return;
  context.requireEnum(graphs->mode(), where, "mode");
  if (graphs->mode() == fb::GraphMode::None)
    context.fail(where, "mode is None; a plan that captures nothing has no graphs");
  const auto *sizes = context.require(graphs->sizes(), where, "sizes");
  context.requireRange(sizes->size(), 1, maxGraphSizes, where, "the number of sizes");
  uint64_t least = 1;
  for (uint32_t size : *sizes) {
    context.requireRange(size, least, context.plan.limits()->max_tokens_per_step(), where,
                         "a size");
    least = uint64_t(size) + 1;
  }
}

void verifyBuffers(const Context &context) {
  const auto *buffers = context.require(context.plan.buffers(), "plan", "buffers");
  uint64_t arena = context.plan.arena_bytes();
  context.requireRange(arena, 0, maxSize - 1, "plan", "arena_bytes");
  context.requireRange(buffers->size(), 0, maxBuffers, "plan", "the number of buffers");
  for (uint32_t i = 0; i < buffers->size(); ++i) {
    const fb::Buffer *buffer = buffers->Get(i);
    context.requireName(buffer->name(), fmt::format("buffer {}", i), "name");
    std::string where = bufferWhere(context.plan, i);
    uint64_t needed = context.bytesAtLimits(buffer->dims(), buffer->dtype(), where);
    if (buffer->bytes() < needed)
      context.fail(where, "has {} bytes, its dims take {} at the plan's limits", buffer->bytes(),
                   needed);
    if (buffer->offset() % bufferAlignment != 0)
      context.fail(where, "offset {} is not a multiple of {}", buffer->offset(), bufferAlignment);
    if (buffer->offset() > arena || buffer->bytes() > arena - buffer->offset())
      context.fail(where, "offset {} + {} bytes end outside the arena of {}", buffer->offset(),
                   buffer->bytes(), arena);
  }
}

/// The segment that `index` names, of the kind it must be.
const fb::Segment *segmentOf(const Context &context, uint32_t index, fb::SegmentKind kind,
                             const std::string &where) {
  const auto &segments = *context.plan.segments();
  if (index >= segments.size())
    context.fail(where, "names segment {}, the plan has {}", index, segments.size());
  if (segments.Get(index)->kind() != kind)
    context.fail(where, "names segment {}, which is not of kind {}", index,
                 kind == fb::SegmentKind::Object ? "object" : "constants");
  return segments.Get(index);
}

void verifyConstants(const Context &context) {
  const auto *constants = context.require(context.plan.constants(), "plan", "constants");
  for (uint32_t i = 0; i < constants->size(); ++i) {
    const fb::Constant *constant = constants->Get(i);
    std::string where = fmt::format("constant {}", i);
    context.requireName(constant->name(), where, "name");
    context.requireEnum(constant->dtype(), where, "dtype");
    const auto *shape = context.require(constant->shape(), where, "shape");
    context.requireRange(shape->size(), 1, maxRank, where, "the rank");
    std::optional<uint64_t> bytes = packedBytes(std::span(shape->data(), shape->size()),
                                                toDType(constant->dtype()), fb::Packing::Rows);
    if (!bytes || *bytes != constant->bytes())
      context.fail(where, "has {} bytes, its shape makes {}", constant->bytes(),
                   bytes ? std::to_string(*bytes) : "too many");
    const fb::Segment *segment =
        segmentOf(context, constant->segment(), fb::SegmentKind::Constants, where);
    if (constant->offset() % bufferAlignment != 0)
      context.fail(where, "offset {} is not a multiple of {}", constant->offset(), bufferAlignment);
    // Tables of ranks begin at multiples of the alignment, too.
    const uint64_t before = constant->per_rank() ? Mesh(context.plan).ranks() - 1 : 0;
    std::optional<uint64_t> all = checkedMul(roundUp(*bytes, bufferAlignment), before);
    if (all)
      all = checkedAdd(*all, *bytes);
    if (!all || constant->offset() > segment->bytes() ||
        *all > segment->bytes() - constant->offset())
      context.fail(where, "offset {} + {} bytes{} end outside its segment of {}",
                   constant->offset(), all ? std::to_string(*all) : "too many",
                   constant->per_rank() ? fmt::format(" for {} ranks", before + 1) : "",
                   segment->bytes());
  }
}

void verifyWeight(const Context &context, const fb::Weight *weight, const std::string &where) {
  context.requireRange(weight->count(), 0, maxStackCount, where, "count");
  context.requireEnum(weight->dtype(), where, "dtype");
  context.requireEnum(weight->packing(), where, "packing");
  const auto *shape = context.require(weight->shape(), where, "shape");
  context.requireRange(shape->size(), 1, 2, where, "the rank");
  for (uint64_t size : *shape)
    context.requireRange(size, 1, maxInt32, where, "a size of the shape");
  verifyPieces(context, weight, where);
  if (weight->packing() != fb::Packing::Rows && shape->size() != 2)
    context.fail(where, "packing {} needs a matrix, its rank is {}",
                 fb::EnumNamePacking(weight->packing()), shape->size());
  if (weight->packing() == fb::Packing::Panel12 && weight->dtype() != fb::DType::BFloat16)
    context.fail(where, "packing Panel12 is for bfloat16, its dtype is {}",
                 toString(toDType(weight->dtype())));
  if (weight->packing() == fb::Packing::Panel32 && weight->dtype() == fb::DType::Int32)
    context.fail(where, "packing Panel32 is for floats and int8, its dtype is int32");
  std::optional<uint64_t> bytes =
      packedBytes(std::span(shape->data(), shape->size()), toDType(weight->dtype()),
                  weight->packing(), weight->count());
  if (!bytes || *bytes != weight->bytes())
    context.fail(where, "has {} bytes, its packing makes {}", weight->bytes(),
                 bytes ? std::to_string(*bytes) : "too many");
}

void verifyWeights(const Context &context) {
  const auto *weights = context.require(context.plan.weights(), "plan", "weights");
  std::set<std::string_view> names;
  uint64_t total = 0;
  for (uint32_t i = 0; i < weights->size(); ++i) {
    std::string where = fmt::format("weight {}", i);
    std::string_view name = context.requireName(weights->Get(i)->name(), where, "name");
    if (!names.insert(name).second)
      context.fail(where, "name {} is taken by another weight", quote(name));
    verifyWeight(context, weights->Get(i), fmt::format("{} {}", where, quote(name)));
    std::optional<uint64_t> sum =
        checkedAdd(total, roundUp(weights->Get(i)->bytes(), bufferAlignment));
    if (!sum)
      context.fail("weights", "are larger than any memory");
    total = *sum;
  }
}

} // namespace

void verifyModel(const Context &context) {
  const std::string where = "model";
  const fb::Model *model = context.require(context.plan.model(), "plan", where);
  context.requireName(model->name(), where, "name");
  context.requireName(model->architecture(), where, "architecture");
  context.requireRange(model->vocab_size(), 1, maxInt32, where, "vocab_size");
  context.requireRange(model->hidden_size(), 1, maxInt32, where, "hidden_size");
  context.requireRange(model->num_hidden_layers(), 1, maxLayers, where, "num_hidden_layers");
  context.requireRange(model->max_position_embeddings(), 1, maxInt32, where,
                       "max_position_embeddings");
  context.requireFloat(model->dtype(), where);
  context.requireRange(model->parameters(), 0, maxSize - 1, where, "parameters");
  context.requireRange(model->num_key_value_heads(), 1, maxInt32, where, "num_key_value_heads");
  context.requireName(context.plan.cpu(), "plan", "cpu");
  for (const flatbuffers::String *feature :
       *context.require(context.plan.cpu_features(), "plan", "cpu_features"))
    context.requireName(feature, "plan", "a name in cpu_features");
  verifyMesh(context);
  verifyLimits(context);
  verifyKvCache(context);
  verifyGeneration(context);
  verifyPrecision(context);
  verifyGraphs(context);
}

void verifyMemory(const Context &context) {
  verifyBuffers(context);
  verifyConstants(context);
  verifyWeights(context);
}

void verifySegments(const Context &context, uint64_t tablesEnd, uint64_t fileBytes) {
  const auto *segments = context.require(context.plan.segments(), "plan", "segments");
  uint64_t end = tablesEnd;
  for (uint32_t i = 0; i < segments->size(); ++i) {
    const fb::Segment *segment = segments->Get(i);
    std::string where = fmt::format("segment {}", i);
    context.requireEnum(segment->kind(), where, "kind");
    if (segment->offset() != roundUp(end, planSegmentAlignment))
      context.fail(where, "begins at {}, expected {}", segment->offset(),
                   roundUp(end, planSegmentAlignment));
    if (segment->offset() > fileBytes || segment->bytes() > fileBytes - segment->offset())
      context.fail(where, "begins at {} with {} bytes, the file has {}", segment->offset(),
                   segment->bytes(), fileBytes);
    if (segment->bytes() == 0)
      context.fail(where, "is empty");
    end = segment->offset() + segment->bytes();
  }
  if (end != fileBytes)
    context.fail("segments", "end at {}, the file has {} bytes", end, fileBytes);
}

static void verifyPrefetch(const Context &context, const fb::Kernel &kernel,
                           const std::string &where) {
  const double share = kernel.prefetch()->share();
  if (!(share > 0 && share <= 1))
    context.fail(where, "the share of a prefetch is {}; legal are shares above 0 and up to 1",
                 share);
  context.requireRange(kernel.prefetch()->min_tokens(), 0, maxInt32, where, "min_tokens");
  context.requireRange(kernel.operands(), 1, 1, where, "operands of a prefetch");
  context.requireRange(kernel.outputs(), 0, 0, where, "outputs of a prefetch");
  if (kernel.collective() || kernel.cost())
    context.fail(where, "is a prefetch, and has a {}", kernel.collective() ? "collective" : "cost");
}

void verifyKernels(const Context &context) {
  const auto *kernels = context.require(context.plan.kernels(), "plan", "kernels");
  context.requireRange(kernels->size(), 1, maxKernels, "plan", "the number of kernels");
  std::set<std::string_view> symbols;
  for (uint32_t i = 0; i < kernels->size(); ++i) {
    const fb::Kernel *kernel = kernels->Get(i);
    std::string where = fmt::format("kernel {}", i);
    std::string_view symbol = context.requireName(kernel->symbol(), where, "symbol");
    if (!symbols.insert(symbol).second)
      context.fail(where, "symbol {} is taken by another kernel", quote(symbol));
    where = fmt::format("{} {}", where, quote(symbol));
    context.requireName(kernel->op(), where, "op");
    context.requireRange(kernel->operands(), 1, maxOperandsPerKernel, where, "operands");
    if (kernel->prefetch())
      verifyPrefetch(context, *kernel, where);
    else
      context.requireRange(kernel->outputs(), 1, kernel->operands(), where, "outputs");
    if (kernel->collective())
      verifyCollective(context, kernel, where);
    if (isCompiled(*kernel))
      segmentOf(context, kernel->segment(), fb::SegmentKind::Object, where);
    if (kernel->cost())
      verifyCost(context, *kernel->cost(), where);
  }
}

/// Of the commands of a body: each op at the depth of the one before or above, or one deeper.
static void verifyOrigins(const Context &context,
                          const flatbuffers::Vector<flatbuffers::Offset<fb::DebugOp>> &origins,
                          uint32_t commands, const std::string &where) {
  uint32_t deepest = 0, described = 0;
  for (const fb::DebugOp *op : origins) {
    context.requireName(op->op(), where, "the op of an origin");
    context.require(op->role(), where, "the role of an origin");
    context.require(op->location(), where, "the location of an origin");
    context.require(op->pass(), where, "the pass of an origin");
    if (op->depth() > deepest)
      context.fail(where, "an origin is {} deep, legal are 0 to {}", op->depth(), deepest);
    deepest = op->depth() + 1;
    described += op->depth() == 0 ? 1 : 0;
  }
  if (described != commands)
    context.fail(where, "has the origins of {} commands, the body has {}", described, commands);
}

void verifyDebug(const Context &context) {
  const auto *debug = context.require(context.plan.debug(), "plan", "debug");
  const auto &bodies = *context.plan.bodies();
  if (debug->size() == 0)
    return; // stripped
  if (debug->size() != bodies.size())
    context.fail("debug", "describes {} bodies, the plan has {}", debug->size(), bodies.size());
  for (uint32_t i = 0; i < debug->size(); ++i) {
    std::string where = fmt::format("debug table of body {}", i);
    uint32_t commands = bodies.Get(i)->commands()->size();
    for (const auto *list : {context.require(debug->Get(i)->ops(), where, "ops"),
                             context.require(debug->Get(i)->locations(), where, "locations")})
      if (list->size() != commands)
        context.fail(where, "describes {} commands, the body has {}", list->size(), commands);
    if (const auto *origins = debug->Get(i)->origins(); origins && origins->size() > 0)
      verifyOrigins(context, *origins, commands, where);
  }
}

} // namespace vinci::planverify
