#include "runtime/quantize/schemes.h"

#include "tests/unit/weights/temporary_folder.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using enum LinearGroup;

ReferenceConfig config(uint64_t experts = 0) {
  ReferenceConfig config;
  config.numHiddenLayers = 4;
  config.numExperts = experts;
  config.mlpOnlyLayers = {1};
  return config;
}

std::string textOf(const std::vector<LayerSchemes> &schemes) {
  std::string text;
  for (const LayerSchemes &layer : schemes) {
    for (LinearGroup group : linearGroups)
      text += layer[group] == LinearScheme::Float         ? '.'
              : layer[group] == LinearScheme::W8A8        ? 's'
              : layer[group] == LinearScheme::W8A8Dynamic ? 'd'
                                                          : 'w';
    text += ' ';
  }
  return text;
}

TEST(Schemes, ExpertsAreQuantisedPerToken) {
  EXPECT_EQ(textOf(schemesFor(config(8), LinearScheme::W8A8, "")), "ssdd ssss ssdd ssdd ");
  EXPECT_EQ(textOf(schemesFor(config(8), LinearScheme::W8A16, "")), "wwww wwww wwww wwww ");
  EXPECT_EQ(textOf(schemesFor(config(), LinearScheme::Float, "")), ".... .... .... .... ");
}

TEST(Schemes, KeepsWhatIsNamed) {
  const auto keep = [](std::string_view names) {
    return textOf(schemesFor(config(), LinearScheme::W8A8Dynamic, names));
  };
  EXPECT_EQ(keep("down_proj"), "ddd. ddd. ddd. ddd. ");
  EXPECT_EQ(keep("k_proj,layers.0.up_proj"), ".d.d .ddd .ddd .ddd ");
  EXPECT_EQ(keep("layers.3,layers.0-1.o_proj"), "d.dd d.dd dddd .... ");
}

TEST(Schemes, OtherNamesAreRefused) {
  for (const char *names :
       {"up", "layers", "layers.", "layers.4", "layers.2-1", "layers.0-4.o_proj", "layers.x",
        "layers.0.", "layers.0.gate", "o_proj,", ",", "lm_head"}) {
    const std::string error = messageOf([&] { schemesFor(config(), LinearScheme::W8A8, names); });
    EXPECT_CONTAINS(error, "--keep-float has ");
    EXPECT_CONTAINS(error, "layers.0-3.o_proj");
  }
}

TEST(Schemes, TensorsOfLinears) {
  const auto found = parseLinearTensor("model.layers.12.mlp.experts.3.up_proj.weight");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->layer, 12u);
  EXPECT_EQ(found->group, GateUp);
  EXPECT_EQ(found->linear, "model.layers.12.mlp.experts.3.up_proj");
  EXPECT_EQ(found->part, "weight");
  for (const char *name : {"lm_head.weight", "model.layers.0.mlp.gate.weight",
                           "model.layers.0.self_attn.q_norm.weight", "model.norm.weight"})
    EXPECT_FALSE(parseLinearTensor(name)) << name;
}

} // namespace
} // namespace vinci
