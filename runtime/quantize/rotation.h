// Orthogonal matrices that spread what stands out in one channel over all of them.
//
// QuaRot (Ashkboos and others, 2024) multiplies the residual stream by such a matrix Q. Wherever a
// linear reads the stream its weight takes Q, wherever one writes to it the transpose, and nothing
// of it remains at run time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

/// Q = diag(signs) * H / sqrt(n): random signs, then a Hadamard matrix. H is a Kronecker product of
/// Sylvester's of the largest power of two that leaves the rest an order k that Paley's
/// constructions give (5120 = 256 * 20, 3584 = 128 * 28), or, where there is none, of all twos in n
/// and an orthonormal cosine transform of what is odd.
class Rotation {
public:
  /// `n` > 0. The same seed and stream give the same matrix.
  Rotation(uint64_t n, uint64_t seed, uint32_t stream);

  uint64_t size() const { return signs_.size(); }
  /// Order of the factor that is no power of two; 1 if there is none.
  uint64_t oddOrder() const { return oddOrder_; }
  /// row := row * Q, for a row of size() values.
  void apply(std::span<double> row) const;

private:
  std::vector<double> signs_;
  uint64_t oddOrder_ = 1;
  std::vector<double> odd_; ///< orthonormal, row-major; empty for order 1
};

} // namespace vinci
