// How the outputs of a plan's commands are named, and how they are spread over ranks.
#include "runtime/exec/plan_tensors.h"

#include "tests/unit/plan/sample_plan.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

class Tensors {
public:
  explicit Tensors(const fb::PlanT &plan) {
    fb::FinishPlanBuffer(builder_, fb::Plan::Pack(builder_, &plan));
    const fb::Plan &packed = *fb::GetPlan(builder_.GetBufferPointer());
    commands_ = tensorsOf(packed, *packed.entries()->Get(0));
  }

  const PlanTensor &at(uint32_t command, size_t tensor = 0) const {
    return commands_.at(command).at(tensor);
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const auto &tensors : commands_)
      for (const PlanTensor &tensor : tensors)
        keys.push_back(tensor.key());
    return keys;
  }

private:
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<std::vector<PlanTensor>> commands_;
};

// Ordinals of the sample's first layer, after the two commands of the prologue.
constexpr uint32_t first = 2;

TEST(PlanTensors, AreNamedByWeightLayerAndWhatIsDoneToThem) {
  std::vector<std::string> expected = {"-1:embed_tokens", "-1:rope_table"};
  for (const char *layer : {"0:", "1:"})
    for (const char *name : {"norm", "q", "k", "v", "q.rope", "k.rope", "attention", "o", "o.sum"})
      expected.push_back(std::string(layer) + name);
  for (const char *key : {"1:o.sum.gather_rows", "-1:norm", "-1:lm_head"})
    expected.push_back(key);
  EXPECT_EQ(Tensors(sample::plan()).keys(), expected);
}

TEST(PlanTensors, HaveSizesOfTheStep) {
  const Tensors tensors(sample::plan());
  StepDims dims;
  dims[VINCI_DIM_TOKENS] = 5;
  dims[VINCI_DIM_LOGIT_ROWS] = 2;
  const PlanTensor &k = tensors.at(first + sample::ProjectK);
  EXPECT_EQ(k.rows.in(dims), 5u);
  EXPECT_EQ(k.columns, sample::headDim);
  EXPECT_EQ(k.dtype, DType::BFloat16);
  EXPECT_EQ(k.op, "llm.matmul");
  const PlanTensor &logits = tensors.at(first + 2 * 10 + 2);
  EXPECT_EQ(logits.rows.in(dims), 2u);
  EXPECT_EQ(logits.columns, sample::vocabulary);
  EXPECT_EQ(logits.dtype, DType::Float32);
}

TEST(PlanTensors, WithRowsOfSeveralChoicesForEachToken) {
  fb::PlanT plan = sample::plan();
  plan.buffers[sample::K]->dims = {fb::Dim(fb::Symbol::Tokens, 4), fb::Dim(fb::Symbol::One, 2),
                                   fb::Dim(fb::Symbol::One, 3)};
  StepDims dims;
  dims[VINCI_DIM_TOKENS] = 5;
  const Tensors tensors(plan);
  EXPECT_EQ(tensors.at(first + sample::ProjectK).rows.in(dims), 20u);
  EXPECT_EQ(tensors.at(first + sample::ProjectK).columns, 6u);
}

TEST(PlanTensors, FollowTheShardsOfWeights) {
  const Tensors tensors(sample::rankedPlan({2}));
  for (uint32_t command : {sample::ProjectQ, sample::RotateQ, sample::Attend}) {
    const PlanTensor &tensor = tensors.at(first + command);
    EXPECT_EQ(tensor.form, TensorForm::Plain) << tensor.name;
    ASSERT_TRUE(tensor.shard) << tensor.name;
    EXPECT_EQ(tensor.shard->parts(), 2u);
  }
  for (uint32_t command : {sample::Norm, sample::ProjectK, sample::RotateK}) {
    const PlanTensor &tensor = tensors.at(first + command);
    EXPECT_EQ(tensor.form, TensorForm::Plain) << tensor.name;
    EXPECT_FALSE(tensor.shard) << tensor.name;
  }
}

TEST(PlanTensors, AreSeveralWhereAWeightIsConcatenated) {
  fb::PlanT plan = sample::rankedPlan({2});
  for (auto &weight : plan.weights)
    if (weight->name == "layers.0.q") {
      weight->pieces.push_back(std::make_unique<fb::WeightPieceT>());
      weight->pieces.back()->source = "model.layers.0.self_attn.k_proj.weight";
      weight->pieces.back()->shape = {sample::headDim, sample::hidden};
    }
  plan.buffers[sample::Q]->dims[1] = fb::Dim(fb::Symbol::One, 32);
  const Tensors tensors(plan);
  const PlanTensor &q = tensors.at(first + sample::ProjectQ, 0),
                   &k = tensors.at(first + sample::ProjectQ, 1);
  EXPECT_EQ(q.key(), "0:q");
  EXPECT_EQ(k.key(), "0:k_proj");
  EXPECT_EQ(q.shard->parts(), 2u);
  EXPECT_FALSE(k.shard);
  EXPECT_EQ((std::vector{q.firstColumn, q.columns, q.rowColumns}),
            (std::vector<uint64_t>{0, 16, 32}));
  EXPECT_EQ((std::vector{k.firstColumn, k.columns, k.rowColumns}),
            (std::vector<uint64_t>{16, 16, 32}));
  EXPECT_EQ(k.output, 0u);
}

