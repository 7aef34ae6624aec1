// From a small npu program to a verified plan: every table that the lowering fills.
#include "backend/plan/lower_to_plan.h"

#include "ir/npu/Npu.h"
#include "runtime/plan/plan.h"
#include "runtime/support/error.h"

#include "mlir/Parser/Parser.h"

#include <cstring>
#include <gtest/gtest.h>

namespace vinci {
namespace {

// One layer of one KV head: prologue, layer, the two epilogues. Waits order everything in sequence.
const char program[] = R"mlir(
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "tiny", architecture = "llama", vocab_size = 48, hidden_size = 32, num_hidden_layers = 1,
                         max_position_embeddings = 64, dtype = f32, parameters = 9000,
                         generation = <eos_token_ids = [2, 5], bos_token_id = 1, temperature = 0.5, top_k = 20,
                                       max_tokens = 7, input_tokens = "fixed:9", output_tokens = "uniform:1-4",
                                       requests = 3, concurrency = 2>>,
  llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 8, max_batch = 4, kv_blocks = 16, block_size = 16>
} {
  npu.program arena 6144 {
    npu.kv_cache layers 1 : !llm.kv_cache<1x16xf32>
    npu.constant @ones dense<1.0> : tensor<3xf32>
    npu.constant @inv_freq dense<[1.0, 0.5, 0.25, 0.125, 1.0, 0.5, 0.25, 0.125]> : tensor<8xf32>
    npu.weight @embed_tokens from "model.embed_tokens.weight" packing rows : tensor<48x32xf32>
    npu.weight @q_proj from "model.layers.0.q.weight" packing panel32 : tensor<32x32xf32>
    npu.weight @k_proj from "model.layers.0.k.weight" packing panel32 : tensor<16x32xf32>
    npu.weight @gate_proj from "model.layers.0.experts.{}.gate.weight" stack 2 packing panel32 : tensor<2x40x32xf32>
    npu.weight @lm_head from "model.embed_tokens.weight" packing panel32 : tensor<48x32xf32>
    npu.buffer @hidden at 0 : tensor<?x32xf32, #tokens>
    npu.buffer @rope at 1024 : tensor<?x16xf32, #tokens>
    npu.buffer @q at 2048 : tensor<?x32xf32, #tokens>
    npu.buffer @k at 3072 : tensor<?x16xf32, #tokens>
    npu.buffer @attended at 4096 : tensor<?x32xf32, #tokens>
    npu.buffer @rows at 5120 : tensor<?x32xf32, #logit_rows>
    npu.body @prologue(weight @embed_tokens) {
      npu.launch "embedding" writes (arena @hidden) reads (input @token_ids, parameter @embed_tokens)
          {dtype = "float32", hidden = 32, panels = 0, rows = "tokens", sharded = 0, vocab = 48} waits [] stream compute
      npu.launch "rope_table" writes (arena @rope) reads (input @positions, constant @inv_freq)
          {dtype = "float32", head_dim = 16} waits [] stream vector
    }
    npu.body @decoder_layer(weight @q_proj, weight @k_proj, kv_cache @kv_cache) {
      npu.launch "matmul" writes (arena @q) reads (arena @hidden, parameter @q_proj)
          {dtype = "float32", out_dtype = "float32", n = 32, k = 32, bias = 0, rows = "tokens"} waits [] stream compute
          loc(fused<"concat-qkv">["llm.matmul"("q_proj"("config.json":12:3)), "llm.matmul"("k_proj"("config.json":13:3))])
      npu.launch "matmul" writes (arena @k) reads (arena @hidden, parameter @k_proj)
          {dtype = "float32", out_dtype = "float32", n = 16, k = 32, bias = 0, rows = "tokens"} waits [] stream compute
      npu.launch "rope" writes (arena @k) reads (arena @k, arena @rope)
          {dtype = "float32", compute = "float32", heads = 1, head_dim = 16} waits [1] stream compute
      npu.launch "kv_append" writes (parameter @kv_cache) reads (arena @k, arena @k, input @slot_mapping)
          {dtype = "float32", kv_heads = 1, head_dim = 16, block_size = 16} waits [2] stream compute
      npu.launch "attention" writes (arena @attended)
          reads (arena @q, parameter @kv_cache, input @query_start, input @context_lens, input @block_tables)
          {dtype = "float32", softmax = "float32", heads = 2, kv_heads = 1, head_dim = 16, block_size = 16,
           max_blocks = 4, scale = 0.25}
          waits [0, 3] stream compute
      npu.launch "add" writes (arena @hidden) reads (arena @hidden, arena @attended)
          {dtype = "float32", n = 32, rows = "tokens"} waits [4] stream compute
    }
    npu.body @epilogue_prefill(weight @lm_head) {
      npu.launch "gather_rows" writes (arena @rows) reads (arena @hidden, input @logit_indices)
          {dtype = "float32", n = 32} waits [] stream compute
      npu.launch "matmul" writes (output @logits) reads (arena @rows, parameter @lm_head)
          {dtype = "float32", out_dtype = "float32", n = 48, k = 32, bias = 0, rows = "logit_rows"} waits [0] stream compute
    }
    npu.body @epilogue(weight @lm_head) {
      npu.launch "matmul" writes (output @logits) reads (arena @hidden, parameter @lm_head)
          {dtype = "float32", out_dtype = "float32", n = 48, k = 32, bias = 0, rows = "tokens"} waits [] stream compute
    }
    PREFILL
    DECODE
    SCORE
  }
}
)mlir";

