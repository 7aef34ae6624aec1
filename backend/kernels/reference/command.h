// One command for the reference kernels: a spec with its buffers and dims.
#pragma once

#include "backend/codegen/kernel_spec.h"
#include "backend/kernels/reference/elements.h"

#include <vector>

namespace vinci::reference {

struct Command {
  const KernelSpec &spec;
  void *const *buffers;
  const uint64_t *dims;

  uint64_t size(const char *constant) const {
    return static_cast<uint64_t>(spec.integer(constant));
  }
  uint64_t tokens() const { return dims[VINCI_DIM_TOKENS]; }
  /// What the constant `rows` counts.
  uint64_t rows() const { return dims[spec.rows().symbol] * spec.rows().scale; }
  /// The index of the buffer of this name in the catalogue, for kernels with optional ones.
  int index(std::string_view operand) const;

  /// Buffer `index` with elements of the kernel's dtype, or as float32, int32 or int8.
  Elements typed(int index) const { return {buffers[index], spec.dtype()}; }
  Elements typed(int index, DType type) const { return {buffers[index], type}; }
  float *floats(int index) const { return static_cast<float *>(buffers[index]); }
  int32_t *ints(int index) const { return static_cast<int32_t *>(buffers[index]); }
  int8_t *bytes(int index) const { return static_cast<int8_t *>(buffers[index]); }
};

/// The gated linear unit, its activation rounded to `type`.
double gated(DType type, double gate, double up);
/// Quantises row `row` as the constant `dynamic` says: by operands `scale` and `offset`, or by a
/// scale of its own that goes to `out_scale`.
void quantizeRow(const Command &c, uint64_t row, const std::vector<double> &values);

void embedding(const Command &c);
void gatherRows(const Command &c);
void joinColumns(const Command &c);
void ropeTable(const Command &c);
void rope(const Command &c);
void ropeQk(const Command &c);
void rmsNorm(const Command &c);
void addRmsNorm(const Command &c);
void rmsNormQuant(const Command &c);
void matmul(const Command &c);
void splitQkv(const Command &c);
void appendQkv(const Command &c);
void kvAppend(const Command &c);
void attention(const Command &c);
void add(const Command &c);
void mul(const Command &c);
void silu(const Command &c);
void swiglu(const Command &c);
void softmax(const Command &c);
void topK(const Command &c);
void normalizeRows(const Command &c);
void swigluQuant(const Command &c);
void moeRoute(const Command &c);
void argsort(const Command &c);
void inversePermutation(const Command &c);
void expertOffsets(const Command &c);
void moeSort(const Command &c);
void permuteTokens(const Command &c);
void groupedMatmul(const Command &c);
void unpermuteTokens(const Command &c);
void weightedSum(const Command &c);
void groupedMatmulSwiglu(const Command &c);
void moeCombine(const Command &c);
void quantize(const Command &c);
void rowMax(const Command &c);
void dynamicQuantize(const Command &c);
void quantMatmul(const Command &c);
void dynamicQuantMatmul(const Command &c);
void groupedDynamicQuantMatmul(const Command &c);
void weightQuantMatmul(const Command &c);
void groupedWeightQuantMatmul(const Command &c);
void groupedMatmulSwigluQuant(const Command &c);

} // namespace vinci::reference
