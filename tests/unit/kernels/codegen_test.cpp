// The object that codegen makes: deterministic, self-contained, named; and specs that it refuses.
#include "backend/codegen/catalogue.h"
#include "backend/codegen/codegen.h"
#include "backend/codegen/disassembler.h"
#include "runtime/exec/kernel_linker.h"
#include "runtime/support/error.h"
#include "tests/unit/kernels/op_cases.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace vinci::test {
namespace {

using namespace std::string_literals;

KernelSpec sortSpec(int64_t numExperts, int64_t topK, int64_t sharded) {
  return makeSpec("moe_sort", {{"num_experts", numExperts},
                               {"top_k", topK},
                               {"rows_per_token", int64_t{1}},
                               {"sharded", sharded}});
}

std::vector<KernelSpec> someSpecs() {
  return {matmulSpec("bfloat16", 256, 512), matmulSpec("float32", 64, 64, 1),
          makeSpec("rope_table", {{"dtype", "float32"s}, {"head_dim", int64_t{24}}}),
          sortSpec(12, 3, 0)};
}

/// The message of the internal error that `spec` causes.
std::string refusal(const KernelSpec &spec) {
  try {
    symbolName(spec);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::Internal);
    return error.message();
  }
  return "no error";
}

TEST(Codegen, GivesTheSameBytesForAnyOrderAndRepetition) {
  for (const char *name : {"avx2", "avx512"}) {
    const CpuTarget target = resolveCpu(name);
    std::vector<KernelSpec> specs = someSpecs();
    const auto object = compileKernels(specs, target);
    EXPECT_EQ(compileKernels(specs, target), object);
    std::ranges::reverse(specs);
    specs.push_back(specs[1]);
    EXPECT_EQ(compileKernels(specs, target), object);
  }
  EXPECT_NE(compileKernels(someSpecs(), resolveCpu("avx2")),
            compileKernels(someSpecs(), resolveCpu("avx512")));
}

TEST(Codegen, NamesNoFileAndNoCompiler) {
  const auto object = compileKernels(someSpecs(), resolveCpu("avx512"));
  const std::string_view text(reinterpret_cast<const char *>(object.data()), object.size());
  for (const char *trace : {"clang", "LLVM", "backend/", "/usr", "/tmp", ".cpp"})
    EXPECT_EQ(text.find(trace), std::string_view::npos) << trace;
}

TEST(Codegen, PutsAllKernelsIntoOneObjectThatNeedsNoOther) {
  // The linker refuses objects that need a symbol from outside, memcpy and expf among them.
  for (const char *name : {"avx2", "avx512"}) {
    const std::vector<KernelSpec> specs = someSpecs();
    const KernelLibrary library =
        KernelLibrary::link(compileKernels(specs, resolveCpu(name)), "test.plan");
    for (const KernelSpec &spec : specs)
      EXPECT_NE(library.find(symbolName(spec)), nullptr);
  }
}

TEST(Codegen, UsesWideVectorsOnlyWhereTheTargetHasThem) {
  const KernelSpec spec = matmulSpec("bfloat16", 256, 512);
  const std::string narrow =
      disassemble(compileKernels({&spec, 1}, resolveCpu("avx2")), symbolName(spec));
  const std::string wide =
      disassemble(compileKernels({&spec, 1}, resolveCpu("avx512")), symbolName(spec));
  EXPECT_NE(narrow.find("vfmadd231ps"), std::string::npos);
  EXPECT_EQ(narrow.find("zmm"), std::string::npos);
  EXPECT_NE(wide.find("zmm"), std::string::npos);
  EXPECT_NE(wide.find("000000"), std::string::npos);
  EXPECT_THROW(disassemble(compileKernels({&spec, 1}, resolveCpu("avx2")), "nonsense"), Error);
  EXPECT_THROW(disassemble({}, "nonsense"), Error);
}

