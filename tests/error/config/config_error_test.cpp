// Every error text of the config reader: the config, and the whole line that the user sees.
#include "frontend/huggingface/config.h"
#include "tests/unit/frontend/config_text.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using namespace test;
namespace fs = std::filesystem;

std::string errorOf(const std::string &config,
                    std::optional<std::string> generation = std::nullopt) {
  try {
    parseHuggingFaceConfig(config, generation, "m/config.json");
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), 1);
    return error.what();
  }
  return "no error";
}

struct Case {
  ConfigText config;
  std::string message; ///< after "m/config.json:"
};

void check(const std::vector<Case> &cases) {
  for (const Case &test : cases)
    EXPECT_EQ(errorOf(test.config.text()), "m/config.json:" + test.message);
}

TEST(ConfigError, Architecture) {
  check({
      {qwen3Config().set("model_type", "\"mistral\""),
       "2:15: error: model_type is \"mistral\"; the known ones are llama, qwen2, qwen3, qwen3_moe"},
      {qwen3Config().set("model_type", "3"), "2:15: error: model_type is 3; a string is expected"},
      {qwen3Config().remove("model_type").remove("architectures"),
       "1:1: error: model_type is missing; the known ones are llama, qwen2, qwen3, qwen3_moe"},
      {qwen3Config().remove("model_type").set("architectures", "[\"GPT2LMHeadModel\"]"),
       "2:19: error: architectures names \"GPT2LMHeadModel\"; the known ones are llama, qwen2, "
       "qwen3, qwen3_moe"},
      {qwen3Config().set("architectures", "[\"Qwen3ForSequenceClassification\"]"),
       "3:19: error: architectures names \"Qwen3ForSequenceClassification\"; for model_type qwen3 "
       "only Qwen3ForCausalLM is supported"},
      {qwen3Config().set("architectures", "[\"LlamaForCausalLM\"]"),
       "3:19: error: architectures names \"LlamaForCausalLM\"; for model_type qwen3 only "
       "Qwen3ForCausalLM is supported"},
      {qwen3Config().set("architectures", "\"Qwen3ForCausalLM\""),
       "3:18: error: architectures is \"Qwen3ForCausalLM\" (a string); an array of class names is "
       "expected"},
  });
}

TEST(ConfigError, Sizes) {
  check({
      {qwen3Config().set("hidden_size", "\"abc\""),
       "4:16: error: hidden_size is \"abc\" (a string); an integer from 1 to 4194304 is expected"},
      {qwen3Config().set("hidden_size", "0"),
       "4:16: error: hidden_size is 0; an integer from 1 to 4194304 is expected"},
      {qwen3Config().set("hidden_size", "64.0"),
       "4:16: error: hidden_size is 64.0; an integer from 1 to 4194304 is expected"},
      {qwen3Config().set("hidden_size", "99999999999999999999999999"),
       "4:16: error: hidden_size is 99999999999999999999999999; an integer from 1 to 4194304 is "
       "expected"},
      {qwen3Config().remove("hidden_size"), "1:1: error: hidden_size is missing; it must be given"},
      {qwen3Config().set("hidden_size", "null"),
       "4:16: error: hidden_size is null; it must be given"},
      {qwen3Config().remove("intermediate_size"),
       "1:1: error: intermediate_size is missing; it must be given"},
      {qwen3Config().set("num_hidden_layers", "4097"),
       "6:22: error: num_hidden_layers is 4097; an integer from 1 to 4096 is expected"},
      {qwen3Config().set("num_attention_heads", "-4"),
       "7:24: error: num_attention_heads is -4; an integer from 1 to 16384 is expected"},
      {qwen3Config().set("vocab_size", "16777217"),
       "10:15: error: vocab_size is 16777217; an integer from 1 to 16777216 is expected"},
      {qwen3Config().set("max_position_embeddings", "0"),
       "11:28: error: max_position_embeddings is 0; an integer from 1 to 67108864 is expected"},
      {qwen3Config().set("rms_norm_eps", "0"),
       "13:17: error: rms_norm_eps is 0; a number from 1e-30 to 1 is expected"},
      {qwen3Config().set("rms_norm_eps", "\"1e-6\""),
       "13:17: error: rms_norm_eps is \"1e-6\" (a string); a number is expected"},
      {qwen3MoeConfig().set("num_hidden_layers", "4096").set("num_experts", "16384"),
       "6:22: error: the model would have 201363459 tensors; at most 1048576 are read"},
      {qwen3Config().set("hidden_size", "4194304").set("vocab_size", "16777216"),
       "1:1: error: the largest weight would have 70368744177664 elements; at most 1099511627776 "
       "are supported"},
      {qwen3Config()
           .set("num_hidden_layers", "4096")
           .set("hidden_size", "1048576")
           .set("intermediate_size", "1048576"),
       "1:1: error: the model would have 1.35e+16 parameters; at most 1.13e+15 are read"},
  });
}

