#include "runtime/weights/check_weights.h"

#include "runtime/plan/quote.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/stack.h"

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

/// Tensors that old exporters left in checkpoints and that no model reads.
bool isMeaningless(std::string_view tensor) {
  return tensor.ends_with("rotary_emb.inv_freq") || tensor == "lm_head.weight";
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
        required.push_back({name, {weight->shape()->begin(), weight->shape()->end()}});
    }
  return required;
}

void checkWeights(std::span<const RequiredTensor> required, const Checkpoint &checkpoint) {
  std::vector<std::string> missing, surplus, misshapen, unusable;
  std::set<std::string_view> names;
  for (const RequiredTensor &tensor : required) {
    names.insert(tensor.name);
    const TensorView *found = checkpoint.find(tensor.name);
    if (!found)
      missing.push_back(quote(tensor.name));
    else if (found->shape != tensor.shape)
      misshapen.push_back(fmt::format("{} is {}, expected {}", quote(tensor.name),
                                      shapeToString(found->shape), shapeToString(tensor.shape)));
    else if (!found->dtype || !isConvertible(*found->dtype, DType::Float32))
      unusable.push_back(fmt::format("{} is {}", quote(tensor.name), found->dtypeName));
  }
  for (const auto &[name, tensor] : checkpoint.tensors())
    if (!names.contains(name) && !isMeaningless(name))
      surplus.push_back(quote(name));
  if (missing.empty() && surplus.empty() && misshapen.empty() && unusable.empty())
    return;
  fail(SourcePosition{checkpoint.name()}, "the checkpoint does not fit the model{}{}{}{}",
       paragraph("missing", missing), paragraph("surplus", surplus),
       paragraph("of another shape", misshapen),
       paragraph("of a dtype other than F32, F16 and BF16", unusable));
}

void checkWeights(const Plan &plan, const Checkpoint &checkpoint) {
  checkWeights(requiredTensors(*plan.root()), checkpoint);
}

} // namespace vinci
