// The operations of the models in floating point, one function each, written to be read: float32
// values, sums in double, every result rounded once.
//
// Row t of an activation is the token at position t.
#pragma once

#include "runtime/reference/matrix.h"

#include <cstdint>
#include <span>

namespace vinci::ops {

/// Row ids[t] of `table` [vocab, hidden] for each token; ids must be in range.
Matrix embedding(std::span<const int32_t> ids, const Matrix &table);

/// x / sqrt(mean(x^2) + eps) * weight, plus the bias if it is not null, over each row in groups of
/// weight.rows columns: the whole row for a layer's norm, a head for those of q and k.
Matrix rmsNorm(const Matrix &x, const Matrix &weight, double eps, const Matrix *bias = nullptr);

/// x times the transpose of `weight` [out, in], plus the bias [out] if it is not null.
Matrix linear(const Matrix &x, const Matrix &weight, const Matrix *bias);

/// Rotates each head of x [tokens, heads * headDim]: with a = position * theta^(-2i / headDim), for
/// i < headDim / 2,
///   y[i]               = x[i] * cos(a) - x[i + headDim / 2] * sin(a)
///   y[i + headDim / 2] = x[i + headDim / 2] * cos(a) + x[i] * sin(a)
Matrix rope(const Matrix &x, uint64_t headDim, double theta);

/// Causal attention of q [tokens, heads * headDim] over k and v [tokens, kvHeads * headDim]. Query
/// head h uses KV head h / (heads / kvHeads).
Matrix attention(const Matrix &q, const Matrix &k, const Matrix &v, uint64_t headDim);

/// x / (1 + exp(-x)).
Matrix silu(const Matrix &x);
Matrix multiply(const Matrix &a, const Matrix &b);
Matrix add(const Matrix &a, const Matrix &b);

/// The experts of each token.
struct Routing {
  IntMatrix experts; ///< [tokens, topK], the most probable first, the lowest number among equals
  Matrix weights;    ///< [tokens, topK]
  /// By how much each token's last choice is more probable than the best expert that it did not
  /// choose. Infinite if it chose all.
  std::vector<double> margins;
};

/// Softmax of the logits [tokens, experts] over all experts, and the topK most probable of them;
/// `normalize`: their weights sum to 1 (norm_topk_prob).
Routing route(const Matrix &logits, uint64_t topK, bool normalize);

/// sum_j(weights[t, j] * choices[j][t]): choices[j] is what the j-th expert of each token makes.
Matrix combine(std::span<const Matrix> choices, const Matrix &weights);

} // namespace vinci::ops
