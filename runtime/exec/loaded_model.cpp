#include "runtime/exec/loaded_model.h"

#include "runtime/device/simulated_device.h"
#include "runtime/exec/arena_poison.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/exec/kernel_linker.h"
#include "runtime/exec/lockstep_runner.h"
#include "runtime/exec/region_executor.h"
#include "runtime/exec/resolve.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/layout.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/philox.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/panel12.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fmt/ranges.h>
#include <map>
#include <tbb/parallel_for.h>
#include <unistd.h>

namespace vinci {

namespace {

constexpr std::array entryKinds = {EntryKind::Prefill, EntryKind::Decode, EntryKind::Score};

uint64_t physicalMemory() {
  return uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
}

ModelLimits limitsOf(const fb::Plan &plan) {
  const fb::Limits &limits = *plan.limits();
  return {plan.model()->vocab_size(), limits.max_seq_len(),   limits.max_tokens_per_step(),
          limits.max_batch(),         limits.kv_blocks(),     plan.kv_cache()->block_size(),
          dataGroupsOf(plan),         limits.max_logit_rows()};
}

GraphCapture graphsOf(const fb::Plan &plan) {
  const fb::Graphs *graphs = plan.graphs();
  if (!graphs)
    return {};
  return {GraphMode(graphs->mode()), {graphs->sizes()->begin(), graphs->sizes()->end()}};
}

void requireHost(const Plan &plan) {
  std::vector<std::string> required;
  for (const auto *feature : *plan.root()->cpu_features())
    required.push_back(feature->str());
  checkHostFeatures(required, plan.name());
}

/// Bytes of a step input or output with every symbol at its limit. Verification knows that they are
/// few enough.
uint64_t bytesAtLimits(const fb::Plan &plan, const fb::StepTensor &tensor) {
  uint64_t bytes = byteSize(toDType(tensor.dtype()));
  for (const fb::Dim *dim : *tensor.dims())
    bytes *= dim->scale() * symbolLimit(*plan.limits(), dim->symbol());
  return bytes;
}

uint32_t threadsOf(const LoadOptions &options) {
  if (options.threads)
    return options.threads;
  const uint32_t sharers = options.processes ? options.processes->onThisHost() : 1;
  return std::max(1u, RegionExecutor::defaultThreads() / sharers);
}

/// Ranks whose devices are on this host.
uint32_t ranksHere(const Plan &plan, const LoadOptions &options) {
  return heldRanks(plan, options.processes).count *
         (options.processes ? options.processes->onThisHost() : 1);
}

uint64_t deviceMemory(const LoadOptions &options, uint32_t ranks) {
  return options.deviceMemoryBytes ? options.deviceMemoryBytes : physicalMemory() / ranks;
}

std::vector<DeviceProperties> devicesOf(const Plan &plan, const LoadOptions &options) {
  const RankRange held = heldRanks(plan, options.processes);
  std::vector<DeviceProperties> devices;
  for (uint32_t i = 0; i < held.count; ++i)
    devices.push_back(
        {fmt::format("npu{}", held.first + i), deviceMemory(options, ranksHere(plan, options))});
  return devices;
}

/// A rank's device and what lies in its memory.
struct Rank {
  Device &device;
  uint32_t group = 0; ///< of ranks that have the same tokens
  Pack pack;
  Addresses addresses;
  std::unique_ptr<Stream> stream;
  /// The commands of each entry, for steps of any size: what a host that launches kernel by kernel
  /// sends.
  std::array<std::unique_ptr<Graph>, entryKinds.size()> eager;
  std::array<std::deque<ExpertCount>, entryKinds.size()> expertCounts; ///< of `eager`
};

/// A step of one kind and size, captured on every rank. All sizes work in the same arena.
struct CapturedStep {
  /// Of the graph: its tokens never change. Sequences and rows of logits of a prefill are updated
  /// before a replay, as the vendor's runtime updates the parameters of attention.
  StepDims dims;
  /// By rank; one graph, or in pieces, every second of which is an attention, launched by itself.
  std::vector<std::vector<std::unique_ptr<Graph>>> pieces;
  std::vector<std::deque<ExpertCount>> expertCounts; ///< by rank
};

} // namespace

class LoadedModel::Impl {
public:
  Impl(Plan plan, std::vector<Pack> packs, const LoadOptions &options);

