// The hyperparameters of a forward pass, under the names that config.json has for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vinci {

/// How the linears of a checkpoint are quantised.
enum class ReferenceScheme : uint8_t { Float, W8A8, W8A8Dynamic, W8A16 };

/// The names that the weights of a norm have behind the norm's: "weight", and "bias" if there is
/// one; with "module." before them in some checkpoints whose outliers were moved.
struct ReferenceNorm {
  std::string prefix; ///< "" or "module."
  bool bias = false;
};

struct ReferenceSchemes {
  ReferenceScheme qkv = ReferenceScheme::Float;
  ReferenceScheme output = ReferenceScheme::Float; ///< o_proj
  ReferenceScheme gateUp = ReferenceScheme::Float;
  ReferenceScheme down = ReferenceScheme::Float;
  ReferenceNorm inputNorm, postAttentionNorm;
  /// Biases beside those of the config.
  bool qkvBias = false, outputBias = false, gateUpBias = false, downBias = false;
};

/// Complete and consistent, as the frontend leaves it: nothing here is checked again.
struct ReferenceConfig {
  std::string architecture; ///< model_type, for messages
  uint64_t vocabSize = 0, hiddenSize = 0, intermediateSize = 0, numHiddenLayers = 0;
  uint64_t numAttentionHeads = 0, numKeyValueHeads = 0, headDim = 0;
  double rmsNormEps = 0;
  double ropeTheta = 0; ///< plain rotary positions: the frontend refuses any scaling of them
  bool tieWordEmbeddings = false;
  bool qkvBias = false, outputBias = false, mlpBias = false;
  bool qkNorm = false; ///< RMSNorm over head_dim of q and k, before the rotation

  uint64_t numExperts = 0; ///< 0: no layer has any
  uint64_t numExpertsPerTok = 0, moeIntermediateSize = 0;
  bool normTopkProb = false;
  uint64_t decoderSparseStep = 1;
  std::vector<uint64_t> mlpOnlyLayers;

  std::vector<ReferenceSchemes> schemes;         ///< one for each layer; empty: not quantised
  ReferenceNorm norm;                            ///< the one after the layers
  ReferenceScheme head = ReferenceScheme::Float; ///< of lm_head

  /// Layer i has experts if (i + 1) % decoder_sparse_step == 0, unless mlp_only_layers names it.
  bool hasExperts(uint64_t layer) const;
  ReferenceSchemes schemesOf(uint64_t layer) const;
};

} // namespace vinci
