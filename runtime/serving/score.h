// How well a model predicts a text: the numbers of `vinci eval`.
#pragma once

#include "runtime/exec/step_runner.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace vinci {

/// Every id is an input of one window; its target is the id after it, which the last id does not
/// have.
struct Score {
  std::vector<float> logsumexp; ///< one per id
  std::vector<float> nll;       ///< logsumexp - logit of the target; one per id but the last
  /// Mean of nll, in double; NaN if there was one id only.
  double meanNll() const;
};

/// Scores `ids` in windows of `window` inputs: window k is ids[window * k] .. ids[window * (k +
/// 1)], starts with an empty KV cache, and has its last id only as a target. Uses all KV blocks of
/// `model`. `progress` is called after each step with the number of ids scored. Throws Error for no
/// ids, an id outside the vocabulary, or a window that is 0, longer than max_seq_len or larger than
/// the KV cache.
Score score(StepRunner &model, std::span<const int32_t> ids, uint32_t window,
            const std::function<void(size_t done)> &progress = {});

} // namespace vinci