  std::span<const std::span<const float>> step(EntryKind kind, std::span<const StepInputs> groups);
  std::span<const float> tracedStep(EntryKind kind, const StepInputs &inputs,
                                    const TraceObserver &after);
  void timedStep(EntryKind kind, const StepInputs &inputs, const TimeObserver &after);
  void fillCache(uint64_t seed);
  double bfloat16ReadShare() const;
  MemoryUse memoryUse() const;
  std::span<const uint32_t> expertsHit() const { return expertsHit_; }

  Plan plan;
  ModelLimits limits;
  GraphCapture graphs;
  ProcessGroup *const processes;
  RegionExecutor executor;
  LockstepRunner lockstep; ///< in place of the executor where there are other processes
  SimulatedMachine machine;
  uint64_t replays = 0;
  bool replayGraphs = true;
  uint64_t arenaHighWater = 0;

private:
  std::span<const std::span<const float>> poisonedStep(EntryKind kind,
                                                       std::span<const StepInputs> groups);
  /// The logits of every group are in logits_ then.
  void traceGroups(EntryKind kind, std::span<const StepInputs> groups, const TraceObserver &after);
  /// Of each MoE layer, the most experts that a rank has hit.
  void takeHits(auto countsOf);
  void capture(EntryKind kind, uint32_t tokens);
  void replay(CapturedStep &captured);
  std::vector<VinciKernel> linkKernels();
  void allocate(Rank &rank, uint32_t number);
  /// Checks the inputs, and gives them and the sizes to all ranks.
  void beginStep(EntryKind kind, std::span<const StepInputs> groups);
  void setInputs(Rank &rank, const StepInputs &inputs, EntryKind kind);
  void shareLogits();

