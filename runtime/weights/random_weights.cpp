#include "runtime/weights/random_weights.h"

#include "runtime/support/philox.h"
#include "runtime/weights/packing.h"

#include <algorithm>
#include <cstring>

namespace vinci {
namespace {

/// Elements between the beginnings of two rows of a matrix.
constexpr uint64_t rowStride = 8;
/// Where in a block a tensor begins: anywhere below that.
constexpr uint64_t places = 4096;

constexpr float bound = 0.035f, weightScale = bound / 127, inputScale = 0.05f;

uint64_t columnsOf(const RequiredTensor &tensor) {
  uint64_t columns = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i)
    columns *= tensor.shape[i];
  return columns;
}

uint64_t strideOf(uint64_t columns) {
  return columns == 1 ? 1 : rowStride;
}

/// What all elements of a tensor are, by its name; nullopt: anything.
std::optional<float> constantOf(std::string_view name) {
  if (name.ends_with("norm.weight"))
    return 1.0f;
  if (name.ends_with(".weight_scale"))
    return weightScale;
  if (name.ends_with(".input_scale"))
    return inputScale;
  if (name.ends_with(".deq_scale"))
    return weightScale * inputScale;
  if (name.ends_with(".input_offset") || name.ends_with(".quant_bias"))
    return 0.0f;
  return std::nullopt;
}

/// The bits of draw number `index`.
uint32_t bitsAt(uint64_t seed, uint64_t index) {
  return philox4x32({uint32_t(index / 4), uint32_t(RandomStream::Weights), 0, 0},
                    {uint32_t(seed), uint32_t(seed >> 32)})[index % 4];
}

} // namespace

RandomWeights::RandomWeights(const fb::Plan &plan, uint64_t seed) : seed_(seed) {
  const std::vector<RequiredTensor> required = requiredTensors(plan);
  for (const RequiredTensor &tensor : required) {
    const uint64_t columns = columnsOf(tensor);
    elements_ = std::max(elements_, tensor.shape[0] * strideOf(columns) + columns + places);
  }
  for (const RequiredTensor &tensor : required) {
    const uint64_t columns = columnsOf(tensor);
    const uint64_t place = tensors_.size() * 977 % places;
    TensorView &view = tensors_.emplace_back();
    view.name = tensor.name;
    view.file = "random weights";
    view.dtype = tensor.dtype;
    view.dtypeName = safetensorsName(tensor.dtype);
    view.shape = tensor.shape;
    WeightSource source{&view, {}};
    source.slice = {.data = block(tensor.dtype, constantOf(tensor.name)) +
                            place * byteSize(tensor.dtype),
                    .dtype = tensor.dtype,
                    .rows = tensor.shape[0],
                    .columns = columns,
                    .rowStride = strideOf(columns)};
    sources_.emplace(tensor.name, source);
  }
}

const std::byte *RandomWeights::block(DType dtype, std::optional<float> constant) {
  std::vector<std::byte> &bytes = blocks_[{dtype, constant}];
  if (!bytes.empty())
    return bytes.data();
  bytes.resize(elements_ * byteSize(dtype)); // zeros
  if (dtype == DType::Int32)                 // quant_bias
    return bytes.data();
  if (dtype == DType::Int8) {
    for (uint64_t i = 0; i < elements_; ++i)
      bytes[i] = std::byte(int8_t(int32_t(bitsAt(seed_, i) % 255) - 127));
    return bytes.data();
  }
  std::vector<float> values(elements_);
  for (uint64_t i = 0; i < elements_; ++i)
    values[i] = constant ? *constant : (float(bitsAt(seed_, i)) * 0x1p-31f - 1) * bound;
  convertElements(reinterpret_cast<const std::byte *>(values.data()), DType::Float32, bytes.data(),
                  dtype, elements_);
  return bytes.data();
}

} // namespace vinci
