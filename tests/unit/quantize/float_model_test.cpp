#include "runtime/quantize/float_model.h"

#include "tests/unit/quantize/test_model.h"

#include <cmath>

namespace vinci {
namespace {

class FloatModels : public ModelTest {};

const std::vector<int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6};

/// Of every architecture and of awkward widths: norms folded and rotated, the function stays.
TEST_F(FloatModels, ChangesLeaveTheFunction) {
  for (const char *name : {"llama-head6", "llama-15-3", "llama-hidden80", "qwen2-prime",
                           "qwen2-untied", "qwen3-head80", "qwen3moe-5", "qwen3moe-norm"}) {
    const ReferenceConfig config = configOf(name);
    const Matrix expected =
        ReferenceModel(config, Checkpoint::open(data(name))).forward(ids).logits;
    const FloatChanges variants[] = {{}, {true, {}, {}, {}}, quarot(config, 0), quarot(config, 7)};
    for (const FloatChanges &changes : variants) {
      const Matrix found = logits(model(name, changes), ids);
      ASSERT_EQ(found.values.size(), expected.values.size());
      double worst = 0, largest = 0;
      for (size_t i = 0; i < found.values.size(); ++i) {
        worst = std::max(worst, double(std::abs(found.values[i] - expected.values[i])));
        largest = std::max(largest, double(std::abs(expected.values[i])));
      }
      EXPECT_LT(worst, 1e-4 * std::max(largest, 1.0)) << name;
    }
  }
}

TEST_F(FloatModels, WithoutChangesTensorsAreThoseOfTheCheckpoint) {
  const FloatModel plain = model("qwen2-prime");
  EXPECT_TRUE(plain.config().tieWordEmbeddings);
  EXPECT_FALSE(plain.headWasUntied());
  const ReferenceWeights weights(configOf("qwen2-prime"), Checkpoint::open(data("qwen2-prime")));
  for (const RequiredTensor &tensor : requiredTensors(plain.config()))
    EXPECT_EQ(plain.tensor(tensor.name), weights.floats(tensor.name)) << tensor.name;
}

TEST_F(FloatModels, FoldedNormsAreOnesAndUntieTheHead) {
  const FloatModel folded = model("qwen2-prime", {true, {}, {}, {}});
  EXPECT_FALSE(folded.config().tieWordEmbeddings);
  EXPECT_TRUE(folded.headWasUntied());
  for (const char *name : {"model.norm.weight", "model.layers.1.input_layernorm.weight",
                           "model.layers.2.post_attention_layernorm.weight"})
    for (float value : folded.tensor(name).values)
      EXPECT_EQ(value, 1) << name;
  EXPECT_EQ(folded.tensor("model.embed_tokens.weight"),
            model("qwen2-prime").tensor("model.embed_tokens.weight"));
}

/// A norm's weight moves out of what reads it, and folding moves it back.
TEST_F(FloatModels, NormsCanBeGivenWeights) {
  const ReferenceConfig config = configOf("qwen2-prime");
  FloatChanges changes{.foldNorms = true};
  changes.normWeights = [&](const std::string &norm) {
    std::vector<float> weights(config.hiddenSize);
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = float(1 + i) / float(norm.size());
    return weights;
  };
  const FloatModel changed = model("qwen2-prime", changes);
  EXPECT_EQ(changed.tensor("model.norm.weight").at(9, 0), 1.0f);
  const Matrix expected = logits(model("qwen2-prime"), ids), found = logits(changed, ids);
  for (size_t i = 0; i < found.values.size(); ++i)
    EXPECT_NEAR(found.values[i], expected.values[i], 1e-3) << i;
}

TEST_F(FloatModels, RotationsSpreadAnOutlier) {
  const std::string embedding = "model.embed_tokens.weight",
                    v = "model.layers.0.self_attn.v_proj.weight";
  const FloatModel plain = model("qwen3-tiny");
  const FloatModel rotated = model("qwen3-tiny", quarot(plain.config(), 0));
  for (const std::string &name : {embedding, v}) {
    const Matrix before = plain.tensor(name), after = rotated.tensor(name);
    EXPECT_EQ(before.values.size(), after.values.size());
    EXPECT_NE(before, after) << name;
  }
}

} // namespace
} // namespace vinci
