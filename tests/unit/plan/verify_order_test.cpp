// Order and memory: waits, overlapping buffers, what commands find in the arena, in-place kernels.
#include "tests/unit/plan/verify_fixture.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using namespace sample;
using fb::PlanT;
using fb::Space;

fb::BodyT &layer(PlanT &plan) {
  return *plan.bodies[Layer];
}

/// Operand `i` of a command, to be changed.
fb::Operand &operand(PlanT &plan, uint32_t body, uint32_t command, uint32_t i) {
  fb::BodyT &found = *plan.bodies[body];
  return found.operands[found.commands[command].operand_first() + i];
}

/// Makes wait `i` of a command one for `target`.
void setWait(PlanT &plan, uint32_t body, uint32_t command, uint32_t i, uint32_t target) {
  fb::BodyT &found = *plan.bodies[body];
  found.waits[found.commands[command].wait_first() + i] = target;
}

/// Takes the waits of a command away.
void dropWaits(PlanT &plan, uint32_t body, uint32_t command) {
  fb::Command &old = plan.bodies[body]->commands[command];
  old = fb::Command(old.kernel(), old.operand_first(), old.operand_count(), 0, 0, old.stream(),
                    old.tiles());
}

#define EXPECT_REFUSED(plan, text)                                                                 \
  EXPECT_NE(verifierMessage(plan).find(text), std::string::npos) << "got: " << verifierMessage(plan)

TEST(VerifyOrder, WaitsNameEarlierCommands) {
  PlanT plan = planWithSegments();
  setWait(plan, Layer, ProjectQ, 0, ProjectQ);
  EXPECT_REFUSED(plan, "command 1: waits for command 1, which is not an earlier one");
  setWait(plan, Layer, ProjectQ, 0, 0xffffffff);
  EXPECT_REFUSED(plan, "waits for command 4294967295, which is not an earlier one");
}

TEST(VerifyOrder, ReadAfterWrite) {
  PlanT plan = planWithSegments();
  dropWaits(plan, Layer, ProjectQ);
  EXPECT_REFUSED(plan, "body 1 \"decoder_layer\", command 1: does not wait for command 0, which "
                       "writes buffer 2 \"x\"");
}

TEST(VerifyOrder, WriteAfterRead) {
  // The attention's result overwrites x, which ProjectV reads: reached only through Append.
  PlanT plan = planWithSegments();
  setWait(plan, Layer, Append, 1, RotateK);
  operand(plan, Layer, Append, 2) = {Space::Arena, K};
  EXPECT_REFUSED(plan, "command 7: does not wait for command 3, which reads buffer 2 \"x\"");
}

TEST(VerifyOrder, WriteAfterWrite) {
  PlanT plan = planWithSegments();
  operand(plan, Layer, ProjectK, 0) = {Space::Arena, Q};
  EXPECT_REFUSED(plan, "command 2: does not wait for command 1, which writes buffer 3 \"q\"");
}

TEST(VerifyOrder, WaitsAreTransitive) {
  // Attention reaches the norm and the projections only through others: the sample itself shows it.
  PlanT plan = planWithSegments();
  EXPECT_EQ(layer(plan).commands[Attend].wait_count(), 2u);
  EXPECT_EQ(verifierMessage(plan), "");
}

TEST(VerifyOrder, CacheIsReadAfterItIsWritten) {
  PlanT plan = planWithSegments();
  setWait(plan, Layer, Attend, 1, ProjectV);
  EXPECT_REFUSED(plan, "command 7: does not wait for command 6, which writes parameter "
                       "\"kv_cache\"");
}

TEST(VerifyOrder, LogitsAreWrittenInOrder) {
  PlanT plan = planWithSegments();
  operand(plan, Epilogue, 0, 0) = {Space::Output, 0};
  operand(plan, Epilogue, 1, 1) = {Space::Arena, Hidden};
  dropWaits(plan, Epilogue, 1);
  EXPECT_REFUSED(plan, "command 1: does not wait for command 0, which writes the same step output");
}

TEST(VerifyMemory, ReadsOfWhatNobodyWrote) {
  PlanT plan = planWithSegments();
  operand(plan, Layer, ProjectO, 1) = {Space::Arena, Rows};
  EXPECT_REFUSED(plan, "entry \"prefill\", call 1: body 1 \"decoder_layer\", command 8 reads "
                       "buffer 8 \"rows\": nothing has written it in this step");
}

TEST(VerifyMemory, ReadsOfWhatWasOverwritten) {
  PlanT plan = planWithSegments();
  operand(plan, Layer, ProjectO, 1) = {Space::Arena, X};
  EXPECT_REFUSED(plan, "command 8: reads buffer 2 \"x\" after buffer 6 \"attended\" has "
                       "overwritten it");
}