TEST(Codegen, MultipliesInt8WithWhatTheTargetHas) {
  const KernelSpec spec =
      makeSpec("quant_matmul", {{"dtype", "bfloat16"s}, {"n", int64_t{64}}, {"k", int64_t{128}}});
  for (const std::string_view name : cpuTargetNames()) {
    const CpuTarget target = resolveCpu(name);
    const std::string text = disassemble(compileKernels({&spec, 1}, target), symbolName(spec));
    const bool hasVnni = target.has("avx512vnni");
    EXPECT_EQ(text.find("vpdpbusd") != std::string::npos, hasVnni) << name;
    EXPECT_EQ(text.find("vpmaddwd") != std::string::npos, !hasVnni) << name;
    EXPECT_EQ(text.find("tdpbssd") != std::string::npos, target.has("amx-int8")) << name;
    EXPECT_EQ(text.find("vpmaddubsw"), std::string::npos) << name << ": it saturates";
  }
}

TEST(KernelSpec, HasAReadableSymbol) {
  EXPECT_EQ(symbolName(matmulSpec("bfloat16", 256, 512)), "matmul_bfloat16_n256_k512");
  KernelSpec logits = matmulSpec("bfloat16", 256, 512, 1, "float32");
  logits.constants["rows"] = "logit_rows"s;
  EXPECT_EQ(symbolName(logits), "matmul_bfloat16_to_float32_n256_k512_bias_logit_rows");
  KernelSpec norm = makeSpec("rms_norm", {{"dtype", "float16"s},
                                          {"compute", "float32"s},
                                          {"n", int64_t{80}},
                                          {"groups", int64_t{1}},
                                          {"bias", int64_t{0}},
                                          {"eps", 1e-6},
                                          {"rows", "tokens"s}});
  EXPECT_EQ(symbolName(norm), "rms_norm_float16_n80_groups1_eps1e-06");
  norm.constants["compute"] = "float16"s;
  EXPECT_EQ(symbolName(norm), "rms_norm_float16_compute_float16_n80_groups1_eps1e-06");
  std::set<std::string> symbols;
  for (const KernelSpec &spec : allSpecs())
    EXPECT_TRUE(symbols.insert(symbolName(spec)).second) << symbolName(spec);
}

TEST(KernelSpec, CountsOperands) {
  EXPECT_EQ(operandCount(matmulSpec("float32", 8, 8, 0)), 3u);
  EXPECT_EQ(operandCount(matmulSpec("float32", 8, 8, 1)), 4u);
  EXPECT_EQ(outputCount(matmulSpec("float32", 8, 8, 1)), 1u);
  const KernelSpec sort = sortSpec(4, 2, 0);
  EXPECT_EQ(outputCount(sort), 3u);
  EXPECT_EQ(operandNames(sort),
            (std::vector<std::string_view>{"row_of", "position_of", "expert_offsets", "experts"}));
  EXPECT_EQ(operandNames(sortSpec(4, 2, 1)).back(), "first_expert");
}

TEST(KernelSpec, EveryOpHasAReferenceAndACase) {
  std::set<std::string> tested;
  for (const KernelSpec &spec : allSpecs())
    tested.insert(spec.op);
  for (const CatalogueEntry &entry : catalogue())
    EXPECT_TRUE(tested.contains(std::string(entry.op))) << entry.op;
}

TEST(KernelSpec, RefusesWhatTheCatalogueDoesNotKnow) {
  EXPECT_EQ(refusal(makeSpec("conv2d", {})), "kernel op \"conv2d\" is not in the catalogue");
  KernelSpec spec = matmulSpec("bfloat16", 256, 512);
  spec.constants.erase("k");
  EXPECT_EQ(refusal(spec), "kernel matmul: constant \"k\" is missing");
  spec.constants["k"] = 512.0;
  EXPECT_EQ(refusal(spec),
            "kernel matmul: constant \"k\" is a real number and should be an integer");
  spec.constants["k"] = int64_t{0};
  EXPECT_EQ(refusal(spec), "kernel matmul: k 0 must lie in 1..16777216");
  spec = matmulSpec("int8", 256, 512);
  EXPECT_EQ(refusal(spec), "kernel matmul: dtype \"int8\" must be float32, bfloat16 or float16");
  spec = matmulSpec("bf16", 256, 512);
  EXPECT_EQ(refusal(spec), "kernel matmul: dtype \"bf16\" is not an element type");
  spec = matmulSpec("bfloat16", 256, 512, 0, "float16");
  EXPECT_EQ(refusal(spec), "kernel matmul: out_dtype float16 must be dtype bfloat16 or float32");
  spec = matmulSpec("bfloat16", 256, 512, 2);
  EXPECT_EQ(refusal(spec), "kernel matmul: bias 2 must lie in 0..1");
  spec = matmulSpec("bfloat16", 256, 512);
  spec.constants["rows"] = "columns"s;
  for (const char *rows : {"columns", "tokens*", "tokens*0", "tokens*8x", "tokens*65537"}) {
    spec.constants["rows"] = std::string(rows);
    EXPECT_EQ(refusal(spec),
              "kernel matmul: rows \"" + std::string(rows) +
                  "\" must be tokens, logit_rows, token_shares, or a multiple such as tokens*8");
  }
  spec = matmulSpec("bfloat16", 256, 512);
  spec.constants["m"] = int64_t{1};
  EXPECT_EQ(refusal(spec), "kernel matmul: has no constant \"m\"");
}

