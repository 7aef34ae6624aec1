// MindFormers YAMLs: all findings and all errors.
#include "frontend/mindformers/predict_yaml.h"
#include "tests/unit/frontend/predict_yaml_text.h"
#include "tests/unit/frontend/reader_test.h"

namespace vinci {
namespace {

using namespace test;

constexpr Reader reader = readPredictYaml;

TEST(PredictYaml, Findings) {
  expectFindings(
      reader, good,
      {
          {"# device num = 4", "# device num = 8",
           "9:1: contradiction: the comment says device num = 8, but data_parallel * "
           "model_parallel * pipeline_stage is 4; 4 is used"},
          {"# device num = 4", "  #  for 1000 users, device num=\t16 at most",
           "9:3: contradiction: the comment says device num = 16, but data_parallel * "
           "model_parallel * pipeline_stage is 4; 4 is used"},
          {"use_parallel: True", "use_parallel: False",
           "1:15: contradiction: use_parallel is false, but data_parallel * model_parallel * "
           "pipeline_stage is 4; one rank is used"},
          {"seq_length: 128", "seq_length: 64",
           "20:17: contradiction: seq_length is 64, but max_position_embeddings is 128; the latter "
           "is used"},
          {"use_past: True", "use_past: False",
           "39:15: no-effect: use_past is false and has no effect here"},
          {"use_flash_attention: True", "use_flash_attention: False",
           "40:26: no-effect: use_flash_attention is false and has no effect here"},
          {"use_past_shard: False", "use_past_shard: True",
           "41:21: no-effect: use_past_shard is true and has no effect here"},
          {"is_dynamic: True", "is_dynamic: False",
           "51:17: no-effect: is_dynamic is false and has no effect here"},
          {"enable_alltoall: False", "enable_alltoall: True",
           "69:20: no-effect: enable_alltoall is true and has no effect here"},
          {"offset: 0", "offset: [0, 1]",
           "42:13: no-effect: offset moves layers between pipeline stages and has no effect here"},
          {"parallel_mode: STAND_ALONE", "parallel_mode: 2",
           "68:18: no-effect: parallel_mode is 2; Vinci does not search for a partition, the "
           "degrees decide"},
          {"load_checkpoint: \"\"\n", "load_checkpoint: a\nswap: {a: 1}\n",
           "4:1: unknown: \"swap\" is not a key of a MindFormers YAML that Vinci knows and is "
           "ignored"},
          {"data_parallel: 1\n  model_parallel: 4\n  pipeline_stage: 1",
           "data_parallel: 1\n  model_parallel: 2\n  pipeline_stage: 2",
           "13:19: no-effect: pipeline_stage is 2; Vinci does not divide layers over ranks yet"},
      });
  const std::string loaded = changed(good, {"load_checkpoint: \"\"", "load_checkpoint: a", ""});
  expectFindings(reader, loaded,
                 {{"batch_size: 1", "checkpoint_name_or_path: b",
                   "19:30: contradiction: checkpoint_name_or_path is \"b\", but load_checkpoint is "
                   "\"a\"; the latter is used"}});
}

TEST(PredictYaml, CommentsThatAgreeOrSayNothing) {
  EXPECT_EQ(findings(test::import(reader, good, "f")), "");
  for (const char *comment :
       {"# device num = many", "# device num", "# device num 8", "#", "# device num ="})
    EXPECT_EQ(findings(test::import(reader, changed(good, {"# device num = 4", comment, ""}), "f")),
              "")
        << comment;
  EXPECT_EQ(
      findings(test::import(
          reader, changed(good, {"model_name: tiny", "model_name: \"device num = 8\"", ""}), "f")),
      "");
}

TEST(PredictYaml, Errors) {
  expectErrors(
      reader, good,
      {
          {"run_mode: predict", "run_mode: train",
           "2:11: error: run_mode is \"train\" (a string); predict is expected"},
          {"run_mode: predict\n", "", "1:1: error: run_mode is missing; predict is expected"},
          {"run_mode", "run_mod",
           "2:1: error: \"run_mod\" is not a key of a MindFormers YAML; did you mean run_mode?"},
          {"load_ckpt_format: safetensors", "load_ckpt_format: ckpt",
           "4:19: error: load_ckpt_format is \"ckpt\" (a string); safetensors is expected"},
          {"auto_trans_ckpt: False", "auto_trans_ckpt: 0",
           "5:18: error: auto_trans_ckpt is 0; true or false is expected"},
          {"use_parallel: True", "use_parallel: 1",
           "1:15: error: use_parallel is 1; true or false is expected"},
          {"load_checkpoint: \"\"", "load_checkpoint: 3",
           "3:18: error: load_checkpoint is 3; a string is expected"},
          {"load_checkpoint", "load_checkpont",
           "3:1: error: \"load_checkpont\" is not a key of a MindFormers YAML; did you mean "
           "load_checkpoint?"},
          {"model_name: tiny", "model_name: [tiny]",
           "8:15: error: model_name is an array of 1; a string is expected"},
          {"data_parallel: 1", "data_parallel: 0",
           "11:18: error: data_parallel is 0; an integer from 1 to 65536 is expected"},
          {"model_parallel: 4", "model_parallel: four",
           "12:19: error: model_parallel is \"four\" (a string); an integer from 1 to 65536 is "
           "expected"},
          {"model_parallel: 4", "model_parallel: 65536\n  expert_parallel: 3",
           "13:20: error: expert_parallel is 3; a divisor of data_parallel * model_parallel, "
           "65536, is expected"},
          {"data_parallel: 1\n  model_parallel: 4", "data_parallel: 65536\n  model_parallel: 2",
           "11:3: error: data_parallel * model_parallel * pipeline_stage is 131072; at most 65536 "
           "is expected"},
          {"model_parallel", "model_paralel",
           "12:3: error: \"model_paralel\" is not a key of a MindFormers YAML; did you mean "
           "model_parallel?"},
          {"pipeline_stage: 1", "pipeline_stage: -1",
           "13:19: error: pipeline_stage is -1; an integer from 1 to 65536 is expected"},
          {"vocab_emb_dp: False", "vocab_emb_dp: 2",
           "14:17: error: vocab_emb_dp is 2; true or false is expected"},
          {"parallel_config:\n", "parallel_config: 3\nparallel_other:\n",
           "10:18: error: parallel_config is 3; a mapping of keys is expected"},
          {"type: LlamaConfig", "type: DeepseekV3Config",
           "18:11: error: model_config.type is \"DeepseekV3Config\" (a string); LlamaConfig is "
           "expected"},
          {"    type: LlamaConfig\n", "", "18:5: error: type is missing; LlamaConfig is expected"},
          {"    hidden_size: 64\n", "",
           "18:5: error: hidden_size is missing; an integer is expected"},
          {"    num_layers: 2\n", "", "18:5: error: num_layers is missing; an integer is expected"},
          {"    num_heads: 8\n", "", "18:5: error: num_heads is missing; an integer is expected"},
          {"    vocab_size: 256\n", "",
           "18:5: error: vocab_size is missing; an integer is expected"},
          {"    intermediate_size: 96\n", "",
           "18:5: error: intermediate_size is missing; an integer is expected"},
          {"hidden_size: 64", "hidden_size: null",
           "18:5: error: hidden_size is missing; an integer is expected"},
          {"hidden_size: 64", "hidden_size: big",
           "21:18: error: hidden_size is \"big\" (a string); an integer from 1 to 4194304 is "
           "expected"},
          {"hidden_size: 64", "hiden_size: 64",
           "21:5: error: \"hiden_size\" is not a key of a MindFormers YAML; did you mean "
           "hidden_size?"},
          {"num_layers: 2", "num_layers: 0",
           "22:17: error: num_layers is 0; an integer from 1 to 4096 is expected"},
          {"n_kv_heads: 4", "n_kv_heads: 4.5",
           "24:17: error: n_kv_heads is 4.5; an integer from 1 to 16384 is expected"},
          {"num_heads: 8", "num_heads: 8\n    num_attention_heads: 16",
           "24:26: error: num_attention_heads is 16, but num_heads, the same value, is 8 at "
           "f:23:16; one is expected"},
          {"seq_length: 128", "seq_length: -1",
           "20:17: error: seq_length is -1; an integer from 1 to 67108864 is expected"},
          {"max_position_embeddings: 128", "max_position_embeddings: 0",
           "27:30: error: max_position_embeddings is 0; an integer from 1 to 67108864 is expected"},
          {"qkv_has_bias: True", "qkv_has_bias: 1",
           "28:19: error: qkv_has_bias is 1; true or false is expected"},
          {"qkv_has_bias", "qkv_has_bais",
           "28:5: error: \"qkv_has_bais\" is not a key of a MindFormers YAML; did you mean "
           "qkv_has_bias?"},
          {"rms_norm_eps: 1.0e-6", "rms_norm_eps: 0",
           "29:19: error: rms_norm_eps is 0; a number from 1e-30 to 1 is expected"},
          {"theta: 1000000.0", "theta: 1000000.0\n    rope_theta: 10000",
           "31:17: error: rope_theta is 10000, but theta, the same value, is 1000000.0 at f:30:12; "
           "one is expected"},
          {"eos_token_id: 3", "eos_token_id: \"3\"",
           "31:19: error: eos_token_id is \"3\" (a string); an integer from 0 to 16777215 is "
           "expected"},
          {"eos_token_id: 3", "eos_token_id: [3, -1]",
           "31:23: error: eos_token_id is -1; an integer from 0 to 16777215 is expected"},
          {"compute_dtype: float16", "compute_dtype: int8",
           "34:20: error: compute_dtype is \"int8\" (a string); one of float32, bfloat16, float16 "
           "is expected"},
          {"layernorm_compute_type: float32",
           "layernorm_compute_type: float32\n    layernorm_compute_dtype: float16",
           "36:30: error: layernorm_compute_dtype is \"float16\", but layernorm_compute_type, the "
           "same value, is \"float32\" at f:35:29; one is expected"},
          {"softmax_compute_type: float32",
           "softmax_compute_dtype: float16\n    softmax_compute_type: float32",
           "36:28: error: softmax_compute_dtype is \"float16\", but softmax_compute_type, the same "
           "value, is \"float32\" at f:37:27; one is expected"},
          {"param_init_type: float16", "param_init_type: float16\n    params_dtype: bfloat16",
           "39:19: error: params_dtype is \"bfloat16\", but param_init_type, the same value, is "
           "\"float16\" at f:38:22; one is expected"},
          {"rotary_dtype: float16", "rotary_dtype: 16",
           "37:19: error: rotary_dtype is 16; one of float32, bfloat16, float16 is expected"},
          {"temperature: 0.7", "temperature: warm",
           "45:18: error: temperature is \"warm\" (a string); a number from 0 to 1000 is expected"},
          {"top_p: 0.8", "top_p: 2", "48:12: error: top_p is 2; a number from 0 to 1 is expected"},
          {"max_decode_length: 64", "max_decode_length: 0",
           "46:24: error: max_decode_length is 0; an integer from 1 to 2147483648 is expected"},
          {"block_size: 32", "block_size: 8",
           "43:17: error: block_size is 8; an integer from 16 to 1024 is expected"},
          {"num_blocks: 1024", "num_blocks: 0",
           "44:17: error: num_blocks is 0; an integer from 1 to 2147483648 is expected"},
          {"use_past: True", "use_past: 1",
           "39:15: error: use_past is 1; true or false is expected"},
          {"offset: 0", "offset: none",
           "42:13: error: offset is \"none\" (a string); an integer is expected"},
          {"qkv_concat: True", "qkv_concat: 1",
           "52:17: error: qkv_concat is 1; true or false is expected"},
          {"ffn_concat: True", "ffn_concat: 1",
           "53:17: error: ffn_concat is 1; true or false is expected"},
          {"batch_size: 1", "extend_method: PI",
           "19:20: error: extend_method is \"PI\" (a string); None is expected"},
          {"batch_size: 1", "moe_config: {expert_num: 8}",
           "19:30: error: expert_num is 8; experts of LlamaConfig are not supported, 1 is "
           "expected"},
          {"batch_size: 1", "moe_config: 8",
           "19:17: error: moe_config is 8; a mapping of keys is expected"},
          {"batch_size: 1", "quant_config: {quant_method: ptq}",
           "19:19: error: quant_config is given; quantised weights of these networks are not "
           "supported"},
          {"ParallelQwenForCausalLM", "TelechatForCausalLM",
           "55:11: error: arch.type is \"TelechatForCausalLM\" (a string); one of "
           "LlamaForCausalLM, ParallelQwenForCausalLM is expected"},
          {"model_max_length: 131072", "model_max_length: 0",
           "58:23: error: model_max_length is 0; an integer from 1 to 9007199254740992 is "
           "expected"},
          {"chat_template: \"{{ messages }}\"", "chat_template: 1",
           "59:20: error: chat_template is 1; a string is expected"},
          {"mode: 1", "mode: 2", "61:9: error: mode is 2; one of 0, 1 is expected"},
          {"device_target: Ascend", "device_target: GPU",
           "62:18: error: device_target is \"GPU\" (a string); Ascend is expected"},
          {"precision_mode: must_keep_origin_dtype", "precision_mode: force_fp16",
           "64:21: error: precision_mode is \"force_fp16\" (a string); must_keep_origin_dtype is "
           "expected"},
          {"max_device_memory: 39GB", "max_device_memory: 39",
           "65:22: error: max_device_memory is 39; a size such as \"59GB\" is expected"},
          {"max_device_memory: 39GB", "max_device_memory: 39 GB",
           "65:22: error: max_device_memory is \"39 GB\" (a string); a size such as \"59GB\" is "
           "expected"},
          {"max_device_memory: 39GB", "max_device_memory: 40000MB",
           "65:22: error: max_device_memory is \"40000MB\" (a string); a size such as \"59GB\" is "
           "expected"},
          {"max_device_memory: 39GB", "max_device_memory: -1GB",
           "65:22: error: max_device_memory is \"-1GB\" (a string); a size such as \"59GB\" is "
           "expected"},
          {"max_device_memory: 39GB", "max_device_memory: infGB",
           "65:22: error: max_device_memory is \"infGB\" (a string); a size such as \"59GB\" is "
           "expected"},
          {"affinity_cpu_list: None", "affinity_cpu_list: 3",
           "66:22: error: affinity_cpu_list is 3; None or a list of ranges of cores is expected"},
          {"parallel_mode: STAND_ALONE", "parallel_mode: 4",
           "68:18: error: parallel_mode is 4; one of 0, 1, 2, 3, STAND_ALONE, DATA_PARALLEL, "
           "SEMI_AUTO_PARALLEL, AUTO_PARALLEL, HYBRID_PARALLEL, MANUAL_PARALLEL is expected"},
          {"enable_alltoall: False", "enable_alltoall: no way",
           "69:20: error: enable_alltoall is \"no way\" (a string); true or false is expected"},
          {"trainer:", "use_legacy: 0\ntrainer:",
           "6:13: error: use_legacy is 0; true or false is expected"},
      });
}

TEST(PredictYaml, ErrorsOfNewerFiles) {
  expectErrors(reader, newer,
               {
                   {"pretrained_model_dir: /data/model\n", "",
                    "1:1: error: pretrained_model_dir is missing; the folder of the model's "
                    "config.json is expected"},
                   {"pretrained_model_dir: /data/model", "pretrained_model_dir: 1",
                    "4:23: error: pretrained_model_dir is 1; a string is expected"},
                   {"pretrained_model_dir", "pretrained_model_dr",
                    "4:1: error: \"pretrained_model_dr\" is not a key of a MindFormers YAML; did "
                    "you mean pretrained_model_dir?"},
                   {"expert_parallel: 1", "expert_parallel: 4",
                    "7:20: error: expert_parallel is 4; a divisor of data_parallel * "
                    "model_parallel, 2, is expected"},
                   {"use_legacy: False", "use_legacy: True",
                    "10:5: error: type is missing; LlamaConfig is expected"},
                   {"model:\n  model_config:\n    params_dtype: bfloat16\n", "use_legacy: 1\n",
                    "8:1: error: the key \"use_legacy\" stands twice in one object; it was first "
                    "given at line 1, column 1"},
               });
}

TEST(PredictYaml, AFileThatIsNoMapping) {
  expectErrors(
      reader, "- 1\n",
      {{"1", "2",
        "1:1: error: a MindFormers YAML is an array of 1; a mapping of keys is expected"}});
}

} // namespace
} // namespace vinci
