// The mathematics of the known families, body by body.
#include "frontend/builder/body_builder.h"
#include "ir/llm/StepInputs.h"

#include <cmath>

using namespace mlir;

namespace vinci {

using llm::DimExpr;
using llm::Symbol;

/// The named step inputs, as arguments of a body.
static SmallVector<NamedArgument> stepArguments(BuildContext &context, ArrayRef<StringRef> names) {
  SmallVector<NamedArgument> arguments;
  for (StringRef name : names)
    for (const llm::NamedType &input :
         llm::stepInputs(context.builder.getContext(), context.limits))
      if (input.name == name)
        arguments.push_back({input.name, input.type});
  return arguments;
}

// --- prologue

/// theta^(-2i / head_dim), rounded where transformers rounds it: models are trained with, and
/// judged by, 1 / theta^(2i / head_dim) computed step by step in float32. One rounding would be
/// closer to the formula and further from the models: the position that this is multiplied with
/// goes into the thousands, and so does its last bit.
static SmallVector<float> inverseFrequencies(const ModelSpec &spec) {
  SmallVector<float> frequencies;
  for (int64_t i = 0; i < spec.headDim / 2; ++i) {
    const float exponent = float(2 * i) / float(spec.headDim);
    const float wavelength = float(std::pow(double(float(spec.ropeTheta)), double(exponent)));
    frequencies.push_back(1.0f / wavelength);
  }
  return frequencies;
}

llm::BodyOp buildPrologue(BuildContext &context) {
  const ModelSpec &spec = context.spec;
  BodyBuilder body(context, "prologue", context.at("vocab_size"),
                   stepArguments(context, {"token_ids", "positions"}),
                   {context.hiddenType(), context.ropeType()});
  Location vocab = context.at("vocab_size"), rope = context.at("rope_theta");
  body.declare({modelWeights(spec).front()}, vocab);
  RankedTensorType tableType = llm::tensorOf(context.f32(), {spec.headDim / 2});
  Value frequencies = body.ops().create<llm::ConstantOp>(
      rope, tableType, body.ops().getStringAttr("inv_freq"),
      DenseElementsAttr::get(tableType, ArrayRef<float>(inverseFrequencies(spec))));

  Value hidden = body.ops().create<llm::EmbeddingOp>(vocab, context.hiddenType(), body.argument(0),
                                                     body.weight("embed_tokens"), Value());
  Value table =
      body.ops().create<llm::RopeTableOp>(rope, context.ropeType(), body.argument(1), frequencies);
  return body.results({hidden, table});
}

// --- decoder layers

namespace {

/// The arguments of a decoder layer, in order.
enum LayerArgument { Hidden, Rope, SlotMapping, QueryStart, ContextLens, BlockTables };

class LayerBuilder {
public:
  LayerBuilder(BuildContext &context, BodyBuilder &body) : context_(context), body_(body) {}

  /// q, k and v of the normalised input, through the cache, and back to hidden_size.
  Value attention(Value x) {
    const ModelSpec &spec = context_.spec;
    Location heads = context_.at("num_attention_heads"),
             kvHeads = context_.at("num_key_value_heads");
    Value q =
        position(splitHeads(body_.linear(x, "q_proj", heads), spec.numAttentionHeads), "q_norm");
    Value k =
        position(splitHeads(body_.linear(x, "k_proj", kvHeads), spec.numKeyValueHeads), "k_norm");
    Value v = splitHeads(body_.linear(x, "v_proj", kvHeads), spec.numKeyValueHeads);

    auto cacheType = llm::KvCacheType::get(ops().getContext(), spec.numKeyValueHeads, spec.headDim,
                                           context_.precision.getCompute());
    Value cache = ops().create<llm::KvCacheOp>(kvHeads, cacheType);
    cache =
        ops().create<llm::KvAppendOp>(kvHeads, cacheType, k, v, cache, body_.argument(SlotMapping));
    Value attended = ops().create<llm::AttentionOp>(
        heads, q.getType(), q, cache, body_.argument(QueryStart), body_.argument(ContextLens),
        body_.argument(BlockTables), ops().getF64FloatAttr(1.0 / std::sqrt(double(spec.headDim))),
        TypeAttr::get(context_.precision.getSoftmax()));
    Value merged = ops().create<llm::MergeHeadsOp>(
        heads, context_.activation({Symbol::Tokens, spec.queryWidth()}), attended);
    return body_.linear(merged, "o_proj", heads);
  }

  Value denseMlp(Value x) {
    Location location = context_.at("intermediate_size");
    Value gate = body_.linear(x, "gate_proj", location);
    Value up = body_.linear(x, "up_proj", location);
    return body_.linear(body_.gated(gate, up, location), "down_proj", location);
  }

