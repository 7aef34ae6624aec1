// Fused kernels give the bits of the kernels that they stand for, one after another.
#include "tests/unit/kernels/op_cases.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace vinci::test {
namespace {

using namespace std::string_literals;
using Constants = std::map<std::string, Attribute>;
/// From the names that the kernel has for its operands to those of values.
using Names = std::map<std::string_view, std::string>;

constexpr int64_t zero = 0, one = 1;

/// Values by name, and kernels that run on them one after another.
class Chain {
public:
  /// Begins with the inputs of a case of `spec`, by the names that the kernel has for them.
  explicit Chain(const OpCase &c) : dims_(c.dims) {
    const auto names = operandNames(c.spec);
    for (size_t i = outputCount(c.spec); i < names.size(); ++i)
      values_[std::string(names[i])] = c.buffers[i];
  }

  void run(const KernelSpec &spec, const CpuTarget &target, const Names &renamed = {}) {
    OpCase c = makeCase(spec);
    const auto names = operandNames(spec);
    const auto valueOf = [&](std::string_view name) -> Buffer & {
      const auto found = renamed.find(name);
      return values_[found == renamed.end() ? std::string(name) : found->second];
    };
    for (size_t i = outputCount(spec); i < names.size(); ++i) {
      ASSERT_EQ(valueOf(names[i]).size(), c.buffers[i].size()) << spec.op << ' ' << names[i];
      c.buffers[i] = valueOf(names[i]);
    }
    CompiledKernel(spec, target).run(c.buffers, dims_);
    for (size_t i = 0; i < outputCount(spec); ++i)
      valueOf(names[i]) = c.buffers[i];
  }

  const Buffer &at(const std::string &name) const { return values_.at(name); }

private:
  Dims dims_;
  std::map<std::string, Buffer> values_;
};

/// Rows that scales must get right: zeros, infinities and NaN.
void addSpecialRows(const Buffer &x, DType type, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i)
    x.elements(type).set(n + i, 0);
  x.elements(type).set(2 * n + n / 2, INFINITY);
  x.elements(type).set(3 * n + n - 1, NAN);
  for (uint64_t i = 0; i < n; ++i) // quantised to every value
    x.elements(type).set(4 * n + i, static_cast<double>(i) - static_cast<double>(n) / 2);
}

/// Runs quantize or dynamic_quantize on `x`, which has `n` columns and `perToken` rows a token.
void quantize(Chain &chain, const CpuTarget &target, const std::string &dtype, int64_t n,
              int64_t perToken, bool dynamic) {
  if (dynamic)
    chain.run(makeSpec("dynamic_quantize", {{"dtype", dtype},
                                            {"n", n},
                                            {"rows", fmt::format("tokens*{}", perToken)},
                                            {"parts", int64_t{1}},
                                            {"row_max", int64_t{0}}}),
              target, {{"x", "y"}});
  else
    chain.run(makeSpec("quantize", {{"dtype", dtype}, {"n", n}}), target, {{"x", "y"}});
}

/// The outputs of both are equal; `names` are those of the fused kernel.
void expectEqual(const Chain &fused, const Chain &chain, const std::set<std::string> &names,
                 const std::string &what) {
  for (const std::string &name : names)
    EXPECT_TRUE(fused.at(name) == chain.at(name)) << what << ", " << name;
}

TEST(Fused, RmsNormQuantIsTheNormAndTheQuantisation) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"})
    for (const std::string &compute : std::set{"float32"s, dtype})
      for (const int64_t n : {7, 300})
        for (const int64_t residual : {zero, one})
          for (const int64_t dynamic : {zero, one})
            for (const CpuTarget &target : runnableTargets()) {
              Constants constants = {{"dtype", dtype}, {"compute", compute},
                                     {"n", n},         {"bias", n == 300 ? one : zero},
                                     {"eps", 1e-6},    {"rows", "tokens"s}};
              const KernelSpec norm =
                  makeSpec(residual ? "add_rms_norm" : "rms_norm", [&, with = constants]() mutable {
                    with["groups"] = one;
                    return with;
                  }());
              constants["residual"] = residual;
              constants["dynamic"] = dynamic;
              const KernelSpec spec = makeSpec("rms_norm_quant", constants);
              const OpCase c = makeCase(spec);
              const auto operands = operandNames(spec);
              for (size_t i = 0; i < operands.size(); ++i)
                if (operands[i] == "x")
                  addSpecialRows(c.buffers[i], spec.dtype(), static_cast<uint64_t>(n));
              Chain fused(c), chain(c);
              fused.run(spec, target);
              chain.run(norm, target, {{"out", "y"}});
              quantize(chain, target, dtype, n, 1, dynamic != 0);
              std::set<std::string> outputs(operands.begin(), operands.begin() + outputCount(spec));
              expectEqual(fused, chain, outputs, symbolName(spec) + " on " + target.name);
            }
}

