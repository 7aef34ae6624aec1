#include "tools/vinci/plan_text.h"

#include <fmt/ranges.h>

#include <vector>

namespace vinci {

std::string dtypeName(fb::DType type) {
  return std::string(toString(static_cast<DType>(type)));
}

std::string symbolText(fb::Symbol symbol, uint64_t scale) {
  static constexpr const char *names[] = {"", "tokens", "sequences", "logit_rows", "token_shares"};
  if (symbol == fb::Symbol::One)
    return std::to_string(scale);
  const char *name = names[static_cast<size_t>(symbol)];
  return scale == 1 ? std::string(name) : fmt::format("{}*{}", scale, name);
}

std::string shapeText(fb::DType type, const flatbuffers::Vector<const fb::Dim *> *dims) {
  std::vector<std::string> parts;
  for (const fb::Dim *dim : *dims)
    parts.push_back(symbolText(dim->symbol(), dim->scale()));
  return fmt::format("{}[{}]", dtypeName(type), fmt::join(parts, ", "));
}

std::string operandText(const fb::Plan *plan, const fb::Body *body, const fb::Operand *operand) {
  switch (operand->space()) {
  case fb::Space::Arena:
    return plan->buffers()->Get(operand->index())->name()->str();
  case fb::Space::Input:
    return "in:" + plan->entries()->Get(0)->inputs()->Get(operand->index())->name()->str();
  case fb::Space::Output:
    return "out:" + plan->entries()->Get(0)->outputs()->Get(operand->index())->name()->str();
  case fb::Space::Constant:
    return "const:" + plan->constants()->Get(operand->index())->name()->str();
  case fb::Space::Parameter:
    return "@" + body->parameters()->Get(operand->index())->str();
  }
  return "?";
}

std::string sourcesText(const fb::Weight &weight) {
  static constexpr const char *names[] = {"rows", "columns", "stack", "first only"};
  std::vector<std::string> sources;
  for (const fb::WeightPiece *piece : *weight.pieces()) {
    std::string text = piece->source()->str();
    for (const fb::Shard *shard : *piece->shards()) {
      text += fmt::format(" by {}", names[size_t(shard->kind())]);
      if (shard->kind() != fb::ShardKind::FirstOnly)
        text += fmt::format("/{}", shard->parts());
    }
    sources.push_back(text);
  }
  if (weight.equal())
    for (const flatbuffers::String *name : *weight.equal())
      sources.back() += fmt::format(" = {}", name->string_view());
  return fmt::format("{}", fmt::join(sources, ", "));
}

} // namespace vinci
