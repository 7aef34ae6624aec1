// The parts of config.json that take more than a key and a range; config.cpp calls them in turn.
#pragma once

#include "frontend/huggingface/config_reader.h"
#include "frontend/huggingface/families.h"

namespace vinci {

/// rope_theta, rope_parameters (transformers 5), rope_scaling and partial_rotary_factor ->
/// spec.ropeTheta. Anything but plain rotary positions over the whole head is an error.
void resolveRope(ConfigReader &reader);

/// Fails if some layer of the model attends through a sliding window, by layer_types or by
/// use_sliding_window. Needs spec.numHiddenLayers and spec.maxPositionEmbeddings.
void refuseSlidingWindow(ConfigReader &reader, const Family &family);

/// num_experts (num_local_experts in transformers 5) and all that belongs to it -> spec.moe.
void resolveMoe(ConfigReader &reader);

/// A token id, or nothing for an absent one. An id outside the vocabulary is known of some
/// checkpoints (pad_token_id -1) and harmless: a warning, and nothing.
std::optional<int64_t> resolveTokenId(ConfigReader &reader, std::string_view key,
                                      std::optional<int64_t> absent);

/// eos_token_id: one id or a list of them, each in the vocabulary, without repetitions; nullopt if
/// it is absent.
std::optional<std::vector<int64_t>> resolveEosTokenIds(ConfigReader &reader);

/// generation_config.json: the eos ids and special tokens override those of config.json, the
/// sampling defaults are new.
void resolveGenerationConfig(ConfigReader &reader);

} // namespace vinci
