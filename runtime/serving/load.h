// Where requests come from: clients that do not wait (open loop, at a rate or by a trace), or
// clients that each wait for their answer (closed loop). Depends on settings and seed only.
#pragma once

#include "runtime/serving/trace_file.h"
#include "runtime/support/lengths.h"

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

namespace vinci {

struct LoadRequest {
  uint64_t index = 0; ///< 0, 1, … in the order of sending
  int64_t sentNs = 0;
  uint32_t inputTokens = 0;
  uint32_t outputTokens = 0; ///< what the model will generate if it may
  uint32_t maxTokens = 0;    ///< what the client allows
  uint32_t priority = 5;
  uint64_t prefix = 0;
  uint32_t prefixTokens = 0;
};

/// What the requests of a load without a trace look like.
struct RequestShape {
  uint64_t requests = 1;
  uint64_t seed = 0;
  LengthDistribution inputTokens, outputTokens;
  uint32_t maxTokens = 0;    ///< 0: whatever outputTokens gives
  uint32_t prefixTokens = 0; ///< that all prompts begin with; at most all of a prompt
};

class Load {
public:
  static constexpr int64_t never = std::numeric_limits<int64_t>::max();

  /// `concurrency` clients that begin together. Between an answer and its client's next request
  /// pass 0 to twice `thinkNs`, all equally likely: without it, clients send in step with the
  /// server. Throws Error for a load without clients or requests.
  static Load closedLoop(const RequestShape &shape, uint64_t concurrency, int64_t thinkNs = 0);
  /// A Poisson process; the first request comes after the first gap. Throws Error for a rate that
  /// is not above 0, or one so small that the requests take longer than a century.
  static Load openLoop(const RequestShape &shape, double requestsPerSecond);
  static Load trace(std::vector<TraceRequest> requests);

  /// When the next request is sent; never if there is none, or none before an answer.
  int64_t nextNs() const;
  /// That request.
  LoadRequest take();
  /// A request has been answered or refused. Times do not go back from call to call.
  void answered(int64_t nowNs);

  uint64_t requests() const { return count_; }
  /// Of a closed loop.
  std::optional<uint64_t> concurrency() const { return concurrency_; }

private:
  Load() = default;

  RequestShape shape_;
  std::vector<TraceRequest> trace_;
  uint64_t count_ = 0, taken_ = 0;
  std::optional<uint64_t> concurrency_;
  int64_t thinkNs_ = 0;
  std::deque<int64_t> clients_; ///< closed loop: when the free ones send, in order
  uint64_t answers_ = 0;
  double rate_ = 0;
  double arrivalNs_ = 0; ///< of the next one in an open loop
};

} // namespace vinci
