#include "runtime/weights/safetensors.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/quote.h"
#include "runtime/support/json.h"

#include <algorithm>
#include <cstring>

namespace vinci {
namespace {

constexpr uint64_t lengthBytes = 8;
constexpr size_t maxTensorRank = 16;

struct FileType {
  std::string_view name;
  unsigned bits;
  std::optional<DType> dtype;
};

/// Every dtype of the format. What Vinci cannot compute with is refused only where such a tensor is
/// needed.
constexpr FileType fileTypes[] = {
    {"BOOL", 8, {}},
    {"U8", 8, {}},
    {"I8", 8, DType::Int8},
    {"F8_E5M2", 8, {}},
    {"F8_E4M3", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F4", 4, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"I16", 16, {}},
    {"U16", 16, {}},
    {"F16", 16, DType::Float16},
    {"I32", 32, DType::Int32},
    {"U32", 32, {}},
    {"F32", 32, DType::Float32},
    {"F64", 64, {}},
    {"I64", 64, {}},
    {"U64", 64, {}},
    {"C64", 64, {}},
    {"BF16", 16, DType::BFloat16},
};

/// What the header says of one tensor.
struct Claim {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape, offsets;
};

std::vector<uint64_t> readSizes(const JsonValue &list, const std::string &name) {
  if (!list.isArray())
    list.failExpected(name, "an array of sizes");
  if (list.size() > maxTensorRank)
    list.failExpected(name, fmt::format("an array of at most {} sizes", maxTensorRank));
  std::vector<uint64_t> sizes;
  for (const JsonValue &value : list.elements())
    sizes.push_back(uint64_t(value.toInteger(name, 0)));
  return sizes;
}

Claim readClaim(const JsonValue &key, const JsonValue &tensor) {
  Claim claim{std::string(key.toText("a tensor's name")), {}, {}, {}};
  std::string where = "tensor " + quote(claim.name);
  if (!tensor.isObject())
    tensor.failExpected(where, "an object of dtype, shape and data_offsets");
  for (const auto &[fieldKey, value] : tensor.members()) {
    std::string_view field = fieldKey.toText("a key");
    std::string fieldWhere = fmt::format("{}, {}", where, field);
    if (field == "dtype")
      claim.dtype = value.toText(fieldWhere);
    else if (field == "shape")
      claim.shape = readSizes(value, fieldWhere);
    else if (field == "data_offsets")
      claim.offsets = readSizes(value, fieldWhere);
    else
      fieldKey.failExpected(where + ", a key", "dtype, shape or data_offsets");
  }
  return claim;
}

std::map<std::string, std::string> readMetadata(const JsonValue &object) {
  if (!object.isObject())
    object.failExpected("__metadata__", "an object of texts");
  std::map<std::string, std::string> metadata;
  for (const auto &[key, value] : object.members())
    metadata.emplace(key.toText("a key"), value.toText("a value of __metadata__"));
  return metadata;
}

/// A tensor whose claim is true of `data`.
TensorView checkClaim(const Claim &claim, std::span<const std::byte> data,
                      const std::string &file) {
  auto fail = [&]<typename... Args>(fmt::format_string<Args...> format, Args &&...args) {
    vinci::fail(SourcePosition{file}, "tensor {}: {}", quote(claim.name),
                fmt::format(format, std::forward<Args>(args)...));
  };
  if (!claim.dtype || !claim.shape || !claim.offsets)
    fail("{} is absent", !claim.dtype ? "dtype" : !claim.shape ? "shape" : "data_offsets");
  const FileType *type =
      std::find_if(std::begin(fileTypes), std::end(fileTypes),
                   [&](const FileType &known) { return known.name == *claim.dtype; });
  if (type == std::end(fileTypes))
    fail("its dtype {} is unknown to the safetensors format", quote(*claim.dtype));
  if (claim.offsets->size() != 2)
    fail("data_offsets has {} elements, expected 2", claim.offsets->size());
  uint64_t begin = (*claim.offsets)[0], end = (*claim.offsets)[1];
  if (begin > end)
    fail("data_offsets [{}, {}] run backwards", begin, end);
  if (end > data.size())
    fail("data_offsets [{}, {}] end outside the {} bytes of data: the file is truncated or its "
         "header wrong",
         begin, end, data.size());
  std::optional<uint64_t> bits = elementCount(*claim.shape);
  if (bits)
    bits = checkedMul(*bits, type->bits);
  if (!bits || *bits % 8 != 0 || *bits / 8 != end - begin)
    fail("data_offsets [{}, {}] hold {} bytes, shape {} of {} takes {}", begin, end, end - begin,
         shapeToString(*claim.shape), *claim.dtype,
         !bits            ? "more than any file has"
         : *bits % 8 != 0 ? "no whole number"
                          : std::to_string(*bits / 8));
  return {claim.name, *claim.dtype, type->dtype, *claim.shape, data.subspan(begin, end - begin),
          file};
}

/// The format wants the data covered exactly: whatever lies hidden between tensors is not a
/// tensor's.
void checkCoverage(const std::vector<TensorView> &tensors, std::span<const std::byte> data,
                   const std::string &file) {
  const std::byte *end = data.data();
  const TensorView *previous = nullptr;
  for (const TensorView &tensor : tensors) {
    if (tensor.bytes.data() < end)
      fail(SourcePosition{file}, "tensor {} overlaps tensor {}", quote(tensor.name),
           quote(previous->name));
    if (tensor.bytes.data() > end)
      fail(SourcePosition{file}, "{} bytes of data before tensor {} belong to no tensor",
           tensor.bytes.data() - end, quote(tensor.name));
    end = tensor.bytes.data() + tensor.bytes.size();
    previous = &tensor;
  }
  if (end != data.data() + data.size())
    fail(SourcePosition{file}, "{} bytes of data at the end of the file belong to no tensor",
         data.data() + data.size() - end);
}

} // namespace

std::string_view safetensorsName(DType dtype) {
  for (const FileType &type : fileTypes)
    if (type.dtype == dtype)
      return type.name;
  failInternal("safetensors have no type for {}", toString(dtype));
}

std::string shapeToString(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path &path) {
  MappedFile mapped = MappedFile::open(path);
  SafetensorsFile file = parse(mapped.bytes(), path.string());
  file.file_ = std::move(mapped);
  return file;
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, std::string name) {
  uint64_t length = 0;
  if (bytes.size() < lengthBytes)
    fail(SourcePosition{name}, "this is not a safetensors file: it has {} bytes", bytes.size());
  std::memcpy(&length, bytes.data(), lengthBytes);
  if (length > maxSafetensorsHeaderBytes)
    fail(SourcePosition{name}, "its header claims {} bytes, the most that is legal is {}", length,
         maxSafetensorsHeaderBytes);
  if (length > bytes.size() - lengthBytes)
    fail(SourcePosition{name}, "the file is truncated: its header has {} bytes, the file {}", length,
         bytes.size());
  std::span<const std::byte> json = bytes.subspan(lengthBytes, length);
  if (json.empty() || json.front() != std::byte{'{'})
    fail(SourcePosition{name}, "this is not a safetensors file: its header is no JSON object");
  JsonLimits limits;
  limits.maxDepth = 3;
  JsonDocument header = JsonDocument::parse(
      std::string(reinterpret_cast<const char *>(json.data()), json.size()), name, limits);

  SafetensorsFile file;
  file.name_ = std::move(name);
  file.header_ = bytes.first(lengthBytes + length);
  file.fileBytes_ = bytes.size();
  std::span<const std::byte> data = bytes.subspan(lengthBytes + length);
  for (const auto &[key, value] : header.root().members())
    if (key.toText("a tensor's name") == "__metadata__")
      file.metadata_ = readMetadata(value);
    else
      file.tensors_.push_back(checkClaim(readClaim(key, value), data, file.name_));
  // Empty tensors come before the one that begins where they stand. Names make the order total.
  std::sort(file.tensors_.begin(), file.tensors_.end(),
            [](const TensorView &a, const TensorView &b) {
              return std::tuple(a.bytes.data(), a.bytes.size(), std::string_view(a.name)) <
                     std::tuple(b.bytes.data(), b.bytes.size(), std::string_view(b.name));
            });
  checkCoverage(file.tensors_, data, file.name_);
  for (size_t i = 0; i < file.tensors_.size(); ++i)
    file.byName_.emplace(file.tensors_[i].name, i);
  return file;
}

const TensorView *SafetensorsFile::find(std::string_view tensor) const {
  auto found = byName_.find(tensor);
  return found == byName_.end() ? nullptr : &tensors_[found->second];
}

} // namespace vinci
