#include "runtime/exec/loaded_model.h"

#include "runtime/device/simulated_device.h"
#include "runtime/exec/arena_poison.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/exec/kernel_linker.h"
#include "runtime/exec/region_executor.h"
#include "runtime/exec/resolve.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/layout.h"
#include "runtime/plan/mesh.h"

#include <algorithm>
#include <array>
#include <map>
#include <unistd.h>

namespace vinci {

namespace {

constexpr std::array entryKinds = {EntryKind::Prefill, EntryKind::Decode, EntryKind::Score};

uint64_t physicalMemory() {
  return uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
}

ModelLimits limitsOf(const fb::Plan &plan) {
  const fb::Limits &limits = *plan.limits();
  return {plan.model()->vocab_size(), limits.max_seq_len(), limits.max_tokens_per_step(),
          limits.max_batch(),         limits.kv_blocks(),   plan.kv_cache()->block_size()};
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

uint64_t deviceMemory(const LoadOptions &options, uint32_t ranks) {
  return options.deviceMemoryBytes ? options.deviceMemoryBytes : physicalMemory() / ranks;
}

std::vector<DeviceProperties> devicesOf(const Plan &plan, const LoadOptions &options) {
  const uint32_t ranks = Mesh(*plan.root()).ranks();
  std::vector<DeviceProperties> devices;
  for (uint32_t rank = 0; rank < ranks; ++rank)
    devices.push_back({fmt::format("npu{}", rank), deviceMemory(options, ranks)});
  return devices;
}

/// A rank's device and what lies in its memory.
struct Rank {
  Device &device;
  Pack pack;
  Addresses addresses;
  std::unique_ptr<Stream> stream;
  /// The commands of each entry, for steps of any size: what a host that launches kernel by kernel
  /// sends.
  std::array<std::unique_ptr<Graph>, entryKinds.size()> eager;
};

/// A step of one kind and size, captured on every rank. All sizes work in the same arena.
struct CapturedStep {
  /// Of the graph: its tokens never change. Sequences and rows of logits of a prefill are updated
  /// before a replay, as the vendor's runtime updates the parameters of attention.
  StepDims dims;
  /// By rank; one graph, or in pieces, every second of which is an attention, launched by itself.
  std::vector<std::vector<std::unique_ptr<Graph>>> pieces;
};

} // namespace

class LoadedModel::Impl {
public:
  Impl(Plan plan, std::vector<Pack> packs, const LoadOptions &options);

  std::span<const float> step(EntryKind kind, const StepInputs &inputs);
  std::span<const float> tracedStep(EntryKind kind, const StepInputs &inputs,
                                    const TraceObserver &after);
  MemoryUse memoryUse() const;

  Plan plan;
  ModelLimits limits;
  GraphCapture graphs;
  RegionExecutor executor;
  SimulatedMachine machine;
  uint64_t replays = 0;
  uint64_t arenaHighWater = 0;

private:
  std::span<const float> poisonedStep(EntryKind kind, const StepInputs &inputs);
  void capture(EntryKind kind, uint32_t tokens);
  void replay(CapturedStep &captured);
  std::vector<VinciKernel> linkKernels();
  void allocate(Rank &rank, uint32_t number);
  void setInputs(Rank &rank, const StepInputs &inputs);
  /// Checks the inputs, and gives them and the sizes to all ranks.
  void beginStep(EntryKind kind, const StepInputs &inputs);
  std::span<const float> logits() const;

