#include "runtime/quantize/quantized_checkpoint.h"

#include "runtime/plan/quote.h"
#include "runtime/support/error.h"
#include "runtime/support/half.h"
#include "runtime/weights/packing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

namespace vinci {

namespace {

template <typename T> std::vector<std::byte> bytesOf(const std::vector<T> &values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

/// A float32 in the lower half of an int64 each.
std::vector<std::byte> packedScales(const std::vector<float> &scales) {
  std::vector<int64_t> packed(scales.size());
  std::ranges::transform(scales, packed.begin(),
                         [](float scale) { return int64_t(std::bit_cast<uint32_t>(scale)); });
  return bytesOf(packed);
}

/// "model.layers.0.mlp.up_proj" of that with ".weight".
std::string linearOf(const std::string &tensor) {
  return tensor.substr(0, tensor.rfind('.'));
}

/// `scale` as a checkpoint of `dtype` can hold it; never zero.
float storedScale(float scale, DType dtype) {
  if (dtype == DType::BFloat16)
    return floatOfBFloat16(bfloat16OfFloat(scale));
  if (dtype == DType::Float16) // below that, digits would be lost
    return floatOfFloat16(float16OfFloat(std::max(scale, 0x1p-14f)));
  return scale;
}

} // namespace

QuantizedCheckpoint::QuantizedCheckpoint(const FloatModel &model, std::vector<LayerSchemes> schemes,
                                         DType dtype, StaticScales scales, LinearScheme head)
    : model_(model), schemes_(std::move(schemes)), dtype_(dtype), scales_(std::move(scales)),
      head_(head) {
  if (head_ != LinearScheme::Float && model_.config().tieWordEmbeddings)
    failInternal("a head that is tied to the embedding is to be quantised");
  for (auto &[input, scale] : scales_)
    scale.scale = storedScale(scale.scale, dtype_);
  for (const RequiredTensor &required : requiredTensors(model.config())) {
    const LinearScheme scheme = schemeOf(required.name);
    if (scheme != LinearScheme::Float)
      addQuantized(linearOf(required.name), scheme, required.shape);
    else
      entries_.push_back({TensorHeader::of(required.name, dtype_, required.shape)});
  }
}

LinearScheme QuantizedCheckpoint::schemeOf(const std::string &tensor) const {
  if (linearOf(tensor) == "lm_head")
    return head_;
  const std::optional<LinearTensor> linear = parseLinearTensor(tensor);
  return linear && linear->part != "bias" ? schemes_[linear->layer][linear->group]
                                          : LinearScheme::Float;
}

void QuantizedCheckpoint::addQuantized(const std::string &linear, LinearScheme scheme,
                                       const std::vector<uint64_t> &shape) {
  const uint64_t rows = shape[0];
  const auto add = [&](const char *part, DType dtype, std::vector<uint64_t> shape) {
    entries_.push_back({TensorHeader::of(linear + "." + part, dtype, std::move(shape)), scheme});
  };
  add("weight", DType::Int8, shape);
  if (scheme == LinearScheme::W8A8) {
    add("input_scale", dtype_, {1});
    add("input_offset", DType::Int8, {1});
    add("quant_bias", DType::Int32, {rows});
    if (dtype_ == DType::Float16)
      entries_.push_back({{linear + ".deq_scale", "I64", {rows}, rows * 8}, scheme});
    else
      add("deq_scale", DType::Float32, {rows});
  }
  add("weight_scale", DType::Float32, {rows, 1});
  add("weight_offset", DType::Float32, {rows, 1});
}

std::vector<TensorHeader> QuantizedCheckpoint::tensors() const {
  std::vector<TensorHeader> headers;
  for (const Entry &entry : entries_)
    headers.push_back(entry.header);
  return headers;
}

uint64_t QuantizedCheckpoint::quantizedLinears() const {
  return uint64_t(std::ranges::count_if(entries_, [](const Entry &entry) {
    return entry.scheme != LinearScheme::Float && entry.header.name.ends_with(".weight");
  }));
}

std::vector<std::byte> QuantizedCheckpoint::produceFloat(const std::string &name) const {
  const Matrix values = model_.tensor(name);
  std::vector<std::byte> bytes(values.values.size() * byteSize(dtype_));
  const CastLoss loss = convertElements(reinterpret_cast<const std::byte *>(values.values.data()),
                                        DType::Float32, bytes.data(), dtype_, values.values.size());
  if (loss.overflows > 0)
    fail("tensor {}: {} of {} values are beyond the range of {}; --dtype chooses another type",
         quote(name), loss.overflows, values.values.size(), toString(dtype_));
  return bytes;
}

const QuantizedWeight &QuantizedCheckpoint::quantized(const std::string &linear) {
  if (lastLinear_ != linear) {
    const Matrix weight = model_.tensor(linear + ".weight");
    if (!std::ranges::all_of(weight.values, [](float value) { return std::isfinite(value); }))
      fail("tensor {} holds values that are no numbers; it cannot be quantised",
           quote(linear + ".weight"));
    lastWeight_ = quantizeWeight(weight);
    lastLinear_ = linear;
  }
  return lastWeight_;
}

std::vector<std::byte> QuantizedCheckpoint::produceQuantized(const std::string &name) {
  const std::string linear = linearOf(name), part = name.substr(linear.size() + 1);
  const auto input = [&] { // of a static one, which is in a layer
    const LinearTensor tensor = *parseLinearTensor(name);
    return scales_.at({tensor.layer, tensor.group});
  };
  if (part == "input_offset")
    return bytesOf(std::vector{input().offset});
  if (part == "input_scale") {
    const float scale = input().scale;
    std::vector<std::byte> bytes(byteSize(dtype_));
    convertElements(reinterpret_cast<const std::byte *>(&scale), DType::Float32, bytes.data(),
                    dtype_, 1);
    return bytes;
  }
  const QuantizedWeight &weight = quantized(linear);
  if (part == "weight")
    return bytesOf(weight.values);
  if (part == "weight_scale")
    return bytesOf(weight.scales);
  if (part == "weight_offset")
    return bytesOf(std::vector<float>(weight.rows));
  const std::string biasName = linear + ".bias";
  const bool hasBias = std::ranges::any_of(
      entries_, [&](const Entry &entry) { return entry.header.name == biasName; });
  const Matrix bias = hasBias ? model_.tensor(biasName) : Matrix();
  const StaticLinear result = staticLinear(weight, input(), hasBias ? &bias : nullptr, linear);
  if (part == "quant_bias")
    return bytesOf(result.quantBias);
  return dtype_ == DType::Float16 ? packedScales(result.deqScale) : bytesOf(result.deqScale);
}

std::vector<std::byte> QuantizedCheckpoint::produce(const TensorHeader &tensor) {
  return schemeOf(tensor.name) == LinearScheme::Float ? produceFloat(tensor.name)
                                                      : produceQuantized(tensor.name);
}

std::string QuantizedCheckpoint::description() const {
  LinearScheme highest = LinearScheme::Float;
  for (const Entry &entry : entries_)
    highest = std::max(highest, entry.scheme);
  nlohmann::ordered_json json = {{"model_quant_type", descriptionTag(highest)},
                                 {"version", "1.0.0"},
                                 {"group_size", 0},
                                 {"kv_quant_type", nullptr},
                                 {"metadata", nlohmann::ordered_json::object()}};
  for (const Entry &entry : entries_)
    json[entry.header.name] = descriptionTag(entry.scheme);
  return json.dump(2) + "\n";
}

CheckpointFiles writeCheckpoint(const std::filesystem::path &folder,
                                QuantizedCheckpoint &checkpoint, const std::string &base,
                                uint64_t shardBytes,
                                const std::function<void(uint64_t, uint64_t)> &progress) {
  const std::vector<Shard> shards = divideIntoShards(checkpoint.tensors(), base, shardBytes);
  CheckpointFiles files{0, shards.size(), 0};
  for (const Shard &shard : shards)
    files.bytes += shard.dataBytes();
  uint64_t done = 0;
  for (const Shard &shard : shards) {
    if (isWritten(folder, shard)) {
      ++files.kept;
      done += shard.dataBytes();
      continue;
    }
    writeShard(folder, shard, [&](const TensorHeader &tensor) {
      if (progress)
        progress(done += tensor.bytes, files.bytes);
      return checkpoint.produce(tensor);
    });
  }
  if (shards.size() > 1)
    writeIndex(folder, base, shards);
  return files;
}

} // namespace vinci
