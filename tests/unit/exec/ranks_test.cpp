// Collectives of a plan on tables made by hand: who meets along which axes, and what they get.
#include "runtime/device/simulated_device.h"
#include "runtime/exec/region_executor.h"
#include "runtime/exec/resolve.h"
#include "tests/unit/exec/allocations.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using fb::Space;
using Axes = std::vector<uint32_t>;
using Floats = std::vector<float>;

constexpr uint64_t perToken = 3, maxTokens = 700;

float valueOf(uint32_t rank, uint64_t i) {
  return float((rank * 7 + i * 3) % 1000) + float(rank) / 8;
}

/// buffers: values, rank; dims: tokens.
void fill(void *const *buffers, const uint64_t *dims, uint32_t tile) {
  const uint32_t rank = *static_cast<const uint32_t *>(buffers[1]);
  for (uint64_t i = tile * perToken; i < (tile + 1) * perToken && tile < dims[1]; ++i)
    static_cast<float *>(buffers[0])[i] = valueOf(rank, i);
}

enum Buffers : uint32_t { Own, Sum, Gathered, Scattered, bufferCount };

/// One body: fills `Own`, then `Sum` = all_reduce(Own), `Gathered` = all_gather(Own) and
/// `Scattered` = reduce_scatter(Gathered), all along `axes`.
fb::PlanT tables(std::vector<uint32_t> mesh, const Axes &axes) {
  fb::PlanT plan;
  uint32_t n = 1;
  for (uint32_t axis : axes)
    n *= mesh[axis];
  plan.mesh = std::move(mesh);
  for (uint64_t ranks : {1u, 1u, n, 1u}) {
    plan.buffers.push_back(std::make_unique<fb::BufferT>());
    plan.buffers.back()->offset = plan.arena_bytes;
    plan.arena_bytes += ranks * maxTokens * perToken * sizeof(float);
  }
  plan.kernels.push_back(std::make_unique<fb::KernelT>());
  for (fb::CollectiveKind kind : {fb::CollectiveKind::AllReduce, fb::CollectiveKind::AllGather,
                                  fb::CollectiveKind::ReduceScatter}) {
    plan.kernels.push_back(std::make_unique<fb::KernelT>());
    auto collective = std::make_unique<fb::CollectiveT>();
    collective->kind = kind;
    collective->axes = axes;
    collective->count = std::make_unique<fb::Dim>(fb::Symbol::Tokens, perToken);
    plan.kernels.back()->collective = std::move(collective);
  }
  auto body = std::make_unique<fb::BodyT>();
  body->operands = {{Space::Arena, Own},       {Space::Constant, 0},     {Space::Arena, Sum},
                    {Space::Arena, Own},       {Space::Arena, Gathered}, {Space::Arena, Own},
                    {Space::Arena, Scattered}, {Space::Arena, Gathered}};
  body->waits = {0, 1, 2};
  const fb::TileRule rule(fb::Symbol::Tokens, 1, 1, 1), none(fb::Symbol::One, 1, 1, 1);
  body->commands = {fb::Command(0, 0, 2, 0, 0, 0, rule), fb::Command(1, 2, 2, 0, 1, 0, none),
                    fb::Command(2, 4, 2, 1, 1, 0, none), fb::Command(3, 6, 2, 2, 1, 0, none)};
  plan.bodies.push_back(std::move(body));
  auto entry = std::make_unique<fb::EntryT>();
  entry->calls.push_back(std::make_unique<fb::CallT>());
  plan.entries.push_back(std::move(entry));
  return plan;
}

