#include "runtime/weights/safetensors_writer.h"

#include "runtime/plan/layout.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vinci {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

TensorHeader TensorHeader::of(std::string name, DType dtype, std::vector<uint64_t> shape) {
  const auto count = elementCount(shape);
  if (!count)
    failInternal("a tensor of shape {} is to be written", shapeToString(shape));
  return {std::move(name), std::string(safetensorsName(dtype)), std::move(shape),
          *count * byteSize(dtype)};
}

uint64_t Shard::dataBytes() const {
  uint64_t bytes = 0;
  for (const TensorHeader &tensor : tensors)
    bytes += tensor.bytes;
  return bytes;
}

std::string Shard::header() const {
  Json json = Json::object();
  if (!metadata.empty())
    json["__metadata__"] = metadata;
  uint64_t begin = 0;
  for (const TensorHeader &tensor : tensors) {
    json[tensor.name] = {{"dtype", tensor.dtypeName},
                         {"shape", tensor.shape},
                         {"data_offsets", {begin, begin + tensor.bytes}}};
    begin += tensor.bytes;
  }
  std::string text = json.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char *>(&length), sizeof length) + text;
}

/// Bits of an element, or of a row of 8 for types of less than a byte.
static uint64_t widthOf(const TensorHeader &tensor) {
  const uint64_t count = elementCount(tensor.shape).value_or(0);
  return count ? tensor.bytes * 8 / count : 0;
}

std::vector<Shard> divideIntoShards(std::vector<TensorHeader> tensors, const std::string &base,
                                    uint64_t maxBytes) {
  std::vector<Shard> shards(1);
  uint64_t bytes = 0;
  for (TensorHeader &tensor : tensors) {
    if (bytes + tensor.bytes > maxBytes && !shards.back().tensors.empty()) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += tensor.bytes;
    shards.back().tensors.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    std::ranges::stable_sort(shards[i].tensors, std::greater<>(), widthOf);
    shards[i].file = shards.size() == 1
                         ? base + ".safetensors"
                         : fmt::format("{}-{:05}-of-{:05}.safetensors", base, i + 1, shards.size());
  }
  return shards;
}

bool isWritten(const fs::path &folder, const Shard &shard) {
  const fs::path path = folder / shard.file;
  const std::string header = shard.header();
  std::error_code error;
  if (fs::file_size(path, error) != header.size() + shard.dataBytes() || error)
    return false;
  const MappedFile file = MappedFile::open(path);
  return std::ranges::equal(file.bytes().first(header.size()),
                            std::as_bytes(std::span(header.data(), header.size())));
}

void writeShard(const fs::path &folder, const Shard &shard, const TensorProducer &produce) {
  AtomicFile file(folder / shard.file);
  const std::string header = shard.header();
  file.write(std::as_bytes(std::span(header.data(), header.size())));
  for (const TensorHeader &tensor : shard.tensors) {
    const std::vector<std::byte> bytes = produce(tensor);
    if (bytes.size() != tensor.bytes)
      failInternal("tensor {} has {} bytes, its header says {}", tensor.name, bytes.size(),
                   tensor.bytes);
    file.write(bytes);
  }
  file.commit();
}

void writeIndex(const fs::path &folder, const std::string &base, std::span<const Shard> shards) {
  uint64_t bytes = 0;
  std::map<std::string, std::string> shardOf;
  for (const Shard &shard : shards) {
    bytes += shard.dataBytes();
    for (const TensorHeader &tensor : shard.tensors)
      shardOf[tensor.name] = shard.file;
  }
  const Json index = {{"metadata", {{"total_size", bytes}}}, {"weight_map", shardOf}};
  const std::string text = index.dump(2) + "\n";
  writeFileAtomically(folder / (base + ".safetensors.index.json"),
                      std::as_bytes(std::span(text.data(), text.size())));
}

} // namespace vinci
