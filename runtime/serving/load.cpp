#include "runtime/serving/load.h"

#include <algorithm>
#include <cmath>

namespace vinci {

namespace {

void requireRequests(const RequestShape &shape) {
  if (shape.requests == 0)
    fail("the load has 0 requests; at least 1 is expected");
}

/// What passes between request `index` and the one before.
double gapNs(uint64_t seed, uint64_t index, double rate) {
  return -std::log1p(-uniformAt(seed, index, RandomStream::Arrivals)) / rate * 1e9;
}

} // namespace

Load Load::closedLoop(const RequestShape &shape, uint64_t concurrency, int64_t thinkNs) {
  requireRequests(shape);
  if (concurrency == 0)
    fail("the load has a concurrency of 0; at least 1 is expected");
  if (thinkNs < 0)
    fail("clients think for {} ns between answer and request; at least 0 is expected", thinkNs);
  Load load;
  load.shape_ = shape;
  load.count_ = shape.requests;
  load.concurrency_ = concurrency;
  load.thinkNs_ = thinkNs;
  load.clients_.assign(std::min(concurrency, shape.requests), 0);
  return load;
}

Load Load::openLoop(const RequestShape &shape, double requestsPerSecond) {
  requireRequests(shape);
  constexpr double century = 3.2e9; // seconds
  if (!(requestsPerSecond > 0 && std::isfinite(requestsPerSecond)) ||
      double(shape.requests) / requestsPerSecond > century)
    fail("the load has {} requests a second; a rate above 0 is expected, at which {} requests take "
         "less than a century",
         requestsPerSecond, shape.requests);
  Load load;
  load.shape_ = shape;
  load.count_ = shape.requests;
  load.rate_ = requestsPerSecond;
  load.arrivalNs_ = gapNs(shape.seed, 0, requestsPerSecond);
  return load;
}

Load Load::trace(std::vector<TraceRequest> requests) {
  Load load;
  load.trace_ = std::move(requests);
  load.count_ = load.trace_.size();
  return load;
}

int64_t Load::nextNs() const {
  if (taken_ == count_)
    return never;
  if (!trace_.empty())
    return trace_[taken_].arrivalNs;
  if (concurrency_)
    return clients_.empty() ? never : clients_.front();
  return std::llround(arrivalNs_);
}

LoadRequest Load::take() {
  LoadRequest request;
  request.index = taken_;
  request.sentNs = nextNs();
  if (!trace_.empty()) {
    const TraceRequest &line = trace_[taken_++];
    request.inputTokens = line.inputTokens;
    request.outputTokens = line.outputTokens;
    request.maxTokens = line.maxTokens;
    request.priority = line.priority;
    request.prefix = line.prefix;
    request.prefixTokens = line.prefixTokens;
    return request;
  }
  request.inputTokens =
      uint32_t(shape_.inputTokens.sample(shape_.seed, taken_, RandomStream::InputTokens));
  request.outputTokens =
      uint32_t(shape_.outputTokens.sample(shape_.seed, taken_, RandomStream::OutputTokens));
  request.maxTokens = shape_.maxTokens ? shape_.maxTokens : request.outputTokens;
  request.prefixTokens = std::min(shape_.prefixTokens, request.inputTokens);
  ++taken_;
  if (concurrency_)
    clients_.pop_front();
  else if (taken_ < count_)
    arrivalNs_ += gapNs(shape_.seed, taken_, rate_);
  return request;
}

void Load::answered(int64_t nowNs) {
  if (!concurrency_)
    return;
  const double share = uniformAt(shape_.seed, answers_++, RandomStream::ThinkTimes);
  const int64_t sends = nowNs + std::llround(2 * share * double(thinkNs_));
  clients_.insert(std::ranges::upper_bound(clients_, sends), sends);
}

} // namespace vinci