TEST(PlanTensors, OfFusedOpsAreNamedAsInTheChain) {
  struct Fused {
    sample::Kernel kernel; ///< that gets another op
    const char *op;
    uint32_t command;
    const char *key;
  };
  for (const auto &[kernel, op, command, key] :
       {Fused{sample::RmsNorm, "rms_norm_quant", sample::Norm, "0:norm.dynamic_quantize"},
        {sample::RopeQ, "swiglu_quant", sample::RotateQ, "0:q.swiglu.dynamic_quantize"},
        {sample::MatmulQ, "grouped_matmul_swiglu", sample::ProjectQ, "0:q.swiglu"},
        {sample::MatmulQ, "grouped_matmul_swiglu_quant", sample::ProjectQ,
         "0:q.swiglu.dynamic_quantize"}}) {
    fb::PlanT plan = sample::rankedPlan({2});
    plan.kernels[kernel]->op = op;
    const Tensors tensors(plan);
    const PlanTensor &tensor = tensors.at(first + command);
    EXPECT_EQ(tensor.key(), key);
    // Each rank has scales of its own, but of what all of them have.
    const bool scales = std::string_view(op).ends_with("_quant") && command != sample::Norm;
    EXPECT_EQ(tensor.form, scales ? TensorForm::OtherOrder : TensorForm::Plain) << op;
  }
}

/// Gives a command of the first layers other operands: none of the others is looked at.
void setOperands(fb::PlanT &plan, uint32_t command, uint32_t kernel, uint32_t outputs,
                 const std::vector<fb::Operand> &operands) {
  fb::BodyT &body = *plan.bodies[sample::Layer];
  fb::Command &changed = body.commands[command];
  changed =
      fb::Command(kernel, uint32_t(body.operands.size()), uint32_t(operands.size()),
                  changed.wait_first(), changed.wait_count(), changed.stream(), changed.tiles());
  body.operands.insert(body.operands.end(), operands.begin(), operands.end());
  plan.kernels[kernel]->outputs = outputs;
  plan.kernels[kernel]->operands = uint32_t(operands.size());
}

constexpr fb::Space arena = fb::Space::Arena, parameter = fb::Space::Parameter;

/// Weight and bias alone: the rows have scales of their own. With scale and offset they are given.
TEST(PlanTensors, OfNormsWithABiasAreNamedByHowTheyQuantise) {
  struct Norm {
    std::vector<uint32_t> weights;
    bool dynamic;
  };
  for (const Norm &norm :
       {Norm{{0}, true}, Norm{{0, 1}, true}, Norm{{0, 1, 2}, false}, Norm{{0, 1, 2, 3}, false}}) {
    fb::PlanT plan = sample::rankedPlan({2});
    plan.kernels[sample::RmsNorm]->op = "rms_norm_quant";
    std::vector<fb::Operand> operands = {{arena, sample::X}};
    if (norm.dynamic)
      operands.emplace_back(arena, sample::Rows);
    operands.emplace_back(arena, sample::Hidden);
    for (const uint32_t weight : norm.weights)
      operands.emplace_back(parameter, weight);
    setOperands(plan, sample::Norm, sample::RmsNorm, norm.dynamic ? 2 : 1, operands);
    const Tensors tensors(plan);
    const PlanTensor &values = tensors.at(first + sample::Norm, 0);
    EXPECT_EQ(values.key(), norm.dynamic ? "0:norm.dynamic_quantize" : "0:norm.quantize")
        << norm.weights.size();
    EXPECT_EQ(values.form, TensorForm::Plain);
    if (norm.dynamic) {
      EXPECT_EQ(tensors.at(first + sample::Norm, 1).key(), "0:norm.dynamic_quantize.1");
    }
  }
}

/// What each rank quantises of rows that it has parts of: by scales of its own, which are no tensor
/// of one device, or by those of the whole rows, which are.
TEST(PlanTensors, OfQuantisedPartsAreThoseOfWholeRowsIfTheRanksAgree) {
  for (const bool agreed : {false, true}) {
    fb::PlanT plan = sample::rankedPlan({2});
    plan.kernels[sample::RopeQ]->op = "dynamic_quantize";
    std::vector<fb::Operand> operands = {
        {arena, sample::Q}, {arena, sample::Rows}, {arena, sample::Q}};
    if (agreed)
      operands.emplace_back(arena, sample::K);
    setOperands(plan, sample::RotateQ, sample::RopeQ, 2, operands);
    const Tensors tensors(plan);
    const PlanTensor &values = tensors.at(first + sample::RotateQ, 0),
                     &scales = tensors.at(first + sample::RotateQ, 1);
    EXPECT_EQ(values.key(), "0:q.dynamic_quantize");
    EXPECT_EQ(scales.key(), "0:q.dynamic_quantize.1");
    for (const PlanTensor *tensor : {&values, &scales})
      EXPECT_EQ(tensor->form, agreed ? TensorForm::Plain : TensorForm::OtherOrder);
    ASSERT_TRUE(values.shard);
    EXPECT_EQ(values.shard->parts(), 2u);
    EXPECT_EQ(scales.shard == nullptr, agreed);
  }
}

TEST(PlanTensors, ArePartsOfASumUntilItIsMade) {
  fb::PlanT plan = sample::rankedPlan({2, 2}); // divided along axis 1
  auto forms = [&] {
    const Tensors tensors(plan);
    const PlanTensor &part = tensors.at(first + sample::ProjectO),
                     &sum = tensors.at(first + sample::Residual);
    EXPECT_EQ(part.key(), "0:o");
    EXPECT_EQ(sum.key(), "0:o");
    EXPECT_EQ(sum.op, "llm.all_reduce");
    EXPECT_FALSE(part.shard || sum.shard);
    return std::pair(part.form, sum.form);
  };
  EXPECT_EQ(forms(), std::pair(TensorForm::PartialSum, TensorForm::Plain));
  for (auto &weight : plan.weights)
    if (weight->name.ends_with(".o"))
      weight->pieces[0]->shards[0]->axes = {0, 1};
  EXPECT_EQ(forms(), std::pair(TensorForm::PartialSum, TensorForm::PartialSum));
}

} // namespace
} // namespace vinci