/// All ranks of such a plan, ready to run.
class World {
public:
  World(const std::vector<uint32_t> &mesh, const Axes &axes, uint32_t threads)
      : executor_(threads) {
    fb::PlanT source = tables(mesh, axes);
    fb::FinishPlanBuffer(builder_, fb::Plan::Pack(builder_, &source));
    const fb::Plan &plan = *fb::GetPlan(builder_.GetBufferPointer());
    const uint32_t ranks = Mesh(plan).ranks();
    RankGroups &groups = groups_.emplace(plan);
    numbers_.resize(ranks);
    arenas_.resize(ranks);
    std::vector<DeviceProperties> devices;
    for (uint32_t rank = 0; rank < ranks; ++rank)
      devices.push_back({fmt::format("npu{}", rank), 1 << 20});
    machine_.emplace(devices, executor_);
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      numbers_[rank] = rank;
      arenas_[rank].resize(source.arena_bytes / sizeof(float));
      for (const auto &buffer : source.buffers)
        offsets_.push_back(buffer->offset / sizeof(float));
      Addresses addresses;
      addresses.arena = reinterpret_cast<std::byte *>(arenas_[rank].data());
      addresses.constants = {&numbers_[rank]};
      addresses.kernels = {fill, nullptr, nullptr, nullptr};
      addresses.groups = groups.placesOf(rank);
      Device &device = machine_->device(rank);
      graphs_.push_back(
          device.createGraph(resolveEntry(plan, *plan.entries()->Get(0), addresses, dims_)));
      streams_.push_back(device.createStream());
    }
  }

  void run(uint64_t tokens) {
    dims_[VINCI_DIM_TOKENS] = tokens;
    for (size_t rank = 0; rank < streams_.size(); ++rank)
      streams_[rank]->launch(*graphs_[rank]);
    machine_->synchronize();
  }

  uint32_t ranks() const { return uint32_t(streams_.size()); }
  const Floats &arena(uint32_t rank) const { return arenas_[rank]; }
  Floats values(uint32_t rank, Buffers buffer, uint64_t count) const {
    const float *begin = arenas_[rank].data() + offsets_[buffer];
    return {begin, begin + count};
  }

private:
  RegionExecutor executor_;
  flatbuffers::FlatBufferBuilder builder_;
  std::optional<RankGroups> groups_;
  std::optional<SimulatedMachine> machine_;
  StepDims dims_;
  std::vector<uint32_t> numbers_;
  std::vector<Floats> arenas_;
  std::vector<uint64_t> offsets_;
  std::vector<std::unique_ptr<Graph>> graphs_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

/// Runs a step and compares what every rank has: `groups` are the ranks that meet, in order.
void expectCollectives(World &world, const std::vector<std::vector<uint32_t>> &groups,
                       uint64_t tokens) {
  world.run(tokens);
  const uint64_t count = tokens * perToken;
  for (const std::vector<uint32_t> &group : groups) {
    Floats sum(count), gathered;
    for (uint32_t rank : group)
      for (uint64_t i = 0; i < count; ++i) {
        sum[i] += valueOf(rank, i);
        gathered.push_back(valueOf(rank, i));
      }
    for (size_t place = 0; place < group.size(); ++place) {
      const uint32_t rank = group[place];
      ASSERT_EQ(world.values(rank, Sum, count), sum) << "rank " << rank;
      ASSERT_EQ(world.values(rank, Gathered, count * group.size()), gathered) << "rank " << rank;
      // Every rank sends the same: n times what stands at this place.
      Floats scattered(gathered.begin() + long(place * count),
                       gathered.begin() + long((place + 1) * count));
      for (float &value : scattered)
        value *= float(group.size());
      ASSERT_EQ(world.values(rank, Scattered, count), scattered) << "rank " << rank;
    }
  }
}

struct Case {
  std::vector<uint32_t> mesh;
  Axes axes;
  std::vector<std::vector<uint32_t>> groups;
};

const Case cases[] = {
    {{2}, {0}, {{0, 1}}},
    {{4}, {0}, {{0, 1, 2, 3}}},
    {{2, 2}, {0}, {{0, 2}, {1, 3}}},
    {{2, 2}, {1}, {{0, 1}, {2, 3}}},
    {{2, 2}, {0, 1}, {{0, 1, 2, 3}}},
    {{2, 1, 2}, {0, 2}, {{0, 1, 2, 3}}},
    {{2, 2, 2}, {0, 2}, {{0, 1, 4, 5}, {2, 3, 6, 7}}},
    {{1, 3}, {0}, {{0}, {1}, {2}}},
};

TEST(Ranks, MeetAlongTheirAxes) {
  for (const auto &[mesh, axes, groups] : cases)
    for (uint32_t threads : {1, 2, 5}) {
      World world(mesh, axes, threads);
      for (uint64_t tokens : {1, 5, 700, 2})
        expectCollectives(world, groups, tokens);
    }
}

TEST(Ranks, SixteenOfThemOnOneThread) {
  std::vector<uint32_t> all;
  for (uint32_t rank = 0; rank < 16; ++rank)
    all.push_back(rank);
  World world({16}, {0}, 1);
  for (uint64_t tokens : {3, 700})
    expectCollectives(world, {all}, tokens);
}

TEST(Ranks, StepsDoNotAllocate) {
  World world({2, 2}, {1}, 2);
  for (int i = 0; i < 20; ++i)
    world.run(700);
  const uint64_t before = test::allocationCount();
  for (int i = 0; i < 100; ++i)
    world.run(700);
  EXPECT_EQ(test::allocationCount(), before);
}

} // namespace
} // namespace vinci
