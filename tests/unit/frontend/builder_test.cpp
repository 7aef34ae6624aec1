#include "frontend/builder/builder.h"
#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config.h"
#include "ir/llm/Llm.h"
#include "ir/llm/Locations.h"
#include "tests/unit/frontend/config_text.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>

namespace vinci {
namespace {

using namespace test;
namespace fs = std::filesystem;

ModelSpec parse(const ConfigText &config, const std::string &file = "model/config.json") {
  return parseHuggingFaceConfig(config.text(), std::nullopt, file);
}

std::string textOf(mlir::ModuleOp module, bool locations = false) {
  std::string result;
  llvm::raw_string_ostream stream(result);
  mlir::OpPrintingFlags flags;
  flags.enableDebugInfo(locations);
  module->print(stream, flags);
  return result + "\n";
}

/// Built IR and the context that owns it.
struct Built {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit Built(const ModelSpec &spec, DType dtype = DType::BFloat16) {
    module = buildModel(context, spec, {resolvePrecision(dtype), defaultLimits(spec)});
  }
  std::string text(bool locations = false) { return textOf(*module, locations); }
};

std::string contentOf(const fs::path &path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

/// Compares with a file beside this one; where it differs, the text found is left in the build
/// tree.
void expectGolden(const std::string &name, const std::string &text) {
  fs::path found = fs::path(VINCI_BINARY_DIR) / name;
  bool same = text == contentOf(fs::path(VINCI_SOURCE_DIR) / "tests/unit/frontend/data" / name);
  if (!same)
    std::ofstream(found) << text;
  EXPECT_TRUE(same) << "differs from tests/unit/frontend/data/" << name << "; see " << found;
}

/// Names and shapes of the tensors that the IR's weights stand for.
std::map<std::string, std::vector<uint64_t>> tensorsOf(mlir::ModuleOp module) {
  std::map<std::string, std::vector<uint64_t>> tensors;
  auto add = [&](llm::WeightOp weight, const std::string &layer) {
    std::string source = (*weight.getPieceList().begin()).getSource().str();
    if (size_t at = source.find("{layer}"); at != std::string::npos)
      source.replace(at, 7, layer);
    auto shape = weight.getResult().getType().getShape();
    if (!weight.getStack()) {
      tensors[source].assign(shape.begin(), shape.end());
      return;
    }
    size_t at = source.find("{}");
    for (uint64_t i = 0; i < *weight.getStack(); ++i)
      tensors[source.substr(0, at) + std::to_string(i) + source.substr(at + 2)].assign(
          shape.begin() + 1, shape.end());
  };
  module.walk([&](llm::CallOp call) {
    auto body = module.lookupSymbol<llm::BodyOp>(call.getCallee());
    std::string layer = call.getLayer() ? std::to_string(*call.getLayer()) : "";
    body.walk([&](llm::WeightOp weight) { add(weight, layer); });
  });
  return tensors;
}

TEST(Builder, ADenseModel) {
  Built built(
      parse(qwen3Config().set("tie_word_embeddings", "true").set("eos_token_id", "[7, 9]")));
  expectGolden("dense.mlir", built.text());
}

TEST(Builder, AMixtureOfExpertsWithADenseLayer) {
  Built built(parse(qwen3MoeConfig()
                        .set("mlp_only_layers", "[0]")
                        .set("attention_bias", "true")
                        .set("norm_topk_prob", "true")),
              DType::Float32);
  expectGolden("moe.mlir", built.text());
}

/// A float layer, one of static attention and dynamic experts, and a float one again.
TEST(Builder, LayersOfSeveralSchemes) {
  const char *description = R"({
    "model.embed_tokens.weight": "FLOAT", "model.norm.weight": "FLOAT", "lm_head.weight": "FLOAT",
    "model.layers.*.input_layernorm.weight": "FLOAT", "model.layers.*.mlp.gate.weight": "FLOAT",
    "model.layers.*.post_attention_layernorm.weight": "FLOAT",
    "model.layers.*.self_attn.q_norm.weight": "FLOAT", "model.layers.*.self_attn.k_norm.weight": "FLOAT",
    "model.layers.*.self_attn.q_proj.weight": "FLOAT", "model.layers.*.self_attn.k_proj.weight": "FLOAT",
    "model.layers.*.self_attn.v_proj.weight": "FLOAT", "model.layers.*.self_attn.o_proj.weight": "FLOAT",
    "model.layers.*.mlp.experts.*.gate_proj.weight": "FLOAT",
    "model.layers.*.mlp.experts.*.up_proj.weight": "FLOAT",
    "model.layers.*.mlp.experts.*.down_proj.weight": "FLOAT",
    "model.layers.1.self_attn.q_proj.weight": "W8A8", "model.layers.1.self_attn.k_proj.weight": "W8A8",
    "model.layers.1.self_attn.v_proj.weight": "W8A8",
    "model.layers.1.self_attn.q_proj.input_scale": "W8A8", "model.layers.1.self_attn.q_proj.input_offset": "W8A8",
    "model.layers.1.self_attn.q_proj.quant_bias": "W8A8", "model.layers.1.self_attn.q_proj.deq_scale": "W8A8",
    "model.layers.1.self_attn.k_proj.input_scale": "W8A8", "model.layers.1.self_attn.k_proj.input_offset": "W8A8",
    "model.layers.1.self_attn.k_proj.quant_bias": "W8A8", "model.layers.1.self_attn.k_proj.deq_scale": "W8A8",
    "model.layers.1.self_attn.v_proj.input_scale": "W8A8", "model.layers.1.self_attn.v_proj.input_offset": "W8A8",
    "model.layers.1.self_attn.v_proj.quant_bias": "W8A8", "model.layers.1.self_attn.v_proj.deq_scale": "W8A8",
    "model.layers.1.self_attn.o_proj.weight": "W8A8_DYNAMIC",
    "model.layers.1.self_attn.o_proj.weight_scale": "W8A8_DYNAMIC",
    "model.layers.1.self_attn.o_proj.weight_offset": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.gate_proj.weight": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.gate_proj.weight_scale": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.gate_proj.weight_offset": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.up_proj.weight": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.up_proj.weight_scale": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.up_proj.weight_offset": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.down_proj.weight": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.down_proj.weight_scale": "W8A8_DYNAMIC",
    "model.layers.1.mlp.experts.*.down_proj.weight_offset": "W8A8_DYNAMIC"})";
  ModelSpec spec = parseHuggingFaceConfig(
      qwen3MoeConfig().set("num_hidden_layers", "3").set("attention_bias", "true").text(),
      std::nullopt, "model/config.json", description);
  Built built(spec);
  expectGolden("quantised.mlir", built.text());
  std::map<std::string, std::vector<uint64_t>> expected;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    if (!tensor.unread)
      expected[tensor.name] = tensor.shape;
  EXPECT_EQ(tensorsOf(*built.module), expected);
}

TEST(Builder, LocationsPointIntoTheConfig) {
  Built built(parse(qwen3Config().set("rms_norm_eps", "1e-5")));
  auto locationOf = [&](llvm::StringRef opName) {
    std::string result;
    built.module->walk([&](mlir::Operation *op) {
      if (op->getName().getStringRef() == opName && result.empty()) {
        auto location = llm::fileLocation(op->getLoc());
        result = llvm::formatv("{0}:{1}:{2}", location.getFilename().getValue(), location.getLine(),
                               location.getColumn())
                     .str();
      }
    });
    return result;
  };
  EXPECT_EQ(locationOf("llm.embedding"), "config.json:10:15");
  EXPECT_EQ(locationOf("llm.rope_table"), "config.json:12:15");
  EXPECT_EQ(locationOf("llm.rms_norm"), "config.json:13:17");
  EXPECT_EQ(locationOf("llm.kv_append"), "config.json:8:24");
  EXPECT_EQ(locationOf("llm.silu"), "config.json:5:22");
  EXPECT_EQ(locationOf("llm.call"), "config.json:10:15");
  EXPECT_EQ(locationOf("builtin.module"), "config.json:0:0");
}

TEST(Builder, DependsOnTheConfigAlone) {
  ConfigText config = qwen3MoeConfig();
  std::string text = Built(parse(config)).text(true);
  EXPECT_EQ(text, Built(parse(config)).text(true));
  EXPECT_EQ(text, Built(parse(config, "/elsewhere/another name/config.json")).text(true));
  EXPECT_EQ(text.find("elsewhere"), std::string::npos);
}

TEST(Builder, UsesEveryTensorOfEveryModel) {
  const char *models[] = {"models/austen-qwen3",
                          "models/austen-qwen2",
                          "models/austen-qwen3-moe",
                          "tests/golden/data/llama-plain",
                          "tests/golden/data/qwen2-untied",
                          "tests/golden/data/qwen3-wide",
                          "tests/golden/data/qwen3moe-norm",
                          "tests/unit/frontend/data/qwq-32b.json",
                          "tests/unit/frontend/data/qwen3-235b-a22b.json"};
  for (const char *model : models) {
    ModelSpec spec = readHuggingFaceConfig(fs::path(VINCI_SOURCE_DIR) / model);
    for (DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
      Built built(spec, dtype);
      std::map<std::string, std::vector<uint64_t>> expected;
      for (const ExpectedTensor &tensor : expectedTensors(spec))
        expected[tensor.name] = tensor.shape;
      EXPECT_EQ(tensorsOf(*built.module), expected) << model;
    }
  }
}

TEST(Builder, FoldsLayers) {
  auto opsOf = [](int layers) {
    Built built(parse(qwen3Config().set("num_hidden_layers", std::to_string(layers))));
    int count = 0;
    built.module->walk([&](mlir::Operation *op) { count += !mlir::isa<llm::CallOp>(op); });
    return count;
  };
  EXPECT_EQ(opsOf(1), opsOf(64));
}

TEST(Builder, RoundTripsThroughText) {
  Built built(parse(qwen3MoeConfig().set("mlp_only_layers", "[1]").set("bos_token_id", "3")));
  std::string text = built.text();
  auto parsed = mlir::parseSourceString<mlir::ModuleOp>(text, &built.context);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(textOf(*parsed), text);
}

static std::vector<float> inverseFrequencies(const std::string &hiddenSize,
                                             const std::string &theta) {
  Built built(parse(llamaConfig().set("hidden_size", hiddenSize).set("rope_theta", theta)));
  std::vector<float> values;
  built.module->walk([&](llm::ConstantOp constant) {
    EXPECT_EQ(constant.getSymName(), "inv_freq");
    for (float value : mlir::cast<mlir::DenseElementsAttr>(constant.getValue()).getValues<float>())
      values.push_back(value);
  });
  return values;
}

// What transformers 5.17 on torch 2.11 has in `rotary_emb.inv_freq`; llamaConfig() has four heads.
TEST(Builder, RoundsInverseFrequenciesAsTransformersDoes) {
  EXPECT_EQ(inverseFrequencies("24", "10000"),
            (std::vector<float>{1.0f, 0.04641588404774666f, 0.002154434332624078f}));
  EXPECT_EQ(inverseFrequencies("40", "5000000"),
            (std::vector<float>{1.0f, 0.04573050141334534f, 0.002091278787702322f,
                                9.563521598465741e-05f, 4.373447609395953e-06f}));
  EXPECT_EQ(
      inverseFrequencies("48", "10007.5"),
      (std::vector<float>{1.0f, 0.2154165506362915f, 0.04640428349375725f, 0.00999625213444233f,
                          0.0021533577237278223f, 0.0004638690734282136f}));
}

TEST(Builder, CarriesTheLargestSizesThatTheReaderAccepts) {
  ConfigText config = qwen3Config()
                          .set("hidden_size", "4194304")
                          .set("vocab_size", "262144")
                          .set("head_dim", "512")
                          .set("max_position_embeddings", "67108864")
                          .set("num_hidden_layers", "4096");
  Built built(parse(config));
  EXPECT_TRUE(built.module);
}

TEST(Builder, RefusesPoliciesThatAreNotLegal) {
  ModelSpec spec = parse(qwen3Config());
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  try {
    buildModel(context, spec, {{.layernorm = DType::Float16}, defaultLimits(spec)});
    ADD_FAILURE() << "accepted float16 norms on float32";
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(), "error: precision layernorm=float16 does not go with "
                               "compute=float32; legal is float32");
  }
}

TEST(Builder, GivesEveryRegionItsType) {
  ModelSpec spec = parse(qwen3MoeConfig());
  const PrecisionPolicy policy =
      resolvePrecision(DType::Float16, {.layernorm = DType::Float16, .rotary = DType::Float16});
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = buildModel(context, spec, {policy, defaultLimits(spec)});
  module->walk([](llm::RmsNormOp op) { EXPECT_TRUE(op.getCompute().isF16()); });
  module->walk([](llm::AttentionOp op) { EXPECT_TRUE(op.getSoftmax().isF32()); });
  module->walk(
      [](llm::RopeTableOp op) { EXPECT_TRUE(op.getResult().getType().getElementType().isF16()); });
  module->walk([](llm::KvCacheOp op) { EXPECT_TRUE(op.getType().getElementType().isF16()); });
}

} // namespace
} // namespace vinci
