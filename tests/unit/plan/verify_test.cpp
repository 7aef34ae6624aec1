// One thing wrong at a time: what the verifier says about each table. Order and memory:
// verify_order_test.cpp.
#include "runtime/plan/plan.h"
#include "tests/unit/plan/verify_fixture.h"

#include <gtest/gtest.h>
#include <limits>

namespace vinci {
namespace {

using namespace sample;
using fb::PlanT;

struct Case {
  const char *name;
  void (*change)(PlanT &);
  const char *message;
};

constexpr uint64_t huge = std::numeric_limits<uint64_t>::max();
constexpr auto badEnum = 99;

fb::Command &command(PlanT &plan, uint32_t body, uint32_t index) {
  return plan.bodies[body]->commands[index];
}
/// Commands have no setters: they are replaced.
void setCommand(PlanT &plan, uint32_t body, uint32_t index, uint32_t kernel, uint32_t operandFirst,
                uint32_t operandCount, uint32_t waitFirst, uint32_t waitCount, uint32_t stream,
                fb::TileRule tiles) {
  command(plan, body, index) =
      fb::Command(kernel, operandFirst, operandCount, waitFirst, waitCount, stream, tiles);
}
void addPiece(fb::WeightT &weight, std::vector<uint64_t> shape) {
  weight.pieces.push_back(std::make_unique<fb::WeightPieceT>());
  weight.pieces.back()->source = "another.weight";
  weight.pieces.back()->shape = std::move(shape);
}
/// Says what the first two commands of body 1 were made of: of the second an op at `depth`.
void addOrigins(PlanT &plan, uint32_t depth) {
  for (uint32_t each : {0u, 0u, depth}) {
    plan.debug[1]->origins.push_back(std::make_unique<fb::DebugOpT>());
    plan.debug[1]->origins.back()->op = "llm.matmul";
    plan.debug[1]->origins.back()->depth = each;
  }
}
void setGraphs(PlanT &plan, fb::GraphMode mode, std::vector<uint32_t> sizes) {
  plan.graphs = std::make_unique<fb::GraphsT>();
  plan.graphs->mode = mode;
  plan.graphs->sizes = std::move(sizes);
}
const fb::TileRule anyTiles(fb::Symbol::Tokens, 1, 4, 2);

const Case modelCases[] = {
    {"NoModel", [](PlanT &p) { p.model.reset(); }, "plan: model is absent"},
    {"NoName", [](PlanT &p) { p.model->name = ""; }, "model: name is empty"},
    {"NoArchitecture", [](PlanT &p) { p.model->architecture = ""; }, "architecture is empty"},
    {"VocabSize", [](PlanT &p) { p.model->vocab_size = 0; },
     "model: vocab_size is 0, legal are 1 to 2147483647"},
    {"HiddenSize", [](PlanT &p) { p.model->hidden_size = 1u << 31; }, "hidden_size is 2147483648"},
    {"Layers", [](PlanT &p) { p.model->num_hidden_layers = 0; }, "num_hidden_layers is 0"},
    {"KeyValueHeads", [](PlanT &p) { p.model->num_key_value_heads = 0; },
     "model: num_key_value_heads is 0, legal are 1 to 2147483647"},
    {"Positions", [](PlanT &p) { p.model->max_position_embeddings = 0; },
     "max_position_embeddings is 0"},
    {"DTypeUnknown", [](PlanT &p) { p.model->dtype = fb::DType(badEnum); },
     "model: dtype 99 is unknown, the largest is 4"},
    {"DTypeInteger", [](PlanT &p) { p.model->dtype = fb::DType::Int32; },
     "model: dtype is int32, legal are float32, bfloat16 and float16"},
    {"Parameters", [](PlanT &p) { p.model->parameters = huge; },
     "parameters is 18446744073709551615"},
    {"Cpu", [](PlanT &p) { p.cpu = ""; }, "plan: cpu is empty"},
    {"CpuFeature",
     [](PlanT &p) {
       p.cpu_features = {"avx2", ""};
     },
     "a name in cpu_features is empty"},
    {"NoLimits", [](PlanT &p) { p.limits.reset(); }, "plan: limits is absent"},
    {"MaxSeqLen", [](PlanT &p) { p.limits->max_seq_len = 0; }, "limits: max_seq_len is 0"},
    {"MaxTokens", [](PlanT &p) { p.limits->max_tokens_per_step = 0; },
     "limits: max_tokens_per_step is 0"},
    {"MaxBatch", [](PlanT &p) { p.limits->max_batch = 9; },
     "limits: max_batch is 9, legal are 1 to 8"},
    {"KvBlocks", [](PlanT &p) { p.limits->kv_blocks = 0; }, "limits: kv_blocks is 0"},
    {"GraphsNone", [](PlanT &p) { p.graphs = std::make_unique<fb::GraphsT>(); },
     "graphs: mode is None"},
    {"GraphsUnknown", [](PlanT &p) { setGraphs(p, fb::GraphMode(badEnum), {1}); },
     "graphs: mode 99 is unknown"},
    {"GraphsEmpty", [](PlanT &p) { setGraphs(p, fb::GraphMode::Full, {}); },
     "graphs: the number of sizes is 0"},
    {"GraphsLarge",
     [](PlanT &p) {
       setGraphs(p, fb::GraphMode::Full, {1, 9});
     },
     "graphs: a size is 9, legal are 2 to 8"},
    {"GraphsZero", [](PlanT &p) { setGraphs(p, fb::GraphMode::Full, {0}); },
     "graphs: a size is 0, legal are 1 to 8"},
    {"GraphsOrder",
     [](PlanT &p) {
       setGraphs(p, fb::GraphMode::Full, {2, 2});
     },
     "graphs: a size is 2, legal are 3 to 8"},
    {"NoKvCache", [](PlanT &p) { p.kv_cache.reset(); }, "plan: kv_cache is absent"},
    {"KvLayers", [](PlanT &p) { p.kv_cache->layers = 0; }, "kv_cache: layers is 0"},
    {"BlockSize", [](PlanT &p) { p.kv_cache->block_size = 24; },
     "kv_cache: block_size is 24, legal are multiples of 16"},
    {"BlockSizeZero", [](PlanT &p) { p.kv_cache->block_size = 0; }, "block_size is 0"},
    {"KvHeads", [](PlanT &p) { p.kv_cache->num_key_value_heads = 0; }, "num_key_value_heads is 0"},
    {"HeadDim", [](PlanT &p) { p.kv_cache->head_dim = 0; }, "head_dim is 0"},
    {"KvDType", [](PlanT &p) { p.kv_cache->dtype = fb::DType::Int8; }, "kv_cache: dtype is int8"},
    {"BytesPerBlock", [](PlanT &p) { p.kv_cache->bytes_per_block += 2; },
     "bytes_per_block is 1026, its geometry makes 1024"},
    {"BytesPerBlockHuge",
     [](PlanT &p) { p.kv_cache->num_key_value_heads = p.kv_cache->head_dim = 0x7fffffff; },
     "its geometry makes too many"},
    {"KvTotal",
     [](PlanT &p) {
       p.kv_cache->layers = 65536;
       p.kv_cache->bytes_per_block = *kvBlockBytes(16384, 16, 16, DType::BFloat16);
       p.kv_cache->num_key_value_heads = 16384;
       p.limits->kv_blocks = 1 << 20;
     },
     "in 65536 layers are larger than any memory"},
    {"KvSlots",
     [](PlanT &p) {
       p.kv_cache->layers = 1;
       p.limits->kv_blocks = 1 << 28;
     },
     "have more slots than an int32 can name"},
    {"NoGeneration", [](PlanT &p) { p.generation.reset(); }, "plan: generation is absent"},
    {"Eos",
     [](PlanT &p) {
       p.generation->eos_token_ids = {2, 40};
     },
     "generation: eos_token_ids 40 is outside the vocabulary of 40"},
    {"EosNegative", [](PlanT &p) { p.generation->eos_token_ids = {-1}; }, "eos_token_ids -1"},
    {"InputTokens", [](PlanT &p) { p.generation->input_tokens = "fixed:0"; },
     "generation: input_tokens is \"fixed:0\"; fixed:N takes an integer from 1"},
    {"OutputTokens", [](PlanT &p) { p.generation->output_tokens = "many"; },
     "generation: output_tokens is \"many\"; fixed:N, uniform:A-B"},
    {"GenerationMaxTokens", [](PlanT &p) { p.generation->max_tokens = 0; },
     "generation: max_tokens is 0"},
    {"Requests", [](PlanT &p) { p.generation->requests = 0; }, "generation: requests is 0"},
    {"Concurrency", [](PlanT &p) { p.generation->concurrency = 1u << 31; },
     "generation: concurrency is 2147483648"},
    {"Bos", [](PlanT &p) { p.generation->bos_token_id = -2; }, "bos_token_id -2"},
    {"Pad", [](PlanT &p) { p.generation->pad_token_id = 1000; }, "pad_token_id 1000"},
    {"Temperature",
     [](PlanT &p) { p.generation->temperature = std::numeric_limits<double>::quiet_NaN(); },
     "temperature is not a finite number"},
    {"TopP", [](PlanT &p) { p.generation->top_p = std::numeric_limits<double>::infinity(); },
     "top_p is not a finite number"},
    {"RepetitionPenalty",
     [](PlanT &p) { p.generation->repetition_penalty = -std::numeric_limits<double>::infinity(); },
     "repetition_penalty is not a finite number"},
    {"Precision",
     [](PlanT &p) {
       p.precision = std::make_unique<fb::PrecisionT>();
       p.precision->compute = p.model->dtype;
       p.precision->softmax = fb::DType::Int8;
     },
     "precision of softmax: dtype is int8"},
    {"PrecisionCompute",
     [](PlanT &p) {
       p.precision = std::make_unique<fb::PrecisionT>();
       p.precision->compute = fb::DType::Float16;
     },
     "precision: compute is float16, the model's dtype is bfloat16"},
};

const Case memoryCases[] = {
    {"SegmentKind", [](PlanT &p) { p.segments[0]->kind = fb::SegmentKind(badEnum); },
     "segment 0: kind 99 is unknown"},
    {"SegmentOffset", [](PlanT &p) { p.segments[1]->offset += 64; },
     "segment 1: begins at 12352, expected 12288"},
    {"SegmentBytes", [](PlanT &p) { p.segments[1]->bytes = huge; },
     "segment 1: begins at 12288 with 18446744073709551615 bytes, the file has 12320"},
    {"SegmentEmpty", [](PlanT &p) { p.segments[1]->bytes = 0; }, "segment 1: is empty"},
    {"SegmentsEnd", [](PlanT &p) { p.segments[1]->bytes -= 1; },
     "segments: end at 12319, the file has 12320 bytes"},
    {"ArenaBytes", [](PlanT &p) { p.arena_bytes = huge; },
     "plan: arena_bytes is 18446744073709551615"},
    {"TooManyBuffers",
     [](PlanT &p) {
       while (p.buffers.size() <= 4096)
         p.buffers.push_back(std::make_unique<fb::BufferT>(*p.buffers[0]));
     },
     "the number of buffers is 4097, legal are 0 to 4096"},
    {"BufferName", [](PlanT &p) { p.buffers[1]->name = ""; }, "buffer 1: name is empty"},
    {"BufferDType", [](PlanT &p) { p.buffers[1]->dtype = fb::DType(badEnum); },
     "buffer 1 \"rope\": dtype 99 is unknown"},
    {"BufferRank", [](PlanT &p) { p.buffers[1]->dims.clear(); },
     "buffer 1 \"rope\": the number of dims is 0, legal are 1 to 8"},
    {"BufferSymbol", [](PlanT &p) { p.buffers[1]->dims[0] = fb::Dim(fb::Symbol(badEnum), 1); },
     "the symbol of a dim 99 is unknown"},
    {"BufferScale", [](PlanT &p) { p.buffers[1]->dims[0] = fb::Dim(fb::Symbol::Tokens, 0); },
     "a dim has scale 0"},
    {"BufferDims", [](PlanT &p) { p.buffers[1]->dims[1] = fb::Dim(fb::Symbol::One, huge); },
     "its dims are larger than any memory"},
    {"BufferBytes", [](PlanT &p) { p.buffers[1]->bytes -= 1; },
     "buffer 1 \"rope\": has 511 bytes, its dims take 512 at the plan's limits"},
    {"BufferAlignment", [](PlanT &p) { p.buffers[1]->offset += 32; },
     "buffer 1 \"rope\": offset 544 is not a multiple of 64"},
    {"BufferOutside", [](PlanT &p) { p.buffers[8]->offset = p.arena_bytes; },
     "end outside the arena"},
    {"BufferWraps", [](PlanT &p) { p.buffers[8]->offset = huge - 63; }, "end outside the arena"},
    {"BufferTooLong", [](PlanT &p) { p.buffers[8]->bytes = huge; }, "end outside the arena"},
    {"ConstantName", [](PlanT &p) { p.constants[0]->name = ""; }, "constant 0: name is empty"},
    {"ConstantDType", [](PlanT &p) { p.constants[0]->dtype = fb::DType(badEnum); },
     "constant 0: dtype 99 is unknown"},
    {"ConstantRank", [](PlanT &p) { p.constants[0]->shape.clear(); }, "constant 0: the rank is 0"},
    {"ConstantBytes", [](PlanT &p) { p.constants[0]->shape = {9}; },
     "constant 0: has 32 bytes, its shape makes 36"},
    {"ConstantShape",
     [](PlanT &p) {
       p.constants[0]->shape = {huge, huge};
     },
     "its shape makes too many"},
    {"ConstantSegment", [](PlanT &p) { p.constants[0]->segment = 2; },
     "constant 0: names segment 2, the plan has 2"},
    {"ConstantSegmentKind", [](PlanT &p) { p.constants[0]->segment = 0; },
     "constant 0: names segment 0, which is not of kind constants"},
    {"ConstantAlignment", [](PlanT &p) { p.constants[0]->offset = 4; },
     "constant 0: offset 4 is not a multiple of 64"},
    {"ConstantOutside", [](PlanT &p) { p.constants[0]->offset = 64; },
     "constant 0: offset 64 + 32 bytes end outside its segment of 32"},
    {"ConstantWraps", [](PlanT &p) { p.constants[0]->offset = huge - 63; },
     "end outside its segment"},
};

const Case weightCases[] = {
    {"Name", [](PlanT &p) { p.weights[1]->name = ""; }, "weight 1: name is empty"},
    {"NameTwice", [](PlanT &p) { p.weights[2]->name = "layers.0.norm"; },
     "weight 2: name \"layers.0.norm\" is taken by another weight"},
    {"Source", [](PlanT &p) { p.weights[1]->pieces[0]->source = ""; },
     "weight 1 \"layers.0.norm\", piece 0: source is empty"},
    {"SingleWithPlaceholder", [](PlanT &p) { p.weights[1]->pieces[0]->source = "a.{}.b"; },
     "source \"a.{}.b\" must hold {} nowhere for count 0"},
    {"StackWithoutPlaceholder", [](PlanT &p) { p.weights.back()->pieces[0]->source = "a.b"; },
     "source \"a.b\" must hold {} once for count 2"},
    {"StackWithTwo", [](PlanT &p) { p.weights.back()->pieces[0]->source = "a.{}.{}"; },
     "must hold {} once for count 2"},
    {"Count", [](PlanT &p) { p.weights.back()->count = 1 << 30; }, "count is 1073741824"},
    {"DType", [](PlanT &p) { p.weights[1]->dtype = fb::DType(badEnum); },
     "weight 1 \"layers.0.norm\": dtype 99 is unknown, the largest is 4"},
    {"PanelOfInt32", [](PlanT &p) { p.weights.back()->dtype = fb::DType::Int32; },
     "packing Panel32 is for floats and int8, its dtype is int32"},
    {"BytesOfInt8", [](PlanT &p) { p.weights.back()->dtype = fb::DType::Int8; },
     "bytes, its packing makes"},
    {"Packing", [](PlanT &p) { p.weights[1]->packing = fb::Packing(badEnum); },
     "packing 99 is unknown"},
    {"Rank",
     [](PlanT &p) {
       p.weights[1]->shape = {1, 2, 3};
     },
     "the rank is 3, legal are 1 to 2"},
    {"Size", [](PlanT &p) { p.weights[1]->shape = {0}; }, "a size of the shape is 0"},
    {"NoPieces", [](PlanT &p) { p.weights[1]->pieces.clear(); },
     "weight 1 \"layers.0.norm\": the number of pieces is 0, legal are 1 to 64"},
    {"PieceRank", [](PlanT &p) { p.weights[1]->pieces[0]->shape.clear(); },
     "piece 0: the rank is 0, legal are 1 to 2"},
    {"PieceSize", [](PlanT &p) { p.weights[1]->pieces[0]->shape = {0}; },
     "piece 0: a size of the shape is 0"},
    {"PieceShape", [](PlanT &p) { p.weights[1]->pieces[0]->shape = {33}; },
     "weight 1 \"layers.0.norm\": shape is [32], its pieces and shards make [33]"},
    {"PieceColumns",
     [](PlanT &p) {
       addPiece(*p.weights[2], {3, 31});
     },
     "piece 1: a rank holds [3, 31] of it, other columns than of piece 0, [32, 32]"},
    {"PieceRanks", [](PlanT &p) { addPiece(*p.weights[2], {3}); },
     "piece 1: a rank holds [3] of it, other columns than of piece 0, [32, 32]"},
    {"PieceRows",
     [](PlanT &p) {
       addPiece(*p.weights[2], {3, 32});
     },
     "weight 2 \"layers.0.q\": shape is [32, 32], its pieces and shards make [35, 32]"},
    {"EqualToNoName",
     [](PlanT &p) {
       p.weights[1]->equal = {"a", ""};
     },
     "weight 1 \"layers.0.norm\", equal tensor 1: name is empty"},
    {"EqualToItself", [](PlanT &p) { p.weights[1]->equal = {p.weights[1]->pieces[0]->source}; },
     ", equal tensor 0: is \"model.layers.0.norm.weight\", the weight itself"},
    {"EqualTooMany", [](PlanT &p) { p.weights[1]->equal.resize(65, "a"); },
     "weight 1 \"layers.0.norm\": the number of equal tensors is 65, legal are 1 to 64"},
    {"EqualStack", [](PlanT &p) { p.weights.back()->equal = {"a"}; },
     "names equal tensors, but is not one whole tensor itself"},
    {"EqualPieces",
     [](PlanT &p) {
       addPiece(*p.weights[2], {3, 32});
       p.weights[2]->shape = {35, 32};
       p.weights[2]->equal = {"a"};
     },
     "weight 2 \"layers.0.q\": names equal tensors, but is not one whole tensor itself"},
    {"Panel12OfFloat16",
     [](PlanT &p) {
       p.weights.back()->packing = fb::Packing::Panel12;
       p.weights.back()->dtype = fb::DType::Float16;
     },
     "packing Panel12 is for bfloat16, its dtype is float16"},
    {"PanelOfVector", [](PlanT &p) { p.weights[1]->packing = fb::Packing::Panel32; },
     "packing Panel32 needs a matrix, its rank is 1"},
    {"Bytes", [](PlanT &p) { p.weights[1]->bytes = 65; },
     "weight 1 \"layers.0.norm\": has 65 bytes, its packing makes 64"},
    {"BytesHuge",
     [](PlanT &p) {
       p.weights[2]->shape = p.weights[2]->pieces[0]->shape = {0x7fffffff, 0x7fffffff};
     },
     "its packing makes too many"},
    {"Total",
     [](PlanT &p) {
       for (uint32_t i : {2, 3}) {
         p.weights[i]->shape = p.weights[i]->pieces[0]->shape = {1 << 23, 1 << 23};
         p.weights[i]->bytes = uint64_t(1) << 47;
       }
     },
     "weights: are larger than any memory"},
    {"KernelSymbol", [](PlanT &p) { p.kernels[0]->symbol = ""; }, "kernel 0: symbol is empty"},
    {"KernelSymbolTwice", [](PlanT &p) { p.kernels[1]->symbol = p.kernels[0]->symbol; },
     "symbol \"embedding_bfloat16\" is taken by another kernel"},
    {"KernelOp", [](PlanT &p) { p.kernels[0]->op = ""; },
     "kernel 0 \"embedding_bfloat16\": op is empty"},
    {"KernelSegment", [](PlanT &p) { p.kernels[0]->segment = 7; },
     "names segment 7, the plan has 2"},
    {"KernelSegmentKind", [](PlanT &p) { p.kernels[0]->segment = 1; },
     "names segment 1, which is not of kind object"},
    {"KernelOperands", [](PlanT &p) { p.kernels[0]->operands = 33; }, "operands is 33"},
    {"KernelOutputs", [](PlanT &p) { p.kernels[0]->outputs = 4; },
     "outputs is 4, legal are 1 to 3"},
    {"NoKernels", [](PlanT &p) { p.kernels.clear(); }, "the number of kernels is 0"},
    {"CostClass", [](PlanT &p) { p.kernels[0]->cost->kind = fb::CostClass(9); },
     "the class of the cost 9 is unknown, the largest is 4"},
    {"CostOfACollective", [](PlanT &p) { p.kernels[0]->cost->kind = fb::CostClass::Collective; },
     "its cost is that of a collective, and it is none"},
    {"CostRows", [](PlanT &p) { p.kernels[0]->cost->rows = nullptr; },
     "rows of the cost is absent"},
    {"CostScale",
     [](PlanT &p) { p.kernels[0]->cost->rows = std::make_unique<fb::Dim>(fb::Symbol::Tokens, 0); },
     "the scale of rows of the cost is 0"},
    {"CostFlops", [](PlanT &p) { p.kernels[0]->cost->row_flops = -1; },
     "row_flops of the cost is -1; it must be finite and not negative"},
    {"CostOfAProduct", [](PlanT &p) { p.kernels[0]->cost->kind = fb::CostClass::Matmul; },
     "n of the cost is 0"},
    {"CostOfExperts",
     [](PlanT &p) {
       fb::CostT &cost = *p.kernels[0]->cost;
       cost.kind = fb::CostClass::GroupedMatmul;
       cost.n = cost.k = 8;
       cost.groups = 4, cost.experts = 2;
     },
     "experts of the cost is 2, legal are 4 to"},
    {"CostOfAttention", [](PlanT &p) { p.kernels[0]->cost->kind = fb::CostClass::Attention; },
     "heads of the cost is 0"},
};

const Case bodyCases[] = {
    {"NoBodies", [](PlanT &p) { p.bodies.clear(); }, "the number of bodies is 0"},
    {"Name", [](PlanT &p) { p.bodies[1]->name = ""; }, "body 1: name is empty"},
    {"NameTwice", [](PlanT &p) { p.bodies[1]->name = "prologue"; },
     "body 1: name \"prologue\" is taken by another body"},
    {"NameIsEscaped",
     [](PlanT &p) {
       p.bodies[0]->name = "a\nb";
       p.bodies[0]->commands.clear();
     },
     "body 0 \"a?b\": the number of commands is 0"},
    {"ParameterName", [](PlanT &p) { p.bodies[1]->parameters[0] = ""; },
     "body 1 \"decoder_layer\": the name of a parameter is empty"},
    {"Parameters", [](PlanT &p) { p.bodies[1]->parameters.resize(4097, "p"); },
     "the number of parameters is 4097, legal are 0 to 4096"},
    {"KernelIndex", [](PlanT &p) { setCommand(p, Layer, Norm, 11, 0, 3, 0, 0, 0, anyTiles); },
     "body 1 \"decoder_layer\", command 0: names kernel 11, the plan has 11"},
    {"OperandCount", [](PlanT &p) { setCommand(p, Layer, Norm, RmsNorm, 0, 2, 0, 0, 0, anyTiles); },
     "command 0: has 2 operands, kernel \"rms_norm_bfloat16\" takes 3"},
    {"OperandRange",
     [](PlanT &p) { setCommand(p, Layer, Norm, RmsNorm, 0xfffffffe, 3, 0, 0, 0, anyTiles); },
     "its operands 4294967294 + 3 end beyond the body's"},
    {"WaitRange",
     [](PlanT &p) { setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0xffffffff, 1, 0, anyTiles); },
     "its waits 4294967295 + 1 end beyond the body's"},
    {"WaitCount", [](PlanT &p) { setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0, 1, 0, anyTiles); },
     "the number of waits is 1, legal are 0 to 0"},
    {"Stream", [](PlanT &p) { setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0, 0, 5, anyTiles); },
     "stream is 5, legal are 0 to 4"},
    {"TileSymbol",
     [](PlanT &p) {
       setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0, 0, 0, {fb::Symbol(badEnum), 1, 1, 1});
     },
     "the symbol of the tile rule 99 is unknown"},
    {"TileZero",
     [](PlanT &p) {
       setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0, 0, 0, {fb::Symbol::Tokens, 1, 0, 1});
     },
     "the tile rule has scale 1, row_block 0 and columns 1, none may be 0"},
    {"TileCount",
     [](PlanT &p) {
       setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0, 0, 0, {fb::Symbol::Tokens, huge, 1, 1});
     },
     "the tile rule makes more than 2147483647 tiles"},
    {"TileColumns",
     [](PlanT &p) {
       setCommand(p, Layer, Norm, RmsNorm, 0, 3, 0, 0, 0, {fb::Symbol::Tokens, 1, 1, 1u << 30});
     },
     "the tile rule makes more than 2147483647 tiles"},
    {"OperandSpace",
     [](PlanT &p) {
       p.bodies[1]->operands[1] = {fb::Space(badEnum), 0};
     },
     "the space of an operand 99 is unknown"},
    {"OperandBuffer",
     [](PlanT &p) {
       p.bodies[1]->operands[1] = {fb::Space::Arena, 9};
     },
     "an operand names buffer 9, there are 9"},
    {"OperandInput",
     [](PlanT &p) {
       p.bodies[1]->operands[1] = {fb::Space::Input, 7};
     },
     "an operand names step input 7, there are 7"},
    {"OperandOutput",
     [](PlanT &p) {
       p.bodies[1]->operands[0] = {fb::Space::Output, 1};
     },
     "an operand names step output 1, there are 1"},
    {"OperandConstant",
     [](PlanT &p) {
       p.bodies[1]->operands[1] = {fb::Space::Constant, 1};
     },
     "an operand names constant 1, there are 1"},
    {"OperandParameter",
     [](PlanT &p) {
       p.bodies[1]->operands[1] = {fb::Space::Parameter, 6};
     },
     "an operand names parameter 6, there are 6"},
    {"DebugBodies", [](PlanT &p) { p.debug.pop_back(); },
     "debug: describes 3 bodies, the plan has 4"},
    {"DebugCommands", [](PlanT &p) { p.debug[1]->locations.pop_back(); },
     "debug table of body 1: describes 9 commands, the body has 10"},
    {"DebugOrigins", [](PlanT &p) { addOrigins(p, 1); },
     "debug table of body 1: has the origins of 2 commands, the body has 10"},
    {"DebugOriginDepth", [](PlanT &p) { addOrigins(p, 2); },
     "debug table of body 1: an origin is 2 deep, legal are 0 to 1"},
    {"DebugOriginOp",
     [](PlanT &p) {
       addOrigins(p, 1);
       p.debug[1]->origins[1]->op.clear();
     },
     "debug table of body 1: the op of an origin is empty"},
};

