#include "frontend/settings/rules.h"
#include "frontend/huggingface/config_reader.h"
#include "runtime/support/lengths.h"

#include <algorithm>

namespace vinci {

namespace {

using Choices = std::vector<std::string_view>;
using Text = Setting<std::string>;
using Flag = Setting<bool>;
using Integer = Setting<int64_t>;
using Number = Setting<double>;
using Integers = Setting<std::vector<int64_t>>;
using Texts = Setting<std::vector<std::string>>;

constexpr double largestInteger = double(int64_t(1) << 53); // what a double counts exactly

/// Rows of the table, by type; `at` is a lambda without captures that gives the setting.
template <typename At> SettingRule flag(std::string_view name, At at, std::string_view meaning) {
  return {name, static_cast<Flag &(*)(Resolved &)>(at), 0, 0, {}, meaning};
}
template <typename At>
SettingRule integer(std::string_view name, At at, double minimum, double maximum,
                    std::string_view meaning) {
  return {name, static_cast<Integer &(*)(Resolved &)>(at), minimum, maximum, {}, meaning};
}
template <typename At>
SettingRule number(std::string_view name, At at, double minimum, double maximum,
                   std::string_view meaning) {
  return {name, static_cast<Number &(*)(Resolved &)>(at), minimum, maximum, {}, meaning};
}
template <typename At>
SettingRule text(std::string_view name, At at, std::string_view meaning, Choices choices = {}) {
  return {name, static_cast<Text &(*)(Resolved &)>(at), 0, 0, std::move(choices), meaning};
}
template <typename At>
SettingRule integers(std::string_view name, At at, double minimum, double maximum,
                     std::string_view meaning) {
  return {name, static_cast<Integers &(*)(Resolved &)>(at), minimum, maximum, {}, meaning};
}
template <typename At> SettingRule texts(std::string_view name, At at, std::string_view meaning) {
  return {name, static_cast<Texts &(*)(Resolved &)>(at), 0, 0, {}, meaning};
}

#define MODEL(field)                                                                               \
  [](Resolved & r) -> auto & {                                                                     \
    return r.model.field;                                                                          \
  }
#define DEPLOYMENT(field)                                                                          \
  [](Resolved & r) -> auto & {                                                                     \
    return r.deployment.field;                                                                     \
  }

const Choices dtypes = {"float32", "bfloat16", "float16"};

// The sections, in the order of reports. Names: config.json's for the model, the field's terms
// elsewhere.

void addModel(std::vector<SettingRule> &rules) {
  using Caps = ConfigCaps;
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("model.name", MODEL(name), "what reports and plans call it"));
  add(text("model.architecture", MODEL(architecture), "model_type",
           {"llama", "qwen2", "qwen3", "qwen3_moe"}));
  add(text("model.dtype", MODEL(dtype), "what the checkpoint was saved in", dtypes));
  add(integer("model.hidden_size", MODEL(hiddenSize), 1, Caps::size, ""));
  add(integer("model.intermediate_size", MODEL(intermediateSize), 1, Caps::size,
              "of dense feed-forward layers"));
  add(integer("model.num_hidden_layers", MODEL(numHiddenLayers), 1, Caps::layers, ""));
  add(integer("model.num_attention_heads", MODEL(numAttentionHeads), 1, Caps::heads, ""));
  add(integer("model.num_key_value_heads", MODEL(numKeyValueHeads), 1, Caps::heads, ""));
  add(integer("model.head_dim", MODEL(headDim), 2, Caps::headDim, ""));
  add(integer("model.vocab_size", MODEL(vocabSize), 1, Caps::vocab, ""));
  add(integer("model.max_position_embeddings", MODEL(maxPositionEmbeddings), 1, Caps::positions,
              "length of the rotary table"));
  add(number("model.rms_norm_eps", MODEL(rmsNormEps), 1e-30, 1, ""));
  add(number("model.rope_theta", MODEL(ropeTheta), 1, 1e15, ""));
  add(flag("model.tie_word_embeddings", MODEL(tieWordEmbeddings), "the head is the embedding"));
  add(flag("model.qkv_bias", MODEL(qkvBias), "the q, k and v projections have a bias"));
  add(flag("model.o_bias", MODEL(outputBias), "the o projection has a bias"));
  add(flag("model.mlp_bias", MODEL(mlpBias), ""));
  add(flag("model.qk_norm", MODEL(qkNorm), "q and k are normalised per head, before RoPE"));
  add(integer("model.num_experts", MODEL(numExperts), 1, Caps::experts, ""));
  add(integer("model.num_experts_per_tok", MODEL(numExpertsPerTok), 1, Caps::expertsPerToken, ""));
  add(integer("model.moe_intermediate_size", MODEL(moeIntermediateSize), 1, Caps::size, ""));
  add(flag("model.norm_topk_prob", MODEL(normTopkProb), "the chosen experts' weights sum to one"));
  add(integer("model.decoder_sparse_step", MODEL(decoderSparseStep), 1,
              std::numeric_limits<int32_t>::max(), "every how many layers one has experts"));
  add(integers("model.mlp_only_layers", MODEL(mlpOnlyLayers), 0, Caps::layers - 1,
               "layers without experts"));
  add(texts("model.layer_schemes", MODEL(layerSchemes),
            "layers, and how qkv, o_proj, gate and up, and down are quantised"));
  add(integers("model.eos_token_id", MODEL(eosTokenIds), 0, Caps::vocab - 1,
               "ids that end a text"));
  add(integer("model.bos_token_id", MODEL(bosTokenId), 0, Caps::vocab - 1, ""));
  add(integer("model.pad_token_id", MODEL(padTokenId), 0, Caps::vocab - 1, ""));
  add(flag("sampling.do_sample", MODEL(doSample), "greedy if false"));
  add(number("sampling.temperature", MODEL(temperature), 0, 1000, ""));
  add(integer("sampling.top_k", MODEL(topK), 0, std::numeric_limits<int32_t>::max(), "0: all"));
  add(number("sampling.top_p", MODEL(topP), 0, 1, ""));
  add(number("sampling.repetition_penalty", MODEL(repetitionPenalty), 0.001, 1000, ""));
}

void addPrecision(std::vector<SettingRule> &rules) {
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("precision.compute", DEPLOYMENT(precision.compute), "activations and products", dtypes));
  add(text("precision.layernorm", DEPLOYMENT(precision.layernorm), "inside RMSNorm", dtypes));
  add(text("precision.softmax", DEPLOYMENT(precision.softmax), "inside attention", dtypes));
  add(text("precision.rotary", DEPLOYMENT(precision.rotary), "inside RoPE", dtypes));
  add(text("precision.parameters", DEPLOYMENT(precision.parameters), "weights", dtypes));
  add(flag("precision.keep_origin_dtype", DEPLOYMENT(precision.keepOriginDtype),
           "no pass may change these"));
}

