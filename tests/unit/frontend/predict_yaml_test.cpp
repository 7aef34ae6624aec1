// MindFormers YAMLs: what the published files resolve to, and what single values do.
#include "frontend/huggingface/config.h"
#include "frontend/mindformers/predict_yaml.h"
#include "frontend/recipe/recipe_yaml.h"
#include "tests/unit/frontend/predict_yaml_text.h"
#include "tests/unit/frontend/reader_test.h"

namespace vinci {
namespace {

using namespace test;

constexpr Reader reader = readPredictYaml;

TEST(PredictYaml, QwQ32bOn300iDuo) {
  Import import = importFile(reader, "mindformers/qwq-32b-300i-duo.yaml");
  EXPECT_EQ(said(import), R"(model.name = "qwq_32b"
model.architecture = "qwen2"
model.hidden_size = 5120
model.intermediate_size = 27648
model.num_hidden_layers = 64
model.num_attention_heads = 40
model.num_key_value_heads = 8
model.vocab_size = 152064
model.max_position_embeddings = 32768
model.rms_norm_eps = 1e-06
model.rope_theta = 1000000
model.qkv_bias = true
model.eos_token_id = [151645, 151643]
model.bos_token_id = 151643
model.pad_token_id = 151643
sampling.do_sample = false
sampling.temperature = 0.7
sampling.top_k = 20
sampling.top_p = 0.8
sampling.repetition_penalty = 1.05
precision.compute = "float16"
precision.layernorm = "float16"
precision.softmax = "float16"
precision.rotary = "float16"
precision.parameters = "float16"
precision.keep_origin_dtype = true
parallel.attn_tp = 4
parallel.attn_dp = 1
parallel.moe_tp = 4
parallel.pipeline_stages = 1
parallel.replicate_embedding = false
parallel.sequence = false
weights.qkv_concat = true
weights.ffn_concat = true
weights.shard_on_load = true
execution.graph_mode = "none"
execution.cpu_binding = false
scheduler.max_output_len = 64
scheduler.block_size = 32
scheduler.num_blocks = 1024
memory.limit_gib = 39
tokenizer.chat_template = "{%- for message in messages %}?{{- message.cont…"
tokenizer.model_max_length = 131072
)");
  EXPECT_EQ(
      findings(import),
      R"(contradiction 27:1 the comment says device num = 8, but data_parallel * model_parallel * pipeline_stage is 4; 4 is used
)");
  EXPECT_EQ(originOf(import, "model.rms_norm_eps"), "f:50:19");
  EXPECT_EQ(originOf(import, "parallel.attn_tp"), "f:30:19");
}

TEST(PredictYaml, QwQ32bOn910b3) {
  Import import = importFile(reader, "mindformers/qwq-32b-910b3.yaml");
  EXPECT_EQ(said(import), R"(model.name = "qwq_32b"
model.architecture = "qwen2"
model.hidden_size = 5120
model.intermediate_size = 27648
model.num_hidden_layers = 64
model.num_attention_heads = 40
model.num_key_value_heads = 8
model.vocab_size = 152064
model.max_position_embeddings = 32768
model.rms_norm_eps = 1e-06
model.rope_theta = 1000000
model.qkv_bias = true
model.eos_token_id = [151645, 151643]
model.bos_token_id = 151643
model.pad_token_id = 151643
sampling.do_sample = true
sampling.temperature = 0.7
sampling.top_k = 20
sampling.top_p = 0.8
sampling.repetition_penalty = 1.05
precision.compute = "bfloat16"
precision.layernorm = "float32"
precision.softmax = "float32"
precision.rotary = "bfloat16"
precision.parameters = "bfloat16"
precision.keep_origin_dtype = true
parallel.attn_tp = 4
parallel.attn_dp = 1
parallel.moe_tp = 4
parallel.pipeline_stages = 1
parallel.replicate_embedding = false
weights.directory = "/data/QwQ-32B/checkpoint_dir"
weights.qkv_concat = true
weights.ffn_concat = true
weights.shard_on_load = false
execution.graph_mode = "full"
scheduler.max_output_len = 512
scheduler.block_size = 32
scheduler.num_blocks = 1024
memory.limit_gib = 59
tokenizer.chat_template = "{%- for message in messages %}?{{- message.cont…"
tokenizer.model_max_length = 131072
)");
  EXPECT_EQ(
      findings(import),
      R"(contradiction 27:1 the comment says device num = 8, but data_parallel * model_parallel * pipeline_stage is 4; 4 is used
note 74:17 ffn_concat is not given; in LlamaForCausalLM it follows qkv_concat, so gate and up are one projection, too
)");
}

TEST(PredictYaml, Qwen25) {
  Import import = importFile(reader, "mindformers/qwen2.5-7b.yaml");
  EXPECT_EQ(said(import), R"(model.name = "qwen2_5_7b"
model.architecture = "qwen2"
model.hidden_size = 3584
model.intermediate_size = 18944
model.num_hidden_layers = 28
model.num_attention_heads = 28
model.num_key_value_heads = 4
model.vocab_size = 152064
model.max_position_embeddings = 32768
model.rms_norm_eps = 1e-06
model.rope_theta = 1000000
model.qkv_bias = true
model.eos_token_id = [151645, 151643]
model.bos_token_id = 151643
model.pad_token_id = 151643
sampling.do_sample = true
sampling.temperature = 0.7
sampling.top_k = 20
sampling.top_p = 0.8
sampling.repetition_penalty = 1.05
precision.compute = "bfloat16"
precision.layernorm = "float32"
precision.softmax = "float32"
precision.rotary = "bfloat16"
precision.parameters = "bfloat16"
precision.keep_origin_dtype = true
parallel.attn_tp = 1
parallel.attn_dp = 1
parallel.moe_tp = 1
parallel.pipeline_stages = 1
parallel.replicate_embedding = false
weights.qkv_concat = true
weights.ffn_concat = true
weights.shard_on_load = true
execution.graph_mode = "full"
scheduler.max_output_len = 512
scheduler.block_size = 32
scheduler.num_blocks = 1024
memory.limit_gib = 59
tokenizer.chat_template = "{%- for message in messages %}?{{- message.cont…"
tokenizer.model_max_length = 131072
)");
  EXPECT_EQ(
      findings(import),
      R"(contradiction 27:1 the comment says device num = 8, but data_parallel * model_parallel * pipeline_stage is 1; 1 is used
note 74:17 ffn_concat is not given; in LlamaForCausalLM it follows qkv_concat, so gate and up are one projection, too
)");
  EXPECT_EQ(
      findings(importFile(reader, "mindformers/qwen2.5-32b.yaml")),
      R"(contradiction 27:1 the comment says device num = 8, but data_parallel * model_parallel * pipeline_stage is 2; 2 is used
note 74:17 ffn_concat is not given; in LlamaForCausalLM it follows qkv_concat, so gate and up are one projection, too
)");
}

TEST(PredictYaml, NewerFilesLeaveTheModelToConfigJson) {
  for (const char *name : {"qwen3", "qwen3_moe"}) {
    Import import = importFile(reader, fmt::format("mindformers/{}.yaml", name));
    EXPECT_FALSE(import.resolved.model.architecture);
    EXPECT_EQ(said(import), fmt::format("model.name = \"{}\"\n", name) +
                                R"(precision.compute = "bfloat16"
precision.layernorm = "float32"
precision.softmax = "float32"
precision.rotary = "bfloat16"
precision.parameters = "bfloat16"
precision.keep_origin_dtype = true
parallel.attn_tp = 1
parallel.attn_dp = 1
parallel.moe_tp = 1
weights.directory = "/path/hf_dir"
execution.graph_mode = "full"
memory.limit_gib = 59
)");
    EXPECT_EQ(
        findings(import),
        R"(contradiction 11:1 the comment says device num = 8, but data_parallel * model_parallel * pipeline_stage is 1; 1 is used
note 15:23 the network is described by the config.json of pretrained_model_dir, "/path/hf_dir"
)");
  }
}

TEST(PredictYaml, AgainstConfigJson) {
  const std::string config = dataFile("qwq-32b.json");
  Import import;
  import.resolved.model =
      toSettings(parseHuggingFaceConfig(readTextFile(config, 1 << 20), std::nullopt, "c.json"), "");
  reader(import, parseYaml(readTextFile(dataFile("mindformers/qwq-32b-910b3.yaml"), 1 << 20), "f"));
  EXPECT_EQ(
      findings(import),
      R"(contradiction 47:30 max_position_embeddings is 32768, but c.json:15:30 says 40960; 32768 is used
contradiction 49:19 rms_norm_eps is 1e-06, but c.json:13:19 says 1e-05; 1e-06 is used
contradiction 52:19 eos_token_id is [151645, 151643], but c.json:20:19 says [151645]; [151645, 151643] is used
contradiction 27:1 the comment says device num = 8, but data_parallel * model_parallel * pipeline_stage is 4; 4 is used
note 74:17 ffn_concat is not given; in LlamaForCausalLM it follows qkv_concat, so gate and up are one projection, too
)");
  EXPECT_EQ(*import.resolved.model.rmsNormEps, 1e-6);
}

TEST(PredictYaml, GivesAModel) {
  Import import = importFile(reader, "mindformers/qwen2.5-7b.yaml");
  const std::optional<ModelSpec> spec = toModelSpec(import.resolved.model);
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->architecture, Architecture::Qwen2);
  EXPECT_EQ(spec->name, "qwen2_5_7b");
  EXPECT_EQ(spec->headDim, 128);
  EXPECT_TRUE(spec->qkvBias);
  EXPECT_FALSE(spec->outputBias);
  EXPECT_EQ(spec->dtype, DType::BFloat16);
  EXPECT_EQ(spec->eosTokenIds, (std::vector<int64_t>{151645, 151643}));
}

TEST(PredictYaml, WithoutBiasItIsLlama) {
  const auto architecture = [](const std::string &to) {
    Import import = test::import(reader, changed(good, {"    qkv_has_bias: True\n", to, ""}), "f");
    EXPECT_FALSE(toModelSpec(import.resolved.model)->qkvBias);
    return *import.resolved.model.architecture;
  };
  EXPECT_EQ(architecture("    qkv_has_bias: False\n"), "llama");
  EXPECT_EQ(architecture(""), "llama");
}

TEST(PredictYaml, AbsentValuesAreTheNetworksDefaults) {
  Import import = test::import(reader,
                               changed(changed(good, {"    theta: 1000000.0\n", "", ""}),
                                       {"    rms_norm_eps: 1.0e-6\n", "", ""}),
                               "f");
  EXPECT_EQ(*import.resolved.model.rmsNormEps, 1e-5);
  EXPECT_EQ(*import.resolved.model.ropeTheta, 10000);
  EXPECT_EQ(originOf(import, "model.rope_theta"), "default of LlamaConfig");
}

TEST(PredictYaml, SequenceLengthStandsInForPositions) {
  Import import =
      test::import(reader, changed(good, {"    max_position_embeddings: 128\n", "", ""}), "f");
  EXPECT_EQ(*import.resolved.model.maxPositionEmbeddings, 128);
  EXPECT_EQ(originOf(import, "model.max_position_embeddings"), "f:20:17");
}

TEST(PredictYaml, ExpertParallelism) {
  Import import =
      test::import(reader, changed(newer, {"expert_parallel: 1", "expert_parallel: 2", ""}), "f");
  EXPECT_EQ(*import.resolved.deployment.parallel.moeEp, 2);
  EXPECT_EQ(*import.resolved.deployment.parallel.moeTp, 1);
  EXPECT_EQ(*import.resolved.deployment.parallel.attnTp, 2);
}

TEST(PredictYaml, Directories) {
  const auto directory = [](const std::string &text) {
    Import import = test::import(reader, text, "f");
    return import.resolved.deployment.weights.directory.valueOr("none");
  };
  EXPECT_EQ(directory(good), "none");
  EXPECT_EQ(directory(changed(good, {"load_checkpoint: \"\"", "load_checkpoint: /data/w", ""})),
            "/data/w");
  EXPECT_EQ(directory(changed(good, {"    batch_size: 1", "    checkpoint_name_or_path: m", ""})),
            "m");
  EXPECT_EQ(directory(newer), "/data/model");
  EXPECT_EQ(directory(changed(newer, {"load_checkpoint: \"\"", "load_checkpoint: /data/w", ""})),
            "/data/w");
}

TEST(PredictYaml, OtherValues) {
  const auto with = [](const std::string &from, const std::string &to) {
    return test::import(reader, changed(good, {from, to, ""}), "f").resolved;
  };
  EXPECT_TRUE(*with("affinity_cpu_list: None", "affinity_cpu_list: [\"0-3\", \"4-7\"]")
                   .deployment.execution.cpuBinding);
  EXPECT_FALSE(
      *with("auto_trans_ckpt: False", "auto_trans_ckpt: True").deployment.weights.shardOnLoad);
  EXPECT_EQ(*with("39GB", "59.5GB").deployment.memory.limitGib, 59.5);
  EXPECT_EQ(*with("eos_token_id: 3", "eos_token_id: [3, 4]").model.eosTokenIds,
            (std::vector<int64_t>{3, 4}));
  EXPECT_TRUE(
      *with("vocab_emb_dp: False", "vocab_emb_dp: True").deployment.parallel.replicateEmbedding);
  EXPECT_EQ(*with("layernorm_compute_type: float32",
                  "layernorm_compute_type: float32\n    layernorm_compute_dtype: float32")
                 .deployment.precision.layernorm,
            "float32");
  EXPECT_EQ(*with("pipeline_stage: 1", "pipeline_stage: 2").deployment.parallel.pipelineStages, 2);
  const Resolved single = with("use_parallel: True", "use_parallel: False");
  EXPECT_EQ(*single.deployment.parallel.attnTp, 1);
  EXPECT_EQ(toString(single.deployment.parallel.attnTp.origin), "f:1:15");
}

TEST(PredictYaml, FfnConcatOfLlamaFollowsQkvConcat) {
  const std::string llama = changed(good, {"ParallelQwenForCausalLM", "LlamaForCausalLM", ""});
  Import import = test::import(reader, changed(llama, {"    ffn_concat: True\n", "", ""}), "f");
  EXPECT_TRUE(*import.resolved.deployment.weights.ffnConcat);
  EXPECT_EQ(originOf(import, "weights.ffn_concat"), "f:52:17");
  import = test::import(reader, changed(llama, {"ffn_concat: True", "ffn_concat: False", ""}), "f");
  EXPECT_TRUE(*import.resolved.deployment.weights.ffnConcat);
  EXPECT_EQ(
      findings(import),
      R"(contradiction 53:17 ffn_concat is false, but in LlamaForCausalLM it follows qkv_concat, which is true; the latter is used
)");
  import = test::import(reader, changed(good, {"    ffn_concat: True\n", "", ""}), "f");
  EXPECT_FALSE(import.resolved.deployment.weights.ffnConcat);
}

TEST(PredictYaml, LooksLike) {
  const auto looks = [](const std::string &text) {
    return looksLikePredictYaml(parseYaml(text, "f").root());
  };
  EXPECT_TRUE(looks(good));
  EXPECT_TRUE(looks(newer));
  EXPECT_TRUE(looks("run_mode: predict\ntrainer: {}\n"));
  EXPECT_FALSE(looks("model_config:\n  exe_mode: eager\nparallel_config:\n  attn_tp_size: 1\n"));
  EXPECT_FALSE(looks("[model]"));
  EXPECT_FALSE(looksLikeRecipeYaml(parseYaml(good, "f").root()));
}

} // namespace
} // namespace vinci