TEST(KernelSpec, RefusesConstantsThatDoNotFitTogether) {
  std::map<std::string, Attribute> attention = {
      {"dtype", "float32"s},      {"softmax", "float32"s},
      {"heads", int64_t{6}},      {"kv_heads", int64_t{4}},
      {"head_dim", int64_t{16}},  {"block_size", int64_t{16}},
      {"max_blocks", int64_t{4}}, {"scale", 1.0}};
  EXPECT_EQ(refusal(makeSpec("attention", attention)),
            "kernel attention: heads 6 must be a multiple of kv_heads 4");
  attention["heads"] = int64_t{8};
  attention["block_size"] = int64_t{24};
  EXPECT_EQ(refusal(makeSpec("attention", attention)),
            "kernel attention: block_size 24 must be a multiple of 16");
  attention["block_size"] = int64_t{16};
  attention["scale"] = HUGE_VAL;
  EXPECT_EQ(refusal(makeSpec("attention", attention)), "kernel attention: scale must be finite");
  attention["scale"] = 1.0;
  attention["softmax"] = "float16"s;
  EXPECT_EQ(refusal(makeSpec("attention", attention)),
            "kernel attention: softmax float16 must be float32 or dtype float32");
  EXPECT_EQ(refusal(makeSpec("rope_table", {{"dtype", "float32"s}, {"head_dim", int64_t{15}}})),
            "kernel rope_table: head_dim 15 must be even");
  EXPECT_EQ(refusal(makeSpec("moe_route", {{"num_experts", int64_t{2}},
                                           {"top_k", int64_t{3}},
                                           {"norm_topk_prob", int64_t{1}},
                                           {"rows_per_token", int64_t{1}}})),
            "kernel moe_route: top_k 3 must not exceed num_experts 2");
}

TEST(TileRule, GivesManyThreadsWorkWithoutTinyTiles) {
  const CpuTarget cpu = resolveCpu("avx512");
  // 32 KiB of weights and more per tile, and no tile without columns.
  for (const auto &[n, k] :
       {std::pair{1024, 1024}, {151936, 1024}, {256, 768}, {80, 80}, {32, 32}}) {
    const KernelTiles tiles = tileRule(matmulSpec("bfloat16", n, k), cpu);
    EXPECT_GE(tiles.columns, 1u);
    EXPECT_LE(tiles.columns, (n + 63) / 64u);
    const int64_t bytes = int64_t{n} * k * 2;
    EXPECT_GE(bytes / tiles.columns, std::min<int64_t>(bytes, 16 * 1024)) << n << "x" << k;
  }
  EXPECT_GE(tileRule(matmulSpec("bfloat16", 1024, 1024), cpu).columns, 16u);
}

TEST(CpuTarget, IsAListOfFeatures) {
  EXPECT_EQ(resolveCpu("avx2").features, (std::vector<std::string>{"avx2", "f16c", "fma"}));
  EXPECT_FALSE(resolveCpu("avx512").has("avx512vnni"));
  for (const std::string_view name : cpuTargetNames()) {
    const CpuTarget target = resolveCpu(name);
    EXPECT_EQ(target.name, name);
    EXPECT_TRUE(std::ranges::is_sorted(target.features)) << name;
  }
  const CpuTarget native = resolveCpu("native");
  EXPECT_NE(native.name, "native");
  try {
    resolveCpu("znver5");
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.message(), "unknown cpu target \"znver5\"; legal are native, avx2, avx512, "
                               "avx512-vnni, avx512-bf16, amx");
  }
}

} // namespace
} // namespace vinci::test
