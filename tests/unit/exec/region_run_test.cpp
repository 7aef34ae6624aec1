// The algorithm on plain threads, which sanitizers understand.
#include "runtime/exec/region_run.h"

#include "runtime/device/communicator.h"
#include "runtime/support/error.h"
#include "tests/unit/exec/lists.h"

#include <chrono>
#include <condition_variable>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

namespace vinci {
namespace {

using namespace test;

/// Calls work() from as many threads as were asked for, and no more than `threads`.
class Threads {
public:
  explicit Threads(uint32_t workers) : run_(workers, [this] { wake(); }) {}

  void run(std::span<CommandList *const> lists, uint32_t initialWorkers) {
    run_.begin(lists, initialWorkers);
    wanted_ = initialWorkers;
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < run_.workers(); ++worker)
      threads.emplace_back([this, worker] { serve(worker); });
    for (std::thread &thread : threads)
      thread.join();
    run_.end();
  }
  void run(CommandList &list) {
    CommandList *lists[] = {&list};
    run(lists, run_.workers());
  }
  /// Calls of work() that were asked for during runs, and that have returned.
  uint32_t wakes() const { return wakes_; }
  uint32_t returns() const { return returns_; }

private:
  void wake() {
    std::lock_guard lock(mutex_);
    ++wanted_;
    ++wakes_;
    changed_.notify_one();
  }
  void serve(uint32_t worker) {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return wanted_ > 0 || working_ == 0; });
      if (wanted_ == 0)
        break;
      --wanted_;
      ++working_;
      lock.unlock();
      run_.work(worker);
      lock.lock();
      --working_;
      ++returns_;
    }
    changed_.notify_all();
  }

  RegionRun run_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t wanted_ = 0, working_ = 0, wakes_ = 0;
  std::atomic<uint32_t> returns_{0};
};

TEST(RegionRun, EveryTileRunsOnceAndInOrder) {
  for (uint32_t workers : {1, 2, 3, 8}) {
    Threads threads(workers);
    for (uint32_t seed = 0; seed < 4; ++seed) {
      RandomList random(150, seed);
      random.dims.values = {1, 5 + seed, 3, seed}; // with seed 0 some commands have no tiles
      for (random.steps = 1; random.steps <= 5; ++random.steps)
        threads.run(random.list);
      for (size_t i = 0; i < random.traces.size(); ++i) {
        const Trace &trace = random.traces[i];
        uint64_t tiles = trace.tiles.tiles(random.dims);
        ASSERT_EQ(trace.tilesRun, 5 * tiles) << "command " << i << ", " << workers << " workers";
        ASSERT_EQ(trace.tileSum, 5 * (tiles * (tiles - 1) / 2)) << "command " << i;
        ASSERT_EQ(trace.early, 0u) << "command " << i;
      }
    }
  }
}

TEST(RegionRun, ListsMayChangeTheirNumberOfTilesFromStepToStep) {
  Threads threads(4);
  RandomList random(60, 7);
  std::vector<uint64_t> expected(random.traces.size());
  for (Trace &trace : random.traces)
    trace.before.clear();
  for (uint64_t tokens : {0, 1, 3, 100, 2, 0, 7}) {
    random.dims.values = {1, tokens, tokens / 2, tokens};
    threads.run(random.list);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] += random.traces[i].tiles.tiles(random.dims);
      ASSERT_EQ(random.traces[i].tilesRun, expected[i]) << "command " << i;
    }
  }
}

TEST(RegionRun, OneWorkerDoesTheWorkOfAll) {
  RegionRun run(8, [] {}); // whoever is asked for does not come
  RandomList random(200, 3);
  random.dims.values = {1, 9, 4, 2};
  CommandList *lists[] = {&random.list};
  run.begin(lists, 1);
  run.work(5);
  run.end();
  for (const Trace &trace : random.traces) {
    EXPECT_EQ(trace.tilesRun, trace.tiles.tiles(random.dims));
    EXPECT_EQ(trace.early, 0u);
  }
}

