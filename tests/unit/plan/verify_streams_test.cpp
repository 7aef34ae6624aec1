// Streams, events, prefetches, and parameters that are bound to nothing.
#include "tests/unit/plan/verify_fixture.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using namespace sample;
using fb::PlanT;

#define EXPECT_REFUSED(plan, text)                                                                 \
  EXPECT_NE(verifierMessage(plan).find(text), std::string::npos) << "got: " << verifierMessage(plan)

void setStream(PlanT &plan, uint32_t command, fb::Stream stream) {
  fb::Command &old = plan.bodies[Layer]->commands[command];
  old = fb::Command(old.kernel(), old.operand_first(), old.operand_count(), old.wait_first(),
                    old.wait_count(), uint32_t(stream), old.tiles());
}

/// The keys beside the queries: their projection and rotation on the stream of vectors.
PlanT twoStreams() {
  PlanT plan = planWithSegments();
  setStream(plan, ProjectK, fb::Stream::Vector);
  setStream(plan, RotateK, fb::Stream::Vector);
  plan.bodies[Layer]->events = {{Norm, ProjectK}, {RotateK, Append}};
  return plan;
}

TEST(VerifyStreams, EventsSayWhatWaitsSay) {
  EXPECT_EQ(verifierMessage(twoStreams()), "");
  PlanT plan = twoStreams();
  plan.bodies[Layer]->events.pop_back();
  EXPECT_REFUSED(plan, "body 1 \"decoder_layer\", command 6: waits for command 5 of another "
                       "stream, and no event says so");
  plan = twoStreams();
  plan.bodies[Layer]->events.erase(plan.bodies[Layer]->events.begin());
  EXPECT_REFUSED(plan, "command 2: waits for command 0 of another stream, and no event says so");
}

TEST(VerifyStreams, AnEventCarriesWhatItsStreamHasSeen) {
  // The projection of keys has seen the norm, and whoever waits for it, too.
  PlanT plan = twoStreams();
  setStream(plan, ProjectV, fb::Stream::Cube);
  plan.bodies[Layer]->events = {
      {Norm, ProjectK}, {ProjectK, ProjectV}, {RotateK, Append}, {ProjectV, Append}};
  EXPECT_EQ(verifierMessage(plan), "");
}

TEST(VerifyStreams, EventsLieBetweenStreams) {
  PlanT plan = twoStreams();
  plan.bodies[Layer]->events[0] = {ProjectK, ProjectK};
  EXPECT_REFUSED(plan, "an event is recorded after command 2 for command 2; it must be an earlier "
                       "one, of 10");
  plan = twoStreams();
  plan.bodies[Layer]->events[1] = {RotateK, 10};
  EXPECT_REFUSED(plan, "an event is recorded after command 5 for command 10");
  plan = twoStreams();
  plan.bodies[Layer]->events[0] = {Norm, ProjectQ};
  EXPECT_REFUSED(plan, "an event orders commands 0 and 1, which are on one stream");
  plan = twoStreams();
  std::swap(plan.bodies[Layer]->events[0], plan.bodies[Layer]->events[1]);
  EXPECT_REFUSED(plan, "an event for command 2 stands after one for command 6");
}

/// The queries' weight is fetched beside the norm.
PlanT prefetching() {
  PlanT plan = planWithSegments();
  insertPrefetch(plan, Layer, Norm, 1, 0.5, 96);
  return plan;
}

TEST(VerifyStreams, APrefetchNamesAWeight) {
  EXPECT_EQ(verifierMessage(prefetching()), "");
  PlanT plan = prefetching();
  plan.bodies[Layer]->operands.back() = {fb::Space::Arena, 0};
  EXPECT_REFUSED(plan, "command 0: fetches what is Arena; weights alone are fetched ahead");
  plan = prefetching();
  plan.bodies[Layer]->operands.back() = {fb::Space::Parameter, 5};
  EXPECT_REFUSED(plan, "binding of parameter \"kv_cache\": is a KV cache, but command 0 of the "
                       "body prefetches it");
}

TEST(VerifyStreams, APrefetchIsAHint) {
  PlanT plan = prefetching();
  plan.kernels.back()->prefetch->share = 1.5;
  EXPECT_REFUSED(plan, "the share of a prefetch is 1.5; legal are shares above 0 and up to 1");
  plan = prefetching();
  plan.kernels.back()->outputs = 1;
  EXPECT_REFUSED(plan, "outputs of a prefetch is 1, legal are 0 to 0");
  plan = prefetching();
  plan.kernels.back()->operands = 2;
  EXPECT_REFUSED(plan, "operands of a prefetch is 2, legal are 1 to 1");
  plan = prefetching();
  plan.kernels.back()->prefetch->min_tokens = 1u << 31;
  EXPECT_REFUSED(plan, "min_tokens is 2147483648");
  plan = prefetching();
  plan.kernels.back()->cost = std::make_unique<fb::CostT>();
  EXPECT_REFUSED(plan, "is a prefetch, and has a cost");
}

TEST(VerifyStreams, NothingIsForPrefetchesAlone) {
  PlanT plan = planWithSegments();
  plan.bodies[Layer]->parameters.push_back("next.q");
  insertPrefetch(plan, Layer, Residual, 6, 1);
  for (auto &entry : plan.entries)
    for (auto &call : entry->calls)
      if (call->body == Layer)
        call->bindings.emplace_back(fb::BindingKind::Nothing, 0u);
  EXPECT_EQ(verifierMessage(plan), "");
  plan.entries[0]->calls[1]->bindings[1] = {fb::BindingKind::Nothing, 0};
  EXPECT_REFUSED(plan,
                 "binding of parameter \"q\": is nothing, but command 1 of the body needs it");
  plan = planWithSegments();
  plan.bodies[Layer]->parameters.push_back("next.q");
  for (auto &entry : plan.entries)
    for (auto &call : entry->calls)
      if (call->body == Layer)
        call->bindings.emplace_back(fb::BindingKind::Nothing, 3u);
  EXPECT_REFUSED(plan, "the index of nothing is 3, legal are 0 to 0");
}

TEST(VerifyStreams, RowsOfLogitsHaveALimit) {
  PlanT plan = planWithSegments();
  plan.limits->max_logit_rows = plan.limits->max_batch - 1;
  EXPECT_REFUSED(plan, "max_logit_rows is 3, legal are 4 to 8");
  plan.limits->max_logit_rows = plan.limits->max_batch;
  // decode and score count them as tokens.
  EXPECT_REFUSED(plan, "entry \"decode\", output 0 \"logits\": has another dtype or other dims");
}

} // namespace
} // namespace vinci
