// How many tokens the prompts or outputs of a load have: a distribution, as deployments spell it.
//
//   fixed:512                          always 512
//   uniform:64-512                     each number from 64 to 512 equally often
//   normal:300,50                      mean and standard deviation; what falls below 1 becomes 1
//   quantiles:0=25,0.5=63.4,1=139      half of the requests have at most 63.4 tokens; straight
//                                      lines between what is given, from 0, the shortest, to 1,
//                                      the longest
//
// Or a list of lengths, which has no spelling: who has the prompts counts their tokens.
#pragma once

#include "runtime/support/error.h"
#include "runtime/support/philox.h"

#include <string_view>
#include <vector>

namespace vinci {

class LengthDistribution {
public:
  /// A length that is larger is no length.
  static constexpr int64_t largest = 0x7fffffff;

  /// Fails at `position`, calling the text `name`, if it is none of the above or a length is not
  /// from 1 to `largest`.
  static LengthDistribution parse(std::string_view text, std::string_view name,
                                  const SourcePosition &position);

  /// Request i has the i-th of these, and after the last one the first again, whatever the seed.
  /// There is at least one, and each is from 1 to `largest`.
  static LengthDistribution list(std::vector<int64_t> lengths);

  /// The length that request `index` has, 1 to `largest`; depends on the arguments only.
  int64_t sample(uint64_t seed, uint64_t index, RandomStream stream) const;

  /// What samples are on average, but for their rounding and for what a normal distribution has
  /// below 1; of a list exactly, taken as a whole.
  double mean() const;

private:
  struct Quantile {
    double probability, tokens;
  };
  class Parser;

  double quantile(double probability) const;

  std::vector<int64_t> list_;       ///< empty: one of the others
  std::vector<Quantile> quantiles_; ///< ascending, from 0 to 1; empty: normal
  double mean_ = 0, deviation_ = 0; ///< of a normal distribution
  double least_ = 1, most_ = largest;
};

} // namespace vinci