/// buffers: how many have started, how many must have. Returns early after 10 s, leaving a zero.
void meet(void *const *buffers, const uint64_t *, uint32_t) {
  auto &started = *static_cast<std::atomic<int> *>(buffers[0]);
  int needed = *static_cast<int *>(buffers[1]);
  ++started;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (started < needed)
    if (std::chrono::steady_clock::now() > deadline) {
      started = -1000;
      return;
    }
}

/// buffers: how many tiles have finished, how many must have before the first one may. Returns
/// early after 10 s, leaving a negative number.
void firstTileWaits(void *const *buffers, const uint64_t *, uint32_t tile) {
  auto &finished = *static_cast<std::atomic<int> *>(buffers[0]);
  const int needed = *static_cast<int *>(buffers[1]);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (tile == 0 && finished < needed)
    if (std::chrono::steady_clock::now() > deadline)
      finished = -1000;
  ++finished;
}

TEST(RegionRun, ASlowWorkerLeavesMostOfItsShareToOthers) {
  Threads threads(2);
  std::atomic<int> finished{0};
  constexpr int tiles = 32, perPiece = 4;
  int needed = tiles - perPiece; // all but those of the piece with the tile that waits
  void *buffers[] = {&finished, &needed};
  StepDims dims;
  dims[VINCI_DIM_TOKENS] = tiles;
  CommandList list;
  list.add({firstTileWaits, buffers, {VINCI_DIM_TOKENS, 1, 1, 1}, &dims});
  threads.run(list);
  EXPECT_EQ(finished, tiles);
}

TEST(RegionRun, CommandsWithoutDependencyOverlap) {
  std::atomic<int> started{0};
  int needed = 2;
  void *buffers[] = {&started, &needed};
  StepDims dims;
  CommandList list;
  list.add({meet, buffers, {}, &dims});
  list.add({meet, buffers, {}, &dims});
  Threads(2).run(list);
  EXPECT_EQ(started, 2);
}

/// buffers: a flag, to be set by someone else.
void holdOn(void *const *buffers, const uint64_t *, uint32_t) {
  while (!static_cast<std::atomic<bool> *>(buffers[0])->load())
    std::this_thread::yield();
}