  std::vector<KernelLibrary> libraries_;
  RankGroups groups_;
  std::vector<Rank> ranks_;
  StepDims dims_; ///< of all ranks
  const bool poison_;
  std::map<std::pair<EntryKind, uint64_t>, CapturedStep> captured_; ///< by kind and tokens
};

LoadedModel::Impl::Impl(Plan thePlan, std::vector<Pack> packs, const LoadOptions &options)
    : plan(std::move(thePlan)), limits(limitsOf(*plan.root())),
      graphs(graphsOf(*plan.root())),
      executor(options.threads ? options.threads : RegionExecutor::defaultThreads()),
      machine(devicesOf(plan, options), executor), groups_(*plan.root()),
      poison_(options.poison) {
  if (packs.size() != machine.size())
    failInternal("a plan of {} ranks with the weights of {}", machine.size(), packs.size());
  requireHost(plan);
  requireMemory(plan, options);
  const std::vector<VinciKernel> kernels = linkKernels();
  ranks_.reserve(packs.size());
  for (uint32_t number = 0; number < packs.size(); ++number) {
    Device &device = machine.device(number);
    Rank &rank =
        ranks_.emplace_back(Rank{device, std::move(packs[number]), {}, device.createStream(), {}});
    rank.addresses.kernels = kernels;
    rank.addresses.groups = groups_.placesOf(number);
    allocate(rank, number);
    for (EntryKind kind : entryKinds)
      rank.eager[size_t(kind)] = device.createGraph(
          resolveEntry(*plan.root(), *plan.entry(toString(kind)), rank.addresses, dims_));
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
  for (Rank &rank : ranks_) {
    std::vector<CommandList> lists;
    if (captureOf(graphs.mode, kind) == CaptureForm::Pieces)
      lists = resolvePieces(*plan.root(), entry, rank.addresses, captured.dims);
    else
      lists.push_back(resolveEntry(*plan.root(), entry, rank.addresses, captured.dims));
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
}

std::vector<VinciKernel> LoadedModel::Impl::linkKernels() {
  const fb::Plan &root = *plan.root();
  std::vector<const KernelLibrary *> ofSegment(root.segments()->size());
  std::vector<VinciKernel> kernels;
  libraries_.reserve(root.segments()->size());
  for (const fb::Kernel *kernel : *root.kernels()) {
    if (kernel->collective() && !computesFirst(*kernel)) {
      kernels.push_back(nullptr);
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

void LoadedModel::Impl::setInputs(Rank &rank, const StepInputs &inputs) {
  const std::array values = {inputs.tokenIds,    inputs.positions,   inputs.slotMapping,
                             inputs.queryStart,  inputs.contextLens, inputs.blockTables,
                             inputs.logitIndices};
  for (size_t i = 0; i < values.size(); ++i)
    std::ranges::copy(values[i], static_cast<int32_t *>(rank.addresses.inputs[i]));
  // query_start has a fixed length: the sequences that this step does not have are empty.
  auto *queryStart = static_cast<int32_t *>(rank.addresses.inputs[3]);
  std::fill(queryStart + inputs.queryStart.size(), queryStart + limits.maxBatch + 1,
            int32_t(inputs.tokenIds.size()));
}

void LoadedModel::Impl::beginStep(EntryKind kind, const StepInputs &inputs) {
  checkStepInputs(kind, inputs, limits);
  dims_[VINCI_DIM_TOKENS] = inputs.tokenIds.size();
  dims_[VINCI_DIM_SEQUENCES] = inputs.contextLens.size();
  dims_[VINCI_DIM_LOGIT_ROWS] =
      kind == EntryKind::Prefill ? inputs.logitIndices.size() : inputs.tokenIds.size();
  dims_[VINCI_DIM_TOKEN_SHARES] =
      partSize(inputs.tokenIds.size(), plan.root()->limits()->token_shares());
  for (Rank &rank : ranks_)
    setInputs(rank, inputs);
}

std::span<const float> LoadedModel::Impl::logits() const {
  return {static_cast<const float *>(ranks_[0].addresses.outputs[0]),
          dims_[VINCI_DIM_LOGIT_ROWS] * limits.vocabSize};
}

std::span<const float> LoadedModel::Impl::step(EntryKind kind, const StepInputs &inputs) {
  if (poison_)
    return poisonedStep(kind, inputs);
  beginStep(kind, inputs);
  if (const auto found = captured_.find({kind, inputs.tokenIds.size()}); found != captured_.end()) {
    replay(found->second);
    return logits();
  }
  for (Rank &rank : ranks_)
    rank.stream->launch(*rank.eager[size_t(kind)]);
  machine.synchronize();
  return logits();
}

std::span<const float> LoadedModel::Impl::tracedStep(EntryKind kind, const StepInputs &inputs,
                                                     const TraceObserver &after) {
  beginStep(kind, inputs);
  std::vector<CommandList> lists;
  for (const Rank &rank : ranks_)
    lists.push_back(resolveEntry(*plan.root(), *plan.entry(toString(kind)), rank.addresses, dims_));
  runTraced(lists, after);
  return logits();
}

std::span<const float> LoadedModel::Impl::poisonedStep(EntryKind kind, const StepInputs &inputs) {
  ArenaPoison poison(*plan.root(), *plan.entry(toString(kind)));
  for (const Rank &rank : ranks_)
    poison.begin(rank.addresses.arena);
  const auto logits = tracedStep(kind, inputs, [&](const TracedCommand &command) {
    for (const Rank &rank : ranks_)
      poison.after(command.ordinal, rank.addresses.arena);
  });
  arenaHighWater = std::max(arenaHighWater, poison.highWater());
  requireNumbers(logits);
  return logits;
}

MemoryUse LoadedModel::Impl::memoryUse() const {
  MemoryUse most;
  for (const Rank &rank : ranks_)
    if (MemoryUse use = rank.device.memoryUse(); use.used >= most.used)
      most = use;
  return most;
}

void LoadedModel::requireMemory(const Plan &plan, const LoadOptions &options) {
  const fb::Plan &root = *plan.root();
  const uint32_t ranks = Mesh(root).ranks();
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

const GraphCapture &LoadedModel::graphs() const {
  return impl_->graphs;
}

uint64_t LoadedModel::replays() const {
  return impl_->replays;
}

uint64_t LoadedModel::arenaHighWater() const {
  return impl_->arenaHighWater;
}

std::span<const float> LoadedModel::step(EntryKind kind, const StepInputs &inputs) {
  return impl_->step(kind, inputs);
}

std::span<const float> LoadedModel::tracedStep(EntryKind kind, const StepInputs &inputs,
                                               const TraceObserver &after) {
  return impl_->tracedStep(kind, inputs, after);
}

const Plan &LoadedModel::plan() const {
  return impl_->plan;
}
uint32_t LoadedModel::ranks() const {
  return uint32_t(impl_->machine.size());
}
uint32_t LoadedModel::threads() const {
  return impl_->executor.threads();
}
MemoryUse LoadedModel::memoryUse() const {
  return impl_->memoryUse();
}

} // namespace vinci
