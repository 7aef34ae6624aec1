// Which experts tokens go to, for timing: what the busiest rank of those that share the experts has
// to do. A functional run counts its experts instead (StepRecord::expertsHit).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class Routing {
public:
  /// All experts equally likely: the cost model's own formula.
  Routing() = default;

  /// `uniform`, `balanced` (every expert gets as many rows as every other), `zipf:S` (the n-th most
  /// popular expert is chosen n^-S times as often as the first; which ones they are follows from
  /// `seed`), or `trace:FILE` (on the command line also `trace FILE`): JSON, an array for each MoE
  /// layer of how often each expert was chosen. Throws Error naming `name` for anything else, and
  /// the file's place.
  static Routing parse(std::string_view text, std::string_view name, uint64_t seed = 0);

  bool isUniform() const { return kind_ == Kind::Uniform; }
  /// Layers differ.
  bool isByLayer() const { return kind_ == Kind::Trace; }

  struct Work {
    double hit = 0;  ///< experts that have rows
    double rows = 0; ///< over all of them
  };
  /// Of the rank with the most rows, where each rank has `groups` consecutive ones of `experts` and
  /// each of `tokens` goes to `topK`. Throws Error if a trace has no such layer, or another number
  /// of experts. Not for uniform routing.
  Work busiest(uint32_t experts, uint32_t groups, uint32_t topK, double tokens,
               uint32_t layer) const;

  /// For each expert the chance that a token goes to it: they add up to `topK`.
  std::vector<double> chances(uint32_t experts, uint32_t topK, uint32_t layer) const;

private:
  enum class Kind : uint8_t { Uniform, Balanced, Zipf, Trace };

  Kind kind_ = Kind::Uniform;
  double exponent_ = 0;
  uint64_t seed_ = 0;
  std::string file_;
  std::vector<std::vector<double>> counts_; ///< of a trace, by layer and expert
};

} // namespace vinci
