#include "frontend/mindformers/predict_keys.h"
#include "frontend/huggingface/config_reader.h"

#include <algorithm>
#include <charconv>
#include <fmt/ranges.h>

namespace vinci {

namespace {

/// A text that must be one of `legal`.
void requireText(const JsonValue &value, std::string_view key,
                 std::initializer_list<std::string_view> legal) {
  if (value.isString())
    for (std::string_view text : legal)
      if (value.toText(key) == text)
        return;
  value.failExpected(key, legal.size() == 1 ? std::string(*legal.begin())
                                            : fmt::format("one of {}", fmt::join(legal, ", ")));
}

void readRunMode(KeyReader &, const JsonValue &value, std::string_view key) {
  requireText(value, key, {"predict"});
}

void readCheckpointFormat(KeyReader &, const JsonValue &value, std::string_view key) {
  requireText(value, key, {"safetensors"});
}

/// True: the checkpoint is re-sharded before it is loaded.
void readAutoTransform(KeyReader &reader, const JsonValue &value, std::string_view key) {
  reader.assignMeaning("weights.shard_on_load", value, key, !value.toBoolean(key));
}

/// Only a name for reports: config.json's own is as good.
void readModelName(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const auto &name = reader.import().resolved.model.name;
  if (!name || name.authority == Authority::Default)
    reader.assign("model.name", value, key);
}

void readNetworkType(KeyReader &, const JsonValue &value, std::string_view) {
  requireText(value, "model_config.type", {"LlamaConfig"});
}

void readNetworkClass(KeyReader &, const JsonValue &value, std::string_view) {
  requireText(value, "arch.type", {"LlamaForCausalLM", "ParallelQwenForCausalLM"});
}

/// A mixture of experts in the older network, whose routing is not Qwen3's.
void readExperts(KeyReader &, const JsonValue &value, std::string_view key) {
  if (!value.isObject())
    value.failExpected(key, "a mapping of keys");
  const std::optional<JsonValue> number = findAt(value, "expert_num");
  if (number && number->toInteger("expert_num", 1, ConfigCaps::experts) > 1)
    fail(number->position(),
         "expert_num is {}; experts of LlamaConfig are not supported, 1 is expected",
         number->describe());
}

void readExtendMethod(KeyReader &, const JsonValue &value, std::string_view key) {
  requireText(value, key, {"None"}); // scaled rotary positions
}

void refuseQuantization(KeyReader &, const JsonValue &value, std::string_view key) {
  fail(value.position(), "{} is given; quantised weights of these networks are not supported", key);
}

/// A whole number, or a list of them.
void readEos(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.isArray())
    return reader.assign("model.eos_token_id", value, key);
  reader.assignMeaning("model.eos_token_id", value, key,
                       std::vector<int64_t>{value.toInteger(key, 0, ConfigCaps::vocab - 1)});
}

/// A flag whose other value changes how the network runs there, but not what it computes.
template <bool Expected>
void readWithoutEffect(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toBoolean(key) != Expected)
    reader.report(FindingKind::NoEffect, value, "{} is {} and has no effect here", key,
                  value.describe());
}

void readOffset(KeyReader &reader, const JsonValue &value, std::string_view key) {
  bool zero = value.isArray() || value.toInteger(key) == 0;
  for (const JsonValue &element : value.elements())
    zero &= element.toInteger(key) == 0;
  if (!zero)
    reader.report(FindingKind::NoEffect, value,
                  "offset moves layers between pipeline stages and has no effect here");
}

void readPipelineStages(KeyReader &reader, const JsonValue &value, std::string_view key) {
  if (value.toInteger(key, 1, 65536) > 1)
    reader.report(FindingKind::NoEffect, value,
                  "{} is {}; Vinci does not divide layers over ranks yet", key, value.describe());
}

void readPrecisionMode(KeyReader &reader, const JsonValue &value, std::string_view key) {
  requireText(value, key, {"must_keep_origin_dtype"});
  reader.assignMeaning("precision.keep_origin_dtype", value, key, true);
}