std::string entry(const std::string &name, const std::string &epilogue, const std::string &rows) {
  return "npu.entry @" + name +
         "(token_ids: tensor<?xi32, #tokens>, positions: tensor<?xi32, #tokens>, "
         "slot_mapping: tensor<?xi32, #tokens>, query_start: tensor<5xi32>, "
         "context_lens: tensor<?xi32, #sequences>, block_tables: tensor<?x4xi32, #sequences>, "
         "logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x48xf32, #" +
         rows +
         ">) {\n npu.call @prologue(weight @embed_tokens)\n"
         " npu.call @decoder_layer layer 0 (weight @q_proj, weight @k_proj, kv_cache 0)\n"
         " npu.call @" +
         epilogue + "(weight @lm_head)\n}\n";
}

void replace(std::string &text, const std::string &what, const std::string &with) {
  size_t place = text.find(what);
  ASSERT_NE(place, std::string::npos) << what;
  text.replace(place, what.size(), with);
}

std::string wholeProgram() {
  std::string text = program;
  replace(text, "PREFILL", entry("prefill", "epilogue_prefill", "logit_rows"));
  replace(text, "DECODE", entry("decode", "epilogue", "tokens"));
  replace(text, "SCORE", entry("score", "epilogue", "tokens"));
  return text;
}

class LowerToPlan : public testing::Test {
protected:
  LowerToPlan() { context.loadDialect<llm::LlmDialect, npu::NpuDialect>(); }

  LoweredPlan lower(const std::string &text, bool kernels = true) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      throw std::runtime_error("the test's IR does not parse");
    CpuTarget cpu{"avx2", {"avx2", "fma"}, 32};
    return lowerToPlan(*module, cpu, nullptr, kernels);
  }

  std::string messageOf(const std::string &text) {
    try {
      lower(text);
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::Internal);
      return error.message();
    }
    return "";
  }

  mlir::MLIRContext context;
};

