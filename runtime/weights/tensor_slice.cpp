#include "runtime/weights/tensor_slice.h"

#include <algorithm>

namespace vinci {

TensorSlice wholeTensor(const std::byte *data, DType dtype, std::span<const uint64_t> shape) {
  const uint64_t rows = shape.empty() ? 1 : shape[0];
  uint64_t columns = 1;
  for (size_t i = 1; i < shape.size(); ++i)
    columns *= shape[i];
  return {data, dtype, rows, columns, 1, 1, columns, 1, 0};
}

TensorSlice TensorSlice::rowRange(uint64_t first, uint64_t count) const {
  TensorSlice part = *this;
  part.rows = count;
  // Whole runs are left behind; what is left of the next remains to be skipped.
  part.data += (skip + first) / run * period * rowStride * byteSize(dtype);
  part.skip = (skip + first) % run;
  return part;
}

TensorSlice TensorSlice::columnRange(uint64_t first, uint64_t count) const {
  TensorSlice part = *this;
  part.columns = count;
  part.data += first * columnStride * byteSize(dtype);
  return part;
}

uint64_t JoinedTensors::rows() const {
  uint64_t rows = 0;
  for (const std::vector<uint64_t> &shape : shapes)
    rows += shape[0];
  return rows;
}

uint64_t JoinedTensors::runs() const {
  switch (layout) {
  case Layout::RowsPerKeyValueHead:
    return keyValueHeads;
  case Layout::AlternatingRows:
    return shapes[0][0];
  case Layout::Rows:
  case Layout::TransposedStack:
    break;
  }
  return 1;
}

std::optional<std::vector<uint64_t>> JoinedTensors::shape() const {
  std::vector<uint64_t> joined = shapes[0];
  if (layout == Layout::Rows && shapes.size() == 1)
    return joined;
  for (const std::vector<uint64_t> &shape : shapes)
    if (shape.empty() || shape.size() != joined.size() || shape[0] % runs() != 0 ||
        !std::equal(shape.begin() + 1, shape.end(), joined.begin() + 1))
      return std::nullopt;
  joined[0] = rows();
  if (layout != Layout::TransposedStack)
    return joined;
  if (joined.size() != 2)
    return std::nullopt;
  return std::vector{experts, joined[1], joined[0]};
}

TensorSlice JoinedTensors::slice(const std::byte *data, DType dtype, size_t part,
                                 uint64_t expert) const {
  TensorSlice slice = wholeTensor(data, dtype, shapes[part]);
  if (layout == Layout::Rows && shapes.size() == 1)
    return slice;
  uint64_t rowsBefore = 0;
  for (size_t i = 0; i < part; ++i)
    rowsBefore += shapes[i][0];
  uint64_t elementsBefore;
  if (layout == Layout::TransposedStack) {
    slice.rowStride = 1;
    slice.columnStride = rows();
    elementsBefore = expert * slice.columns * rows() + rowsBefore;
  } else {
    slice.run = slice.rows / runs();
    slice.period = rows() / runs();
    elementsBefore = rowsBefore / runs() * slice.rowStride;
  }
  slice.data += elementsBefore * byteSize(dtype);
  return slice;
}

} // namespace vinci