const Case entryCases[] = {
    {"Missing", [](PlanT &p) { p.entries.pop_back(); }, "entries: there is no entry 'score'"},
    {"Unknown", [](PlanT &p) { p.entries[2]->name = "train"; },
     "entry \"train\": is unknown, a plan has prefill, decode and score"},
    {"Twice", [](PlanT &p) { p.entries[2]->name = "decode"; }, "entry \"decode\": exists twice"},
    {"InputCount", [](PlanT &p) { p.entries[1]->inputs.pop_back(); },
     "entry \"decode\": has 6 inputs, expected 7"},
    {"InputName", [](PlanT &p) { p.entries[1]->inputs[1]->name = "places"; },
     "entry \"decode\", input 1: is \"places\", expected 'positions'"},
    {"InputDType", [](PlanT &p) { p.entries[1]->inputs[1]->dtype = fb::DType::Float32; },
     "input 1 \"positions\": has another dtype or other dims"},
    {"InputDims", [](PlanT &p) { p.entries[1]->inputs[5]->dims[1] = fb::Dim(fb::Symbol::One, 5); },
     "input 5 \"block_tables\": has another dtype or other dims"},
    {"OutputRows",
     [](PlanT &p) { p.entries[0]->outputs[0]->dims[0] = fb::Dim(fb::Symbol::Tokens, 1); },
     "entry \"prefill\", output 0 \"logits\": has another dtype or other dims"},
    {"NoCalls", [](PlanT &p) { p.entries[0]->calls.clear(); }, "the number of calls is 0"},
    {"CallBody", [](PlanT &p) { p.entries[0]->calls[1]->body = 4; },
     "entry \"prefill\", call 1: names body 4, the plan has 4"},
    {"CallLayer", [](PlanT &p) { p.entries[0]->calls[1]->layer = 2; },
     "call 1: layer is 2, legal are -1 to 1"},
    {"CallLayerNegative", [](PlanT &p) { p.entries[0]->calls[1]->layer = -2; }, "layer is -2"},
    {"BindingCount", [](PlanT &p) { p.entries[0]->calls[1]->bindings.pop_back(); },
     "call 1: has 5 bindings, body \"decoder_layer\" has 6 parameters"},
    {"BindingKind",
     [](PlanT &p) {
       p.entries[0]->calls[1]->bindings[0] = {fb::BindingKind(badEnum), 0};
     },
     "binding of parameter \"norm\": kind 99 is unknown"},
    {"BindingWeight",
     [](PlanT &p) {
       p.entries[0]->calls[1]->bindings[0] = {fb::BindingKind::Weight, 14};
     },
     "names weight 14, there are 14"},
    {"BindingLayer",
     [](PlanT &p) {
       p.entries[0]->calls[1]->bindings[5] = {fb::BindingKind::KvCache, 2};
     },
     "names the KV cache of layer 2, there are 2"},
    {"BindingTwice",
     [](PlanT &p) {
       p.entries[0]->calls[1]->bindings[0] = {fb::BindingKind::KvCache, 0};
     },
     "the KV cache of layer 0 is bound twice"},
    {"Bindings",
     [](PlanT &p) {
       p.bodies[1]->parameters.resize(4096, "p");
       auto &calls = p.entries[0]->calls;
       calls[1]->bindings.resize(4096, fb::Binding(fb::BindingKind::Weight, 0));
       while (calls.size() <= 66)
         calls.insert(calls.begin() + 1, std::make_unique<fb::CallT>(*calls[1]));
     },
     "entry \"prefill\": the number of bindings is 262145, legal are 0 to 262144"},
    {"WeightIsWritten",
     [](PlanT &p) {
       p.entries[0]->calls[1]->bindings[5] = {fb::BindingKind::Weight, 3};
     },
     "is weight 3, but command 6 of the body writes it"},
    {"NoLogits", [](PlanT &p) { p.entries[0]->calls.pop_back(); },
     "entry \"prefill\": no command writes the logits"},
};

