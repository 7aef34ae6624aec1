// References of split_qkv and append_qkv: the references of the steps, one after another.
#include "backend/kernels/reference/command.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace vinci::reference {
namespace {

/// The inputs behind qkv, which is buffer `qkv`.
struct Inputs {
  const Command &c;
  int qkv;
  bool norm = c.size("norm") != 0, rope = c.size("rope") != 0;

  void *weight(int index) const { return c.buffers[qkv + 1 + index]; }
  void *table() const { return c.buffers[qkv + (norm ? 3 : 1)]; }
  int32_t *slots() const { return c.ints(qkv + 1 + (norm ? 2 : 0) + (rope ? 1 : 0)); }
};

/// Runs a step as a command of its own.
void run(void (*step)(const Command &), const Command &c, std::vector<void *> buffers,
         std::map<std::string, Attribute> constants) {
  constants["dtype"] = c.spec.text("dtype");
  step({KernelSpec{"", std::move(constants)}, buffers.data(), c.dims});
}

/// `heads` heads of each token, from the one numbered `first`; `norm` is that weight, or null.
void makeHeads(const Command &c, const Inputs &in, void *out, uint64_t first, uint64_t heads,
               void *norm, bool rotated) {
  const uint64_t headDim = c.size("head_dim"), all = c.size("heads") + 2 * c.size("kv_heads");
  const Elements to(out, c.spec.dtype()), from = c.typed(in.qkv);
  for (uint64_t t = 0; t < c.tokens(); ++t)
    for (uint64_t i = 0; i < heads * headDim; ++i)
      to.set(t * heads * headDim + i, from.get((t * all + first) * headDim + i));
  const auto count = static_cast<int64_t>(heads), width = static_cast<int64_t>(headDim);
  std::vector<std::byte> before(c.tokens() * heads * headDim * byteSize(c.spec.dtype()));
  const auto keep = [&] {
    std::copy_n(static_cast<std::byte *>(out), before.size(), before.data());
    return static_cast<void *>(before.data());
  };
  if (norm)
    run(rmsNorm, c, {out, keep(), norm},
        {{"compute", c.spec.text("compute")},
         {"n", width},
         {"groups", count},
         {"bias", int64_t{0}},
         {"eps", c.spec.real("eps")},
         {"rows", std::string("tokens")}});
  if (rotated)
    run(rope, c, {out, keep(), in.table()},
        {{"compute", c.spec.text("rotary")}, {"heads", count}, {"head_dim", width}});
}

} // namespace

void splitQkv(const Command &c) {
  const Inputs in{c, 3};
  const uint64_t heads = c.size("heads"), kvHeads = c.size("kv_heads");
  makeHeads(c, in, c.buffers[0], 0, heads, in.norm ? in.weight(0) : nullptr, in.rope);
  makeHeads(c, in, c.buffers[1], heads, kvHeads, in.norm ? in.weight(1) : nullptr, in.rope);
  makeHeads(c, in, c.buffers[2], heads + kvHeads, kvHeads, nullptr, false);
}

void appendQkv(const Command &c) {
  const Inputs in{c, 2};
  const uint64_t heads = c.size("heads"), kvHeads = c.size("kv_heads");
  std::vector<std::byte> key(c.tokens() * kvHeads * c.size("head_dim") * byteSize(c.spec.dtype()));
  std::vector<std::byte> value(key.size());
  makeHeads(c, in, c.buffers[0], 0, heads, in.norm ? in.weight(0) : nullptr, in.rope);
  makeHeads(c, in, key.data(), heads, kvHeads, in.norm ? in.weight(1) : nullptr, in.rope);
  makeHeads(c, in, value.data(), heads + kvHeads, kvHeads, nullptr, false);
  run(kvAppend, c, {c.buffers[1], key.data(), value.data(), in.slots()},
      {{"kv_heads", c.spec.integer("kv_heads")},
       {"head_dim", c.spec.integer("head_dim")},
       {"block_size", c.spec.integer("block_size")}});
}

} // namespace vinci::reference
