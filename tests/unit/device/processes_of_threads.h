// Threads that play processes: what a ProcessGroup does, in memory.
#pragma once

#include "runtime/device/process_group.h"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace vinci {

class ProcessesOfThreads {
public:
  explicit ProcessesOfThreads(uint32_t size) {
    for (uint32_t rank = 0; rank < size; ++rank)
      all_.push_back(Process(*this, rank));
  }

  ProcessGroup &operator[](uint32_t rank) { return all_[rank]; }

  /// Runs `body(process)` for all at once.
  void run(const std::function<void(ProcessGroup &)> &body) {
    std::vector<std::thread> threads;
    for (Process &process : all_)
      threads.emplace_back([&] { body(process); });
    for (std::thread &thread : threads)
      thread.join();
  }

  uint64_t bytesSent() const { return bytesSent_; }

private:
  class Process final : public ProcessGroup {
  public:
    Process(ProcessesOfThreads &all, uint32_t rank) : all_(&all), rank_(rank) {}
    uint32_t rank() const override { return rank_; }
    uint32_t size() const override { return uint32_t(all_->all_.size()); }
    uint32_t onThisHost() const override { return size(); }
    void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override {
      for (const Outgoing &message : outgoing)
        all_->send(rank_, message);
      for (const Incoming &message : incoming)
        all_->receive(rank_, message);
    }
    [[noreturn]] void abort(int) override { throw std::runtime_error("aborted"); }

  private:
    ProcessesOfThreads *all_;
    uint32_t rank_;
  };

  void send(uint32_t from, const ProcessGroup::Outgoing &message) {
    const auto *data = static_cast<const std::byte *>(message.data);
    std::lock_guard lock(mutex_);
    bytesSent_ += message.bytes;
    waiting_[{from, message.to}].emplace_back(data, data + message.bytes);
    changed_.notify_all();
  }
  void receive(uint32_t to, const ProcessGroup::Incoming &message) {
    std::unique_lock lock(mutex_);
    auto &queue = waiting_[{message.from, to}];
    changed_.wait(lock, [&] { return !queue.empty(); });
    if (queue.front().size() != message.bytes)
      throw std::runtime_error("a message of another size");
    std::memcpy(message.data, queue.front().data(), message.bytes);
    queue.pop_front();
  }

  std::vector<Process> all_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<uint32_t, uint32_t>, std::deque<std::vector<std::byte>>> waiting_;
  uint64_t bytesSent_ = 0;
};

} // namespace vinci
