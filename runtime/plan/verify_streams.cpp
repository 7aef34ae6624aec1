// Streams and events: do they order what the waits order?
//
// A device knows of streams, which run their commands one after another, and of events between
// them; an executor may go by the waits alone. Both must come to the same.
#include "runtime/plan/command_set.h"
#include "runtime/plan/verify_internal.h"

#include <array>

namespace vinci::planverify {
namespace {

constexpr size_t streamCount = size_t(fb::Stream::MAX) + 1;

void verifyEvents(const Context &context, const fb::Body &body, const std::string &where) {
  const uint32_t commands = body.commands()->size();
  uint32_t before = 0;
  for (const fb::Event *event : *body.events()) {
    if (event->record() >= event->wait() || event->wait() >= commands)
      context.fail(where,
                   "an event is recorded after command {} for command {}; it must be an "
                   "earlier one, of {}",
                   event->record(), event->wait(), commands);
    if (event->wait() < before)
      context.fail(where, "an event for command {} stands after one for command {}", event->wait(),
                   before);
    before = event->wait();
    if (body.commands()->Get(event->record())->stream() ==
        body.commands()->Get(event->wait())->stream())
      context.fail(where, "an event orders commands {} and {}, which are on one stream",
                   event->record(), event->wait());
  }
}

} // namespace

void verifyStreams(const Context &context, uint32_t index, uint64_t &work) {
  const fb::Body &body = *context.plan.bodies()->Get(index);
  if (!body.events())
    return; // of an older plan: it is on one stream, or says nothing of others
  const std::string where = fmt::format("body {} {}", index, quote(body.name()->string_view()));
  context.require(body.events(), where, "events");
  verifyEvents(context, body, where);

  std::array<CommandSet, streamCount> finished; // when the next command of each stream starts
  std::vector<CommandSet> before;               // of each command, when it starts
  auto event = body.events()->begin();
  for (uint32_t ordinal = 0; ordinal < body.commands()->size(); ++ordinal) {
    const fb::Command &command = *body.commands()->Get(ordinal);
    CommandSet &own = finished[command.stream()];
    for (; event != body.events()->end() && event->wait() == ordinal; ++event) {
      own.insert(event->record());
      own.insert(before[event->record()]);
      work += own.words();
    }
    for (uint32_t i = 0; i < command.wait_count(); ++i) {
      const uint32_t wait = body.waits()->Get(command.wait_first() + i);
      if (!own.contains(wait))
        context.fail(commandWhere(context.plan, index, ordinal),
                     "waits for command {} of another stream, and no event says so", wait);
    }
    before.push_back(own);
    own.insert(ordinal);
    work += own.words();
    if (work > maxWork)
      context.fail(where, "the plan has too many commands on streams to verify");
  }
}

} // namespace vinci::planverify
