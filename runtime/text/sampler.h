// Choosing the next token from the logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

/// How to choose. The defaults choose greedily and change nothing.
struct SamplingParams {
  double temperature = 0; ///< >= 0; 0 takes the largest logit, of equal ones the lowest id
  int64_t topK = 0;       ///< >= 0: only the k largest (and ties with the k-th); 0: all
  double topP = 1;        ///< in (0, 1]: the fewest tokens whose probabilities reach it
  double repetitionPenalty =
      1; ///< > 0: divides positive and multiplies negative logits of tokens seen before
  uint64_t seed = 0;

  /// Throws a user error naming the first illegal value and what would be legal.
  void check() const;
};

/// Applies, in the order of transformers: repetition penalty, temperature, top-k, top-p, a draw.
/// Arithmetic is in double. The draw is a function of seed and position only, so a sequence's
/// tokens do not depend on what else is in the batch, on threads or on the platform's random
/// library. Holds scratch memory: one Sampler per thread; sample() does not allocate.
class Sampler {
public:
  explicit Sampler(int64_t vocabularySize);

  /// The next token's id. `logits` holds one number per token, all finite, or it is an error naming
  /// the first that is not. `context` is the prompt and all tokens generated so far (looked at for
  /// the repetition penalty only). `position` is the new token's index in its own sequence: the
  /// length of that context. `params` must pass check().
  int32_t sample(std::span<const float> logits, const SamplingParams &params,
                 std::span<const int32_t> context, uint64_t position);

private:
  struct Candidate {
    double value; ///< a logit, later a weight
    int32_t id;
  };

  void load(std::span<const float> logits, std::span<const int32_t> context, double penalty);
  size_t keepTopK(int64_t topK);
  size_t keepTopP(size_t count, double topP, double total);

  std::vector<Candidate> candidates_;
  std::vector<bool> penalised_; // by id; all false between calls
};

} // namespace vinci
