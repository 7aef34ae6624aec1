#include "runtime/quantize/rotation.h"

#include "runtime/support/philox.h"

#include <cmath>
#include <numbers>
#include <optional>

namespace vinci {

namespace {

bool isPrime(uint64_t n) {
  for (uint64_t divisor = 2; divisor * divisor <= n; ++divisor)
    if (n % divisor == 0)
      return false;
  return n > 1;
}

/// Which of 0 .. q - 1 are squares modulo the prime q: 0 for 0, 1 for squares, -1 for others.
std::vector<double> quadraticCharacter(uint64_t q) {
  std::vector<double> character(q, -1);
  character[0] = 0;
  for (uint64_t x = 1; x < q; ++x)
    character[x * x % q] = 1;
  return character;
}

/// The matrix [[0, 1], [corner, Q]] of order q + 1, Q the Jacobsthal matrix of q.
std::vector<double> bordered(uint64_t q, double corner) {
  const std::vector<double> character = quadraticCharacter(q);
  const uint64_t n = q + 1;
  std::vector<double> matrix(n * n);
  for (uint64_t i = 1; i < n; ++i) {
    matrix[i] = 1;
    matrix[i * n] = corner;
    for (uint64_t j = 1; j < n; ++j)
      matrix[i * n + j] = character[(j + q - i) % q];
  }
  return matrix;
}

/// A Hadamard matrix of order n > 2 by one of Paley's two constructions; nullopt: neither gives
/// one.
std::optional<std::vector<double>> paley(uint64_t n) {
  if (n % 4 != 0)
    return std::nullopt;
  if (isPrime(n - 1)) { // n - 1 = 3 modulo 4
    std::vector<double> matrix = bordered(n - 1, -1);
    for (uint64_t i = 0; i < n; ++i)
      matrix[i * n + i] += 1;
    return matrix;
  }
  const uint64_t half = n / 2;
  if (half % 4 != 2 || !isPrime(half - 1))
    return std::nullopt;
  const std::vector<double> conference = bordered(half - 1, 1);
  std::vector<double> matrix(n * n);
  for (uint64_t i = 0; i < n; ++i)
    for (uint64_t j = 0; j < n; ++j) {
      const double c = conference[i / 2 * half + j / 2];
      const bool low = i % 2 && j % 2;
      if (i / 2 != j / 2)
        matrix[i * n + j] = low ? -c : c;
      else
        matrix[i * n + j] = i % 2 == 0 && j % 2 == 0 ? 1 : -1;
    }
  return matrix;
}

std::vector<double> cosineTransform(uint64_t n) {
  std::vector<double> matrix(n * n);
  for (uint64_t i = 0; i < n; ++i)
    for (uint64_t j = 0; j < n; ++j)
      matrix[i * n + j] = std::sqrt((j == 0 ? 1.0 : 2.0) / double(n)) *
                          std::cos(std::numbers::pi * (double(i) + 0.5) * double(j) / double(n));
  return matrix;
}

} // namespace

Rotation::Rotation(uint64_t n, uint64_t seed, uint32_t stream) : signs_(n) {
  for (uint64_t i = 0; i < n; ++i)
    signs_[i] = philox4x32({uint32_t(i), uint32_t(i >> 32), stream, 0},
                           {uint32_t(seed), uint32_t(seed >> 32)})[0] &
                        1
                    ? -1
                    : 1;
  uint64_t odd = n;
  while (odd % 2 == 0)
    odd /= 2;
  if (odd == 1)
    return;
  for (uint64_t order = odd; n % order == 0; order *= 2)
    if (auto matrix = paley(order)) {
      oddOrder_ = order;
      odd_ = std::move(*matrix);
      for (double &value : odd_)
        value /= std::sqrt(double(order));
      return;
    }
  oddOrder_ = odd;
  odd_ = cosineTransform(odd);
}

void Rotation::apply(std::span<double> row) const {
  const uint64_t n = row.size(), k = oddOrder_, blocks = n / k;
  for (uint64_t i = 0; i < n; ++i)
    row[i] *= signs_[i];
  if (k > 1) {
    std::vector<double> product(k);
    for (uint64_t block = 0; block < blocks; ++block) {
      const std::span<double> part = row.subspan(block * k, k);
      for (uint64_t j = 0; j < k; ++j) {
        double sum = 0;
        for (uint64_t i = 0; i < k; ++i)
          sum += part[i] * odd_[i * k + j];
        product[j] = sum;
      }
      for (uint64_t j = 0; j < k; ++j)
        part[j] = product[j];
    }
  }
  for (uint64_t width = k; width < n; width *= 2) // the fast transform of Walsh and Hadamard
    for (uint64_t first = 0; first < n; first += 2 * width)
      for (uint64_t i = first; i < first + width; ++i) {
        const double a = row[i], b = row[i + width];
        row[i] = a + b;
        row[i + width] = a - b;
      }
  const double scale = 1 / std::sqrt(double(blocks));
  for (double &value : row)
    value *= scale;
}

} // namespace vinci
