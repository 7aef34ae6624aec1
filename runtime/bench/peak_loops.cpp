#include "runtime/bench/peak_loops.h"

#include <algorithm>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vinci {
namespace {

// Fourteen sums: more than the latency of any of these instructions times two units. Registers
// beyond the sixteenth need features that the compiler of this file does not have.
#define VINCI_FOURTEEN(INSTRUCTION, REGISTER)                                                      \
  INSTRUCTION REGISTER                                                                             \
      "2\n" INSTRUCTION REGISTER "3\n" INSTRUCTION REGISTER "4\n" INSTRUCTION REGISTER             \
      "5\n" INSTRUCTION REGISTER "6\n" INSTRUCTION REGISTER "7\n" INSTRUCTION REGISTER             \
      "8\n" INSTRUCTION REGISTER "9\n" INSTRUCTION REGISTER "10\n" INSTRUCTION REGISTER            \
      "11\n" INSTRUCTION REGISTER "12\n" INSTRUCTION REGISTER "13\n" INSTRUCTION REGISTER          \
      "14\n" INSTRUCTION REGISTER "15\n"
#define VINCI_CLOBBERS                                                                             \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",         \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory"

constexpr double sums = 14;

/// 1.0 as float32, and as a pair of bfloat16: no operand is a denormal number, which costs extra.
alignas(64) constexpr uint32_t one = 0x3f803f80;

/// Loads the operands into registers 0 and 1, then adds their product to all others again and
/// again.
#define VINCI_LOOP(NAME, INSTRUCTION, ZERO, REGISTER)                                              \
  void NAME(uint64_t rounds) {                                                                     \
    asm volatile("vbroadcastss %1, %%" REGISTER "0\n"                                              \
                 "vbroadcastss %1, %%" REGISTER "1\n" VINCI_FOURTEEN(                              \
                     ZERO, REGISTER) ".p2align 5\n"                                                \
                                     "1:\n" VINCI_FOURTEEN(INSTRUCTION, REGISTER) "dec %0\n"       \
                                                                                  "jnz 1b\n"       \
                                                                                  "vzeroupper\n"   \
                 : "+r"(rounds)                                                                    \
                 : "m"(one)                                                                        \
                 : VINCI_CLOBBERS);                                                                \
  }

VINCI_LOOP(fma256, "vfmadd231ps %%ymm0, %%ymm1, %%", "vmovaps %%ymm0, %%", "ymm")
VINCI_LOOP(fma512, "vfmadd231ps %%zmm0, %%zmm1, %%", "vmovaps %%zmm0, %%", "zmm")
VINCI_LOOP(dpbf16, "vdpbf16ps %%zmm0, %%zmm1, %%", "vmovaps %%zmm0, %%", "zmm")
VINCI_LOOP(dpbusd512, "vpdpbusd %%zmm0, %%zmm1, %%", "vmovaps %%zmm0, %%", "zmm")
VINCI_LOOP(dpbusd256, "%{vex%} vpdpbusd %%ymm0, %%ymm1, %%", "vmovaps %%ymm0, %%", "ymm")

/// Without VNNI a product of pairs and its sum are two instructions.
void maddwd256(uint64_t rounds) {
  asm volatile("vbroadcastss %1, %%ymm0\n"
               "vbroadcastss %1, %%ymm1\n" VINCI_FOURTEEN("vmovaps %%ymm0, %%",
                                                          "ymm") ".p2align 5\n"
                                                                 "1:\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm2\n"
                                                                 "vpaddd %%ymm2, %%ymm9, %%ymm9\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm3\n"
                                                                 "vpaddd %%ymm3, %%ymm10, %%ymm10\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm4\n"
                                                                 "vpaddd %%ymm4, %%ymm11, %%ymm11\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm5\n"
                                                                 "vpaddd %%ymm5, %%ymm12, %%ymm12\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm6\n"
                                                                 "vpaddd %%ymm6, %%ymm13, %%ymm13\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm7\n"
                                                                 "vpaddd %%ymm7, %%ymm14, %%ymm14\n"
                                                                 "vpmaddwd %%ymm0, %%ymm1, %%ymm8\n"
                                                                 "vpaddd %%ymm8, %%ymm15, %%ymm15\n"
                                                                 "dec %0\n"
                                                                 "jnz 1b\n"
                                                                 "vzeroupper\n"
               : "+r"(rounds)
               : "m"(one)
               : VINCI_CLOBBERS);
}

/// What ldtilecfg reads: eight tiles of 16 rows of 64 bytes. What is said of other tiles must be
/// zero.
struct alignas(64) TileConfiguration {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t columnBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfiguration) == 64);

/// Two tiles of A times two of B into four sums.
#define VINCI_TILE_LOOP(NAME, INSTRUCTION)                                                         \
  void NAME(uint64_t rounds) {                                                                     \
    const TileConfiguration configuration;                                                         \
    alignas(64) uint32_t data[256];                                                                \
    std::fill(std::begin(data), std::end(data), one);                                              \
    uint64_t stride = 64;                                                                          \
    asm volatile("ldtilecfg %1\n"                                                                  \
                 "tilezero %%tmm0\n"                                                               \
                 "tilezero %%tmm1\n"                                                               \
                 "tilezero %%tmm2\n"                                                               \
                 "tilezero %%tmm3\n"                                                               \
                 "tileloadd (%2,%3,1), %%tmm4\n"                                                   \
                 "tileloadd (%2,%3,1), %%tmm5\n"                                                   \
                 "tileloadd (%2,%3,1), %%tmm6\n"                                                   \
                 "tileloadd (%2,%3,1), %%tmm7\n"                                                   \
                 ".p2align 5\n"                                                                    \
                 "1:\n" INSTRUCTION " %%tmm6, %%tmm4, %%tmm0\n" INSTRUCTION                        \
                 " %%tmm7, %%tmm4, %%tmm1\n" INSTRUCTION " %%tmm6, %%tmm5, %%tmm2\n" INSTRUCTION   \
                 " %%tmm7, %%tmm5, %%tmm3\n"                                                       \
                 "dec %0\n"                                                                        \
                 "jnz 1b\n"                                                                        \
                 "tilerelease\n"                                                                   \
                 : "+r"(rounds)                                                                    \
                 : "m"(configuration), "r"(data), "r"(stride)                                      \
                 : "cc", "memory");                                                                \
  }

