#include "tools/vinci/trace_events.h"

#include "runtime/support/error.h"
#include "tools/vinci/plan_cache.h"

#include <algorithm>
#include <new>
#include <vector>
#include <zlib.h>

namespace vinci {

/// As gzip has it, without name and time: the same text gives the same bytes.
static std::vector<std::byte> compress(const std::string &text) {
  z_stream stream{};
  constexpr int gzip = 16 + MAX_WBITS;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip, MAX_MEM_LEVEL,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  std::vector<std::byte> bytes(deflateBound(&stream, text.size()));
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  stream.next_out = reinterpret_cast<Bytef *>(bytes.data());
  // zlib counts in 32 bits.
  size_t left = text.size(), room = bytes.size();
  int state = Z_OK;
  while (state == Z_OK) {
    constexpr size_t most = size_t(1) << 30;
    stream.avail_in = uInt(std::min(left, most));
    stream.avail_out = uInt(std::min(room, most));
    const uInt in = stream.avail_in, out = stream.avail_out;
    state = deflate(&stream, in == left ? Z_FINISH : Z_NO_FLUSH);
    left -= in - stream.avail_in;
    room -= out - stream.avail_out;
  }
  deflateEnd(&stream);
  if (state != Z_STREAM_END)
    failInternal("zlib gave {} for {} bytes", state, text.size());
  bytes.resize(bytes.size() - room);
  return bytes;
}

void TraceEvents::add(const Json &event) {
  if (!events_.empty())
    events_ += ",\n";
  events_ += event.dump();
}

void TraceEvents::slice(const std::string &name, uint32_t process, uint64_t thread, double start,
                        double duration, const Json &arguments) {
  add({{"name", name},
       {"ph", "X"},
       {"pid", process},
       {"tid", thread},
       {"ts", start},
       {"dur", duration},
       {"args", arguments}});
}

void TraceEvents::counter(const char *name, uint32_t process, double at, const Json &values) {
  add({{"name", name}, {"ph", "C"}, {"pid", process}, {"ts", at}, {"args", values}});
}

void TraceEvents::nameProcess(uint32_t process, const std::string &name) {
  add({{"name", "process_name"},
       {"ph", "M"},
       {"pid", process},
       {"tid", 0},
       {"args", {{"name", name}}}});
}

void TraceEvents::nameThread(uint32_t process, uint64_t thread, const std::string &name) {
  add({{"name", "thread_name"},
       {"ph", "M"},
       {"pid", process},
       {"tid", thread},
       {"args", {{"name", name}}}});
}

void TraceEvents::kernels(const PlanClock &clock, EntryKind entry, const StepRecord &step,
                          uint32_t process, double start) {
  double end = start;
  clock.trace(entry, step, [&](const PlacedCommand &command) {
    const double begin = start + command.startUs;
    end = std::max(end, start + command.endUs);
    slice(command.kernel->op()->str(), process, 1 + command.stream, begin,
          command.endUs - command.startUs,
          {{"kernel", command.kernel->symbol()->str()}, {"layer", command.layer}});
    counter("L2 bytes", process, begin,
            {{"prefetched_weights", uint64_t(command.l2WeightBytes)},
             {"activations", uint64_t(command.l2ActivationBytes)}});
  });
  counter("L2 bytes", process, end, {{"prefetched_weights", 0}, {"activations", 0}});
}

void TraceEvents::write(const std::string &path) const {
  const std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + events_ + "\n]}\n";
  if (path.ends_with(".gz"))
    writeFile(path, compress(text));
  else
    writeFile(path, std::as_bytes(std::span(text)));
}

} // namespace vinci
