// A checkpoint in another floating-point type, file by file.
#pragma once

#include "runtime/weights/checkpoint.h"
#include "runtime/weights/packing.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace vinci {

struct ConvertOptions {
  DType dtype = DType::Float16;
  /// Values beyond the type become its largest; otherwise the first tensor that has any is an
  /// Error.
  bool saturate = false;
};

struct Conversion {
  struct Loss {
    std::string tensor;
    uint64_t values = 0;
    CastLoss loss;
  };
  std::vector<Loss> losses;              ///< of the tensors that lost more than digits
  std::vector<std::string> leftAlone;    ///< tensors that are no float32, float16 or bfloat16
  uint64_t converted = 0, unchanged = 0; ///< tensors; unchanged are those of the type already
  uint64_t bytes = 0;                    ///< of the new tensors
  uint64_t shards = 0, shardsKept = 0;   ///< kept: an interrupted run had written them
};

/// Writes the shards of `checkpoint` into `folder` under their own names, with an index if they had
/// one of Hugging Face's. A shard that is there already is not written again; what its tensors lost
/// counts all the same. `progress` is called with bytes of the source.
Conversion convertCheckpoint(const Checkpoint &checkpoint, const std::filesystem::path &folder,
                             const ConvertOptions &options,
                             const std::function<void(uint64_t done, uint64_t total)> &progress);

} // namespace vinci