class Verify : public testing::TestWithParam<Case> {};

TEST_P(Verify, Refuses) {
  PlanT plan = sample::planWithSegments();
  GetParam().change(plan);
  EXPECT_NE(verifierMessage(plan).find(GetParam().message), std::string::npos)
      << "expected: " << GetParam().message << "\ngot:      " << verifierMessage(plan);
}

std::string caseName(const testing::TestParamInfo<Case> &info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Model, Verify, testing::ValuesIn(modelCases), caseName);
INSTANTIATE_TEST_SUITE_P(Memory, Verify, testing::ValuesIn(memoryCases), caseName);
INSTANTIATE_TEST_SUITE_P(Weights, Verify, testing::ValuesIn(weightCases), caseName);
INSTANTIATE_TEST_SUITE_P(Bodies, Verify, testing::ValuesIn(bodyCases), caseName);
INSTANTIATE_TEST_SUITE_P(Entries, Verify, testing::ValuesIn(entryCases), caseName);

TEST(VerifyPlan, AcceptsTheSample) {
  EXPECT_EQ(verifierMessage(sample::planWithSegments()), "");
}

TEST(VerifyPlan, AcceptsAStrippedDebugTable) {
  PlanT plan = sample::planWithSegments();
  plan.debug.clear();
  EXPECT_EQ(verifierMessage(plan), "");
}

