// How well a model predicts a text: the numbers of `vinci eval`.
#pragma once

#include "runtime/exec/step_runner.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace vinci {

/// One number for each id but the last: ids are inputs up to there, and each one's target is the id
/// after it.
struct Score {
  std::vector<float> logsumexp;
  std::vector<float> nll; ///< logsumexp - logit of the target
  /// Mean of nll, in double.
  double meanNll() const;
};

/// Scores `ids` in windows of `window` inputs, ids[window * k] .. ids[window * (k + 1)]: each
/// window starts with an empty KV cache, and its last id is a target only. Uses all KV blocks of
/// `model`. `progress` is called after each step with the number of ids scored. Throws Error for
/// fewer than two ids, an id outside the vocabulary, or a window that is 0, longer than max_seq_len
/// or larger than the KV cache.
Score score(StepRunner &model, std::span<const int32_t> ids, uint32_t window,
            const std::function<void(size_t done)> &progress = {});

} // namespace vinci
