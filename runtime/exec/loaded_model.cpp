#include "runtime/exec/loaded_model.h"

#include "runtime/device/simulated_device.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/exec/kernel_linker.h"
#include "runtime/exec/region_executor.h"
#include "runtime/exec/resolve.h"
#include "runtime/plan/layout.h"

#include <algorithm>
#include <array>
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

} // namespace

class LoadedModel::Impl {
public:
  Impl(Plan plan, Pack pack, const LoadOptions &options);

  std::span<const float> step(EntryKind kind, const StepInputs &inputs);

  Plan plan;
  Pack pack;
  ModelLimits limits;
  RegionExecutor executor;
  SimulatedMachine machine;
  Device &device;

private:
  void linkKernels();
  void allocate();
  void checkKvCacheFits() const;
  template <typename T> T *allocate(uint64_t bytes, std::string_view purpose) {
    // A plan may need none of something; its address is never used then.
    return static_cast<T *>(device.allocate(std::max<uint64_t>(bytes, 1), purpose));
  }

  std::vector<KernelLibrary> libraries_;
  Addresses addresses_;
  StepDims dims_;
  std::unique_ptr<Stream> stream_;
  std::array<std::unique_ptr<Graph>, entryKinds.size()> graphs_;
};

LoadedModel::Impl::Impl(Plan thePlan, Pack thePack, const LoadOptions &options)
    : plan(std::move(thePlan)), pack(std::move(thePack)), limits(limitsOf(*plan.root())),
      executor(options.threads ? options.threads : RegionExecutor::defaultThreads()),
      machine({{"npu0", options.deviceMemoryBytes ? options.deviceMemoryBytes : physicalMemory()}},
              executor),
      device(machine.device(0)), stream_(device.createStream()) {
  requireHost(plan);
  linkKernels();
  allocate();
  for (EntryKind kind : entryKinds)
    graphs_[size_t(kind)] = device.createGraph(
        resolveEntry(*plan.root(), *plan.entry(toString(kind)), addresses_, dims_));
}

void LoadedModel::Impl::linkKernels() {
  const fb::Plan &root = *plan.root();
  std::vector<const KernelLibrary *> ofSegment(root.segments()->size());
  libraries_.reserve(root.segments()->size());
  for (const fb::Kernel *kernel : *root.kernels()) {
    const KernelLibrary *&library = ofSegment[kernel->segment()];
    if (!library)
      library = &libraries_.emplace_back(
          KernelLibrary::link(plan.segment(kernel->segment()), plan.name()));
    addresses_.kernels.push_back(library->find(kernel->symbol()->str()));
  }
}

void LoadedModel::Impl::allocate() {
  const fb::Plan &root = *plan.root();
  if (pack.totalBytes() > 0)
    device.registerHostMemory(pack.weight(0), pack.totalBytes(), "weights");
  for (size_t i = 0; i < pack.size(); ++i)
    addresses_.weights.push_back(pack.weight(i));
  // Constants are read in the mapped plan; kernels never write them.
  for (size_t i = 0; i < root.constants()->size(); ++i)
    addresses_.constants.push_back(const_cast<std::byte *>(plan.constant(i).data()));

  checkKvCacheFits();
  addresses_.kvLayerBytes = uint64_t(limits.kvBlocks) * root.kv_cache()->bytes_per_block();
  addresses_.kvCache =
      allocate<std::byte>(addresses_.kvLayerBytes * root.kv_cache()->layers(), "the KV cache");
  addresses_.arena = allocate<std::byte>(root.arena_bytes(), "activations");
  // All entries have the same inputs, and the same output up to the name of its rows.
  const fb::Entry &entry = *plan.entry(toString(EntryKind::Prefill));
  for (const fb::StepTensor *input : *entry.inputs())
    addresses_.inputs.push_back(allocate<void>(bytesAtLimits(root, *input), input->name()->str()));
  for (const fb::StepTensor *output : *entry.outputs())
    addresses_.outputs.push_back(
        allocate<void>(bytesAtLimits(root, *output), output->name()->str()));
}

/// The KV cache is what users can make smaller, so its message says by how much.
void LoadedModel::Impl::checkKvCacheFits() const {
  const fb::KvCache &cache = *plan.root()->kv_cache();
  const uint64_t perBlock = cache.bytes_per_block() * cache.layers();
  const uint64_t available = device.memoryUse().available();
  const uint64_t arena = plan.root()->arena_bytes();
  const uint64_t fitting = available > arena ? (available - arena) / perBlock : 0;
  if (limits.kvBlocks > fitting)
    fail(SourcePosition{plan.name()},
         "the KV cache of {} blocks needs {} bytes, but {} bytes of device memory are left beside "
         "weights and "
         "activations: compile with --kv-blocks {} or less ({} tokens a block), which may need a "
         "smaller --max-seq-len",
         limits.kvBlocks, perBlock * limits.kvBlocks, available > arena ? available - arena : 0,
         fitting, cache.block_size());
}

std::span<const float> LoadedModel::Impl::step(EntryKind kind, const StepInputs &inputs) {
  checkStepInputs(kind, inputs, limits);
  const std::array values = {inputs.tokenIds,    inputs.positions,   inputs.slotMapping,
                             inputs.queryStart,  inputs.contextLens, inputs.blockTables,
                             inputs.logitIndices};
  for (size_t i = 0; i < values.size(); ++i)
    std::ranges::copy(values[i], static_cast<int32_t *>(addresses_.inputs[i]));
  // query_start has a fixed length: the sequences that this step does not have are empty.
  auto *queryStart = static_cast<int32_t *>(addresses_.inputs[3]);
  std::fill(queryStart + inputs.queryStart.size(), queryStart + limits.maxBatch + 1,
            int32_t(inputs.tokenIds.size()));

  size_t rows = kind == EntryKind::Prefill ? inputs.logitIndices.size() : inputs.tokenIds.size();
  dims_[VINCI_DIM_TOKENS] = inputs.tokenIds.size();
  dims_[VINCI_DIM_SEQUENCES] = inputs.contextLens.size();
  dims_[VINCI_DIM_LOGIT_ROWS] = rows;
  stream_->launch(*graphs_[size_t(kind)]);
  stream_->synchronize();
  return {static_cast<const float *>(addresses_.outputs[0]), rows * limits.vocabSize};
}

LoadedModel::LoadedModel(Plan plan, Pack pack, const LoadOptions &options)
    : impl_(std::make_unique<Impl>(std::move(plan), std::move(pack), options)) {}

LoadedModel::~LoadedModel() = default;

const ModelLimits &LoadedModel::limits() const {
  return impl_->limits;
}

std::span<const float> LoadedModel::step(EntryKind kind, const StepInputs &inputs) {
  return impl_->step(kind, inputs);
}

const Plan &LoadedModel::plan() const {
  return impl_->plan;
}
const Pack &LoadedModel::pack() const {
  return impl_->pack;
}
uint32_t LoadedModel::threads() const {
  return impl_->executor.threads();
}
MemoryUse LoadedModel::memoryUse() const {
  return impl_->device.memoryUse();
}

} // namespace vinci
