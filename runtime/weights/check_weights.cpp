#include "runtime/weights/check_weights.h"

#include "runtime/plan/quote.h"
#include "runtime/plan/types.h"
#include "runtime/weights/stack.h"

#include <algorithm>
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

/// Tensors that checkpoints carry and no model reads: what old exporters left, and what the tensors
/// of a quantised linear were made of. `required` are the names of those that are read.
bool isMeaningless(std::string_view tensor, const std::set<std::string_view> &required) {
  if (tensor.ends_with("rotary_emb.inv_freq") || tensor == "lm_head.weight")
    return true;
  const size_t dot = tensor.rfind('.');
  if (dot == std::string_view::npos)
    return false;
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

} // namespace

std::string stackSource(std::string_view source, uint64_t index) {
  size_t placeholder = source.find("{}");
  if (placeholder == std::string_view::npos)
    return std::string(source);
  return fmt::format("{}{}{}", source.substr(0, placeholder), index,
                     source.substr(placeholder + 2));
}

std::vector<RequiredTensor> requiredTensors(const fb::Plan &plan) {
  std::vector<RequiredTensor> required;
  std::set<std::string> seen;
  for (const fb::Weight *weight : *plan.weights())
    for (uint32_t i = 0; i < stackCount(*weight); ++i) {
      std::string name = stackSource(weight->source()->string_view(), i);
      if (seen.insert(name).second)
        required.push_back(
            {name, {weight->shape()->begin(), weight->shape()->end()}, toDType(weight->dtype())});
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

void checkWeights(std::span<const RequiredTensor> required, const Checkpoint &checkpoint) {
  std::vector<std::string> missing, surplus, misshapen, unusable, asymmetric;
  std::set<std::string_view> names;
  for (const RequiredTensor &tensor : required) {
    names.insert(tensor.name);
    const TensorView *found = checkpoint.find(tensor.name);
    if (!found)
      missing.push_back(quote(tensor.name));
    else if (!sameShape(found->shape, tensor.shape))
      misshapen.push_back(fmt::format("{} is {}, expected {}", quote(tensor.name),
                                      shapeToString(found->shape), shapeToString(tensor.shape)));
    else if (auto legal = readableDTypes(tensor.name, tensor.dtype);
             std::ranges::find(legal, found->dtypeName) == legal.end())
      unusable.push_back(fmt::format("{} is {}, expected {}", quote(tensor.name), found->dtypeName,
                                     fmt::join(legal, " or ")));
  }
  for (const auto &[name, tensor] : checkpoint.tensors()) {
    if (names.contains(name))
      continue;
    if (!isMeaningless(name, names))
      surplus.push_back(quote(name));
    else if (name.ends_with(".weight_offset") && !isZero(*tensor))
      asymmetric.push_back(quote(name));
  }
  if (missing.empty() && surplus.empty() && misshapen.empty() && unusable.empty() &&
      asymmetric.empty())
    return;
  fail(SourcePosition{checkpoint.name()}, "the checkpoint does not fit the model{}{}{}{}{}",
       paragraph("missing", missing), paragraph("surplus", surplus),
       paragraph("of another shape", misshapen), paragraph("of another dtype", unusable),
       paragraph("not zero, as offsets of int8 weights must be", asymmetric));
}

void checkWeights(const Plan &plan, const Checkpoint &checkpoint) {
  checkWeights(requiredTensors(*plan.root()), checkpoint);
}

} // namespace vinci