TEST(RegionRun, AnIdleWorkerReturnsAndIsCalledBackForMoreWork) {
  std::atomic<bool> released{false};
  std::atomic<int> started{0};
  int needed = 2;
  void *hold[] = {&released}, *both[] = {&started, &needed};
  StepDims dims;
  CommandList list;
  list.add({holdOn, hold, {}, &dims});
  list.barrier();
  list.add({meet, both, {VINCI_DIM_ONE, 2, 1, 1}, &dims});
  Threads threads(2);
  // One worker is in the kernel that holds on; it is released when the other one has gone.
  std::thread release([&] {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (threads.returns() == 0 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    released = true;
  });
  threads.run(list);
  release.join();
  EXPECT_EQ(threads.wakes(), 1u);
  EXPECT_EQ(started, 2);
}

struct Ranks {
  explicit Ranks(uint32_t count)
      : comms(createCommunicators(count)), values(count, 1.0f), lists(count) {}
  std::vector<CommandList *> pointers() {
    std::vector<CommandList *> result;
    for (CommandList &list : lists)
      result.push_back(&list);
    return result;
  }
  std::vector<std::unique_ptr<Communicator>> comms;
  std::vector<float> values;
  std::vector<CommandList> lists;
  StepDims dims;
};

/// Passes what it is asked to queue on to a command list.
class ListStream final : public Stream {
public:
  explicit ListStream(CommandList &list) : list_(list) {}
  void launch(const KernelLaunch &launch) override { add(launch); }
  void launch(const CollectiveCall &call) override { add(call); }
  void launch(Graph &) override { FAIL(); }
  void record(Event &) override { FAIL(); }
  void wait(const Event &) override { FAIL(); }
  void beginCapture() override { FAIL(); }
  std::unique_ptr<Graph> endCapture() override { return nullptr; }
  void synchronize() override { FAIL(); }

private:
  void add(const auto &work) {
    list_.add(work);
    list_.barrier();
  }
  CommandList &list_;
};

void addOne(void *const *buffers, const uint64_t *, uint32_t) {
  *static_cast<float *>(buffers[0]) += 1;
}

/// x = 1, then `rounds` times: x += 1, x = sum over ranks of x; divided by the number of ranks at
/// the end.
void addRounds(Ranks &ranks, int rounds) {
  for (uint32_t rank = 0; rank < ranks.lists.size(); ++rank) {
    ListStream stream(ranks.lists[rank]);
    void *buffers[] = {&ranks.values[rank]};
    for (int round = 0; round < rounds; ++round) {
      stream.launch({addOne, buffers, {}, &ranks.dims});
      ranks.comms[rank]->allReduce(&ranks.values[rank], &ranks.values[rank],
                                   {{VINCI_DIM_ONE, 1}, DType::Float32, &ranks.dims}, stream);
    }
  }
}

TEST(RegionRun, CollectivesMeetAcrossRegions) {
  for (uint32_t workers : {1, 2, 5}) {
    Ranks ranks(4);
    addRounds(ranks, 6);
    Threads(workers).run(ranks.pointers(), workers);
    // x -> 4 (x + 1), six times from 1.
    for (float value : ranks.values)
      EXPECT_EQ(value, 9556.0f) << workers << " workers";
  }
}

TEST(RegionRun, WorkersShareLargeCollectives) {
  constexpr uint64_t elements = 100'003;
  for (uint32_t count : {2, 3, 4})
    for (uint32_t workers : {1, 2, 4, 6}) {
      Ranks ranks(count);
      std::vector<std::vector<float>> data(count, std::vector<float>(elements));
      for (uint32_t rank = 0; rank < count; ++rank) {
        for (uint64_t i = 0; i < elements; ++i)
          data[rank][i] = float(i % 1000 + rank);
        ListStream stream(ranks.lists[rank]);
        for (int round = 0; round < 3; ++round)
          ranks.comms[rank]->allReduce(data[rank].data(), data[rank].data(),
                                       {{VINCI_DIM_ONE, elements}, DType::Float32, &ranks.dims},
                                       stream);
      }
      Threads(workers).run(ranks.pointers(), workers);
      // The first sum is count * (i % 1000) + 0 + 1 + ..., then times count.
      for (uint32_t rank = 0; rank < count; ++rank)
        for (uint64_t i = 0; i < elements; ++i)
          ASSERT_EQ(data[rank][i],
                    float(count * count) * float(count * (i % 1000) + count * (count - 1) / 2))
              << count << " ranks, " << workers << " workers, element " << i;
    }
}

TEST(RegionRun, AMissingRankEndsTheRunWithAnError) {
  Ranks ranks(3);
  addRounds(ranks, 1);
  std::vector<CommandList *> two = {&ranks.lists[0], &ranks.lists[2]};
  Threads threads(2);
  try {
    threads.run(two, 2);
    FAIL() << "no error";
  } catch (const Error &error) {
    EXPECT_EQ(error.message(),
              "rank 0 waits in all_reduce for ranks that never come: all 3 ranks must issue it");
  }
  RandomList random(20, 1);
  random.dims.values = {1, 2, 2, 2};
  threads.run(random.list); // and goes on with sound lists
  EXPECT_EQ(random.traces.back().tilesRun, random.traces.back().tiles.tiles(random.dims));
}

TEST(RegionRun, RanksThatDisagreeEndTheRunWithAnError) {
  Ranks ranks(2);
  for (uint32_t rank = 0; rank < 2; ++rank) {
    ListStream stream(ranks.lists[rank]);
    ranks.comms[rank]->allReduce(&ranks.values[rank], &ranks.values[rank],
                                 {{VINCI_DIM_ONE, 1 + rank}, DType::Float32, &ranks.dims}, stream);
  }
  try {
    Threads(2).run(ranks.pointers(), 2);
    FAIL() << "no error";
  } catch (const Error &error) {
    EXPECT_EQ(error.message(), "rank 0 calls all_reduce of 1 float32 (root 0) while rank 1 calls "
                               "all_reduce of 2 float32 (root 0); all ranks must call the same");
  }
}

} // namespace
} // namespace vinci
