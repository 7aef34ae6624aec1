// MindFormers YAMLs for tests, of the older and of the newer generation.
#pragma once

#include <string>

namespace vinci::test {

inline const std::string good = R"(use_parallel: True
run_mode: predict
load_checkpoint: ""
load_ckpt_format: safetensors
auto_trans_ckpt: False
trainer:
  type: CausalLanguageModelingTrainer
  model_name: tiny
# device num = 4
parallel_config:
  data_parallel: 1
  model_parallel: 4
  pipeline_stage: 1
  vocab_emb_dp: False
  use_seq_parallel: False
model:
  model_config:
    type: LlamaConfig
    batch_size: 1
    seq_length: 128
    hidden_size: 64
    num_layers: 2
    num_heads: 8
    n_kv_heads: 4
    vocab_size: 256
    intermediate_size: 96
    max_position_embeddings: 128
    qkv_has_bias: True
    rms_norm_eps: 1.0e-6
    theta: 1000000.0
    eos_token_id: 3
    pad_token_id: 1
    bos_token_id: 2
    compute_dtype: float16
    layernorm_compute_type: float32
    softmax_compute_type: float32
    rotary_dtype: float16
    param_init_type: float16
    use_past: True
    use_flash_attention: True
    use_past_shard: False
    offset: 0
    block_size: 32
    num_blocks: 1024
    temperature: 0.7
    max_decode_length: 64
    top_k: 20
    top_p: 0.8
    repetition_penalty: 1.05
    do_sample: False
    is_dynamic: True
    qkv_concat: True
    ffn_concat: True
  arch:
    type: ParallelQwenForCausalLM
processor:
  tokenizer:
    model_max_length: 131072
    chat_template: "{{ messages }}"
context:
  mode: 1
  device_target: Ascend
  ascend_config:
    precision_mode: must_keep_origin_dtype
  max_device_memory: 39GB
  affinity_cpu_list: None
parallel:
  parallel_mode: STAND_ALONE
  enable_alltoall: False
)";

inline const std::string newer = R"(use_legacy: False
run_mode: predict
load_checkpoint: ""
pretrained_model_dir: /data/model
parallel_config:
  model_parallel: 2
  expert_parallel: 1
model:
  model_config:
    params_dtype: bfloat16
)";

} // namespace vinci::test