TEST_F(LowerToPlan, MakesAPlanThatVerifies) {
  LoweredPlan lowered = lower(wholeProgram());
  Plan plan = Plan::parse(serializePlan(lowered.tables, lowered.segments), "tiny.plan");
  const fb::Plan &root = *plan.root();

  EXPECT_EQ(root.model()->name()->string_view(), "tiny");
  EXPECT_EQ(root.model()->dtype(), fb::DType::Float32);
  EXPECT_EQ(root.model()->parameters(), 9000u);
  EXPECT_EQ(root.cpu()->string_view(), "avx2");
  EXPECT_EQ(root.limits()->max_batch(), 4u);
  EXPECT_EQ(root.kv_cache()->block_size(), 16u);
  EXPECT_EQ(root.kv_cache()->bytes_per_block(), 2u * 16 * 16 * 4);
  EXPECT_EQ(root.generation()->eos_token_ids()->Get(1), 5);
  EXPECT_EQ(root.generation()->pad_token_id(), -1);
  EXPECT_EQ(root.generation()->temperature(), 0.5);
  EXPECT_EQ(root.generation()->top_k(), 20);
  EXPECT_FALSE(root.generation()->top_p().has_value());
  EXPECT_EQ(root.generation()->max_tokens(), 7);
  EXPECT_EQ(root.generation()->input_tokens()->str(), "fixed:9");
  EXPECT_EQ(root.generation()->output_tokens()->str(), "uniform:1-4");
  EXPECT_EQ(root.generation()->requests(), 3);
  EXPECT_EQ(root.generation()->concurrency(), 2);
  EXPECT_FALSE(root.generation()->do_sample().has_value());

  EXPECT_EQ(root.arena_bytes(), 6144u);
  ASSERT_EQ(root.buffers()->size(), 6u);
  EXPECT_EQ(root.buffers()->Get(5)->offset(), 5120u);
  EXPECT_EQ(root.buffers()->Get(5)->dims()->Get(0)->symbol(), fb::Symbol::LogitRows);

  const fb::Weight *stack = root.weights()->Get(3);
  EXPECT_EQ(stack->count(), 2u);
  EXPECT_EQ(stack->shape()->size(), 2u);
  ASSERT_EQ(stack->pieces()->size(), 1u);
  EXPECT_EQ(stack->pieces()->Get(0)->shape()->size(), 2u);
  EXPECT_EQ(stack->pieces()->Get(0)->shards()->size(), 0u);
  EXPECT_EQ(root.mesh()->size(), 0u);
  EXPECT_EQ(root.model()->num_key_value_heads(), root.kv_cache()->num_key_value_heads());
  EXPECT_EQ(stack->bytes(), 2u * 64 * 32 * 4);
  EXPECT_EQ(stack->packing(), fb::Packing::Panel32);

  // Every launch here has a kernel of its own: the two matmuls of lm_head differ in their rows.
  EXPECT_EQ(root.kernels()->size(), 11u);
  const fb::Body *layer = root.bodies()->Get(1);
  ASSERT_EQ(layer->commands()->size(), 6u);
  EXPECT_EQ(layer->commands()->Get(4)->wait_count(), 2u);
  EXPECT_EQ(layer->waits()->Get(layer->commands()->Get(4)->wait_first() + 1), 3u);
  EXPECT_EQ(root.bodies()->Get(0)->commands()->Get(1)->stream(), uint32_t(fb::Stream::Vector));
  EXPECT_EQ(root.debug()->Get(1)->ops()->Get(0)->string_view(), "llm.matmul");
  EXPECT_EQ(root.debug()->Get(1)->locations()->Get(0)->string_view(), "config.json:12:3");
  std::vector<std::string> origins;
  for (const fb::DebugOp *op : *root.debug()->Get(1)->origins())
    origins.push_back(fmt::format("{} {} '{}' '{}' {}", op->depth(), op->op()->str(),
                                  op->role()->str(), op->pass()->str(), op->location()->str()));
  origins.resize(4);
  EXPECT_EQ(origins, (std::vector<std::string>{"0 llm.matmul '' 'concat-qkv' config.json:12:3",
                                               "1 llm.matmul 'q_proj' '' config.json:12:3",
                                               "1 llm.matmul 'k_proj' '' config.json:13:3",
                                               "0 llm.matmul '' '' -:38:7"}));

  const fb::Call *call = plan.entry("decode")->calls()->Get(1);
  EXPECT_EQ(call->layer(), 0);
  EXPECT_EQ(call->bindings()->Get(2)->kind(), fb::BindingKind::KvCache);
  EXPECT_EQ(plan.entry("decode")->calls()->Get(0)->layer(), -1);
}

TEST_F(LowerToPlan, RecordsThePrecisionThatTheModuleCarries) {
  EXPECT_EQ(lower(wholeProgram()).tables.precision, nullptr);
  std::string text = wholeProgram();
  replace(
      text, "llm.limits = ",
      "llm.precision = #llm.precision<compute = f32, layernorm = f32, softmax = f32, rotary = f32, "
      "parameters = f32, keep_origin = true>, llm.limits = ");
  LoweredPlan lowered = lower(text);
  ASSERT_NE(lowered.tables.precision, nullptr);
  EXPECT_EQ(lowered.tables.precision->softmax, fb::DType::Float32);
  EXPECT_TRUE(lowered.tables.precision->keep_origin);
}

