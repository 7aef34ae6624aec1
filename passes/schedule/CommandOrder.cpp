#include "passes/schedule/CommandOrder.h"

namespace vinci {

CommandOrder::CommandOrder(npu::BodyOp body) {
  for (npu::CommandOpInterface command : body.getCommands())
    append(command.getWaits().value_or(llvm::ArrayRef<int32_t>()));
}

void CommandOrder::append(llvm::ArrayRef<int32_t> waits) {
  llvm::BitVector finished(before_.size() + 1);
  for (int32_t wait : waits) {
    finished |= before_[wait];
    finished.set(wait);
  }
  before_.push_back(std::move(finished));
}

} // namespace vinci
