#include "frontend/huggingface/known_keys.h"

#include <algorithm>
#include <array>

namespace vinci {

namespace {

/// What a key must say to change nothing. null always does; so does a key that is absent.
enum class Neutral {
  Off,     ///< false, 0, an empty string, array or object
  One,     ///< a factor: 1
  Softmax, ///< "softmax"
  Rope,    ///< "rope" or "rotary"
  Nothing, ///< null only
};

struct MathematicalKey {
  std::string_view key;
  Neutral neutral;
  std::string_view meaning;
};

// Keys that real checkpoints, or close relatives of the known families, carry. Sorted by concern.
constexpr MathematicalKey mathematicalKeys[] = {
    {"quantization_config", Neutral::Off, "a quantised checkpoint"},
    {"compression_config", Neutral::Off, "a compressed checkpoint"},

    {"attn_logit_softcapping", Neutral::Off, "soft capping of attention scores"},
    {"attn_logit_softcap", Neutral::Off, "soft capping of attention scores"},
    {"final_logit_softcapping", Neutral::Off, "soft capping of logits"},
    {"logits_soft_cap", Neutral::Off, "soft capping of logits"},
    {"logit_scale", Neutral::One, "scaling of logits"},
    {"logits_scaling", Neutral::One, "scaling of logits"},
    {"lm_head_bias", Neutral::Off, "a bias in the head"},

    {"attention_multiplier", Neutral::Nothing, "another scale of attention scores"},
    {"query_pre_attn_scalar", Neutral::Nothing, "another scale of attention scores"},
    {"attn_scale", Neutral::Nothing, "another scale of attention scores"},
    {"attn_temperature_tuning", Neutral::Off, "attention with a temperature"},
    {"attention_chunk_size", Neutral::Off, "attention in chunks"},
    {"dual_chunk_attention_config", Neutral::Off, "dual chunk attention"},
    {"use_dual_chunk_attention", Neutral::Off, "dual chunk attention"},
    {"attention_sink", Neutral::Off, "attention sinks"},
    {"alibi", Neutral::Off, "ALiBi positions"},
    {"qk_layernorm", Neutral::Off, "another normalisation of q and k"},
    {"use_qk_norm", Neutral::Off, "another normalisation of q and k"},
    {"clip_qkv", Neutral::Off, "clipping of q, k and v"},
    {"no_rope_layers", Neutral::Off, "layers without rotary positions"},
    {"no_rope_layer_interval", Neutral::Off, "layers without rotary positions"},
    {"position_embedding_type", Neutral::Rope, "positions other than rotary"},
    {"rotary_pct", Neutral::One, "rotary positions on part of a head"},
    {"rope_ratio", Neutral::One, "scaling of rotary positions"},
    {"rope_interleaved", Neutral::Off, "interleaved rotary positions"},
    {"rope_interleave", Neutral::Off, "interleaved rotary positions"},
    {"use_mrope", Neutral::Off, "positions in several dimensions"},
    {"use_logn_attn", Neutral::Off, "attention scaled by the length"},
    {"use_dynamic_ntk", Neutral::Off, "scaled rotary positions"},

    {"embedding_multiplier", Neutral::One, "scaling of embeddings"},
    {"scale_emb", Neutral::One, "scaling of embeddings"},
    {"residual_multiplier", Neutral::One, "scaling of the residual stream"},
    {"scale_depth", Neutral::Nothing, "scaling of the residual stream"},
    {"dim_model_base", Neutral::Nothing, "scaling of logits"},
    {"parallel_residual", Neutral::Off, "attention and MLP side by side"},
    {"use_parallel_residual", Neutral::Off, "attention and MLP side by side"},

    {"scoring_func", Neutral::Softmax, "routing by another function"},
    {"routed_scaling_factor", Neutral::One, "scaling of the experts' sum"},
    {"n_shared_experts", Neutral::Off, "shared experts"},
    {"num_shared_experts", Neutral::Off, "shared experts"},
    {"shared_expert_intermediate_size", Neutral::Off, "shared experts"},
    {"first_k_dense_replace", Neutral::Off, "dense first layers (mlp_only_layers says it here)"},
    {"n_group", Neutral::One, "routing by groups"},
    {"topk_group", Neutral::One, "routing by groups"},
    {"router_jitter_noise", Neutral::Off, "routing with noise"},

    {"per_layer_config", Neutral::Off, "settings per layer"},
    {"pruned_heads", Neutral::Off, "pruned heads"},
    {"is_encoder_decoder", Neutral::Off, "an encoder-decoder"},
    {"add_cross_attention", Neutral::Off, "cross attention"},
    {"num_nextn_predict_layers", Neutral::Off, "layers that predict further tokens"},
    {"text_config", Neutral::Off, "a model of several parts"},
    {"vision_config", Neutral::Off, "a vision part"},
    {"audio_config", Neutral::Off, "an audio part"},
};

// Sorted, for binary search.
constexpr auto irrelevantKeys = std::to_array<std::string_view>({
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "attention_dropout",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "is_decoder",
    "label2id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "name_or_path",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_scores",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "router_aux_loss_coef",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "use_return_dict",
});
static_assert(std::is_sorted(irrelevantKeys.begin(), irrelevantKeys.end()));

bool isNeutral(const JsonValue &value, Neutral neutral) {
  switch (value.kind()) {
  case JsonKind::Null:
    return true;
  case JsonKind::Boolean:
    return neutral == Neutral::Off && !value.toBoolean("");
  case JsonKind::Integer:
  case JsonKind::Number:
    return (neutral == Neutral::Off && value.toNumber("") == 0) ||
           (neutral == Neutral::One && value.toNumber("") == 1);
  case JsonKind::String: {
    std::string_view text = value.toText("");
    return (neutral == Neutral::Off && text.empty()) ||
           (neutral == Neutral::Softmax && text == "softmax") ||
           (neutral == Neutral::Rope && (text == "rope" || text == "rotary"));
  }
  case JsonKind::Array:
  case JsonKind::Object:
    return neutral == Neutral::Off && value.size() == 0;
  }
  return false;
}

std::string_view spelling(Neutral neutral) {
  switch (neutral) {
  case Neutral::Off:
    return "null, false or 0";
  case Neutral::One:
    return "1";
  case Neutral::Softmax:
    return "\"softmax\"";
  case Neutral::Rope:
    return "\"rope\"";
  case Neutral::Nothing:
    return "null";
  }
  return "";
}

} // namespace

bool isIrrelevantKey(std::string_view key) {
  return std::binary_search(irrelevantKeys.begin(), irrelevantKeys.end(), key);
}

bool checkMathematicalKey(std::string_view key, const JsonValue &value) {
  for (const MathematicalKey &known : mathematicalKeys) {
    if (known.key != key)
      continue;
    if (!isNeutral(value, known.neutral))
      fail(value.position(), "{} is {}: not supported ({}); {} would be", key, value.describe(),
           known.meaning, spelling(known.neutral));
    return true;
  }
  return false;
}

bool isIgnoredSamplingKey(std::string_view key, const JsonValue &value) {
  constexpr std::pair<std::string_view, Neutral> sampling[] = {
      {"bad_words_ids", Neutral::Off},
      {"begin_suppress_tokens", Neutral::Off},
      {"diversity_penalty", Neutral::Off},
      {"encoder_repetition_penalty", Neutral::One},
      {"epsilon_cutoff", Neutral::Off},
      {"eta_cutoff", Neutral::Off},
      {"exponential_decay_length_penalty", Neutral::Off},
      {"forced_bos_token_id", Neutral::Nothing},
      {"forced_eos_token_id", Neutral::Nothing},
      {"guidance_scale", Neutral::One},
      {"min_length", Neutral::Off},
      {"min_new_tokens", Neutral::Off},
      {"min_p", Neutral::Off},
      {"no_repeat_ngram_size", Neutral::Off},
      {"num_beams", Neutral::One},
      {"penalty_alpha", Neutral::Off},
      {"sequence_bias", Neutral::Off},
      {"suppress_tokens", Neutral::Off},
      {"top_h", Neutral::Nothing},
      {"typical_p", Neutral::One},
  };
  for (const auto &[known, neutral] : sampling)
    if (known == key)
      return !isNeutral(value, neutral);
  return false;
}

} // namespace vinci
