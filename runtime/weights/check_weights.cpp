#include "runtime/weights/check_weights.h"

#include "runtime/plan/quote.h"
#include "runtime/plan/types.h"
#include "runtime/weights/naming.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/shards.h"
#include "runtime/weights/stack.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace vinci {
namespace {

constexpr size_t maxListed = 10;

/// One paragraph of the message: "\n  missing (12): a, b, … and 2 more".
std::string paragraph(std::string_view what, const std::vector<std::string> &items) {
  if (items.empty())
    return {};
  std::string text = fmt::format("\n  {} ({}): ", what, items.size());
  size_t listed = std::min(items.size(), maxListed);
  text += fmt::format("{}", fmt::join(items.begin(), items.begin() + listed, ", "));
  if (items.size() > listed)
    text += fmt::format(" and {} more", items.size() - listed);
  return text;
}

/// Tensors that checkpoints carry and no model reads: what old exporters left, what the tensors of
/// a quantised linear were made of, and of a norm the other of the float model's weights and those
/// under `module`, for what reads it after outliers were moved. `required` are the names of those
/// that are read.
bool isMeaningless(std::string_view tensor, const std::set<std::string_view> &required) {
  if (tensor.ends_with("rotary_emb.inv_freq") || tensor == "lm_head.weight")
    return true;
  const size_t dot = tensor.rfind('.');
  if (dot == std::string_view::npos)
    return false;
  for (std::string_view moved : {"norm.module.weight", "norm.module.bias"})
    if (tensor.ends_with(moved))
      return required.contains(
          std::string(tensor.substr(0, tensor.rfind("module."))).append("weight"));
  if (tensor.ends_with("norm.weight") &&
      required.contains(std::string(tensor.substr(0, dot)).append(".module.weight")))
    return true;
  const std::string linear(tensor.substr(0, dot + 1));
  const std::string_view part = tensor.substr(dot + 1);
  const bool isStatic = required.contains(linear + "deq_scale");
  if (part == "weight_offset")
    return isStatic || required.contains(linear + "weight_scale");
  return isStatic && (part == "weight_scale" || part == "bias");
}

bool isZero(const TensorView &tensor) {
  return std::ranges::all_of(tensor.bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// Ones at the end of a shape add no elements: [n, 1] is [n], and [1] is [].
std::span<const uint64_t> withoutTrailingOnes(std::span<const uint64_t> shape) {
  while (!shape.empty() && shape.back() == 1)
    shape = shape.first(shape.size() - 1);
  return shape;
}

bool sameShape(std::span<const uint64_t> a, std::span<const uint64_t> b) {
  return std::ranges::equal(withoutTrailingOnes(a), withoutTrailingOnes(b));
}

using Required = std::map<std::string_view, const RequiredTensor *>;

/// The naming that `checkpoint` has: Hugging Face's unless names of another are there.
const Naming &namingOf(const Checkpoint &checkpoint, const Required &required) {
  const Naming *found = nullptr;
  std::string_view evidence;
  for (const Naming &naming : namings()) {
    const bool isHuggingFace = &naming == &namings().front();
    for (const auto &[name, tensor] : checkpoint.tensors()) {
      // The head has the same name in two of them.
      if (name == "lm_head.weight" ||
          !(isHuggingFace ? required.contains(name) : holdingOf(naming, name).has_value()))
        continue;
      if (found)
        fail(SourcePosition{checkpoint.name()},
             "the checkpoint mixes names of {} ({}) and of {} ({}); all must be of one naming",
             found->title, quote(evidence), naming.title, quote(name));
      found = &naming;
      evidence = name;
      break;
    }
  }
  return found ? *found : namings().front();
}

/// A tensor of the checkpoint and the required tensors that it holds.
struct Holder {
  const TensorView &tensor;
  std::vector<std::string> parts; ///< with "{}" for the expert in a stack
  JoinedTensors joined;
};

/// nullopt if `tensor` is not all made of required tensors.
std::optional<Holder> holderOf(const TensorView &tensor, const Naming &naming,
                               const Required &required, uint64_t keyValueHeads) {
  std::optional<Holding> holding = holdingOf(naming, tensor.name);
  if (!holding)
    return std::nullopt;
  Holder holder{tensor, holding->parts, {holding->layout, {}, 1, keyValueHeads}};
  auto shapeOf = [&](const std::string &part, uint64_t expert) {
    auto found = required.find(stackSource(part, expert));
    return found == required.end() ? nullptr : &found->second->shape;
  };
  for (const std::string &part : holder.parts) {
    const std::vector<uint64_t> *shape = shapeOf(part, 0);
    if (!shape)
      return std::nullopt;
    holder.joined.shapes.push_back(*shape);
  }
  if (holding->layout == Layout::TransposedStack)
    while (std::ranges::all_of(holder.parts, [&](const std::string &part) {
      const std::vector<uint64_t> *shape = shapeOf(part, holder.joined.experts);
      return shape && *shape == *shapeOf(part, 0);
    }))
      ++holder.joined.experts;
  return holder;
}

/// Part `part` (of `expert`). int64 elements carry a float32 in their lower halves.
TensorSlice sliceOf(const Holder &holder, size_t part, uint64_t expert) {
  const std::byte *data = holder.tensor.bytes.data();
  if (holder.tensor.dtypeName != "I64")
    return holder.joined.slice(data, *holder.tensor.dtype, part, expert);
  TensorSlice slice = holder.joined.slice(data, DType::Float32, part, expert);
  slice.rowStride *= 2;
  return slice;
}

/// `"w_qkv" [90, 7] does not divide into "q_proj" [42, 7] and …; [84, 7] is expected`.
std::string describeMisfit(const Holder &holder,
                           const std::optional<std::vector<uint64_t>> &expected) {
  const JoinedTensors &joined = holder.joined;
  if (joined.layout == Layout::Rows && holder.parts.size() == 1)
    return fmt::format("{} is {}, expected {}", describeSource(holder.tensor.name, holder.parts[0]),
                       shapeToString(holder.tensor.shape), shapeToString(*expected));
  std::vector<std::string> parts;
  for (size_t i = 0; i < holder.parts.size(); ++i)
    parts.push_back(fmt::format("{} {}", quote(holder.parts[i]), shapeToString(joined.shapes[i])));
  return fmt::format("{} {} does not divide into {}{}{}", quote(holder.tensor.name),
                     shapeToString(holder.tensor.shape), fmt::join(parts, " and "),
                     joined.layout == Layout::TransposedStack
                         ? fmt::format(", transposed, of {} experts", joined.experts)
                     : joined.layout == Layout::RowsPerKeyValueHead
                         ? fmt::format(" by {} KV heads", joined.keyValueHeads)
                         : "",
                     expected ? fmt::format("; {} is expected", shapeToString(*expected)) : "");
}

/// `"w1" or "w_gate_hidden" for "gate_proj"`, the same tensors of the checkpoint but once.
std::vector<std::string> describeMissing(std::span<const RequiredTensor> required,
                                         const WeightSources &found, const Naming &naming) {
  std::vector<std::string> items;
  std::set<std::string> known;
  for (const RequiredTensor &tensor : required) {
    if (found.contains(tensor.name))
      continue;
    std::vector<std::string> names;
    for (const std::string &name : holdersOf(naming, tensor.name))
      names.push_back(quote(name));
    std::string text = fmt::format("{}", fmt::join(names, " or "));
    if (names.empty())
      text = quote(tensor.name);
    if (!known.insert(text).second)
      continue;
    items.push_back(text == quote(tensor.name) ? text : text + " for " + quote(tensor.name));
  }
  return items;
}

} // namespace

std::string stackSource(std::string_view source, uint64_t index) {
  size_t placeholder = source.find("{}");
  if (placeholder == std::string_view::npos)
    return std::string(source);
  return fmt::format("{}{}{}", source.substr(0, placeholder), index,
                     source.substr(placeholder + 2));
}

std::string describeSource(std::string_view tensor, std::string_view required) {
  return tensor == required ? quote(tensor)
                            : fmt::format("{} for {}", quote(tensor), quote(required));
}

std::vector<RequiredTensor> requiredTensors(const fb::Plan &plan) {
  std::vector<RequiredTensor> required;
  std::map<std::string, std::vector<uint64_t>> shapes;
  auto require = [&](const std::string &name, const fb::WeightPiece &piece, fb::DType dtype) {
    std::vector<uint64_t> shape(piece.shape()->begin(), piece.shape()->end());
    auto [known, isNew] = shapes.emplace(name, shape);
    if (isNew)
      required.push_back({name, shape, toDType(dtype)});
    else if (known->second != shape)
      fail("two weights of the plan make tensor {} of shape {} and of {}", quote(name),
           shapeToString(known->second), shapeToString(shape));
  };
  for (const fb::Weight *weight : *plan.weights()) {
    for (const fb::WeightPiece *piece : *weight->pieces())
      for (uint64_t i = 0; i < tensorCount(*weight, *piece); ++i)
        require(stackSource(piece->source()->string_view(), i), *piece, weight->dtype());
    if (weight->equal())
      for (const flatbuffers::String *name : *weight->equal())
        require(name->str(), *weight->pieces()->Get(0), weight->dtype());
  }
  return required;
}

std::vector<std::string_view> readableDTypes(std::string_view tensor, DType dtype) {
  if (dtype == DType::Int8)
    return {"I8"};
  if (dtype == DType::Int32)
    return {"I32"};
  if (tensor.ends_with(".input_offset"))
    return {"F32", "F16", "BF16", "I8"};
  if (tensor.ends_with(".deq_scale") && dtype == DType::Float32)
    return {"F32", "F16", "BF16", "I64"};
  return {"F32", "F16", "BF16"};
}

WeightSources checkWeights(std::span<const RequiredTensor> required, uint64_t keyValueHeads,
                           const Checkpoint &checkpoint) {
  Required byName;
  for (const RequiredTensor &tensor : required)
    byName.emplace(tensor.name, &tensor);
  const Naming &naming = namingOf(checkpoint, byName);
  std::set<std::string_view> names;
  for (const RequiredTensor &tensor : required)
    names.insert(tensor.name);

  WeightSources sources;
  std::vector<std::string> surplus, twice, misshapen, unusable, asymmetric;
  for (const auto &[name, tensor] : checkpoint.tensors()) {
    std::optional<Holder> holder = holderOf(*tensor, naming, byName, keyValueHeads);
    if (!holder) {
      std::optional<Holding> holding = holdingOf(naming, name);
      if (!isMeaningless(holding ? holding->parts[0] : name, names))
        surplus.push_back(quote(name));
      else if (name.ends_with(".weight_offset") && !isZero(*tensor))
        asymmetric.push_back(quote(name));
      continue;
    }
    std::optional<std::vector<uint64_t>> shape = holder->joined.shape();
    const bool isFitting = shape && sameShape(tensor->shape, *shape);
    const RequiredTensor &first = *byName.at(stackSource(holder->parts[0], 0));
    const auto legal = readableDTypes(first.name, first.dtype);
    const bool isUsable = std::ranges::find(legal, tensor->dtypeName) != legal.end();
    if (!isFitting)
      misshapen.push_back(describeMisfit(*holder, shape));
    else if (!isUsable)
      unusable.push_back(fmt::format("{} is {}, expected {}",
                                     describeSource(name, holder->parts[0]), tensor->dtypeName,
                                     fmt::join(legal, " or ")));
    for (size_t part = 0; part < holder->parts.size(); ++part)
      for (uint64_t expert = 0; expert < holder->joined.experts; ++expert) {
        WeightSource source{tensor, {}};
        if (isFitting && isUsable)
          source.slice = sliceOf(*holder, part, expert);
        auto [other, isNew] = sources.emplace(stackSource(holder->parts[part], expert), source);
        if (!isNew && expert == 0)
          twice.push_back(fmt::format("{} in {} and {}", quote(holder->parts[part]),
                                      quote(other->second.tensor->name), quote(name)));
      }
  }
  std::vector<std::string> missing = describeMissing(required, sources, naming);
  if (missing.empty() && surplus.empty() && twice.empty() && misshapen.empty() &&
      unusable.empty() && asymmetric.empty())
    return sources;
  fail(SourcePosition{checkpoint.name()}, "the checkpoint does not fit the model{}{}{}{}{}{}",
       paragraph("missing", missing), paragraph("surplus", surplus), paragraph("held twice", twice),
       paragraph("of another shape", misshapen), paragraph("of another dtype", unusable),
       paragraph("not zero, as offsets of int8 weights must be", asymmetric));
}

/// The tensor as a plan packs it.
static std::vector<std::byte> packed(const fb::Weight &weight, const WeightSource &source) {
  std::vector<std::byte> bytes(weight.bytes());
  packTensor(source.slice, bytes.data(), toDType(weight.dtype()), weight.packing());
  return bytes;
}

/// A tensor with its value, as those are that a plan reads for another: scales and offsets of
/// activations.
static std::string describeScale(std::string_view tensor, const std::vector<std::byte> &bytes) {
  float value = 0;
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return fmt::format("{} ({})", quote(tensor), value);
}

/// Fails at the first tensor that is not equal to the one that a weight reads in its place.
static void checkEqual(const fb::Plan &plan, const WeightSources &sources,
                       const Checkpoint &checkpoint) {
  for (const fb::Weight *weight : *plan.weights()) {
    if (!weight->equal() || weight->equal()->size() == 0)
      continue;
    const std::string first = weight->pieces()->Get(0)->source()->str();
    const std::vector<std::byte> expected = packed(*weight, sources.at(first));
    for (const flatbuffers::String *name : *weight->equal())
      if (const auto found = packed(*weight, sources.at(name->str())); found != expected)
        fail(SourcePosition{checkpoint.name()},
             "the checkpoint does not fit the plan: {} and {} differ, and the plan reads the one "
             "for both; compile it with --passes -merge-quantize",
             describeScale(first, expected), describeScale(name->string_view(), found));
  }
}

WeightSources checkWeights(const Plan &plan, const Checkpoint &checkpoint) {
  WeightSources sources = checkWeights(requiredTensors(*plan.root()),
                                       plan.root()->model()->num_key_value_heads(), checkpoint);
  checkEqual(*plan.root(), sources, checkpoint);
  return sources;
}

} // namespace vinci
