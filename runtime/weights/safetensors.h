// One .safetensors file, mapped and never copied. https://huggingface.co/docs/safetensors
//
// Everything the header claims is checked before it is believed: its length against the file and a
// limit, its nesting, its keys, and of each tensor dtype, shape and data_offsets against each
// other, the file and the other tensors.
#pragma once

#include "runtime/plan/mapped_file.h"
#include "runtime/support/dtype.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// safetensors' own limit.
inline constexpr uint64_t maxSafetensorsHeaderBytes = 100'000'000;

/// A tensor in a mapped file: valid as long as its SafetensorsFile lives.
struct TensorView {
  std::string name;
  std::string dtypeName;      ///< as in the file: "BF16", "F8_E4M3", …
  std::optional<DType> dtype; ///< nullopt: a safetensors dtype that Vinci does not compute with
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
  std::string file; ///< for messages
};

/// How the format calls a type: "F32", "BF16", "F16", "I32", "I8".
std::string_view safetensorsName(DType dtype);

/// "[151936, 1024]".
std::string shapeToString(std::span<const uint64_t> shape);

class SafetensorsFile {
public:
  /// Throws Error naming the file, the tensor, and what is wrong with it.
  static SafetensorsFile open(const std::filesystem::path &path);
  /// The same for bytes in memory, which must outlive the result.
  static SafetensorsFile parse(std::span<const std::byte> bytes, std::string name);

  /// In the order of their data.
  const std::vector<TensorView> &tensors() const { return tensors_; }
  /// nullptr if there is none of that name.
  const TensorView *find(std::string_view tensor) const;
  /// `__metadata__`.
  const std::map<std::string, std::string> &metadata() const { return metadata_; }
  const std::string &name() const { return name_; }
  /// Length field and JSON: what identifies the file beside its size and time.
  std::span<const std::byte> header() const { return header_; }
  uint64_t fileBytes() const { return fileBytes_; }

private:
  MappedFile file_;
  std::string name_;
  std::span<const std::byte> header_;
  uint64_t fileBytes_ = 0;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t, std::less<>> byName_;
  std::map<std::string, std::string> metadata_;
};

} // namespace vinci
