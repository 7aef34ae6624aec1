// --dump-ir: the module after every pass, numbered in order.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <filesystem>
#include <memory>
#include <string_view>

namespace vinci {

/// Writes `00-import.mlir`, `01-lower-to-npu.mlir`, … into a folder. Does nothing for an empty
/// path.
class IrDump {
public:
  /// Creates the folder. Throws Error naming it if that cannot be done.
  explicit IrDump(const std::filesystem::path &directory);
  void write(std::string_view name, mlir::ModuleOp module);
  /// Writes after each pass of `passes` from now on.
  void attach(mlir::PassManager &passes);

private:
  struct State;
  std::shared_ptr<State> state_; ///< shared with the instrumentation that the pass manager owns
};

} // namespace vinci
