#include "runtime/text/sampler.h"

#include "runtime/support/error.h"
#include "runtime/support/philox.h"

#include <algorithm>
#include <cmath>

namespace vinci {

void SamplingParams::check() const {
  if (!(temperature >= 0) || !std::isfinite(temperature))
    fail("temperature is {}; a finite number >= 0 is expected (0 chooses greedily)", temperature);
  if (topK < 0)
    fail("top_k is {}; an integer >= 0 is expected (0 keeps all tokens)", topK);
  if (!(topP > 0 && topP <= 1))
    fail("top_p is {}; a number > 0 and <= 1 is expected (1 keeps all tokens)", topP);
  if (!(repetitionPenalty > 0) || !std::isfinite(repetitionPenalty))
    fail("repetition_penalty is {}; a finite number > 0 is expected (1 changes nothing)",
         repetitionPenalty);
}

Sampler::Sampler(int64_t vocabularySize)
    : candidates_(static_cast<size_t>(vocabularySize)),
      penalised_(static_cast<size_t>(vocabularySize)) {}

// Fills candidates_ by id, with the penalty applied once to each token of the context.
void Sampler::load(std::span<const float> logits, std::span<const int32_t> context,
                   double penalty) {
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!std::isfinite(logits[id]))
      fail("the logit of token {} is {}: the model's output is broken (overflow in half precision, "
           "or damaged weights)",
           id, logits[id]);
    candidates_[id] = {logits[id], static_cast<int32_t>(id)};
  }
  if (penalty == 1)
    return;
  for (int32_t id : context)
    if (id < 0 || static_cast<size_t>(id) >= logits.size())
      fail("token id {} in the context is not in the vocabulary of {}", id, logits.size());
  for (int32_t id : context) {
    if (penalised_[static_cast<size_t>(id)])
      continue;
    penalised_[static_cast<size_t>(id)] = true;
    double &value = candidates_[static_cast<size_t>(id)].value;
    // A float times or over the smallest or largest penalty can leave the range of double.
    value = std::clamp(value < 0 ? value * penalty : value / penalty, -1e300, 1e300);
  }
  for (int32_t id : context)
    penalised_[static_cast<size_t>(id)] = false;
}

static constexpr auto kBetterFirst = [](const auto &a, const auto &b) {
  return a.value != b.value ? a.value > b.value : a.id < b.id;
};

// Moves the candidates to keep to the front, best first, and returns how many they are.
size_t Sampler::keepTopK(int64_t topK) {
  auto begin = candidates_.begin();
  auto kth = begin + (topK - 1);
  std::nth_element(begin, kth, candidates_.end(), kBetterFirst);
  double threshold = kth->value;
  auto end = std::partition(kth + 1, candidates_.end(),
                            [&](const Candidate &c) { return c.value == threshold; });
  std::sort(begin, end, kBetterFirst);
  return static_cast<size_t>(end - begin);
}

// Sorts as many of the first `count` candidates, whose weights sum up to `total`, as reach topP of
// it.
size_t Sampler::keepTopP(size_t count, double topP, double total) {
  auto begin = candidates_.begin();
  // Usually few are enough, so sort the best few first and more only where those do not reach topP.
  double mass = 0;
  for (size_t sorted = 0; sorted < count;) {
    size_t upTo = std::min(count, std::max<size_t>(256, sorted * 8));
    if (upTo < count)
      std::nth_element(begin + sorted, begin + upTo, begin + count, kBetterFirst);
    std::sort(begin + sorted, begin + upTo, kBetterFirst);
    for (; sorted < upTo; ++sorted)
      if ((mass += candidates_[sorted].value) >= topP * total)
        return sorted + 1;
  }
  return count;
}

static double sumOfWeights(auto first, auto last) {
  double sum = 0;
  for (; first != last; ++first)
    sum += first->value;
  return sum;
}

int32_t Sampler::sample(std::span<const float> logits, const SamplingParams &params,
                        std::span<const int32_t> context, uint64_t position) {
  if (logits.size() != candidates_.size() || logits.empty())
    failInternal("{} logits for a sampler of {} tokens", logits.size(), candidates_.size());
  load(logits, context, params.repetitionPenalty);
  // Candidates stand in the order of ids: of equal ones the lowest is found.
  double best =
      std::max_element(candidates_.begin(), candidates_.end(), [](const auto &a, const auto &b) {
        return a.value < b.value;
      })->value;
  if (params.temperature == 0) {
    for (const Candidate &candidate : candidates_)
      if (candidate.value == best)
        return candidate.id;
  }
  // From here on the order of candidates, and with it that of every sum, is by id or best first,
  // never what a library's selection left: the draw must not depend on that.
  size_t count = candidates_.size();
  if (params.topK > 0 && static_cast<size_t>(params.topK) < count)
    count = keepTopK(params.topK);
  auto begin = candidates_.begin();
  for (size_t i = 0; i < count; ++i)
    begin[i].value = std::exp((begin[i].value - best) / params.temperature);
  if (params.topP < 1)
    count = keepTopP(count, params.topP, sumOfWeights(begin, begin + count));

  double target = uniformAt(params.seed, position) * sumOfWeights(begin, begin + count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i)
    if ((sum += begin[i].value) > target)
      return begin[i].id;
  failInternal(
      "a draw outside the distribution"); // target < sum of the same numbers in the same order
}

} // namespace vinci