TEST(ConfigError, Attention) {
  check({
      {qwen3Config().set("num_attention_heads", "12").set("num_key_value_heads", "5"),
       "8:24: error: num_attention_heads 12 is not a multiple of num_key_value_heads 5"},
      {qwen3Config().remove("num_key_value_heads"),
       "7:24: error: num_attention_heads 4 is not a multiple of num_key_value_heads 32, the "
       "default of qwen3"},
      {qwen3Config().set("head_dim", "15"),
       "9:13: error: head_dim is 15; an even number from 2 to 512 is expected"},
      {qwen3Config().set("head_dim", "514"),
       "9:13: error: head_dim is 514; an integer from 2 to 512 is expected"},
      {qwen2Config().set("hidden_size", "62"), "7:24: error: hidden_size 62 is not a multiple of "
                                               "num_attention_heads 4, and head_dim is not given"},
      {qwen2Config().set("hidden_size", "60"),
       "1:1: error: head_dim is 15; an even number from 2 to 512 is expected"},
      {qwen3Config().set("attention_bias", "1"),
       "13:19: error: attention_bias is 1; true or false is expected"},
      {llamaConfig().set("mlp_bias", "\"no\""),
       "12:13: error: mlp_bias is \"no\" (a string); true or false is expected"},
      {qwen3Config().set("tie_word_embeddings", "0"),
       "13:24: error: tie_word_embeddings is 0; true or false is expected"},
      {qwen3Config().set("hidden_act", "\"gelu\""),
       "13:15: error: hidden_act is \"gelu\"; only \"silu\" is supported"},
  });
}

TEST(ConfigError, Rope) {
  check({
      {qwen3Config().set("rope_theta", "0.5"),
       "12:15: error: rope_theta is 0.5; a number from 1 to 1000000000000000 is expected"},
      {qwen3Config().set("rope_parameters", R"({"rope_type": "default", "rope_theta": 10000.0})"),
       "13:59: error: rope_parameters.rope_theta is 10000.0 but rope_theta, the other spelling of "
       "the same thing, is 1000000"},
      {qwen3Config().set("rope_parameters", R"({"rope_type": "yarn", "factor": 4.0})"),
       "13:34: error: rope_parameters.rope_type is \"yarn\": scaled rotary positions are not "
       "supported; \"default\" is"},
      {qwen3Config().set("rope_scaling", R"({"type": "linear", "factor": 2.0})"),
       "13:26: error: rope_scaling.type is \"linear\": scaled rotary positions are not supported; "
       "\"default\" is"},
      {qwen3Config().set("rope_scaling", R"({"factor": 2.0})"),
       "13:18: error: rope_scaling has \"factor\" without \"rope_type\": \"default\"; only plain "
       "rotary positions are supported"},
      {qwen3Config().set("rope_scaling", R"({"rope_type": "default", "mrope_section": [1, 2, 3]})"),
       "13:42: error: rope_scaling.mrope_section: positions in several dimensions are not "
       "supported"},
      {qwen3Config().set("rope_parameters", R"({"full_attention": {"rope_theta": 1e4}})"),
       "13:39: error: rope_parameters.\"full_attention\" is an object: rotary positions per kind "
       "of layer are not supported"},
      {qwen3Config().set("rope_scaling", "2"),
       "13:17: error: rope_scaling is 2; an object or null is expected"},
      {qwen3Config().set("partial_rotary_factor", "0.5"),
       "13:26: error: partial_rotary_factor is 0.5: rotary positions on part of a head are not "
       "supported; 1 would be"},
      {qwen3Config().set("rope_parameters", R"({"partial_rotary_factor": 0.25})"),
       "13:46: error: rope_parameters.partial_rotary_factor is 0.25: rotary positions on part of a "
       "head are not supported; 1 would be"},
  });
}

