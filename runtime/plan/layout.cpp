#include "runtime/plan/layout.h"

namespace vinci {

std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product) || product >= maxSize)
    return std::nullopt;
  return product;
}

std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum) || sum >= maxSize)
    return std::nullopt;
  return sum;
}

std::optional<uint64_t> elementCount(std::span<const uint64_t> shape) {
  // A zero anywhere makes the whole product zero, but the other factors must be sane all the same:
  // the order of the dimensions must not decide whether a shape is legal.
  uint64_t product = 1;
  bool empty = false;
  for (uint64_t size : shape) {
    empty |= size == 0;
    std::optional<uint64_t> next = checkedMul(product, size == 0 ? 1 : size);
    if (!next)
      return std::nullopt;
    product = *next;
  }
  return empty ? 0 : product;
}

std::optional<uint64_t> packedBytes(std::span<const uint64_t> shape, DType dtype,
                                    fb::Packing packing, uint64_t count) {
  std::optional<uint64_t> elements = elementCount(shape);
  if (!elements)
    return std::nullopt;
  if (packing != fb::Packing::Rows) {
    if (shape.size() != 2 || (packing == fb::Packing::Panel12 && byteSize(dtype) != 2))
      return std::nullopt;
    elements = checkedMul(roundUp(shape[0], panelWidth), roundUp(shape[1], panelDepth(dtype)));
    if (!elements)
      return std::nullopt;
  }
  std::optional<uint64_t> bytes = checkedMul(*elements, byteSize(dtype));
  if (bytes && packing == fb::Packing::Panel12)
    bytes =
        checkedAdd(*bytes, roundUp(shape[0], panelWidth) / panelWidth * panel12HeadBytes(shape[1]));
  return bytes ? checkedMul(*bytes, count == 0 ? 1 : count) : std::nullopt;
}

std::optional<uint64_t> kvBlockBytes(uint64_t kvHeads, uint64_t headDim, uint64_t blockSize,
                                     DType dtype) {
  if (headDim >= maxSize)
    return std::nullopt;
  std::optional<uint64_t> values = checkedMul(kvHeads, 2 * roundUp(headDim, 16));
  if (values)
    values = checkedMul(*values, blockSize);
  return values ? checkedMul(*values, byteSize(dtype)) : std::nullopt;
}

uint64_t symbolLimit(const fb::Limits &limits, fb::Symbol symbol) {
  switch (symbol) {
  case fb::Symbol::One:
    return 1;
  case fb::Symbol::Tokens:
    return limits.max_tokens_per_step();
  case fb::Symbol::LogitRows:
    return limits.max_logit_rows() ? limits.max_logit_rows() : limits.max_tokens_per_step();
  case fb::Symbol::Sequences:
    return limits.max_batch();
  case fb::Symbol::TokenShares:
    return (uint64_t(limits.max_tokens_per_step()) + limits.token_shares() - 1) /
           limits.token_shares();
  }
  return 0;
}

} // namespace vinci
