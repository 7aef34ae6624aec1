#include "runtime/weights/convert_checkpoint.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/quote.h"
#include "runtime/support/half.h"
#include "runtime/weights/safetensors_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vinci {

namespace fs = std::filesystem;

namespace {

bool isFloat(const TensorView &tensor) {
  return tensor.dtype == DType::Float32 || tensor.dtype == DType::Float16 ||
         tensor.dtype == DType::BFloat16;
}

/// Replaces infinities that were none before: the same sign, the largest magnitude.
void saturate(const TensorView &from, std::byte *to, DType type) {
  const uint64_t count = from.bytes.size() / byteSize(*from.dtype);
  const uint16_t infinity = type == DType::Float16 ? 0x7c00 : 0x7f80;
  std::vector<float> values(count);
  convertElements(from.bytes.data(), *from.dtype, reinterpret_cast<std::byte *>(values.data()),
                  DType::Float32, count);
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, to + i * sizeof bits, sizeof bits);
    if ((bits & 0x7fff) != infinity || std::isinf(values[i]))
      continue;
    --bits; // the largest finite value comes right before infinity
    std::memcpy(to + i * sizeof bits, &bits, sizeof bits);
  }
}

class Converter {
public:
  Converter(const Checkpoint &checkpoint, const ConvertOptions &options)
      : checkpoint_(checkpoint), options_(options) {}

  Shard shardOf(const SafetensorsFile &file) const {
    Shard shard{fs::path(file.name()).lexically_relative(checkpoint_.name()).string(), {}, {}};
    shard.metadata = file.metadata();
    for (const TensorView &tensor : file.tensors())
      shard.tensors.push_back(
          isFloat(tensor)
              ? TensorHeader::of(tensor.name, options_.dtype, tensor.shape)
              : TensorHeader{tensor.name, tensor.dtypeName, tensor.shape, tensor.bytes.size()});
    return shard;
  }

  std::vector<std::byte> convert(const TensorView &from) {
    if (!isFloat(from)) {
      result_.leftAlone.push_back(fmt::format("{} ({})", from.name, from.dtypeName));
      return {from.bytes.begin(), from.bytes.end()};
    }
    if (*from.dtype == options_.dtype) {
      ++result_.unchanged;
      return {from.bytes.begin(), from.bytes.end()};
    }
    ++result_.converted;
    const uint64_t count = from.bytes.size() / byteSize(*from.dtype);
    std::vector<std::byte> to(count * byteSize(options_.dtype));
    const CastLoss loss =
        convertElements(from.bytes.data(), *from.dtype, to.data(), options_.dtype, count);
    if (loss.overflows > 0 && !options_.saturate)
      fail(SourcePosition{from.file},
           "tensor {}: {} of {} values are beyond the range of {}; --saturate makes them the "
           "largest that there is",
           quote(from.name), loss.overflows, count, toString(options_.dtype));
    if (loss.overflows > 0)
      saturate(from, to.data(), options_.dtype);
    if (loss != CastLoss())
      result_.losses.push_back({from.name, count, loss});
    return to;
  }

  Conversion &result() { return result_; }

private:
  const Checkpoint &checkpoint_;
  const ConvertOptions &options_;
  Conversion result_;
};

/// What the names of Hugging Face's index begin with; empty: the checkpoint has none.
std::string indexBase(const fs::path &folder) {
  static constexpr std::string_view ending = ".safetensors.index.json";
  for (const fs::directory_entry &entry : fs::directory_iterator(folder))
    if (std::string name = entry.path().filename().string(); name.ends_with(ending))
      return name.substr(0, name.size() - ending.size());
  return {};
}

} // namespace

Conversion convertCheckpoint(const Checkpoint &checkpoint, const fs::path &folder,
                             const ConvertOptions &options,
                             const std::function<void(uint64_t, uint64_t)> &progress) {
  Converter converter(checkpoint, options);
  Conversion &result = converter.result();
  uint64_t done = 0, total = 0;
  for (const SafetensorsFile &file : checkpoint.files())
    total += file.fileBytes();
  std::vector<Shard> shards;
  for (const SafetensorsFile &file : checkpoint.files()) {
    const Shard &shard = shards.emplace_back(converter.shardOf(file));
    const auto produce = [&](const TensorHeader &header) {
      const TensorView &tensor = *file.find(header.name);
      progress(done += tensor.bytes.size(), total);
      return converter.convert(tensor);
    };
    fs::create_directories((folder / shard.file).parent_path());
    if (isWritten(folder, shard)) {
      ++result.shardsKept;
      for (const TensorHeader &header : shard.tensors)
        produce(header);
    } else {
      writeShard(folder, shard, produce);
    }
    result.bytes += shard.dataBytes();
  }
  result.shards = shards.size();
  if (const std::string base = indexBase(checkpoint.name()); !base.empty())
    writeIndex(folder, base, shards);
  return std::move(result);
}

} // namespace vinci
