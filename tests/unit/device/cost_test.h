// Work as the public kernel tables describe it, and comparison with a published number.
#pragma once

#include "runtime/device/cost_model.h"

#include <gtest/gtest.h>

namespace vinci::test {

/// The board of the public kernel tables.
inline const CostModel &board() {
  static const CostModel model(*findDeviceSpec("910b-24core"));
  return model;
}
inline const CostModel &npu() {
  static const CostModel model(*findDeviceSpec("910b3"));
  return model;
}

/// `actual` differs from `published` by at most the share `tolerance` of it.
inline testing::AssertionResult isWithin(double actual, double published, double tolerance) {
  const double difference = actual / published - 1;
  if (std::abs(difference) <= tolerance)
    return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << actual << " is " << 100 * difference << " % off " << published;
}

/// A matmul of the tables, which run in turn over six sets of weights: what is left of a set in L2
/// is there when its turn comes.
inline double tableMatmul(double rows, double n, double k, DType type) {
  const double element = double(byteSize(type)), weights = n * k * element;
  const double time = board()
                          .matmul({type, type, rows, n, k, weights, rows * (k * element + n * 2),
                                   weights * board().residentShare(6 * weights)},
                                  LaunchMode::Eager)
                          .us;
  // The W8A8 table has the quantisation of the rows in it.
  return type == DType::Int8 ? time + board().vector(rows * k * 3, 0, LaunchMode::Eager).us : time;
}

inline AttentionWork decodeAttention(double batch, double length, double kvHeads) {
  const double tokens = batch * length;
  return {.heads = 8 * kvHeads,
          .kvHeads = kvHeads,
          .headDim = 128,
          .decodeSequences = batch,
          .decodeKvTokens = tokens,
          .reuseBytes = tokens * kvHeads * 128 * 2 * 2};
}

inline AttentionWork prefillAttention(double length, double heads, double kvHeads) {
  return {.heads = heads,
          .kvHeads = kvHeads,
          .headDim = 128,
          .prefillTokens = length,
          .prefillKvTokens = length,
          .prefillPairs = length * (length + 1) / 2};
}

} // namespace vinci::test