TEST(Fused, SwigluQuantIsTheUnitAndTheQuantisation) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"})
    for (const int64_t n : {7, 300})
      for (const int64_t two : {zero, one})
        for (const int64_t dynamic : {zero, one})
          for (const CpuTarget &target : runnableTargets()) {
            const KernelSpec swiglu = makeSpec(
                "swiglu",
                {{"dtype", dtype}, {"n", n}, {"rows_per_token", one}, {"two_operands", two}});
            KernelSpec spec = swiglu;
            spec.op = "swiglu_quant";
            spec.constants["dynamic"] = dynamic;
            const OpCase c = makeCase(spec);
            addSpecialRows(c.buffers[outputCount(spec)], spec.dtype(),
                           static_cast<uint64_t>(two ? n : 2 * n));
            Chain fused(c), chain(c);
            fused.run(spec, target);
            chain.run(swiglu, target, {{"out", "y"}});
            quantize(chain, target, dtype, n, 1, dynamic != 0);
            expectEqual(fused, chain, dynamic ? std::set{"out"s, "out_scale"s} : std::set{"out"s},
                        symbolName(spec) + " on " + target.name);
          }
}

/// The constants of a product by experts, 13 tokens with 3 of 12 experts each, of which one has
/// none.
Constants grouped(const std::string &dtype, int64_t n, int64_t gather) {
  return {{"dtype", dtype},      {"n", n},
          {"k", int64_t{81}},    {"num_experts", int64_t{12}},
          {"top_k", int64_t{3}}, {"rows_per_token", one},
          {"gather", gather}};
}

TEST(Fused, GroupedMatmulSwigluIsTheProductAndTheUnit) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"})
    for (const int64_t n : {32, 96, 128})
      for (const int64_t gather : {zero, one})
        for (const CpuTarget &target : runnableTargets()) {
          const KernelSpec spec = makeSpec("grouped_matmul_swiglu", grouped(dtype, n, gather));
          const OpCase c = makeCase(spec);
          Chain fused(c), chain(c);
          fused.run(spec, target);
          chain.run(makeSpec("grouped_matmul", grouped(dtype, 2 * n, gather)), target,
                    {{"out", "product"}});
          chain.run(makeSpec("swiglu", {{"dtype", dtype},
                                        {"n", n},
                                        {"rows_per_token", int64_t{3}},
                                        {"two_operands", zero}}),
                    target, {{"gate", "product"}});
          expectEqual(fused, chain, {"out"}, symbolName(spec) + " on " + target.name);
        }
}

TEST(Fused, GroupedMatmulSwigluQuantIsAllThree) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"})
    for (const int64_t n : {32, 96, 128})
      for (const int64_t gather : {zero, one})
        for (const CpuTarget &target : runnableTargets()) {
          const KernelSpec spec =
              makeSpec("grouped_matmul_swiglu_quant", grouped(dtype, n, gather));
          const OpCase c = makeCase(spec);
          Chain fused(c), chain(c);
          fused.run(spec, target);
          chain.run(makeSpec("grouped_dynamic_quant_matmul", grouped(dtype, 2 * n, gather)), target,
                    {{"out", "product"}});
          chain.run(makeSpec("swiglu", {{"dtype", dtype},
                                        {"n", n},
                                        {"rows_per_token", int64_t{3}},
                                        {"two_operands", zero}}),
                    target, {{"gate", "product"}, {"out", "y"}});
          quantize(chain, target, dtype, n, 3, true);
          expectEqual(fused, chain, {"out", "out_scale"}, symbolName(spec) + " on " + target.name);
        }
}

/// A row has the bits that it has alone, wherever its block of rows begins.
TEST(Fused, RowsOfExpertsAreTheSameBitsInEveryBatch) {
  constexpr int64_t n = 32;
  const KernelSpec spec = makeSpec("grouped_matmul_swiglu_quant", grouped("bfloat16", n, one));
  const OpCase all = makeCase(spec);
  for (const CpuTarget &target : runnableTargets()) {
    const CompiledKernel kernel(spec, target);
    std::vector<Buffer> batch = all.buffers;
    kernel.run(batch, all.dims);
    const int32_t *offsets = all.buffers[5].ints();
    for (int32_t token = 0; token < 13; ++token) {
      // The rows of one token, sorted as they are among all.
      std::vector<Buffer> alone = all.buffers;
      std::vector<int32_t> rows;
      for (int32_t expert = 0, count = 0; expert < 12; ++expert) {
        for (int32_t row = offsets[expert]; row < offsets[expert + 1]; ++row)
          if (all.buffers[4].ints()[row] / 3 == token) {
            alone[4].ints()[count++] = all.buffers[4].ints()[row];
            rows.push_back(row);
          }
        alone[5].ints()[expert + 1] = count;
      }
      kernel.run(alone, all.dims);
      for (size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(std::memcmp(alone[0].data() + i * n, batch[0].data() + rows[i] * n, n), 0);
        EXPECT_EQ(alone[1].floats()[i], batch[1].floats()[rows[i]]);
      }
    }
  }
}

} // namespace
} // namespace vinci::test