void addParallel(std::vector<SettingRule> &rules) {
  constexpr double ranks = 65536;
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(integer("parallel.world_size", DEPLOYMENT(parallel.worldSize), 1, ranks, "ranks"));
  add(integer("parallel.attn_tp", DEPLOYMENT(parallel.attnTp), 1, ranks,
              "ranks that share an attention layer's heads"));
  add(integer("parallel.attn_dp", DEPLOYMENT(parallel.attnDp), 1, ranks,
              "groups with sequences of their own: world_size / attn_tp"));
  add(integer("parallel.moe_tp", DEPLOYMENT(parallel.moeTp), 1, ranks,
              "ranks that share each expert"));
  add(integer("parallel.moe_ep", DEPLOYMENT(parallel.moeEp), 1, ranks,
              "groups with experts of their own: world_size / moe_tp"));
  add(integer("parallel.embed_tp", DEPLOYMENT(parallel.embedTp), 1, ranks,
              "ranks that share the embedding, by vocabulary"));
  add(integer("parallel.lm_head_tp", DEPLOYMENT(parallel.lmHeadTp), 1, ranks,
              "ranks that share the head, by vocabulary"));
  add(integer("parallel.o_proj_tp", DEPLOYMENT(parallel.oProjTp), 1, ranks,
              "ranks that share o_proj, where it is not attn_tp"));
  add(integer("parallel.dense_tp", DEPLOYMENT(parallel.denseTp), 1, ranks,
              "ranks that share dense feed-forward layers"));
  add(integer("parallel.shared_expert_tp", DEPLOYMENT(parallel.sharedExpertTp), 1, ranks,
              "ranks that share the shared expert"));
  add(integer("parallel.context", DEPLOYMENT(parallel.contextParallel), 1, ranks,
              "ranks that share a long prompt"));
  add(integer("parallel.pipeline_stages", DEPLOYMENT(parallel.pipelineStages), 1, ranks, ""));
  add(flag("parallel.replicate_embedding", DEPLOYMENT(parallel.replicateEmbedding),
           "every rank has the whole embedding"));
  add(flag("parallel.sequence", DEPLOYMENT(parallel.sequenceParallel),
           "norms work on a share of the tokens"));
}