void readDeviceTarget(KeyReader &, const JsonValue &value, std::string_view key) {
  requireText(value, key, {"Ascend"});
}

/// "59GB".
void readMemoryLimit(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const std::string_view text = value.isString() ? value.toText(key) : std::string_view();
  double gib = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), gib);
  const bool isSize = error == std::errc() &&
                      std::string_view(rest, text.data() + text.size() - rest) == "GB" && gib > 0 &&
                      gib <= settingRule("memory.limit_gib").maximum;
  if (!isSize)
    value.failExpected(key, "a size such as \"59GB\"");
  reader.assignMeaning("memory.limit_gib", value, key, gib);
}

/// The text None, a list of ranges ("0-3"), or a mapping from devices to such lists.
void readCpuBinding(KeyReader &reader, const JsonValue &value, std::string_view key) {
  const bool off = value.isString() && value.toText(key) == "None";
  if (!off && !value.isArray() && !value.isObject())
    value.failExpected(key, "None or a list of ranges of cores");
  reader.assignMeaning("execution.cpu_binding", value, key, !off);
}

void readParallelMode(KeyReader &reader, const JsonValue &value, std::string_view key) {
  static constexpr std::string_view names[] = {"0",
                                               "1",
                                               "2",
                                               "3",
                                               "STAND_ALONE",
                                               "DATA_PARALLEL",
                                               "SEMI_AUTO_PARALLEL",
                                               "AUTO_PARALLEL",
                                               "HYBRID_PARALLEL",
                                               "MANUAL_PARALLEL"};
  const std::string text = value.isString() ? std::string(value.toText(key)) : value.describe();
  if (std::ranges::find(names, text) == std::end(names))
    value.failExpected(key, fmt::format("one of {}", fmt::join(names, ", ")));
  if (text == "2" || text == "AUTO_PARALLEL")
    reader.report(FindingKind::NoEffect, value,
                  "{} is {}; Vinci does not search for a partition, the degrees decide", key,
                  value.describe());
}

#define MODEL_CONFIG(key) "model.model_config." key

