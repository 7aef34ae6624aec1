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
  std::vector<StepBatch> batches(limits.dataGroups, StepBatch(limits));
  std::vector<StepInputs> groups(limits.dataGroups);
  Score score;
  score.logsumexp.resize(ids.size());
  score.nll.resize(ids.size() - 1);
  size_t done = 0;
  const uint32_t most = std::min(limits.maxTokensPerStep, limits.logitRows());
  // A window for each group, then the next ones; what earlier ones left in the cache is overwritten
  // before it is read.
  for (size_t start = 0; start < inputs; start += size_t(window) * groups.size()) {
    for (uint32_t first = 0; first < std::min<size_t>(window, inputs - start); first += most) {
      for (size_t i = 0; i < groups.size(); ++i) {
        const size_t from = std::min(start + i * window, inputs);
        const auto size = uint32_t(std::min<size_t>(window, inputs - from));
        batches[i].clear();
        if (first < size)
          batches[i].add(ids.subspan(from, size), first, std::min(size - first, most), blocks,
                         false);
        groups[i] = batches[i].inputs(EntryKind::Score);
      }
      const std::span<const std::span<const float>> logits =
          model.stepGroups(EntryKind::Score, groups);
      for (size_t i = 0; i < groups.size(); ++i) {
        size_t id = start + i * window + first;
        for (size_t row = 0; row < groups[i].tokenIds.size(); ++row, ++id, ++done) {
          const auto own = logits[i].subspan(row * limits.vocabSize, limits.vocabSize);
          const double total = logSumExp(own);
          score.logsumexp[id] = float(total);
          if (id + 1 < ids.size())
            score.nll[id] = float(total - own[size_t(ids[id + 1])]);
        }
      }
      if (progress)
        progress(done);
    }
  }
  return score;
}

} // namespace vinci
