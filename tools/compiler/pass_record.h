// What each pass did, for `vinci compile --report`: the IR that it left, and the plan that would
// have come of it had no pass after it been asked to change anything.
#pragma once

#include "backend/codegen/cpu_target.h"
#include "tools/compiler/compiler.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include <memory>
#include <string>
#include <vector>

namespace vinci {

class PassRecorder {
public:
  /// Keeps a copy of the module under `name`.
  void keep(std::string name, mlir::ModuleOp module);
  /// Keeps one after each pass of `passes` from now on.
  void attach(mlir::PassManager &passes);

  /// A record for each copy. Plans hold no kernels.
  std::vector<PassRecord> records(const CpuTarget &cpu) const;

private:
  struct Copy {
    std::string name;
    mlir::OwningOpRef<mlir::ModuleOp> module;
  };
  /// Shared with the instrumentation that a pass manager owns.
  std::shared_ptr<std::vector<Copy>> copies_ = std::make_shared<std::vector<Copy>>();
};

} // namespace vinci