TEST(ConfigError, SlidingWindow) {
  auto sliding = [](ConfigText config) {
    return config.set("use_sliding_window", "true").set("sliding_window", "32");
  };
  check({
      {sliding(qwen3Config()).set("max_window_layers", "1"),
       "13:23: error: use_sliding_window is true, so that layers 1 to 1 attend to the last 32 "
       "tokens only: sliding windows are not supported"},
      {sliding(qwen3MoeConfig()),
       "16:23: error: use_sliding_window is true, so that layers 0 to 1 attend to the last 32 "
       "tokens only: sliding windows are not supported"},
      {qwen3Config()
           .set("use_sliding_window", "true")
           .set("max_window_layers", "0")
           .set("max_position_embeddings", "8192"),
       "13:23: error: use_sliding_window is true, so that layers 0 to 1 attend to the last 4096 "
       "tokens only: sliding windows are not supported"},
      {qwen3Config().set("layer_types", R"(["full_attention", "sliding_attention"])"),
       "13:35: error: layer_types[1] is \"sliding_attention\": only \"full_attention\" is "
       "supported"},
      {qwen3Config().set("layer_types", R"(["full_attention"])"),
       "13:16: error: layer_types is an array of 1; an array of 2 (num_hidden_layers) is expected"},
      {llamaConfig().set("layer_types", R"(["full_attention", "chunked_attention"])"),
       "12:35: error: layer_types[1] is \"chunked_attention\": only \"full_attention\" is "
       "supported"},
      {qwen3Config().set("sliding_window", "\"all\""),
       "13:19: error: sliding_window is \"all\" (a string); an integer of at least 0 is expected"},
  });
}

TEST(ConfigError, Experts) {
  check({
      {qwen3MoeConfig().remove("num_experts"),
       "1:1: error: num_experts is missing (num_local_experts in transformers 5); it must be "
       "given"},
      {qwen3MoeConfig().set("num_local_experts", "8"),
       "16:22: error: num_local_experts is 8 but num_experts, the other spelling of the same "
       "thing, is 6"},
      {qwen3MoeConfig().set("num_experts_per_tok", "7"),
       "14:24: error: num_experts_per_tok 7 exceeds num_experts 6"},
      {qwen3MoeConfig().set("num_experts_per_tok", "0"),
       "14:24: error: num_experts_per_tok is 0; an integer from 1 to 64 is expected"},
      {qwen3MoeConfig().remove("moe_intermediate_size"),
       "1:1: error: moe_intermediate_size is missing; it must be given"},
      {qwen3MoeConfig().set("decoder_sparse_step", "0"),
       "16:24: error: decoder_sparse_step is 0; an integer from 1 to 2147483647 is expected"},
      {qwen3MoeConfig().set("mlp_only_layers", "2"),
       "16:20: error: mlp_only_layers is 2; an array of layer numbers is expected"},
      {qwen3MoeConfig().set("mlp_only_layers", "[0, -1]"),
       "16:24: error: mlp_only_layers is -1; an integer from 0 to 2147483647 is expected"},
      {qwen3MoeConfig().set("norm_topk_prob", "1"),
       "16:19: error: norm_topk_prob is 1; true or false is expected"},
  });
}

TEST(ConfigError, Types) {
  check({
      {qwen3Config().set("torch_dtype", "\"float64\""),
       "13:16: error: torch_dtype is \"float64\"; float32, bfloat16 or float16 is expected"},
      {qwen3Config().set("dtype", "\"int8\""),
       "13:10: error: dtype is \"int8\"; float32, bfloat16 or float16 is expected"},
      {qwen3Config().set("dtype", "\"float16\"").set("torch_dtype", "\"bfloat16\""),
       "14:16: error: torch_dtype is \"bfloat16\" but dtype, the other spelling of the same thing, "
       "is \"float16\""},
      {qwen3Config().set("eos_token_id", "100"),
       "13:17: error: eos_token_id is 100; an integer from 0 to 99 is expected"},
      {qwen3Config().set("eos_token_id", "[1, \"2\"]"),
       "13:21: error: eos_token_id is \"2\" (a string); an integer from 0 to 99 is expected"},
      {qwen3Config().set("eos_token_id", "{}"), "13:17: error: eos_token_id is an object of 0; a "
                                                "token id or an array of at most 1024 is expected"},
      {qwen3Config().set("bos_token_id", "true"),
       "13:17: error: bos_token_id is true; an integer is expected"},
      {qwen3Config().set("_name_or_path", "1"),
       "13:18: error: _name_or_path is 1; a string is expected"},
  });
}