void addWeights(std::vector<SettingRule> &rules) {
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("weights.directory", DEPLOYMENT(weights.directory),
           "where the file expects the model; need not exist here"));
  add(text("weights.config", DEPLOYMENT(weights.config),
           "the MindFormers YAML that a launch script names"));
  add(text("weights.quantization", DEPLOYMENT(weights.quantization),
           "ascend: quant_model_description.json says how each tensor is quantised",
           {"none", "ascend"}));
  add(flag("weights.qkv_concat", DEPLOYMENT(weights.qkvConcat), "q, k and v as one projection"));
  add(flag("weights.ffn_concat", DEPLOYMENT(weights.ffnConcat), "gate and up as one projection"));
  add(flag("weights.shard_on_load", DEPLOYMENT(weights.shardOnLoad),
           "ranks cut their slices from the whole checkpoint"));
  add(flag("weights.random", DEPLOYMENT(weights.random), "run without the checkpoint"));
  add(flag("weights.nz_layout", DEPLOYMENT(weights.nzLayout), "weights in 16 x 16 fractals"));
}

void addExecution(std::vector<SettingRule> &rules) {
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("execution.graph_mode", DEPLOYMENT(execution.graphMode), "--graph-mode",
           {"none", "piecewise", "full-decode-only", "full-and-piecewise", "full"}));
  add(integers("execution.graph_batch_sizes", DEPLOYMENT(execution.graphBatchSizes), 1, 65536,
               "batches that a graph is captured for"));
  add(flag("execution.static_kernels", DEPLOYMENT(execution.staticKernels),
           "kernels compiled for fixed shapes"));
  add(flag("execution.compile_cache", DEPLOYMENT(execution.compileCache),
           "compiled graphs are kept on disk"));
  add(flag("execution.async_scheduling", DEPLOYMENT(execution.asyncScheduling),
           "the next step is scheduled while the device runs this one"));
  add(flag("execution.cpu_binding", DEPLOYMENT(execution.cpuBinding),
           "host threads stay on cores near their device"));
  add(integer("execution.host_threads", DEPLOYMENT(execution.hostThreads), 1, 4096, ""));
  add(integer("execution.dispatch_threads", DEPLOYMENT(execution.dispatchThreads), 1, 256,
              "host threads that launch kernels"));
  add(integer("execution.dispatch_group_size", DEPLOYMENT(execution.dispatchGroupSize), 1, 65536,
              "kernels that a dispatch thread launches at once"));
  add(flag("execution.fused_kernels", DEPLOYMENT(execution.fusedKernels),
           "the vendor's library of fused kernels"));
  add(text("execution.collective_engine", DEPLOYMENT(execution.collectiveEngine),
           "who runs collectives: host CPU, the device's CPU, its vector cores",
           {"host", "ai_cpu", "aiv"}));
  add(flag("execution.low_latency_collectives", DEPLOYMENT(execution.lowLatencyCollectives),
           "the single-host library (LCCL) in place of HCCL"));
  add(integer("execution.collective_buffer_mb", DEPLOYMENT(execution.collectiveBufferMb), 1,
              1 << 20, "MiB, per communicator"));
  add(integers("execution.devices", DEPLOYMENT(execution.devices), 0, 65535,
               "ids, the device mask"));
  add(integer("execution.devices_per_host", DEPLOYMENT(execution.devicesPerHost), 1, 1024, ""));
  add(number("execution.prefetch_qkv", DEPLOYMENT(execution.prefetchQkv), 0, 1,
             "share of the weight that is fetched into L2 ahead"));
  add(number("execution.prefetch_o", DEPLOYMENT(execution.prefetchO), 0, 1, ""));
  add(number("execution.prefetch_gate_up", DEPLOYMENT(execution.prefetchGateUp), 0, 1, ""));
  add(flag("execution.balanced_experts", DEPLOYMENT(execution.balancedExperts),
           "routing is forced to be even, for benchmarks"));
  add(integer("execution.speculative_tokens", DEPLOYMENT(execution.speculativeTokens), 0, 64, ""));
}