  std::vector<KernelLibrary> libraries_;
  RankGroups groups_;
  std::vector<Rank> ranks_;
  StepDims dims_;                              ///< of all ranks
  std::vector<std::span<const float>> logits_; ///< of each group: on its first rank here, or
                                               ///< fetched from the process that has it
  std::vector<std::vector<float>> fetched_;    ///< of each group: without a rank in this process
  std::vector<uint32_t> expertsHit_;
  const bool poison_, countExperts_;
  std::map<std::pair<EntryKind, uint64_t>, CapturedStep> captured_; ///< by kind and tokens
};

LoadedModel::Impl::Impl(Plan thePlan, std::vector<Pack> packs, const LoadOptions &options)
    : plan(std::move(thePlan)), limits(limitsOf(*plan.root())), graphs(graphsOf(*plan.root())),
      processes(options.processes), executor(threadsOf(options)), lockstep(executor),
      machine(devicesOf(plan, options),
              processes ? static_cast<CommandRunner &>(lockstep) : executor),
      groups_(*plan.root(), processes, heldRanks(plan, processes)), poison_(options.poison),
      countExperts_(options.countExperts) {
  if (packs.size() != machine.size())
    failInternal("{} ranks with the weights of {}", machine.size(), packs.size());
  requireHost(plan);
  requireMemory(plan, options);
  const std::vector<VinciKernel> kernels = linkKernels();
  const Mesh mesh(*plan.root());
  const MeshAxes dataAxes = dataAxesOf(*plan.root());
  logits_.resize(limits.dataGroups);
  fetched_.resize(limits.dataGroups);
  ranks_.reserve(packs.size());
  for (uint32_t i = 0; i < packs.size(); ++i) {
    const uint32_t number = heldRanks(plan, processes).first + i;
    Device &device = machine.device(i);
    Rank &rank = ranks_.emplace_back(Rank{device,
                                          mesh.placeAlong(dataAxes, number),
                                          std::move(packs[i]),
                                          {},
                                          device.createStream(),
                                          {},
                                          {}});
    rank.addresses.kernels = kernels;
    rank.addresses.groups = groups_.placesOf(number);
    allocate(rank, number);
    if (!logits_[rank.group].data())
      logits_[rank.group] = {static_cast<const float *>(rank.addresses.outputs[0]), 0};
    for (EntryKind kind : entryKinds) {
      rank.addresses.expertCounts =
          options.countExperts ? &rank.expertCounts[size_t(kind)] : nullptr;
      rank.eager[size_t(kind)] = device.createGraph(
          resolveEntry(*plan.root(), *plan.entry(toString(kind)), rank.addresses, dims_));
    }
    rank.addresses.expertCounts = nullptr;
  }
  // The largest first: on a device it makes the pool that the others find room in.
  for (EntryKind kind : entryKinds)
    for (auto size = graphs.sizes.rbegin(); size != graphs.sizes.rend(); ++size)
      if (captureOf(graphs.mode, kind) != CaptureForm::None &&
          (kind != EntryKind::Decode || *size <= limits.maxBatch))
        capture(kind, *size);
}

void LoadedModel::Impl::capture(EntryKind kind, uint32_t tokens) {
  CapturedStep &captured = captured_[{kind, tokens}];
  const fb::Entry &entry = *plan.entry(toString(kind));
  captured.expertCounts.resize(ranks_.size());
  for (size_t number = 0; number < ranks_.size(); ++number) {
    Rank &rank = ranks_[number];
    if (countExperts_)
      rank.addresses.expertCounts = &captured.expertCounts[number];
    std::vector<CommandList> lists;
    if (captureOf(graphs.mode, kind) == CaptureForm::Pieces)
      lists = resolvePieces(*plan.root(), entry, rank.addresses, captured.dims);
    else
      lists.push_back(resolveEntry(*plan.root(), entry, rank.addresses, captured.dims));
    rank.addresses.expertCounts = nullptr;
    auto &pieces = captured.pieces.emplace_back();
    for (CommandList &list : lists)
      pieces.push_back(rank.device.createGraph(std::move(list)));
  }
}

/// Piece by piece on all ranks together, since collectives meet within a piece.
void LoadedModel::Impl::replay(CapturedStep &captured) {
  captured.dims = dims_;
  for (size_t piece = 0; piece < captured.pieces.front().size(); ++piece) {
    for (size_t rank = 0; rank < ranks_.size(); ++rank)
      ranks_[rank].stream->launch(*captured.pieces[rank][piece]);
    machine.synchronize();
  }
  ++replays;
  takeHits([&](size_t rank) -> const auto & { return captured.expertCounts[rank]; });
}

void LoadedModel::Impl::takeHits(auto countsOf) {
  expertsHit_.assign(countsOf(0).size(), 0);
  for (size_t rank = 0; rank < ranks_.size(); ++rank)
    for (size_t layer = 0; layer < expertsHit_.size(); ++layer)
      expertsHit_[layer] = std::max(expertsHit_[layer], countsOf(rank)[layer].hit);
  if (processes && !expertsHit_.empty())
    takeMaxima(*processes, expertsHit_);
}

/// A prefetch: the values are the same without it, and here there is no L2 to fill.
static void fetchNothing(void *const *, const uint64_t *, uint32_t) {}

std::vector<VinciKernel> LoadedModel::Impl::linkKernels() {
  const fb::Plan &root = *plan.root();
  std::vector<const KernelLibrary *> ofSegment(root.segments()->size());
  std::vector<VinciKernel> kernels;
  libraries_.reserve(root.segments()->size());
  for (const fb::Kernel *kernel : *root.kernels()) {
    if (!isCompiled(*kernel)) {
      kernels.push_back(kernel->prefetch() ? fetchNothing : nullptr);
      continue;
    }
    const KernelLibrary *&library = ofSegment[kernel->segment()];
    if (!library)
      library = &libraries_.emplace_back(
          KernelLibrary::link(plan.segment(kernel->segment()), plan.name()));
    kernels.push_back(library->find(kernel->symbol()->str()));
  }
  return kernels;
}

void LoadedModel::Impl::allocate(Rank &rank, uint32_t number) {
  const fb::Plan &root = *plan.root();
  Addresses &addresses = rank.addresses;
  const Pack &pack = rank.pack;
  auto allocate = [&](uint64_t bytes, std::string_view purpose) {
    // A plan may need none of something; its address is never used then.
    return rank.device.allocate(std::max<uint64_t>(bytes, 1), purpose);
  };
  if (pack.totalBytes() > 0)
    rank.device.registerHostMemory(pack.weight(0), pack.totalBytes(), "weights");
  for (size_t i = 0; i < pack.size(); ++i)
    addresses.weights.push_back(pack.weight(i));
  // Constants are read in the mapped plan; kernels never write them.
  for (size_t i = 0; i < root.constants()->size(); ++i)
    addresses.constants.push_back(const_cast<std::byte *>(plan.constant(i, number).data()));

  addresses.kvLayerBytes = uint64_t(limits.kvBlocks) * root.kv_cache()->bytes_per_block();
  addresses.kvCache = static_cast<std::byte *>(
      allocate(addresses.kvLayerBytes * root.kv_cache()->layers(), "the KV cache"));
  addresses.arena = static_cast<std::byte *>(allocate(root.arena_bytes(), "activations"));
  // All entries have the same inputs, and the same output up to the name of its rows.
  const fb::Entry &entry = *plan.entry(toString(EntryKind::Prefill));
  for (const fb::StepTensor *input : *entry.inputs())
    addresses.inputs.push_back(allocate(bytesAtLimits(root, *input), input->name()->str()));
  for (const fb::StepTensor *output : *entry.outputs())
    addresses.outputs.push_back(allocate(bytesAtLimits(root, *output), output->name()->str()));
}

/// The most that `size` says of a group.
static uint64_t most(std::span<const StepInputs> groups, auto size) {
  uint64_t most = 0;
  for (const StepInputs &inputs : groups)
    most = std::max<uint64_t>(most, size(inputs));
  return most;
}

void LoadedModel::Impl::beginStep(EntryKind kind, std::span<const StepInputs> groups) {
  checkStepInputs(kind, groups, limits);
  const auto rowsOf = [&](const StepInputs &inputs) {
    return kind == EntryKind::Prefill ? inputs.logitIndices.size() : inputs.tokenIds.size();
  };
  dims_[VINCI_DIM_TOKENS] = most(groups, [](const auto &inputs) { return inputs.tokenIds.size(); });
  dims_[VINCI_DIM_SEQUENCES] =
      most(groups, [](const auto &inputs) { return inputs.contextLens.size(); });
  dims_[VINCI_DIM_LOGIT_ROWS] = most(groups, rowsOf);
  dims_[VINCI_DIM_TOKEN_SHARES] =
      partSize(dims_[VINCI_DIM_TOKENS], plan.root()->limits()->token_shares());
  for (Rank &rank : ranks_)
    setInputs(rank, groups[rank.group], kind);
  for (size_t group = 0; group < groups.size(); ++group)
    logits_[group] = {logits_[group].data(), rowsOf(groups[group]) * limits.vocabSize};
}

/// Every rank of a group has its logits; a process that has none of them gets them from the one
/// with the group's first rank.
void LoadedModel::Impl::shareLogits() {
  if (!processes || limits.dataGroups == 1)
    return;
  const Mesh mesh(*plan.root());
  const MeshAxes dataAxes = dataAxesOf(*plan.root());
  const uint32_t each = heldRanks(plan, processes).count;
  std::vector<ProcessGroup::Outgoing> outgoing;
  std::vector<ProcessGroup::Incoming> incoming;
  for (uint32_t group = 0; group < limits.dataGroups; ++group) {
    // Which processes have ranks of it, the first rank's first.
    std::vector<uint32_t> holders;
    for (uint32_t rank = 0; rank < mesh.ranks(); ++rank)
      if (mesh.placeAlong(dataAxes, rank) == group)
        holders.push_back(rank / each);
    const auto holds = [&](uint32_t process) {
      return std::ranges::find(holders, process) != holders.end();
    };
    const size_t count = logits_[group].size();
    if (!holds(processes->rank())) {
      fetched_[group].resize(std::max(fetched_[group].size(), count));
      logits_[group] = {fetched_[group].data(), count};
      incoming.push_back({holders.front(), fetched_[group].data(), count * sizeof(float)});
    } else if (holders.front() == processes->rank()) {
      for (uint32_t process = 0; process < processes->size(); ++process)
        if (!holds(process))
          outgoing.push_back({process, logits_[group].data(), count * sizeof(float)});
    }
  }
  processes->exchange(outgoing, incoming);
}

/// What a rank is not given, because its group has fewer rows or sequences than another, are rows
/// of token 0 that are not cached, logits of row 0, and sequences without tokens.
void LoadedModel::Impl::setInputs(Rank &rank, const StepInputs &inputs, EntryKind kind) {
  const uint64_t tokens = dims_[VINCI_DIM_TOKENS], sequences = dims_[VINCI_DIM_SEQUENCES];
  const auto set = [&](size_t input, std::span<const int32_t> values, uint64_t count,
                       int32_t padding) {
    auto *first = static_cast<int32_t *>(rank.addresses.inputs[input]);
    std::fill(std::ranges::copy(values, first).out, first + count, padding);
  };
  set(0, inputs.tokenIds, tokens, 0);
  set(1, inputs.positions, tokens, 0);
  set(2, inputs.slotMapping, tokens, -1);
  // It has a fixed length.
  set(3, inputs.queryStart, limits.maxBatch + 1, int32_t(inputs.tokenIds.size()));
  set(4, inputs.contextLens, sequences, 0);
  set(5, inputs.blockTables, sequences * limits.blocksPerSequence(), 0);
  if (kind == EntryKind::Prefill)
    set(6, inputs.logitIndices, dims_[VINCI_DIM_LOGIT_ROWS], 0);
}

std::span<const std::span<const float>>
LoadedModel::Impl::step(EntryKind kind, std::span<const StepInputs> groups) {
  if (poison_)
    return poisonedStep(kind, groups);
  beginStep(kind, groups);
  if (const auto found = captured_.find({kind, dims_[VINCI_DIM_TOKENS]});
      replayGraphs && found != captured_.end()) {
    replay(found->second);
    shareLogits();
    return logits_;
  }
  for (Rank &rank : ranks_)
    rank.stream->launch(*rank.eager[size_t(kind)]);
  machine.synchronize();
  takeHits([&](size_t rank) -> const auto & { return ranks_[rank].expertCounts[size_t(kind)]; });
  shareLogits();
  return logits_;
}

void LoadedModel::Impl::traceGroups(EntryKind kind, std::span<const StepInputs> groups,
                                    const TraceObserver &after) {
  beginStep(kind, groups);
  std::vector<CommandList> lists;
  for (const Rank &rank : ranks_)
    lists.push_back(resolveEntry(*plan.root(), *plan.entry(toString(kind)), rank.addresses, dims_));
  runTraced(lists, after, executor.threads());
  shareLogits();
}

std::span<const float> LoadedModel::Impl::tracedStep(EntryKind kind, const StepInputs &inputs,
                                                     const TraceObserver &after) {
  traceGroups(kind, std::vector<StepInputs>(limits.dataGroups, inputs), after);
  return logits_[0];
}

void LoadedModel::Impl::timedStep(EntryKind kind, const StepInputs &inputs,
                                  const TimeObserver &after) {
  using Clock = std::chrono::steady_clock;
  beginStep(kind, std::vector<StepInputs>(limits.dataGroups, inputs));
  std::vector<CommandList> lists;
  for (const Rank &rank : ranks_)
    lists.push_back(resolveEntry(*plan.root(), *plan.entry(toString(kind)), rank.addresses, dims_));
  std::vector<CommandList> commands(lists.size());
  std::vector<CommandList *> run(lists.size());
  for (uint32_t ordinal = 0; ordinal < lists[0].size(); ++ordinal) {
    for (size_t rank = 0; rank < lists.size(); ++rank) {
      commands[rank] = lists[rank].part(ordinal, ordinal + 1);
      run[rank] = &commands[rank];
    }
    const Clock::time_point start = Clock::now();
    executor.run(run);
    after(ordinal, std::chrono::duration<double>(Clock::now() - start).count());
  }
}

void LoadedModel::Impl::fillCache(uint64_t seed) {
  const fb::KvCache &cache = *plan.root()->kv_cache();
  // Values of one page, again and again: what they are makes no difference to the time.
  constexpr uint64_t page = 4096;
  std::vector<float> values(page);
  for (uint64_t i = 0; i < page; ++i)
    values[i] = float(uniformAt(seed, i, RandomStream::Weights)) - 0.5f;
  const DType dtype = toDType(cache.dtype());
  std::vector<std::byte> pattern(page * byteSize(dtype));
  convertElements(reinterpret_cast<const std::byte *>(values.data()), DType::Float32,
                  pattern.data(), dtype, page);
  for (const Rank &rank : ranks_) {
    const uint64_t bytes = rank.addresses.kvLayerBytes * cache.layers();
    tbb::parallel_for(uint64_t(0), (bytes + pattern.size() - 1) / pattern.size(), [&](uint64_t i) {
      const uint64_t begin = i * pattern.size();
      std::memcpy(rank.addresses.kvCache + begin, pattern.data(),
                  std::min<uint64_t>(pattern.size(), bytes - begin));
    });
  }
}

std::span<const std::span<const float>>
LoadedModel::Impl::poisonedStep(EntryKind kind, std::span<const StepInputs> groups) {
  ArenaPoison poison(*plan.root(), *plan.entry(toString(kind)));
  for (const Rank &rank : ranks_)
    poison.begin(rank.addresses.arena);
  traceGroups(kind, groups, [&](const TracedCommand &command) {
    for (const Rank &rank : ranks_)
      poison.after(command.ordinal, rank.addresses.arena);
  });
  arenaHighWater = std::max(arenaHighWater, poison.highWater());
  for (std::span<const float> logits : logits_)
    requireNumbers(logits);
  return logits_;
}

double LoadedModel::Impl::bfloat16ReadShare() const {
  double read = 0, bytes = 0;
  const auto &weights = *plan.root()->weights();
  for (const Rank &rank : ranks_)
    for (uint32_t i = 0; i < weights.size(); ++i) {
      if (weights[i]->packing() != fb::Packing::Panel12)
        continue;
      const Panel12Layout layout(weights[i]->shape()->Get(0), weights[i]->shape()->Get(1));
      const std::span<const std::byte> all = rank.pack.bytes(i);
      for (uint64_t at = 0; at < all.size(); at += layout.bytes()) {
        read += double(bytesRead(layout, all.subspan(at, layout.bytes())));
        bytes += double(layout.tiles() * (panel12MainBytes + panel12RestBytes));
      }
    }
  return bytes > 0 ? read / bytes : 1;
}

MemoryUse LoadedModel::Impl::memoryUse() const {
  MemoryUse most;
  for (const Rank &rank : ranks_)
    if (MemoryUse use = rank.device.memoryUse(); use.used >= most.used)
      most = use;
  return most;
}

RankRange heldRanks(const Plan &plan, const ProcessGroup *processes) {
  const uint32_t ranks = Mesh(*plan.root()).ranks();
  if (!processes)
    return {0, ranks};
  const uint32_t size = processes->size();
  if (size > ranks || ranks % size != 0) {
    std::vector<uint32_t> legal;
    for (uint32_t number = 1; number <= ranks; ++number)
      if (ranks % number == 0)
        legal.push_back(number);
    fail(SourcePosition{plan.name()},
         "{} processes cannot share the {} rank{} of this plan evenly; mpirun -n {} can", size,
         ranks, ranks == 1 ? "" : "s", fmt::join(legal, ", "));
  }
  return {processes->rank() * (ranks / size), ranks / size};
}

void LoadedModel::requireMemory(const Plan &plan, const LoadOptions &options) {
  const fb::Plan &root = *plan.root();
  const uint32_t ranks = ranksHere(plan, options);
  const uint64_t memory = deviceMemory(options, ranks);
  const std::string device = ranks == 1 ? fmt::format("the device has {}", memory)
                             : options.deviceMemoryBytes
                                 ? fmt::format("a device has {}", memory)
                                 : fmt::format("a device has {}, its share of this machine's {}",
                                               memory, physicalMemory());
  const std::string onEach = ranks == 1 ? "" : fmt::format(" on each of {} ranks", ranks);
  uint64_t weights = 0;
  for (const fb::Weight *weight : *root.weights())
    weights += roundUp(weight->bytes(), bufferAlignment);
  if (weights > memory)
    fail(SourcePosition{plan.name()}, "the weights need {} bytes{}, but {}", weights, onEach,
         device);
  // The KV cache is what users can make smaller, so its message says by how much.
  const fb::KvCache &cache = *root.kv_cache();
  const uint64_t perBlock = cache.bytes_per_block() * cache.layers();
  const uint64_t left =
      memory - weights > root.arena_bytes() ? memory - weights - root.arena_bytes() : 0;
  if (root.limits()->kv_blocks() > left / perBlock)
    fail(SourcePosition{plan.name()},
         "the KV cache of {} blocks needs {} bytes{}, but {}, of which {} are left beside weights "
         "and activations: compile with --kv-blocks {} or less ({} tokens a block), which may need "
         "a smaller --max-seq-len",
         root.limits()->kv_blocks(), perBlock * root.limits()->kv_blocks(), onEach, device, left,
         left / perBlock, cache.block_size());
}

LoadedModel::LoadedModel(Plan plan, std::vector<Pack> packs, const LoadOptions &options)
    : impl_(std::make_unique<Impl>(std::move(plan), std::move(packs), options)) {}

LoadedModel::~LoadedModel() = default;

const ModelLimits &LoadedModel::limits() const {
  return impl_->limits;
}

std::span<const std::span<const float>>
LoadedModel::stepGroups(EntryKind kind, std::span<const StepInputs> groups) {
  return impl_->step(kind, groups);
}

std::span<const uint32_t> LoadedModel::expertsHit() const {
  return impl_->expertsHit();
}

const GraphCapture &LoadedModel::graphs() const {
  return impl_->graphs;
}

uint64_t LoadedModel::replays() const {
  return impl_->replays;
}

void LoadedModel::setReplay(bool replay) {
  impl_->replayGraphs = replay;
}

uint64_t LoadedModel::arenaHighWater() const {
  return impl_->arenaHighWater;
}

std::span<const float> LoadedModel::tracedStep(EntryKind kind, const StepInputs &inputs,
                                               const TraceObserver &after) {
  return impl_->tracedStep(kind, inputs, after);
}

void LoadedModel::timedStep(EntryKind kind, const StepInputs &inputs, const TimeObserver &after) {
  impl_->timedStep(kind, inputs, after);
}

void LoadedModel::fillCache(uint64_t seed) {
  impl_->fillCache(seed);
}

const Plan &LoadedModel::plan() const {
  return impl_->plan;
}
uint32_t LoadedModel::ranks() const {
  return Mesh(*impl_->plan.root()).ranks();
}
uint32_t LoadedModel::threads() const {
  return impl_->executor.threads();
}
double LoadedModel::bfloat16ReadShare() const {
  return impl_->bfloat16ReadShare();
}

MemoryUse LoadedModel::memoryUse() const {
  return impl_->memoryUse();
}

} // namespace vinci
