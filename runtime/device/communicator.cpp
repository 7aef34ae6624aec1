#include "runtime/device/communicator.h"

#include "runtime/device/communicator_group.h"
#include "runtime/support/error.h"

namespace vinci {

namespace {

class InProcessCommunicator final : public Communicator {
public:
  InProcessCommunicator(std::shared_ptr<CommunicatorGroup> group, uint32_t rank)
      : group_(std::move(group)), rank_(rank) {}

  uint32_t rank() const override { return rank_; }
  uint32_t worldSize() const override { return group_->worldSize(); }

  void allReduce(const void *send, void *receive, const CollectiveCount &count,
                 Stream &stream) override {
    queue(CollectiveKind::AllReduce, send, receive, count, 0, stream);
  }
  void allGather(const void *send, void *receive, const CollectiveCount &count,
                 Stream &stream) override {
    queue(CollectiveKind::AllGather, send, receive, count, 0, stream);
  }
  void reduceScatter(const void *send, void *receive, const CollectiveCount &count,
                     Stream &stream) override {
    queue(CollectiveKind::ReduceScatter, send, receive, count, 0, stream);
  }
  void broadcast(const void *send, void *receive, const CollectiveCount &count, uint32_t root,
                 Stream &stream) override {
    if (root >= worldSize())
      fail("broadcast from rank {}, but there are only {} ranks", root, worldSize());
    queue(CollectiveKind::Broadcast, send, receive, count, root, stream);
  }
  void allToAll(const void *send, void *receive, const CollectiveCount &count,
                Stream &stream) override {
    if (send == receive)
      fail("all_to_all cannot work in place: send and receive are the same buffer");
    queue(CollectiveKind::AllToAll, send, receive, count, 0, stream);
  }

private:
  void queue(CollectiveKind kind, const void *send, void *receive, const CollectiveCount &count,
             uint32_t root, Stream &stream) {
    if (count.dtype == DType::Int8)
      fail("{} of int8 is not possible; legal: float32, bfloat16, float16, int32", toString(kind));
    stream.launch(CollectiveCall{group_.get(), rank_, kind, send, receive, count.extent,
                                 count.whole, count.dtype, root, count.dims});
  }

  std::shared_ptr<CommunicatorGroup> group_;
  uint32_t rank_;
};

} // namespace

std::vector<std::unique_ptr<Communicator>> createCommunicators(uint32_t worldSize) {
  auto group = std::make_shared<CommunicatorGroup>(worldSize);
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (uint32_t rank = 0; rank < worldSize; ++rank)
    communicators.push_back(std::make_unique<InProcessCommunicator>(group, rank));
  return communicators;
}

} // namespace vinci