void addScheduler(std::vector<SettingRule> &rules) {
  constexpr double tokens = double(int64_t(1) << 31);
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("scheduler.policy", DEPLOYMENT(scheduler.policy), "",
           {"mindie", "vllm", "vllm-ascend", "recipe"}));
  add(integer("scheduler.max_seq_len", DEPLOYMENT(scheduler.maxSeqLen), 1, tokens,
              "prompt and output of a sequence"));
  add(integer("scheduler.max_input_len", DEPLOYMENT(scheduler.maxInputLen), 1, tokens, ""));
  add(integer("scheduler.max_output_len", DEPLOYMENT(scheduler.maxOutputLen), 1, tokens, ""));
  add(flag("scheduler.truncation", DEPLOYMENT(scheduler.truncation),
           "an input that is too long is cut, not refused"));
  add(integer("scheduler.max_num_seqs", DEPLOYMENT(scheduler.maxNumSeqs), 1, 65536,
              "sequences that run at once"));
  add(integer("scheduler.max_num_batched_tokens", DEPLOYMENT(scheduler.maxNumBatchedTokens), 1,
              tokens, "tokens of a step"));
  add(integer("scheduler.max_prefill_seqs", DEPLOYMENT(scheduler.maxPrefillSeqs), 1, 65536,
              "prompts in one prefill"));
  add(integer("scheduler.max_prefill_tokens", DEPLOYMENT(scheduler.maxPrefillTokens), 1, tokens,
              "tokens in one prefill"));
  add(integer("scheduler.block_size", DEPLOYMENT(scheduler.blockSize), 16, 1024,
              "tokens of a KV-cache block"));
  add(integer("scheduler.num_blocks", DEPLOYMENT(scheduler.numBlocks), 1, tokens,
              "KV-cache blocks of a device"));
  add(flag("scheduler.chunked_prefill", DEPLOYMENT(scheduler.chunkedPrefill),
           "a step may hold part of a prompt, beside decodes"));
  add(flag("scheduler.prefix_caching", DEPLOYMENT(scheduler.prefixCaching),
           "prompts share the blocks of a common beginning"));
  add(integer("scheduler.max_preempted", DEPLOYMENT(scheduler.maxPreempted), 0, 65536,
              "sequences swapped out at once"));
  add(flag("scheduler.select_batch", DEPLOYMENT(scheduler.selectBatch),
           "prefill or decode by estimated cost; otherwise prefill first"));
  add(integer("scheduler.prefill_time_ms", DEPLOYMENT(scheduler.prefillTimeMs), 0, largestInteger,
              "estimate per request, ms"));
  add(integer("scheduler.decode_time_ms", DEPLOYMENT(scheduler.decodeTimeMs), 0, largestInteger,
              "estimate per request, ms"));
  add(integer("scheduler.prefill_policy", DEPLOYMENT(scheduler.prefillPolicy), 0, 3,
              "0 first come first served, 1 by state, 2 by priority, 3 multi-level feedback"));
  add(integer("scheduler.decode_policy", DEPLOYMENT(scheduler.decodePolicy), 0, 3,
              "as prefill_policy"));
  add(integer("scheduler.max_queue_delay_us", DEPLOYMENT(scheduler.maxQueueDelayUs), 500, 1000000,
              "longest wait for a fuller batch, us"));
  add(integer("scheduler.max_first_token_wait_ms", DEPLOYMENT(scheduler.maxFirstTokenWaitMs), 0,
              largestInteger, "longest wait for prefill under select_batch, ms"));
  add(integer("scheduler.max_requests", DEPLOYMENT(scheduler.maxRequests), 1, 1 << 20,
              "accepted at once; more are rejected"));
  add(integer("scheduler.reserved_decode_tokens", DEPLOYMENT(scheduler.reservedDecodeTokens), 0,
              tokens, "KV tokens kept free for running sequences"));
}

void addMemory(std::vector<SettingRule> &rules) {
  constexpr double most = 1 << 20;
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(number("memory.device_gib", DEPLOYMENT(memory.deviceGib), 0, most, "of a device"));
  add(number("memory.limit_gib", DEPLOYMENT(memory.limitGib), 0, most,
             "what the framework may take of it"));
  add(number("memory.utilization", DEPLOYMENT(memory.utilization), 0, 1,
             "share of the device for weights, activations and KV cache"));
  add(number("memory.non_kv_gib", DEPLOYMENT(memory.nonKvGib), 0, most,
             "reserved for weights and activations"));
  add(number("memory.kv_gib", DEPLOYMENT(memory.kvGib), -1, most,
             "for the KV cache; -1: what is left"));
  add(number("memory.swap_gib", DEPLOYMENT(memory.swapGib), 0, most,
             "of the host, for preempted sequences"));
}

