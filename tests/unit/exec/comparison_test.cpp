// What two plans must have in common, and how much rounding is expected of them.
#include "runtime/exec/comparison.h"

#include "runtime/support/error.h"
#include "tests/unit/plan/sample_plan.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

/// A plan in a flatbuffer of its own.
class Packed {
public:
  explicit Packed(const fb::PlanT &plan) {
    fb::FinishPlanBuffer(builder_, fb::Plan::Pack(builder_, &plan));
  }
  const fb::Plan &root() const { return *fb::GetPlan(builder_.GetBufferPointer()); }

private:
  flatbuffers::FlatBufferBuilder builder_;
};

/// The sample with this type wherever it computes, and weights of that.
Packed samplePlan(fb::DType compute, fb::DType weights) {
  fb::PlanT plan = sample::plan();
  for (auto &buffer : plan.buffers)
    buffer->dtype = compute;
  for (auto &weight : plan.weights)
    weight->dtype = weights;
  return Packed(plan);
}

TEST(Comparison, ToleratesWhatTheCoarsestTypeOfEitherPlanRounds) {
  using enum fb::DType;
  const Packed exact = samplePlan(Float32, Float32), half = samplePlan(Float16, Float16),
               brief = samplePlan(BFloat16, BFloat16), quantised = samplePlan(Float32, Int8);
  EXPECT_EQ(defaultTolerance(exact.root(), exact.root()), 1e-4);
  EXPECT_EQ(defaultTolerance(exact.root(), half.root()), 1e-2);
  EXPECT_EQ(defaultTolerance(brief.root(), half.root()), 5e-2);
  EXPECT_EQ(defaultTolerance(quantised.root(), brief.root()), 1e-1);
}

std::string refusal(const fb::PlanT &b) {
  const Packed first(sample::plan()), second(b);
  try {
    requireSameModel(*first.root().model(), *second.root().model());
  } catch (const Error &error) {
    return error.message();
  }
  return "";
}

TEST(Comparison, IsOfOneModel) {
  fb::PlanT plan = sample::plan();
  plan.model->name = "a copy";
  plan.limits->max_batch = 1;
  EXPECT_EQ(refusal(plan), "");
  const std::string only = "; only plans of one model can be compared";
  plan.model->num_hidden_layers = 5;
  EXPECT_EQ(refusal(plan), "A has num_hidden_layers 2 and B 5" + only);
  plan.model->hidden_size = 64;
  EXPECT_EQ(refusal(plan), "A has hidden_size 32 and B 64" + only);
  plan.model->vocab_size = 50;
  EXPECT_EQ(refusal(plan), "A has vocab_size 40 and B 50" + only);
  plan.model->architecture = "qwen3";
  EXPECT_EQ(refusal(plan), "A is a llama and B a qwen3" + only);
}

TEST(Comparison, TheReferenceIsOfThePlansModel) {
  const Packed plan(sample::plan());
  ReferenceConfig config;
  config.architecture = "llama";
  config.vocabSize = 40;
  config.hiddenSize = 32;
  config.numHiddenLayers = 2;
  const auto refusal = [&] {
    try {
      requireSameModel(config, *plan.root().model());
    } catch (const Error &error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_EQ(refusal(), "");
  const std::string only = "; it must be the plan's model";
  config.numHiddenLayers = 3;
  EXPECT_EQ(refusal(), "the reference has num_hidden_layers 3 and the plan 2" + only);
  config.hiddenSize = 8;
  EXPECT_EQ(refusal(), "the reference has hidden_size 8 and the plan 32" + only);
  config.vocabSize = 7;
  EXPECT_EQ(refusal(), "the reference has vocab_size 7 and the plan 40" + only);
  config.architecture = "qwen2";
  EXPECT_EQ(refusal(), "the reference is a qwen2 and the plan a llama" + only);
}

} // namespace
} // namespace vinci
