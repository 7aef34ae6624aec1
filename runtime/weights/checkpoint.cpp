#include "runtime/weights/checkpoint.h"

#include "runtime/plan/plan_file.h"
#include "runtime/plan/quote.h"

#include <algorithm>
#include <set>

namespace vinci {
namespace {

namespace fs = std::filesystem;

/// What an index says: tensor name -> name of its shard, a path relative to the model directory.
using ShardMap = std::map<std::string, std::string>;

/// An index is data from somewhere else: it must not make Vinci open files all over the disk. (A
/// shard may still be a symbolic link, as in the Hugging Face cache.)
void checkShardPath(const std::string &shard, const std::string &index) {
  fs::path path(shard);
  bool inside = !shard.empty() && path.is_relative() && shard.find('\0') == std::string::npos;
  for (const fs::path &part : path)
    inside &= part != "..";
  if (!inside)
    fail(SourcePosition{index}, "shard {} is not a file inside the model directory", quote(shard));
}

constexpr const char *huggingFaceIndex = "model.safetensors.index.json";
constexpr const char *mindFormersIndex = "param_name_map.json";

/// The index in `dir`, where there is no model.safetensors also the only one of another name; nullopt
/// if there is none.
std::optional<fs::path> findIndex(const fs::path &dir) {
  std::optional<fs::path> found;
  std::error_code error;
  for (const char *name : {huggingFaceIndex, mindFormersIndex}) {
    if (!fs::exists(dir / name, error))
      continue;
    if (found)
      fail(SourcePosition{dir.string()}, "the folder holds both {} and {}; one of them must go",
           huggingFaceIndex, mindFormersIndex);
    found = dir / name;
  }
  if (found || fs::exists(dir / "model.safetensors", error))
    return found;
  std::vector<fs::path> others;
  for (const fs::directory_entry &entry : fs::directory_iterator(dir, error))
    if (entry.path().filename().string().ends_with(".safetensors.index.json"))
      others.push_back(entry.path());
  return others.size() == 1 ? std::optional(others.front()) : std::nullopt;
}

/// Hugging Face: {"metadata": {…}, "weight_map": {"tensor": "shard file", …}}. MindFormers: the
/// inner object alone, or the same.
ShardMap readIndex(const fs::path &path) {
  JsonLimits limits;
  limits.maxBytes = maxSafetensorsHeaderBytes;
  JsonDocument document = JsonDocument::read(path, limits);
  std::optional<JsonValue> weightMap = document.root().find("weight_map");
  const bool isMindFormers = path.filename() == mindFormersIndex;
  if (!weightMap && isMindFormers)
    weightMap = document.root();
  if (!weightMap || !weightMap->isObject() || weightMap->size() == 0)
    fail(SourcePosition{path.string()}, "the index names no tensors: it {}",
         isMindFormers ? "is no object of tensors and their shards" : "has no weight_map");
  ShardMap shardOf;
  for (const auto &[tensor, shard] : weightMap->members()) {
    std::string name(tensor.toText("a tensor's name"));
    shardOf.emplace(name, shard.toText("the shard of tensor " + quote(name)));
  }
  return shardOf;
}

/// The file names of the model's shards, sorted.
std::vector<std::string> findShards(const fs::path &dir, const ShardMap *index) {
  std::set<std::string> names;
  if (index) {
    for (const auto &[tensor, shard] : *index)
      names.insert(shard);
    return {names.begin(), names.end()};
  }
  std::error_code error;
  if (fs::exists(dir / "model.safetensors", error))
    return {"model.safetensors"};
  fs::directory_iterator entries(dir, error);
  if (error)
    fail(SourcePosition{dir.string()}, "cannot read the folder: {}", error.message());
  for (const fs::directory_entry &entry : entries)
    if (entry.path().extension() == ".safetensors")
      names.insert(entry.path().filename().string());
  if (names.empty())
    fail(SourcePosition{dir.string()}, "the folder holds no weights: neither {} nor {} nor a *.safetensors file",
         huggingFaceIndex, mindFormersIndex);
  if (names.size() > 1)
    fail(SourcePosition{dir.string()},
         "the folder holds {} *.safetensors files, the first {} and {}, but neither {} nor {}", names.size(),
         quote(*names.begin()), quote(*std::next(names.begin())), huggingFaceIndex, mindFormersIndex);
  return {names.begin(), names.end()};
}

std::span<const std::byte> asBytes(const std::string &text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

} // namespace

Checkpoint Checkpoint::open(const fs::path &modelDir) {
  std::error_code error;
  if (!fs::is_directory(modelDir, error))
    fail(SourcePosition{modelDir.string()}, "this is not a directory; expected one with *.safetensors");
  Checkpoint checkpoint;
  checkpoint.name_ = modelDir.string();
  const std::optional<fs::path> foundIndex = findIndex(modelDir);
  const fs::path indexPath = foundIndex.value_or(fs::path());
  std::optional<ShardMap> index;
  if (foundIndex)
    index.emplace(readIndex(indexPath));

  std::vector<std::string> shards = findShards(modelDir, index ? &*index : nullptr);
  std::string identity;
  checkpoint.files_.reserve(shards.size());
  for (const std::string &shard : shards) {
    if (index) {
      checkShardPath(shard, indexPath.string());
      if (!fs::exists(modelDir / shard, error))
        fail(SourcePosition{indexPath.string()}, "shard {} does not exist", quote(shard));
    }
    checkpoint.files_.push_back(SafetensorsFile::open(modelDir / shard));
    const SafetensorsFile &file = checkpoint.files_.back();
    for (const TensorView &tensor : file.tensors()) {
      auto [other, isNew] = checkpoint.tensors_.emplace(tensor.name, &tensor);
      if (!isNew)
        fail(SourcePosition{file.name()}, "tensor {} is in {} as well", quote(tensor.name),
             other->second->file);
    }
    auto time = fs::last_write_time(modelDir / shard, error).time_since_epoch().count();
    identity += fmt::format("{}\n{}\n{}\n{:016x}\n", quote(shard), file.fileBytes(), time,
                            hashBytes(file.header()));
  }
  if (index)
    for (const auto &[tensor, shard] : *index) {
      const TensorView *found = checkpoint.find(tensor);
      std::string expected = (modelDir / shard).string();
      if (!found)
        fail(SourcePosition{indexPath.string()}, "tensor {} is not in shard {}", quote(tensor),
             quote(shard));
      if (found->file != expected)
        fail(SourcePosition{indexPath.string()}, "tensor {} is not in shard {} but in {}",
             quote(tensor), quote(shard), found->file);
    }
  checkpoint.identity_ = hashBytes(asBytes(identity));
  return checkpoint;
}

const TensorView *Checkpoint::find(std::string_view name) const {
  auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

} // namespace vinci
