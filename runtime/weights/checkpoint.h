// The weights of a model directory: one safetensors file or several shards with an index.
#pragma once

#include "runtime/weights/safetensors.h"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class Checkpoint {
public:
  /// Reads the first of these that is there: model.safetensors.index.json and its shards,
  /// model.safetensors, the only *.safetensors.index.json, the only *.safetensors file. Throws Error
  /// if the index names a missing shard, a path outside the directory, or a tensor that its shard
  /// does not hold, and if two shards hold a tensor of the same name.
  static Checkpoint open(const std::filesystem::path &modelDir);

  /// nullptr if there is none of that name.
  const TensorView *find(std::string_view name) const;
  /// All tensors by name.
  const std::map<std::string_view, const TensorView *> &tensors() const { return tensors_; }
  const std::vector<SafetensorsFile> &files() const { return files_; }
  /// The model directory as it was given, for messages.
  const std::string &name() const { return name_; }

  /// A hash of what the directory holds as far as one can tell without reading the data: each
  /// shard's name, size, modification time and header.
  uint64_t identity() const { return identity_; }

private:
  std::string name_;
  std::vector<SafetensorsFile> files_; ///< never grows after open: tensors_ points into it
  std::map<std::string_view, const TensorView *> tensors_;
  uint64_t identity_ = 0;
};

} // namespace vinci
