// What the waits of a body order: which command has finished when another starts.
#pragma once

#include "ir/npu/Npu.h"

#include "llvm/ADT/BitVector.h"

#include <vector>

namespace vinci {

class CommandOrder {
public:
  /// No commands yet.
  CommandOrder() = default;
  /// The order of a body whose commands all have waits.
  explicit CommandOrder(npu::BodyOp body);

  /// Appends the next command; it waits for earlier ones.
  void append(llvm::ArrayRef<int32_t> waits);

  /// The commands that have finished when `command` starts.
  const llvm::BitVector &before(size_t command) const { return before_[command]; }

  size_t size() const { return before_.size(); }

private:
  std::vector<llvm::BitVector> before_;
};

} // namespace vinci