VINCI_TILE_LOOP(tileBf16, "tdpbf16ps")
VINCI_TILE_LOOP(tileFp16, "tdpfp16ps")
VINCI_TILE_LOOP(tileInt8, "tdpbssd")

/// Linux lends tiles only to processes that ask for them.
bool tilesAreLent() {
  constexpr int requestPermission = 0x1023, tileData = 18;
  return ::syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

/// Four lines of each stream at a time.
template <uint32_t streams, uint32_t ahead>
__attribute__((target("avx2"))) void read256(const std::byte *begin, size_t bytes) {
  const size_t part = bytes / streams / 256 * 256;
  __m256i sum = _mm256_setzero_si256(), more = sum;
  for (size_t at = 0; at < part; at += 256)
    for (uint32_t stream = 0; stream < streams; ++stream) {
      const std::byte *line = begin + stream * part + at;
      if constexpr (ahead != 0)
        for (int i = 0; i < 4; ++i)
          _mm_prefetch(reinterpret_cast<const char *>(line) + ahead + 64 * i, _MM_HINT_T0);
      for (int i = 0; i < 4; ++i) {
        const auto *pair = reinterpret_cast<const __m256i *>(line + 64 * i);
        sum = _mm256_xor_si256(sum, _mm256_load_si256(pair));
        more = _mm256_xor_si256(more, _mm256_load_si256(pair + 1));
      }
    }
  asm volatile("" ::"x"(sum), "x"(more));
}

template <uint32_t streams, uint32_t ahead>
__attribute__((target("avx512f"))) void read512(const std::byte *begin, size_t bytes) {
  const size_t part = bytes / streams / 256 * 256;
  __m512i sum = _mm512_setzero_si512(), more = sum;
  for (size_t at = 0; at < part; at += 256)
    for (uint32_t stream = 0; stream < streams; ++stream) {
      const std::byte *line = begin + stream * part + at;
      if constexpr (ahead != 0)
        for (int i = 0; i < 4; ++i)
          _mm_prefetch(reinterpret_cast<const char *>(line) + ahead + 64 * i, _MM_HINT_T0);
      for (int i = 0; i < 4; i += 2) {
        sum = _mm512_xor_si512(sum, _mm512_load_si512(line + 64 * i));
        more = _mm512_xor_si512(more, _mm512_load_si512(line + 64 * i + 64));
      }
    }
  asm volatile("" ::"v"(sum), "v"(more));
}

} // namespace

std::vector<MultiplyLoop> multiplyLoops(std::span<const std::string> features) {
  std::vector<MultiplyLoop> loops;
  const auto add = [&](std::string_view feature, DType dtype, double flops, void (*run)(uint64_t)) {
    if (std::ranges::find(features, feature) != features.end())
      loops.push_back({feature, dtype, flops, run});
  };
  // Products of 16 bits are multiplied as float32 where there is nothing better.
  for (DType dtype : {DType::Float32, DType::Float16, DType::BFloat16}) {
    add("fma", dtype, sums * 2 * 8, fma256);
    add("avx512f", dtype, sums * 2 * 16, fma512);
  }
  add("avx512bf16", DType::BFloat16, sums * 2 * 32, dpbf16);
  add("avx2", DType::Int8, sums / 2 * 2 * 16, maddwd256);
  add("avxvnni", DType::Int8, sums * 2 * 32, dpbusd256);
  add("avx512vnni", DType::Int8, sums * 2 * 64, dpbusd512);
  if (std::ranges::find(features, "amx-tile") != features.end() && tilesAreLent()) {
    add("amx-fp16", DType::Float16, 4 * 2 * 16 * 16 * 32, tileFp16);
    add("amx-bf16", DType::BFloat16, 4 * 2 * 16 * 16 * 32, tileBf16);
    add("amx-int8", DType::Int8, 4 * 2 * 16 * 16 * 64, tileInt8);
  }
  return loops;
}

std::vector<ReadLoop> readLoops(std::span<const std::string> features) {
  if (std::ranges::find(features, "avx512f") != features.end())
    return {{1, 0, read512<1, 0>},     {2, 0, read512<2, 0>},       {1, 1024, read512<1, 1024>},
            {2, 512, read512<2, 512>}, {2, 1024, read512<2, 1024>}, {2, 2048, read512<2, 2048>},
            {4, 512, read512<4, 512>}, {4, 1024, read512<4, 1024>}};
  return {{1, 0, read256<1, 0>},     {2, 0, read256<2, 0>},       {1, 1024, read256<1, 1024>},
          {2, 512, read256<2, 512>}, {2, 1024, read256<2, 1024>}, {2, 2048, read256<2, 2048>},
          {4, 512, read256<4, 512>}, {4, 1024, read256<4, 1024>}};
}

} // namespace vinci
