#include "runtime/device/simulated_device.h"

#include "runtime/device/device_memory.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <utility>

namespace vinci {

namespace {

class SimulatedDevice;

/// Commands being collected, for the next run or for a graph. `id` is never reused.
struct Tape {
  uint64_t id = 0;
  CommandList list;
};

/// How far a stream has come on a tape: what is queued next runs after these commands.
struct Frontier {
  uint64_t tape = 0;
  std::vector<uint32_t> commands;
};

class SimulatedGraph final : public Graph {
public:
  SimulatedGraph(const SimulatedDevice &device, CommandList list)
      : device(device), list(std::move(list)) {}
  size_t commandCount() const override { return list.size(); }

  const SimulatedDevice &device;
  CommandList list;
};

class SimulatedEvent final : public Event {
public:
  explicit SimulatedEvent(const SimulatedDevice &device) : device(device) {}
  bool done() const override;

  const SimulatedDevice &device;
  Frontier recorded; ///< tape 0: never, or when nothing was queued
};

class SimulatedStream final : public Stream {
public:
  explicit SimulatedStream(SimulatedDevice &device) : device_(device) {}

  void launch(const KernelLaunch &launch) override { push(launch); }
  void launch(const CollectiveCall &call) override { push(call); }
  void launch(Graph &graph) override;
  void record(Event &event) override;
  void wait(const Event &event) override;
  void beginCapture() override;
  std::unique_ptr<Graph> endCapture() override;
  void synchronize() override;

private:
  template <typename Work> void push(const Work &work);
  bool capturing() const;
  Tape &tape();
  Frontier &frontier();

  SimulatedDevice &device_;
  Frontier eager_, captured_; ///< of an ended capture captured_ has a stale tape, and means nothing
};

class SimulatedDevice final : public Device {
public:
  SimulatedDevice(DeviceProperties properties, SimulatedMachine &machine)
      : machine(machine), properties_(std::move(properties)),
        memory_(properties_.name, properties_.memoryBytes) {
    pending.id = nextTape();
  }

  const DeviceProperties &properties() const override { return properties_; }
  void *allocate(uint64_t bytes, std::string_view purpose) override {
    return memory_.allocate(bytes, purpose);
  }
  void free(void *address) override { memory_.free(address); }
  void registerHostMemory(const void *address, uint64_t bytes, std::string_view purpose) override {
    memory_.registerHostMemory(address, bytes, purpose);
  }
  void unregisterHostMemory(const void *address) override { memory_.unregisterHostMemory(address); }
  MemoryUse memoryUse() const override { return memory_.use(); }

  std::unique_ptr<Stream> createStream() override {
    return std::make_unique<SimulatedStream>(*this);
  }
  std::unique_ptr<Event> createEvent() override { return std::make_unique<SimulatedEvent>(*this); }
  std::unique_ptr<Graph> createGraph(CommandList commands) override {
    return std::make_unique<SimulatedGraph>(*this, std::move(commands));
  }

  uint64_t nextTape() { return ++lastTape_; }
  /// Before anything joins a graph that is queued alone.
  void spellOutGraph() {
    if (pendingGraph)
      pending.list.append(pendingGraph->list);
    pendingGraph = nullptr;
  }
  /// What is queued here, or nullptr.
  CommandList *queued() {
    if (pendingGraph)
      return &pendingGraph->list;
    return pending.list.size() > 0 ? &pending.list : nullptr;
  }
  void dropQueued() {
    pendingGraph = nullptr;
    pending.list.clear();
    pending.id = nextTape();
  }