const std::vector<KeyRule> keys = {
    {"run_mode", {}, {}, readRunMode},
    {"load_ckpt_format", {}, {}, readCheckpointFormat},
    {"auto_trans_ckpt", {}, {}, readAutoTransform},
    {"trainer.model_name", {}, {}, readModelName},
    {"moe_config", {}, {}, readExperts},

    {"parallel_config.context_parallel", "parallel.context"},
    {"parallel_config.pipeline_stage", {}, {}, readPipelineStages},
    {"parallel_config.vocab_emb_dp", "parallel.replicate_embedding"},
    {"parallel_config.use_seq_parallel", "parallel.sequence"},

    {MODEL_CONFIG("type"), {}, {}, readNetworkType},
    {MODEL_CONFIG("hidden_size"), "model.hidden_size"},
    {MODEL_CONFIG("intermediate_size"), "model.intermediate_size"},
    {MODEL_CONFIG("num_layers"), "model.num_hidden_layers"},
    {MODEL_CONFIG("num_hidden_layers"), "model.num_hidden_layers"},
    {MODEL_CONFIG("num_heads"), "model.num_attention_heads"},
    {MODEL_CONFIG("num_attention_heads"), "model.num_attention_heads"},
    {MODEL_CONFIG("n_kv_heads"), "model.num_key_value_heads"},
    {MODEL_CONFIG("num_key_value_heads"), "model.num_key_value_heads"},
    {MODEL_CONFIG("head_dim"), "model.head_dim"},
    {MODEL_CONFIG("vocab_size"), "model.vocab_size"},
    {MODEL_CONFIG("max_position_embeddings"), "model.max_position_embeddings"},
    {MODEL_CONFIG("max_position_embedding"), "model.max_position_embeddings"},
    {MODEL_CONFIG("qkv_has_bias"), "model.qkv_bias"},
    {MODEL_CONFIG("attn_proj_has_bias"), "model.o_bias"},
    {MODEL_CONFIG("tie_word_embeddings"), "model.tie_word_embeddings"},
    {MODEL_CONFIG("rms_norm_eps"), "model.rms_norm_eps"},
    {MODEL_CONFIG("theta"), "model.rope_theta"},
    {MODEL_CONFIG("rope_theta"), "model.rope_theta"},
    {MODEL_CONFIG("extend_method"), {}, {}, readExtendMethod},
    {MODEL_CONFIG("moe_config"), {}, {}, readExperts},
    {MODEL_CONFIG("quant_config"), {}, {}, refuseQuantization},
    {MODEL_CONFIG("quantization_config"), {}, {}, refuseQuantization},
    {MODEL_CONFIG("eos_token_id"), {}, {}, readEos},
    {MODEL_CONFIG("bos_token_id"), "model.bos_token_id"},
    {MODEL_CONFIG("pad_token_id"), "model.pad_token_id"},

    {MODEL_CONFIG("compute_dtype"), "precision.compute"},
    {MODEL_CONFIG("layernorm_compute_type"), "precision.layernorm"},
    {MODEL_CONFIG("layernorm_compute_dtype"), "precision.layernorm"},
    {MODEL_CONFIG("softmax_compute_type"), "precision.softmax"},
    {MODEL_CONFIG("softmax_compute_dtype"), "precision.softmax"},
    {MODEL_CONFIG("rotary_dtype"), "precision.rotary"},
    {MODEL_CONFIG("param_init_type"), "precision.parameters"},
    {MODEL_CONFIG("params_dtype"), "precision.parameters"},

    {MODEL_CONFIG("do_sample"), "sampling.do_sample"},
    {MODEL_CONFIG("temperature"), "sampling.temperature"},
    {MODEL_CONFIG("top_k"), "sampling.top_k"},
    {MODEL_CONFIG("top_p"), "sampling.top_p"},
    {MODEL_CONFIG("repetition_penalty"), "sampling.repetition_penalty"},
    {MODEL_CONFIG("max_decode_length"), "scheduler.max_output_len"},
    {MODEL_CONFIG("block_size"), "scheduler.block_size"},
    {MODEL_CONFIG("num_blocks"), "scheduler.num_blocks"},
    {MODEL_CONFIG("qkv_concat"), "weights.qkv_concat"},
    {MODEL_CONFIG("use_past"), {}, {}, readWithoutEffect<true>},
    {MODEL_CONFIG("use_flash_attention"), {}, {}, readWithoutEffect<true>},
    {MODEL_CONFIG("use_past_shard"), {}, {}, readWithoutEffect<false>},
    {MODEL_CONFIG("is_dynamic"), {}, {}, readWithoutEffect<true>},
    {MODEL_CONFIG("offset"), {}, {}, readOffset},
    {"model.arch.type", {}, {}, readNetworkClass},

    {"processor.tokenizer.chat_template", "tokenizer.chat_template"},
    {"processor.tokenizer.model_max_length", "tokenizer.model_max_length"},

    {"context.mode", "execution.graph_mode", {{"0", "full"}, {"1", "none"}}},
    {"context.device_target", {}, {}, readDeviceTarget},
    {"context.ascend_config.precision_mode", {}, {}, readPrecisionMode},
    {"context.max_device_memory", {}, {}, readMemoryLimit},
    {"context.affinity_cpu_list", {}, {}, readCpuBinding},
    {"context.enable_compile_cache", "execution.compile_cache"},
    {"context.enable_graph_kernel", {}, {}, readWithoutEffect<false>},
    {"parallel.parallel_mode", {}, {}, readParallelMode},
    {"parallel.enable_alltoall", {}, {}, readWithoutEffect<false>},

    // Read with others, in predict_yaml.cpp.
    {"use_parallel"},
    {"use_legacy"},
    {"load_checkpoint"},
    {"pretrained_model_dir"},
    {"parallel_config.data_parallel"},
    {"parallel_config.model_parallel"},
    {"parallel_config.expert_parallel"},
    {MODEL_CONFIG("checkpoint_name_or_path")},
    {MODEL_CONFIG("seq_length")},
    {MODEL_CONFIG("ffn_concat")},

    // Shapes are dynamic; the tokenizer is that of the model's folder.
    irrelevant(MODEL_CONFIG("batch_size")),
    irrelevant(MODEL_CONFIG("auto_map")),
    irrelevant("processor.type"),
    irrelevant("processor.return_tensors"),
    irrelevant("processor.tokenizer.type"),
    irrelevant("processor.tokenizer.auto_register"),
    irrelevant("processor.tokenizer.vocab_file"),
    irrelevant("processor.tokenizer.merges_file"),
    irrelevant("processor.tokenizer.unk_token"),
    irrelevant("processor.tokenizer.pad_token"),
    irrelevant("processor.tokenizer.eos_token"),
    irrelevant("processor.tokenizer.bos_token"),

    // Training, debugging, and the search for a partition.
    irrelevant("seed"),
    irrelevant("output_dir"),
    irrelevant("src_strategy_path_or_dir"),
    irrelevant("only_save_strategy"),
    irrelevant("resume_training"),
    irrelevant("trainer.type"),
    irrelevant("runner_config"),
    irrelevant("runner_wrapper"),
    irrelevant("optimizer"),
    irrelevant("lr_schedule"),
    irrelevant("callbacks"),
    irrelevant("eval_callbacks"),
    irrelevant("train_dataset"),
    irrelevant("train_dataset_task"),
    irrelevant("eval_dataset"),
    irrelevant("eval_dataset_task"),
    irrelevant("recompute_config"),
    irrelevant("micro_batch_interleave_num"),
    irrelevant("parallel_config.micro_batch_num"),
    irrelevant("parallel_config.micro_batch_interleave_num"),
    irrelevant("parallel_config.gradient_aggregation_group"),
    irrelevant(MODEL_CONFIG("emb_dropout_prob")),
    irrelevant("context.max_call_depth"),
    irrelevant("context.save_graphs"),
    irrelevant("context.save_graphs_path"),
    irrelevant("context.device_id"), // each rank has its own
    irrelevant("parallel.gradients_mean"),
    irrelevant("parallel.full_batch"),
    irrelevant("parallel.search_mode"),
    irrelevant("parallel.enable_parallel_optimizer"),
    irrelevant("parallel.strategy_ckpt_save_file"),
    irrelevant("parallel.strategy_ckpt_config"),
    irrelevant("parallel.parallel_optimizer_config"),
};

const TwoSpellings spellings[] = {
    {MODEL_CONFIG("num_layers"), MODEL_CONFIG("num_hidden_layers")},
    {MODEL_CONFIG("num_heads"), MODEL_CONFIG("num_attention_heads")},
    {MODEL_CONFIG("n_kv_heads"), MODEL_CONFIG("num_key_value_heads")},
    {MODEL_CONFIG("max_position_embedding"), MODEL_CONFIG("max_position_embeddings")},
    {MODEL_CONFIG("theta"), MODEL_CONFIG("rope_theta")},
    {MODEL_CONFIG("layernorm_compute_type"), MODEL_CONFIG("layernorm_compute_dtype")},
    {MODEL_CONFIG("softmax_compute_type"), MODEL_CONFIG("softmax_compute_dtype")},
    {MODEL_CONFIG("param_init_type"), MODEL_CONFIG("params_dtype")},
};

#undef MODEL_CONFIG

} // namespace

std::span<const KeyRule> predictKeys() {
  return keys;
}

std::span<const TwoSpellings> predictSpellings() {
  return spellings;
}

} // namespace vinci
