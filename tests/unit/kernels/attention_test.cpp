// What the executor relies on: a token's attention is the same bits however its prompt was cut into
// steps, and nothing that a token may not see can change it.
#include "runtime/support/error.h"
#include "tests/unit/kernels/op_cases.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace vinci::test {
namespace {

struct Geometry {
  int64_t heads, kvHeads, headDim, blockSize;
};

/// One sequence whose keys and values go into blocks from the last to the first.
class Sequence {
public:
  Sequence(const std::string &dtype, const std::string &softmax, const Geometry &geometry,
           int64_t tokens)
      : g(geometry), type(*parseDType(dtype)), length(tokens),
        blocks((tokens + g.blockSize - 1) / g.blockSize),
        attention(makeSpec("attention", {{"dtype", dtype},
                                         {"softmax", softmax},
                                         {"heads", g.heads},
                                         {"kv_heads", g.kvHeads},
                                         {"head_dim", g.headDim},
                                         {"block_size", g.blockSize},
                                         {"max_blocks", blocks},
                                         {"scale", 1 / std::sqrt(double(g.headDim))}})),
        append(makeSpec("kv_append", {{"dtype", dtype},
                                      {"kv_heads", g.kvHeads},
                                      {"head_dim", g.headDim},
                                      {"block_size", g.blockSize}})),
        q(bytes(g.heads)), k(bytes(g.kvHeads)), v(bytes(g.kvHeads)) {
    Random random(3);
    random.fill(q.elements(type), length * g.heads * g.headDim);
    random.fill(k.elements(type), length * g.kvHeads * g.headDim);
    random.fill(v.elements(type), length * g.kvHeads * g.headDim);
  }

  /// A cache in which every element is `value`.
  Buffer emptyCache(double value) const {
    const uint64_t count = blocks * g.kvHeads * 2 * ((g.headDim + 15) / 16 * 16) * g.blockSize;
    Buffer cache(count * byteSize(type));
    for (uint64_t i = 0; i < count; ++i)
      cache.elements(type).set(i, value);
    return cache;
  }

  int32_t slot(int64_t token) const {
    return static_cast<int32_t>((blocks - 1 - token / g.blockSize) * g.blockSize +
                                token % g.blockSize);
  }

  /// Appends tokens first..last and attends from them; the outputs of these tokens.
  Buffer step(const CpuTarget &target, Buffer &cache, int64_t first, int64_t last) const {
    const uint64_t tokens = last - first;
    Buffer slots(tokens * 4), queryStart(8), contextLens(4), tables(blocks * 4);
    for (uint64_t i = 0; i < tokens; ++i)
      slots.ints()[i] = slot(first + i);
    queryStart.ints()[1] = static_cast<int32_t>(tokens);
    contextLens.ints()[0] = static_cast<int32_t>(last);
    for (int64_t i = 0; i < blocks; ++i)
      tables.ints()[i] = i * g.blockSize < last ? static_cast<int32_t>(blocks - 1 - i) : -1;
    const Dims dims = makeDims(tokens);
    const std::vector<Buffer> appending = {cache, rows(k, g.kvHeads, first, last),
                                           rows(v, g.kvHeads, first, last), slots};
    CompiledKernel(append, target).run(appending, dims);
    cache = appending[0];
    const Buffer queries = rows(q, g.heads, first, last);
    const std::vector<Buffer> attending = {
        Buffer(queries.size()), queries, cache, queryStart, contextLens, tables};
    CompiledKernel(attention, target).run(attending, dims);
    return attending[0];
  }

  /// All outputs when the tokens come in steps of `size`.
  Buffer run(const CpuTarget &target, int64_t size, double garbage = 0) const {
    Buffer cache = emptyCache(garbage), out(q.size());
    for (int64_t first = 0; first < length; first += size) {
      const Buffer part = step(target, cache, first, std::min(first + size, length));
      std::memcpy(out.data() + first * g.heads * g.headDim * byteSize(type), part.data(),
                  part.size());
    }
    return out;
  }

  const Geometry g;
  const DType type;
  const int64_t length, blocks;
  const KernelSpec attention, append;
  Buffer q, k, v;

private:
  uint64_t bytes(int64_t heads) const { return length * heads * g.headDim * byteSize(type); }

  Buffer rows(const Buffer &all, int64_t heads, int64_t first, int64_t last) const {
    const uint64_t row = heads * g.headDim * byteSize(type);
    Buffer part((last - first) * row);
    std::memcpy(part.data(), all.data() + first * row, part.size());
    return part;
  }
};

struct StepCase {
  std::string dtype, softmax;
  Geometry g;
};

std::vector<StepCase> stepCases() {
  std::vector<StepCase> cases = {{"bfloat16", "bfloat16", {7, 1, 80, 64}},
                                 {"float16", "float16", {6, 2, 24, 32}}};
  for (const char *dtype : {"float32", "bfloat16", "float16"})
    for (const Geometry &g : {Geometry{4, 4, 16, 16}, {7, 1, 80, 64}, {6, 2, 24, 32}})
      cases.push_back({dtype, "float32", g});
  return cases;
}

class AttentionSteps : public testing::TestWithParam<StepCase> {
protected:
  Sequence sequence{GetParam().dtype, GetParam().softmax, GetParam().g, 150};
};

TEST_P(AttentionSteps, GiveTheSameBitsForEveryCutOfThePrompt) {
  for (const CpuTarget &target : runnableTargets()) {
    const Buffer whole = sequence.run(target, 150);
    for (const int64_t size : {1, 7, 64}) // 1: every token as a decode step
      EXPECT_TRUE(sequence.run(target, size) == whole) << target.name << ", steps of " << size;
  }
}

TEST_P(AttentionSteps, AreNotTouchedByWhatTheCacheHeldBefore) {
  for (const CpuTarget &target : runnableTargets()) {
    const Buffer clean = sequence.run(target, 50);
    for (const double garbage : {double(NAN), double(INFINITY), 1e4})
      EXPECT_TRUE(sequence.run(target, 50, garbage) == clean) << target.name << " " << garbage;
  }
}

TEST_P(AttentionSteps, AreNotTouchedByLaterTokensOfTheSameStep) {
  for (const CpuTarget &target : runnableTargets()) {
    const Buffer clean = sequence.run(target, 150);
    Sequence dirty = sequence;
    const uint64_t from = 100 * sequence.g.kvHeads * sequence.g.headDim;
    for (uint64_t i = from; i < from * 3 / 2; ++i) {
      dirty.k.elements(dirty.type).set(i, NAN);
      dirty.v.elements(dirty.type).set(i, NAN);
    }
    const Buffer out = dirty.run(target, 150);
    const uint64_t row = sequence.g.heads * sequence.g.headDim * byteSize(sequence.type);
    EXPECT_EQ(std::memcmp(out.data(), clean.data(), 100 * row), 0) << target.name;
    EXPECT_TRUE(std::isnan(out.elements(dirty.type).get(100 * row / byteSize(dirty.type))));
  }
}

INSTANTIATE_TEST_SUITE_P(, AttentionSteps, testing::ValuesIn(stepCases()), [](const auto &info) {
  const StepCase &c = info.param;
  return fmt::format("{}_softmax_{}_heads{}_kv{}_dim{}_block{}", c.dtype, c.softmax, c.g.heads,
                     c.g.kvHeads, c.g.headDim, c.g.blockSize);
});

} // namespace
} // namespace vinci::test