TEST(VerifyPlan, NamesThePlan) {
  PlanT plan = sample::planWithSegments();
  plan.model.reset();
  try {
    verifySample(plan);
    FAIL();
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(), "test.plan: error: plan: model is absent");
    EXPECT_EQ(error.kind(), ErrorKind::User);
  }
}

// Tables without any field at all, which the flatbuffer verifier lets through.
TEST(VerifyPlan, EmptyTables) {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishPlanBuffer(builder, fb::PlanBuilder(builder).Finish());
  EXPECT_THROW(verifyPlan(*fb::GetPlan(builder.GetBufferPointer()), 64, 64, "test.plan"), Error);
}

// flatbuffers' own verifier lets vectors of 8-byte elements through that begin at odd multiples
// of 4.
TEST(VerifyPlan, MisalignedVectors) {
  flatbuffers::FlatBufferBuilder builder;
  PlanT tables = sample::planWithSegments();
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &tables));
  auto *root = flatbuffers::GetMutableRoot<fb::Plan>(builder.GetBufferPointer());
  auto *buffer =
      reinterpret_cast<flatbuffers::Table *>(const_cast<fb::Buffer *>(root->buffers()->Get(1)));
  uint8_t *dims = buffer->GetAddressOf(fb::Buffer::VT_DIMS);
  flatbuffers::WriteScalar(dims, flatbuffers::ReadScalar<flatbuffers::uoffset_t>(dims) + 4);
  try {
    verifyPlan(*root, sample::tablesEnd, sample::fileBytes, "test.plan");
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.message(), "buffer 1 \"rope\": dims is not aligned");
  }
}

// What the fuzzer does at random: no single flipped bit behind the hashes may do more than be
// refused.
TEST(VerifyPlan, FlippedBitsBehindTheHashes) {
  PlanT tables = sample::rankedPlan({2, 2});
  std::vector<std::byte> bytes = serializePlan(tables, sample::segments());
  PlanHeader header = readPlanHeader(bytes, "test.plan");
  size_t accepted = 0, refused = 0;
  for (size_t bit = 0; bit < (sizeof header + header.flatbufferBytes) * 8; ++bit) {
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
    try {
      Plan::parseUnhashed(bytes, "test.plan");
      ++accepted;
    } catch (const Error &) {
      ++refused;
    }
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
  }
  EXPECT_GT(accepted, 0u); // names, for example
  EXPECT_GT(refused, accepted / 2);
}

} // namespace
} // namespace vinci
