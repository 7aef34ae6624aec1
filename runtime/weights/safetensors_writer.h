// Writes checkpoints: safetensors files and the index of several. The same tensors give the same
// bytes.
//
// A shard is written whole under a temporary name and then renamed, so that one that is there is
// complete: work that was interrupted goes on with the next.
#pragma once

#include "runtime/plan/atomic_file.h"
#include "runtime/weights/safetensors.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vinci {

/// What a file is to hold of a tensor, before there are values.
struct TensorHeader {
  std::string name;
  std::string dtypeName; ///< as in the file: "BF16", "I8", …
  std::vector<uint64_t> shape;
  uint64_t bytes = 0;

  /// Of a type that Vinci computes with.
  static TensorHeader of(std::string name, DType dtype, std::vector<uint64_t> shape);
};

/// A file of a checkpoint and its tensors, in the order of their data.
struct Shard {
  std::string file; ///< its name in the folder
  std::vector<TensorHeader> tensors;
  std::map<std::string, std::string> metadata = {{"format", "pt"}}; ///< what transformers asks for

  uint64_t dataBytes() const;
  /// Length and JSON, padded to a multiple of 8.
  std::string header() const;
};

/// Puts `tensors`, in their order, into as few files as hold at most `maxBytes` of data each, or
/// one tensor: `BASE.safetensors` if one is enough, else `BASE-00001-of-00003.safetensors` and so
/// on. Within a file those with larger elements come first, so that all are aligned.
std::vector<Shard> divideIntoShards(std::vector<TensorHeader> tensors, const std::string &base,
                                    uint64_t maxBytes);

/// True if `folder` holds the shard: its size and header are those that writeShard gives it.
bool isWritten(const std::filesystem::path &folder, const Shard &shard);

/// The values of a tensor, row-major; as many bytes as its header says.
using TensorProducer = std::function<std::vector<std::byte>(const TensorHeader &)>;

/// Writes `shard` into `folder`, holding one tensor in memory at a time. Throws Error naming the
/// file if it cannot be written.
void writeShard(const std::filesystem::path &folder, const Shard &shard,
                const TensorProducer &produce);

/// `BASE.safetensors.index.json`: which shard has which tensor, and the bytes of all.
void writeIndex(const std::filesystem::path &folder, const std::string &base,
                std::span<const Shard> shards);

} // namespace vinci
