// Matrices that lie somewhere inside a tensor of a checkpoint, read in place.
#pragma once

#include "runtime/support/dtype.h"
#include "runtime/weights/naming.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vinci {

/// `rows` x `columns` elements of `dtype`. Rows come in runs of `run`, a run begins `period` rows
/// after the one before, and the first `skip` < run rows are not part of it: element (row, column)
/// lies, with r = skip + row,
///   (r / run * period + r % run) * rowStride + column * columnStride
/// elements after `data`. A tensor of one dimension is a matrix of one column; of more than two,
/// all but the first are columns.
struct TensorSlice {
  const std::byte *data = nullptr; ///< need not be aligned to the element size
  DType dtype = DType::Float32;
  uint64_t rows = 0, columns = 0;
  uint64_t run = 1, period = 1;
  uint64_t rowStride = 0, columnStride = 1;
  uint64_t skip = 0;

  const std::byte *at(uint64_t row, uint64_t column) const {
    const uint64_t inRuns = skip + row;
    const uint64_t inFile = inRuns / run * period + inRuns % run;
    return data + (inFile * rowStride + column * columnStride) * byteSize(dtype);
  }
  /// True if the elements lie side by side in the order of the matrix, from at(0, 0) on.
  bool isContiguous() const {
    return columnStride == 1 && (rowStride == columns || rows <= 1) &&
           (run >= skip + rows || run == period);
  }
  /// The rows first .. first + count, which must be there.
  TensorSlice rowRange(uint64_t first, uint64_t count) const;
  /// The columns first .. first + count.
  TensorSlice columnRange(uint64_t first, uint64_t count) const;
};

/// All of a row-major tensor of `shape`.
TensorSlice wholeTensor(const std::byte *data, DType dtype, std::span<const uint64_t> shape);

/// Several tensors, the parts, in one.
struct JoinedTensors {
  Layout layout = Layout::Rows;
  std::vector<std::vector<uint64_t>> shapes; ///< of each part; of one expert in a stack
  uint64_t experts = 1;                      ///< of a TransposedStack
  uint64_t keyValueHeads = 1;

  /// The shape of the one tensor; nullopt if there is none for these parts.
  std::optional<std::vector<uint64_t>> shape() const;
  /// Part `part` (of `expert`) in the tensor at `data`, which has that shape.
  TensorSlice slice(const std::byte *data, DType dtype, size_t part, uint64_t expert = 0) const;

private:
  uint64_t rows() const; ///< of all parts
  uint64_t runs() const; ///< how many runs the rows of each part are cut into
};

} // namespace vinci
