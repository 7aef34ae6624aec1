#include "runtime/serving/score.h"

#include "runtime/serving/step_batch.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vinci {

namespace {

double logSumExp(std::span<const float> logits) {
  double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit) - largest);
  return largest + std::log(sum);
}

} // namespace

double Score::meanNll() const {
  return std::accumulate(nll.begin(), nll.end(), 0.0) / double(nll.size());
}

Score score(StepRunner &model, std::span<const int32_t> ids, uint32_t window,
            const std::function<void(size_t)> &progress) {
  const ModelLimits &limits = model.limits();
  if (ids.empty())
    fail("there are no ids to score; at least 1 is needed");
  if (window == 0 || window > limits.maxSeqLen)
    fail("a window of {} ids; legal: 1 to {} (max_seq_len)", window, limits.maxSeqLen);
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || uint32_t(ids[i]) >= limits.vocabSize)
      fail("ids[{}] is {}; legal: 0 to {} (vocab_size - 1)", i, ids[i], limits.vocabSize - 1);
  size_t inputs = ids.size();
  auto longest = uint32_t(std::min<size_t>(window, inputs));
  if (limits.blocksFor(longest) > limits.kvBlocks)
    fail("a window of {} ids needs {} KV blocks of {} tokens; the plan has {} (kv_blocks)", longest,
         limits.blocksFor(longest), limits.blockSize, limits.kvBlocks);

  std::vector<int32_t> blocks(limits.blocksFor(longest));
  std::iota(blocks.begin(), blocks.end(), 0);
  StepBatch batch(limits);
  Score score;
  // One window after another; what an earlier one left in the cache is overwritten before it is
  // read.
  for (size_t start = 0; start < inputs; start += window) {
    auto size = uint32_t(std::min<size_t>(window, inputs - start));
    for (uint32_t first = 0; first < size; first += limits.maxTokensPerStep) {
      uint32_t count = std::min(size - first, limits.maxTokensPerStep);
      batch.clear();
      batch.add(ids.subspan(start, size), first, count, blocks, false);
      std::span<const float> logits = model.step(EntryKind::Score, batch.inputs(EntryKind::Score));
      for (uint32_t i = 0; i < count; ++i) {
        std::span<const float> row = logits.subspan(size_t(i) * limits.vocabSize, limits.vocabSize);
        double total = logSumExp(row);
        score.logsumexp.push_back(float(total));
        const size_t target = start + first + i + 1;
        if (target < ids.size())
          score.nll.push_back(float(total - row[size_t(ids[target])]));
      }
      if (progress)
        progress(score.logsumexp.size());
    }
  }
  return score;
}

} // namespace vinci
