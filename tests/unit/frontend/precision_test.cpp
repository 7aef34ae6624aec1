#include "frontend/precision.h"
#include "runtime/support/error.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

constexpr DType f32 = DType::Float32, bf16 = DType::BFloat16, f16 = DType::Float16;

std::string refusal(DType dtype, const RequestedPrecision &requested) {
  try {
    resolvePrecision(dtype, requested);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    return error.message();
  }
  return "no error";
}

TEST(Precision, FollowsTheTypeOfTheCheckpoint) {
  EXPECT_EQ(resolvePrecision(bf16), (PrecisionPolicy{bf16, f32, f32, f32, bf16, false}));
  EXPECT_EQ(resolvePrecision(f32), PrecisionPolicy());
}

TEST(Precision, TakesAnySubset) {
  EXPECT_EQ(resolvePrecision(bf16, {.softmax = bf16}),
            (PrecisionPolicy{bf16, f32, bf16, f32, bf16, false}));
  EXPECT_EQ(resolvePrecision(bf16, {.compute = f16, .layernorm = f16, .keepOriginDtype = true}),
            (PrecisionPolicy{f16, f16, f32, f32, f16, true}));
}

TEST(Precision, KnowsWhatGoesTogether) {
  int legal = 0;
  for (const DType compute : {f32, bf16, f16})
    for (const DType layernorm : {f32, bf16, f16})
      for (const DType softmax : {f32, bf16, f16})
        for (const DType rotary : {f32, bf16, f16})
          for (const DType parameters : {f32, bf16, f16})
            legal += !precisionConflict({compute, layernorm, softmax, rotary, parameters, false});
  // All float32, and eight choices of the regions for each of the others.
  EXPECT_EQ(legal, 1 + 8 + 8);
}

TEST(Precision, SaysWhatDoesNot) {
  EXPECT_EQ(refusal(bf16, {.layernorm = f16}),
            "precision layernorm=float16 does not go with compute=bfloat16; legal are float32 and "
            "bfloat16");
  EXPECT_EQ(refusal(f32, {.rotary = bf16}),
            "precision rotary=bfloat16 does not go with compute=float32; legal is float32");
  EXPECT_EQ(refusal(f16, {.parameters = bf16}),
            "precision parameters=bfloat16 does not go with compute=float16: weights are packed in "
            "the type that they are multiplied in; legal is float16");
  EXPECT_EQ(refusal(f16, {.softmax = DType::Int8}),
            "precision softmax=int8: a model cannot compute in it; legal are float32, bfloat16 and "
            "float16");
}

} // namespace
} // namespace vinci