TEST(ConfigError, UnsupportedMathematics) {
  check({
      {qwen3Config().set("quantization_config", "{\"quant_method\": \"fp8\"}"),
       "13:24: error: quantization_config is an object of 1: not supported (a quantised "
       "checkpoint); null, false or 0 would be"},
      {qwen3Config().set("attn_logit_softcapping", "50.0"),
       "13:27: error: attn_logit_softcapping is 50.0: not supported (soft capping of attention "
       "scores); null, false or 0 would be"},
      {qwen3Config().set("logits_scaling", "8"),
       "13:19: error: logits_scaling is 8: not supported (scaling of logits); 1 would be"},
      {qwen3Config().set("attention_multiplier", "0.5"),
       "13:25: error: attention_multiplier is 0.5: not supported (another scale of attention "
       "scores); null would be"},
      {qwen3MoeConfig().set("scoring_func", "\"sigmoid\""),
       "16:17: error: scoring_func is \"sigmoid\": not supported (routing by another function); "
       "\"softmax\" would be"},
      {qwen3Config().set("position_embedding_type", "\"alibi\""),
       "13:28: error: position_embedding_type is \"alibi\": not supported (positions other than "
       "rotary); \"rope\" would be"},
      {qwen3Config().set("is_encoder_decoder", "true"),
       "13:23: error: is_encoder_decoder is true: not supported (an encoder-decoder); null, false "
       "or 0 would be"},
      {qwen3Config().set("n_shared_experts", "2"),
       "13:21: error: n_shared_experts is 2: not supported (shared experts); null, false or 0 "
       "would be"},
  });
}

TEST(ConfigError, Json) {
  EXPECT_EQ(errorOf("[]"),
            "m/config.json:1:1: error: the config is an array of 0; an object is expected");
  EXPECT_EQ(errorOf("{\"hidden_size\": 1,\n \"hidden_size\": 2}"),
            "m/config.json:2:2: error: the key \"hidden_size\" stands twice in one object; it was "
            "first given at line 1, column 2");
  EXPECT_EQ(errorOf("{\"hidden_size\": }").substr(0, 41),
            "m/config.json:1:17: error: not valid JSON");
  EXPECT_EQ(errorOf(std::string(5 << 20, ' ')),
            "m/config.json: error: the file has 5242880 bytes; at most 4194304 are read");
}

TEST(ConfigError, GenerationConfig) {
  struct GenerationCase {
    const char *text, *message;
  };
  const GenerationCase cases[] = {
      {"[1]", "1:1: error: the file is an array of 1; an object is expected"},
      {"{\"eos_token_id\": [1, 100]}",
       "1:22: error: eos_token_id is 100; an integer from 0 to 99 is expected"},
      {"{\"temperature\": -1}",
       "1:17: error: temperature is -1; a number from 0 to 1000 is expected"},
      {"{\"top_k\": 1.5}",
       "1:11: error: top_k is 1.5; an integer from 0 to 2147483647 is expected"},
      {"{\"top_p\": 2}", "1:11: error: top_p is 2; a number from 0 to 1 is expected"},
      {"{\"repetition_penalty\": 0}",
       "1:24: error: repetition_penalty is 0; a number from 0.001 to 1000 is expected"},
      {"{\"do_sample\": \"yes\"}",
       "1:15: error: do_sample is \"yes\" (a string); true or false is expected"},
  };
  for (const GenerationCase &test : cases)
    EXPECT_EQ(errorOf(qwen3Config().text(), test.text),
              std::string("m/generation_config.json:") + test.message);
}

TEST(ConfigError, Files) {
  fs::path folder = fs::path(testing::TempDir()) / "vinci-config-error-test";
  fs::create_directories(folder);
  auto readError = [](const fs::path &path) -> std::string {
    try {
      readHuggingFaceConfig(path);
    } catch (const Error &error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(readError(folder / "none"),
            (folder / "none").string() + ": error: no such model directory");
  EXPECT_EQ(readError(folder), folder.string() + ": error: the directory has no config.json");
  std::ofstream(folder / "notes.txt") << "{}";
  EXPECT_EQ(readError(folder / "notes.txt"),
            (folder / "notes.txt").string() +
                ": error: this is neither a model directory nor a config.json");
  fs::create_directories(folder / "config.json");
  EXPECT_EQ(readError(folder),
            (folder / "config.json").string() + ": error: this is a directory; a file is expected");
  fs::remove_all(folder);
}

} // namespace
} // namespace vinci