  SimulatedMachine &machine;
  Tape pending;
  SimulatedGraph *pendingGraph = nullptr; ///< queued and nothing else is
  Tape capture;                           ///< id 0: none under way
  const Stream *captureOrigin = nullptr;

private:
  DeviceProperties properties_;
  DeviceMemory memory_;
  uint64_t lastTape_ = 0;
};

template <typename T, typename Base>
auto &own(Base &object, const SimulatedDevice &device, const char *what) {
  auto *simulated = dynamic_cast<T *>(&object);
  if (!simulated || &simulated->device != &device)
    fail("the {} belongs to another device than the stream, {}", what, device.properties().name);
  return *simulated;
}

bool SimulatedEvent::done() const {
  return recorded.tape != device.pending.id;
}

bool SimulatedStream::capturing() const {
  return device_.capture.id != 0 && captured_.tape == device_.capture.id;
}

Tape &SimulatedStream::tape() {
  return capturing() ? device_.capture : device_.pending;
}

Frontier &SimulatedStream::frontier() {
  if (capturing())
    return captured_;
  if (eager_.tape != device_.pending.id)
    eager_ = {device_.pending.id, {}};
  return eager_;
}

template <typename Work> void SimulatedStream::push(const Work &work) {
  if (!capturing())
    device_.spellOutGraph();
  Frontier &reached = frontier();
  reached.commands.assign(1, tape().list.add(work, reached.commands));
}

void SimulatedStream::launch(Graph &graph) {
  auto &own = vinci::own<SimulatedGraph>(graph, device_, "graph");
  if (!capturing() && !device_.queued()) {
    device_.pendingGraph = &own;
    return;
  }
  if (!capturing())
    device_.spellOutGraph();
  tape().list.append(own.list);
  frontier().commands.assign(1, uint32_t(tape().list.size() - 1));
}

void SimulatedStream::record(Event &event) {
  bool idle = !capturing() && !device_.queued();
  own<SimulatedEvent>(event, device_, "event").recorded = idle ? Frontier{} : frontier();
}

void SimulatedStream::wait(const Event &event) {
  const Frontier &recorded = own<const SimulatedEvent>(event, device_, "event").recorded;
  bool captured = recorded.tape != 0 && recorded.tape == device_.capture.id;
  if (captured && !capturing())
    captured_ = recorded; // this stream joins the capture
  else if (capturing() && recorded.tape == device_.pending.id && !event.done())
    fail("a stream under capture cannot wait for an event that was recorded outside the capture");
  if (Frontier &reached = frontier(); reached.tape == recorded.tape)
    for (uint32_t command : recorded.commands)
      if (std::ranges::find(reached.commands, command) == reached.commands.end())
        reached.commands.push_back(command);
}

void SimulatedStream::beginCapture() {
  if (device_.capture.id != 0)
    fail("{} is already capturing a graph", device_.properties().name);
  device_.capture.id = device_.nextTape();
  device_.captureOrigin = this;
  captured_ = {device_.capture.id, {}};
}

std::unique_ptr<Graph> SimulatedStream::endCapture() {
  if (device_.capture.id == 0 || device_.captureOrigin != this)
    fail("endCapture on a stream that did not begin a capture");
  device_.capture.id = 0;
  device_.captureOrigin = nullptr;
  return device_.createGraph(std::exchange(device_.capture.list, {}));
}

void SimulatedStream::synchronize() {
  if (capturing())
    fail("a stream under capture cannot be synchronized; end the capture first");
  device_.machine.synchronize();
}

} // namespace

class SimulatedMachine::Impl {
public:
  explicit Impl(CommandRunner &runner) : runner(runner) {}

  CommandRunner &runner;
  std::vector<std::unique_ptr<SimulatedDevice>> devices;
  std::vector<CommandList *> lists; ///< scratch of synchronize
};

SimulatedMachine::SimulatedMachine(std::vector<DeviceProperties> devices, CommandRunner &runner)
    : impl_(std::make_unique<Impl>(runner)) {
  for (DeviceProperties &properties : devices)
    impl_->devices.push_back(std::make_unique<SimulatedDevice>(std::move(properties), *this));
  impl_->lists.reserve(impl_->devices.size());
}

SimulatedMachine::~SimulatedMachine() = default;

size_t SimulatedMachine::size() const {
  return impl_->devices.size();
}

Device &SimulatedMachine::device(size_t ordinal) {
  if (ordinal >= size())
    fail("there is no device {}; the machine has devices 0 to {}", ordinal, size() - 1);
  return *impl_->devices[ordinal];
}

void SimulatedMachine::synchronize() {
  impl_->lists.clear();
  for (auto &device : impl_->devices)
    if (CommandList *queued = device->queued())
      impl_->lists.push_back(queued);
  // Dropped also if the run fails: what is left of it could not be told apart from what has run.
  struct Drop {
    Impl &impl;
    ~Drop() {
      for (auto &device : impl.devices)
        device->dropQueued();
    }
  } drop{*impl_};
  if (!impl_->lists.empty())
    impl_->runner.run(impl_->lists);
}

} // namespace vinci