void addServing(std::vector<SettingRule> &rules) {
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("serving.model_name", DEPLOYMENT(serving.modelName), "as clients call it"));
  add(text("serving.api", DEPLOYMENT(serving.api), "style of OpenAI answers", {"vllm", "openai"}));
  add(integer("serving.port", DEPLOYMENT(serving.port), 1, 65535, ""));
  add(integer("serving.management_port", DEPLOYMENT(serving.managementPort), 1, 65535, ""));
  add(integer("serving.metrics_port", DEPLOYMENT(serving.metricsPort), 1, 65535, ""));
  add(flag("serving.cumulative_text", DEPLOYMENT(serving.cumulativeText),
           "streams repeat the whole text, not only what is new"));
  add(integer("serving.tokenizer_processes", DEPLOYMENT(serving.tokenizerProcesses), 1, 1024, ""));
  add(integer("serving.instances", DEPLOYMENT(serving.instances), 1, 1024, "copies of the model"));
  add(text("tokenizer.chat_template", DEPLOYMENT(tokenizer.chatTemplate),
           "in place of tokenizer_config.json's"));
  add(integer("tokenizer.model_max_length", DEPLOYMENT(tokenizer.modelMaxLength), 1, largestInteger,
              ""));
}

template <typename At> SettingRule lengths(std::string_view name, At at, std::string_view meaning) {
  SettingRule rule = text(name, at, meaning);
  rule.check = [](std::string_view text, std::string_view key, const SourcePosition &position) {
    LengthDistribution::parse(text, key, position);
  };
  return rule;
}

void addWorkload(std::vector<SettingRule> &rules) {
  constexpr double most = LengthDistribution::largest;
  const auto add = [&](SettingRule rule) { rules.push_back(std::move(rule)); };
  add(text("workload.dataset", DEPLOYMENT(workload.dataset), "its name; the data is not read"));
  add(texts("workload.prompts", DEPLOYMENT(workload.prompts),
            "what run continues without a prompt"));
  add(lengths(
      "workload.input_tokens", DEPLOYMENT(workload.inputTokens),
      "lengths of prompts: fixed:N, uniform:A-B, normal:MEAN,DEVIATION or quantiles:0=A,…,1=B"));
  add(lengths("workload.output_tokens", DEPLOYMENT(workload.outputTokens), "lengths of outputs"));
  add(integer("workload.max_tokens", DEPLOYMENT(workload.maxTokens), 1, most,
              "that a request asks for"));
  add(integer("workload.requests", DEPLOYMENT(workload.requests), 1, most, ""));
  add(integer("workload.concurrency", DEPLOYMENT(workload.concurrency), 1, 65536,
              "clients that each wait for their answer"));
  add(integer("workload.batch_size", DEPLOYMENT(workload.batchSize), 1, 65536,
              "sequences of a step, all ranks together"));
  add(text("workload.metric", DEPLOYMENT(workload.metric), "what the published figure means"));
}

std::vector<SettingRule> makeRules() {
  std::vector<SettingRule> rules;
  addModel(rules);
  rules.push_back(text("target.name", DEPLOYMENT(target), "the device, a name of `vinci targets`"));
  addPrecision(rules);
  addParallel(rules);
  addWeights(rules);
  addExecution(rules);
  addScheduler(rules);
  addMemory(rules);
  addServing(rules);
  addWorkload(rules);
  return rules;
}

} // namespace

std::span<const SettingRule> settingRules() {
  static const std::vector<SettingRule> rules = makeRules();
  return rules;
}

const SettingRule *findSettingRule(std::string_view name) {
  const auto rules = settingRules();
  const auto rule = std::ranges::find(rules, name, &SettingRule::name);
  return rule == rules.end() ? nullptr : &*rule;
}

const SettingRule &settingRule(std::string_view name) {
  if (const SettingRule *rule = findSettingRule(name))
    return *rule;
  failInternal("there is no setting \"{}\"", name);
}

} // namespace vinci