  /// Softmax over all experts, then the best num_experts_per_tok of them; their rows sorted by
  /// expert, so that each expert is one matrix product.
  Value experts(Value x) {
    const MoeSpec &moe = *context_.spec.moe;
    const int64_t topK = moe.numExpertsPerTok;
    Location routing = context_.at("num_experts"), choice = context_.at("num_experts_per_tok");
    Location width = context_.at("moe_intermediate_size");
    Type perChoice = llm::tensorOf(context_.i32(), {DimExpr(Symbol::Tokens, topK)});
    Type offsets = llm::tensorOf(context_.i32(), {moe.numExperts + 1});
    Type rowType = context_.activation({DimExpr(Symbol::Tokens, topK), context_.spec.hiddenSize});

    Value logits = body_.linear(x, "router", routing, context_.f32());
    Value probabilities = ops().create<llm::SoftmaxOp>(routing, logits.getType(), logits);
    auto best = ops().create<llm::TopKOp>(
        choice, llm::tensorOf(context_.f32(), {Symbol::Tokens, topK}),
        llm::tensorOf(context_.i32(), {Symbol::Tokens, topK}), probabilities, topK);
    Value weights = best.getValues();
    if (moe.normTopkProb)
      weights = ops().create<llm::NormalizeRowsOp>(context_.at("norm_topk_prob"), weights.getType(),
                                                   weights);

    Value rowOf =
        ops().create<llm::ArgsortOp>(choice, perChoice, best.getIndices(), moe.numExperts, Value());
    Value positionOf = ops().create<llm::InversePermutationOp>(choice, perChoice, rowOf);
    Value expertOffsets = ops().create<llm::ExpertOffsetsOp>(choice, offsets, best.getIndices(),
                                                             moe.numExperts, Value());
    Value rows = ops().create<llm::PermuteTokensOp>(choice, rowType, x, rowOf);
    Value gate = body_.groupedLinear(rows, "gate_proj", rowOf, expertOffsets, width);
    Value up = body_.groupedLinear(rows, "up_proj", rowOf, expertOffsets, width);
    Value down =
        body_.groupedLinear(body_.gated(gate, up, width), "down_proj", rowOf, expertOffsets, width);
    Value choices = ops().create<llm::UnpermuteTokensOp>(choice, rowType, down, positionOf);
    return ops().create<llm::WeightedSumOp>(choice, x.getType(), choices, weights);
  }

private:
  OpBuilder &ops() { return body_.ops(); }

  Value splitHeads(Value x, int64_t heads) {
    Type type = context_.activation({Symbol::Tokens, heads, context_.spec.headDim});
    return ops().create<llm::SplitHeadsOp>(x.getLoc(), type, x);
  }

  /// Rotates the heads, after normalising each where the family does.
  Value position(Value heads, StringRef norm) {
    if (context_.spec.qkNorm)
      heads = body_.rmsNorm(heads, norm);
    return ops().create<llm::RopeOp>(context_.at("rope_theta"), heads.getType(), heads,
                                     body_.argument(Rope));
  }

  BuildContext &context_;
  BodyBuilder &body_;
};

} // namespace

llm::BodyOp buildDecoderLayer(BuildContext &context, const LayerKind &kind) {
  SmallVector<NamedArgument> arguments = {{"hidden", context.hiddenType()},
                                          {"rope", context.ropeType()}};
  arguments.append(
      stepArguments(context, {"slot_mapping", "query_start", "context_lens", "block_tables"}));
  Location location = context.at("num_hidden_layers");
  BodyBuilder body(context, toString(kind), location, arguments, {context.hiddenType()});
  body.declare(layerWeights(context.spec, kind), location);

  LayerBuilder layer(context, body);
  Value hidden = body.argument(Hidden);
  Value attention = layer.attention(body.rmsNorm(hidden, "input_layernorm"));
  Value residual = body.add(hidden, attention, location);
  Value normed = body.rmsNorm(residual, "post_attention_layernorm");
  Value mlp = kind.sparse ? layer.experts(normed) : layer.denseMlp(normed);
  return body.results({body.add(residual, mlp, location)});
}

// --- epilogues

llm::BodyOp buildEpilogue(BuildContext &context, bool gather) {
  const ModelSpec &spec = context.spec;
  Symbol rows = gather ? Symbol::LogitRows : Symbol::Tokens;
  SmallVector<NamedArgument> arguments = {{"hidden", context.hiddenType()}};
  if (gather)
    arguments.append(stepArguments(context, {"logit_indices"}));
  Location location = context.at("vocab_size");
  BodyBuilder body(context, gather ? "epilogue_prefill" : "epilogue", location, arguments,
                   {llm::tensorOf(context.f32(), {rows, spec.vocabSize})});

  std::vector<WeightSpec> weights = modelWeights(spec);
  std::ranges::rotate(weights, weights.begin() + 1); // the embedding, which may be the head
  if (spec.tieWordEmbeddings)
    weights.back().symbol = "lm_head";
  else
    weights.pop_back();
  body.declare(weights, location);

  Value hidden = body.argument(0);
  if (gather)
    hidden = body.ops().create<llm::GatherRowsOp>(
        location, context.activation({Symbol::LogitRows, spec.hiddenSize}), hidden,
        body.argument(1));
  return body.results(
      {body.linear(body.rmsNorm(hidden, "norm"), "lm_head", location, context.f32())});
}

} // namespace vinci