TEST_F(LowerToPlan, KernelsCarryWhatTheyCost) {
  const LoweredPlan lowered = lower(wholeProgram());
  const auto costOf = [&](const char *op, size_t which) -> const fb::CostT & {
    for (const auto &kernel : lowered.tables.kernels)
      if (kernel->op == op && which-- == 0)
        return *kernel->cost;
    throw std::runtime_error("the plan has no such kernel");
  };
  // An id, a row of the table, and where it goes: the table is not read as a whole.
  const fb::CostT &embedding = costOf("embedding", 0);
  EXPECT_EQ(embedding.kind, fb::CostClass::Vector);
  EXPECT_EQ(embedding.rows->symbol(), fb::Symbol::Tokens);
  EXPECT_EQ(embedding.rows->scale(), 1u);
  EXPECT_EQ(embedding.fixed_bytes, 0u);
  EXPECT_EQ(embedding.row_bytes, 4u + 128 + 128);
  const fb::CostT &q = costOf("matmul", 0);
  EXPECT_EQ(q.kind, fb::CostClass::Matmul);
  EXPECT_EQ(q.weights, fb::DType::Float32);
  EXPECT_EQ(q.n, 32u);
  EXPECT_EQ(q.k, 32u);
  EXPECT_EQ(q.fixed_bytes, 32u * 32 * 4);
  EXPECT_EQ(q.row_bytes, 128u + 128);
  // The head of the prefill: its rows are those whose logits are asked for.
  const fb::CostT &head = costOf("matmul", 2);
  EXPECT_EQ(head.rows->symbol(), fb::Symbol::LogitRows);
  EXPECT_EQ(head.rows->scale(), 1u);
  EXPECT_EQ(head.row_bytes, 128u + 48 * 4);
  EXPECT_EQ(costOf("gather_rows", 0).row_bytes, 4u + 128 + 128);
  // Keys and values, read, and written to the cache; a slot.
  EXPECT_EQ(costOf("kv_append", 0).row_bytes, 2u * 64 + 2 * 64 + 4);
  const fb::CostT &attention = costOf("attention", 0);
  EXPECT_EQ(attention.kind, fb::CostClass::Attention);
  EXPECT_EQ(attention.heads, 2u);
  EXPECT_EQ(attention.kv_heads, 1u);
  EXPECT_EQ(attention.head_dim, 16u);
  EXPECT_EQ(attention.row_bytes, 0u);
  EXPECT_EQ(costOf("rope_table", 0).fixed_bytes, 8u * 4);
}

TEST_F(LowerToPlan, WithoutKernelsTheTablesAreTheSame) {
  const auto tablesOf = [](const LoweredPlan &lowered) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Plan::Pack(builder, &lowered.tables));
    return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()),
                       builder.GetSize());
  };
  const LoweredPlan with = lower(wholeProgram()), without = lower(wholeProgram(), false);
  EXPECT_EQ(tablesOf(with), tablesOf(without));
  EXPECT_LT(without.segments[0].bytes.size(), with.segments[0].bytes.size());
}

TEST_F(LowerToPlan, ConstantsAreWrittenOutAndAligned) {
  LoweredPlan lowered = lower(wholeProgram());
  Plan plan = Plan::parse(serializePlan(lowered.tables, lowered.segments), "tiny.plan");
  std::vector<float> ones(3), frequencies(8);
  ASSERT_EQ(plan.constant(0).size(), sizeof(float) * 3);
  ASSERT_EQ(plan.constant(1).size(), sizeof(float) * 8);
  std::memcpy(ones.data(), plan.constant(0).data(), plan.constant(0).size());
  std::memcpy(frequencies.data(), plan.constant(1).data(), plan.constant(1).size());
  EXPECT_EQ(ones, std::vector<float>(3, 1.0f));
  EXPECT_EQ(frequencies[3], 0.125f);
  EXPECT_EQ(plan.root()->constants()->Get(1)->offset(), 64u);
}

TEST_F(LowerToPlan, IsDeterministic) {
  LoweredPlan first = lower(wholeProgram()), second = lower(wholeProgram());
  EXPECT_EQ(serializePlan(first.tables, first.segments),
            serializePlan(second.tables, second.segments));
}

TEST_F(LowerToPlan, SaysWhichPassIsMissing) {
  std::string text = wholeProgram();
  replace(text, "arena 6144 ", "");
  EXPECT_EQ(messageOf(text), "the program has no arena: plan-memory has not run");
  EXPECT_EQ(messageOf("module {}"), "the module holds no npu.program: lower-to-npu has not run");
  text = wholeProgram();
  replace(text, "npu.kv_cache layers 1 : !llm.kv_cache<1x16xf32>", "");
  for (size_t at; (at = text.find(", kv_cache 0)")) != std::string::npos;)
    text.replace(at, 13, ", weight @k_proj)");
  replace(text, "kv_cache @kv_cache", "weight @kv_cache");
  replace(text, "writes (parameter @kv_cache)", "writes (arena @rows)");
  EXPECT_EQ(messageOf(text), "the program has no npu.kv_cache");
}

TEST_F(LowerToPlan, LaunchesMustFitTheCatalogue) {
  std::string text = wholeProgram();
  replace(text, "reads (arena @rows, parameter @lm_head)", "reads (arena @rows)");
  EXPECT_EQ(messageOf(text),
            "a launch of matmul has 1 outputs and 1 inputs; the catalogue has 1 and 2");
}

} // namespace
} // namespace vinci
