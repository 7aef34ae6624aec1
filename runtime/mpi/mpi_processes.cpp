// One thread makes all calls of MPI, so that no more than MPI_THREAD_FUNNELED is asked of it. It
// gets an exchange at a time, starts all of its messages without waiting for any, and then asks
// again and again which are done: nothing depends on the order in which processes come.
#include "runtime/mpi/mpi_processes.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <immintrin.h>
#include <memory>
#include <mpi.h>
#include <mutex>
#include <sys/prctl.h>
#include <thread>
#include <vector>

namespace vinci {
namespace {

/// mpirun gives each process cores of its own, often a single one, or more processes than cores. So
/// who waits for the thread, or the thread for work, sleeps at once: whoever is waited for may need
/// the core. For messages, of which MPI tells nobody, the thread looks for a while, and then takes
/// naps.
constexpr std::chrono::microseconds lookTime{50}, napTime{20};
/// Messages are sent in pieces of at most so many bytes: MPI counts in int.
constexpr uint64_t pieceBytes = 1 << 30;

class MpiProcesses final : public ProcessGroup {
public:
  MpiProcesses() : thread_([this] { communicate(); }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return joined_; });
  }

  ~MpiProcesses() override {
    post(State::Leave);
    thread_.join();
  }

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return size_; }
  uint32_t onThisHost() const override { return onThisHost_; }
  const std::string &problem() const { return problem_; }

  void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override {
    if (outgoing.empty() && incoming.empty())
      return;
    outgoing_ = outgoing;
    incoming_ = incoming;
    post(State::Exchange);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ != State::Exchange; });
    lock.unlock();
    if (!problem_.empty())
      fail("messages between processes: {}", problem_);
  }

  [[noreturn]] void abort(int exitCode) override {
    exitCode_ = exitCode;
    abort_.store(true, std::memory_order_release);
    post(State::Leave);
    for (;;) // the thread ends this process with all others
      std::this_thread::sleep_for(std::chrono::seconds(1));
  }

private:
  enum class State : uint8_t { Idle, Exchange, Leave };

  /// Looks on for a while. True as soon as `done` is.
  template <typename Done> static bool lookFor(const Done &done) {
    const auto start = std::chrono::steady_clock::now();
    for (int look = 1; !done(); ++look) {
      if (look % 16 == 0 && std::chrono::steady_clock::now() - start >= lookTime)
        return false;
      _mm_pause();
    }
    return true;
  }

  // Not std::atomic::wait, which yields before it sleeps.
  void post(State state) {
    {
      std::lock_guard lock(mutex_);
      state_ = state;
    }
    changed_.notify_all();
  }

  /// What the thread is to do next.
  State next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ != State::Idle; });
    return state_;
  }

  void communicate() {
    ::prctl(PR_SET_TIMERSLACK, 1000ul); // nanoseconds: naps are as short as they are said to be
    // Where there are more processes than cores mpirun has MPI yield in every look that finds
    // nothing. A thread that yields gives up its whole turn on Linux (milliseconds, beside others
    // who compute), and here naps do what that is for.
    ::setenv("OMPI_MCA_mpi_yield_when_idle", "0", 1);
    join();
    {
      std::lock_guard lock(mutex_);
      joined_ = true;
    }
    changed_.notify_all();
    if (!problem_.empty())
      return;
    while (next() == State::Exchange) {
      run();
      {
        std::lock_guard lock(mutex_);
        if (state_ == State::Exchange) // no abort has come meanwhile
          state_ = State::Idle;
      }
      changed_.notify_all();
    }
    if (abort_.load(std::memory_order_acquire))
      MPI_Abort(MPI_COMM_WORLD, exitCode_);
    MPI_Finalize();
  }

  /// True if `result` is no error; else says what it is in problem_.
  bool check(int result) {
    if (result == MPI_SUCCESS)
      return true;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(result, text, &length);
    problem_.assign(text, size_t(length));
    return false;
  }

  void join() {
    int provided = 0;
    if (!check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided)))
      return;
    if (provided < MPI_THREAD_FUNNELED) {
      problem_ = "this MPI cannot be used by a program with threads";
      return;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int rank = 0, size = 0, here = 0;
    MPI_Comm host;
    if (!check(MPI_Comm_rank(MPI_COMM_WORLD, &rank)) ||
        !check(MPI_Comm_size(MPI_COMM_WORLD, &size)) ||
        !check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL,
                                   &host)) ||
        !check(MPI_Comm_size(host, &here)))
      return;
    MPI_Comm_free(&host);
    rank_ = uint32_t(rank);
    size_ = uint32_t(size);
    onThisHost_ = uint32_t(here);
  }

  /// Calls `start(data, bytes, request)` for each piece of a message.
  template <typename Byte, typename Start>
  bool inPieces(Byte *data, uint64_t bytes, const Start &start) {
    for (uint64_t begin = 0; begin < bytes; begin += pieceBytes)
      if (!check(start(data + begin, int(std::min(pieceBytes, bytes - begin)),
                       &requests_.emplace_back(MPI_REQUEST_NULL))))
        return false;
    return true;
  }

  void run() {
    requests_.clear();
    bool good = true;
    for (const Incoming &message : incoming_)
      good = good && inPieces(static_cast<std::byte *>(message.data), message.bytes,
                              [&](std::byte *data, int bytes, MPI_Request *request) {
                                return MPI_Irecv(data, bytes, MPI_BYTE, int(message.from), 0,
                                                 MPI_COMM_WORLD, request);
                              });
    for (const Outgoing &message : outgoing_)
      good = good && inPieces(static_cast<const std::byte *>(message.data), message.bytes,
                              [&](const std::byte *data, int bytes, MPI_Request *request) {
                                return MPI_Isend(data, bytes, MPI_BYTE, int(message.to), 0,
                                                 MPI_COMM_WORLD, request);
                              });
    int done = 0;
    const auto test = [&] {
      good = good && check(MPI_Testall(int(requests_.size()), requests_.data(), &done,
                                       MPI_STATUSES_IGNORE));
      return !good || done || abort_.load(std::memory_order_relaxed);
    };
    if (!lookFor(test))
      while (!test())
        std::this_thread::sleep_for(napTime);
  }

  uint32_t rank_ = 0, size_ = 1, onThisHost_ = 1;
  std::string problem_; ///< written by the thread, before it says that something is done
  std::span<const Outgoing> outgoing_;
  std::span<const Incoming> incoming_;
  std::vector<MPI_Request> requests_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool joined_ = false;
  State state_ = State::Idle; ///< guarded by mutex_
  std::atomic<bool> abort_{false};
  int exitCode_ = 1;
  std::thread thread_; ///< last: it uses all of the above
};

std::unique_ptr<MpiProcesses> theProcesses;

} // namespace
} // namespace vinci

extern "C" vinci::ProcessGroup *vinciJoinProcesses(uint32_t interface, const char **problem) {
  using namespace vinci;
  *problem = nullptr;
  if (interface != processGroupInterface)
    return nullptr;
  theProcesses = std::make_unique<MpiProcesses>();
  if (theProcesses->problem().empty())
    return theProcesses.get();
  *problem = theProcesses->problem().c_str();
  return nullptr;
}

extern "C" void vinciLeaveProcesses() {
  vinci::theProcesses.reset();
}
