// A checkpoint in the vendor's quantised format, tensor by tensor, made from a float model.
//
//   W8A8           weight int8 [n, k]; input_scale [1] in the model's dtype; input_offset int8 [1];
//                  quant_bias int32 [n]; deq_scale [n], float32, of float16 models int64 whose
//                  lower 32 bits are a float32; weight_scale and weight_offset [n, 1]
//   W8A8_DYNAMIC   weight int8 [n, k]; weight_scale float32 [n, 1]; weight_offset [n, 1], zeros
//   W8A16          the same
// A bias stays, also where quant_bias holds it.
#pragma once

#include "runtime/quantize/float_model.h"
#include "runtime/quantize/quantized_linear.h"
#include "runtime/quantize/schemes.h"
#include "runtime/weights/safetensors_writer.h"

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vinci {

/// Of the inputs of static linears, by layer and group: linears that share an input share these.
using StaticScales = std::map<std::pair<uint64_t, LinearGroup>, StaticScale>;

class QuantizedCheckpoint {
public:
  /// `model` must outlive it. `dtype` is that of what stays float. `scales` has those of all W8A8
  /// linears; they are rounded to `dtype`, in which they are stored. `head` is Float or
  /// W8A8Dynamic; a quantised head must not be tied.
  QuantizedCheckpoint(const FloatModel &model, std::vector<LayerSchemes> schemes, DType dtype,
                      StaticScales scales, LinearScheme head = LinearScheme::Float);

  /// All tensors, in the order of the model.
  std::vector<TensorHeader> tensors() const;
  /// The values of one of them. Throws Error if a float does not fit `dtype`, or a weight is no
  /// number.
  std::vector<std::byte> produce(const TensorHeader &tensor);
  /// quant_model_description.json, with an entry for every tensor.
  std::string description() const;
  const StaticScales &scales() const { return scales_; }
  /// How many linears are quantised, each expert's and the head counted.
  uint64_t quantizedLinears() const;

private:
  struct Entry {
    TensorHeader header;
    LinearScheme scheme = LinearScheme::Float;
  };
  /// Of what the tensor stands for: a bias stays, so it is Float.
  LinearScheme schemeOf(const std::string &tensor) const;
  void addQuantized(const std::string &linear, LinearScheme scheme,
                    const std::vector<uint64_t> &shape);
  std::vector<std::byte> produceFloat(const std::string &name) const;
  std::vector<std::byte> produceQuantized(const std::string &name);
  const QuantizedWeight &quantized(const std::string &linear);

  const FloatModel &model_;
  std::vector<LayerSchemes> schemes_;
  DType dtype_;
  StaticScales scales_;
  LinearScheme head_;
  std::vector<Entry> entries_;
  /// The tensors of a linear are asked for one after another: the last one is kept.
  std::string lastLinear_;
  QuantizedWeight lastWeight_;
};

struct CheckpointFiles {
  uint64_t bytes = 0; ///< of the tensors
  uint64_t shards = 0;
  uint64_t kept = 0; ///< shards that an interrupted run had written
};

/// Writes the shards that `folder` does not hold yet and, if there are several, their index.
/// `progress` is called with bytes.
CheckpointFiles writeCheckpoint(const std::filesystem::path &folder,
                                QuantizedCheckpoint &checkpoint, const std::string &base,
                                uint64_t shardBytes,
                                const std::function<void(uint64_t, uint64_t)> &progress = {});

} // namespace vinci