TEST(VerifyMemory, BuffersThatLiveAcrossCallsMayNotBeOverwritten) {
  // The rotary table is written once and read by every layer.
  PlanT plan = planWithSegments();
  plan.buffers[O]->offset = plan.buffers[Rope]->offset;
  setWait(plan, Layer, ProjectO, 0, Attend);
  layer(plan).waits.push_back(RotateK);
  EXPECT_REFUSED(plan, "entry \"prefill\", call 2: body 1 \"decoder_layer\", command 4 reads "
                       "buffer 1 \"rope\": buffer 7 \"o\" has overwritten it");
}

TEST(VerifyMemory, PartialOverlapIsOverlap) {
  PlanT plan = planWithSegments();
  plan.buffers[Q]->offset = plan.buffers[X]->offset + 64;
  EXPECT_REFUSED(plan, "\"q\"");
}

TEST(VerifyMemory, InPlaceOnlyWhereTheKernelMay) {
  PlanT plan = planWithSegments();
  operand(plan, Layer, ProjectO, 0) = {Space::Arena, Attended};
  EXPECT_REFUSED(plan, "command 8: \"matmul\" may not write buffer 6 \"attended\" over its input "
                       "buffer 6 \"attended\"");
}

TEST(VerifyMemory, InPlaceOverAnotherBufferOfTheSameBytes) {
  PlanT plan = planWithSegments();
  // add: hidden = o + hidden, with the second operand in place.
  std::swap(operand(plan, Layer, Residual, 1), operand(plan, Layer, Residual, 2));
  EXPECT_EQ(verifierMessage(plan), "");
  // rope: only its first input.
  std::swap(operand(plan, Layer, RotateQ, 1), operand(plan, Layer, RotateQ, 2));
  EXPECT_REFUSED(plan, "\"rope\" may not write buffer 3 \"q\" over its input buffer 3 \"q\"");
}

TEST(VerifyMemory, InPlaceNeedsTheSameBytes) {
  PlanT plan = planWithSegments();
  plan.buffers[O]->offset = plan.buffers[Hidden]->offset + 64;
  operand(plan, Layer, Residual, 0) = {Space::Arena, O};
  operand(plan, Layer, Residual, 2) = {Space::Arena, Hidden};
  EXPECT_REFUSED(plan, "over");
}

TEST(VerifyMemory, TwoOutputsMayNotOverlap) {
  PlanT plan = planWithSegments();
  plan.kernels[MatmulQ]->outputs = 2;
  operand(plan, Layer, ProjectQ, 1) = {Space::Arena, Q};
  EXPECT_REFUSED(plan, "command 1: writes buffer 3 \"q\" and buffer 3 \"q\", which overlap");
  plan = planWithSegments();
  plan.kernels[KvAppend]->outputs = 2;
  operand(plan, Layer, Append, 1) = {Space::Parameter, 5};
  EXPECT_REFUSED(plan, "command 6: writes the same memory through operands 0 and 1");
}

TEST(VerifyMemory, ReadOnlySpaces) {
  PlanT plan = planWithSegments();
  operand(plan, Layer, Norm, 0) = {Space::Input, Positions};
  EXPECT_REFUSED(plan, "command 0: writes step input 1, which is read-only");
  operand(plan, Layer, Norm, 0) = {Space::Constant, 0};
  EXPECT_REFUSED(plan, "command 0: writes constant 0, which is read-only");
  plan = planWithSegments();
  operand(plan, Layer, Norm, 1) = {Space::Output, 0};
  EXPECT_REFUSED(plan, "command 0: reads step output 0, outputs are only written");
}

TEST(VerifyMemory, WorkIsBounded) {
  // 2000 commands write 2000 buffers on the same bytes; 2000 more read the last of them 31 times
  // each.
  PlanT plan = planWithSegments();
  plan.debug.clear();
  auto wide = std::make_unique<fb::KernelT>(*plan.kernels[Add]);
  wide->symbol = "wide";
  wide->operands = 32;
  plan.kernels.push_back(std::move(wide));
  fb::BodyT &body = *plan.bodies[Prologue];
  const uint32_t first = uint32_t(plan.buffers.size());
  for (uint32_t i = 0; i < 4000; ++i) {
    if (i < 2000)
      plan.buffers.push_back(std::make_unique<fb::BufferT>(*plan.buffers[X]));
    uint32_t previous = uint32_t(body.commands.size()) - 1;
    body.commands.emplace_back(uint32_t(kernelCount), uint32_t(body.operands.size()), 32,
                               uint32_t(body.waits.size()), 1, 0,
                               fb::TileRule(fb::Symbol::One, 1, 1, 1));
    body.waits.push_back(previous);
    body.operands.emplace_back(Space::Arena, i < 2000 ? first + i : uint32_t(Rows));
    for (uint32_t input = 1; input < 32; ++input)
      body.operands.emplace_back(i < 2000 ? Space::Input : Space::Arena,
                                 i < 2000 ? 0 : first + 1999);
  }
  EXPECT_REFUSED(plan, "the plan has too many commands on overlapping buffers to verify");
}

} // namespace
} // namespace vinci
