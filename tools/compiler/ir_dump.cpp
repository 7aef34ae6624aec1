#include "tools/compiler/ir_dump.h"
#include "runtime/plan/atomic_file.h"
#include "runtime/support/error.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"

namespace vinci {
namespace fs = std::filesystem;

struct IrDump::State {
  fs::path directory;
  unsigned number = 0;

  /// Passes on a part of the module dump all of it: only a whole module can be read back.
  void write(std::string_view name, mlir::Operation *op) {
    while (mlir::Operation *parent = op->getParentOp())
      op = parent;
    std::string text;
    llvm::raw_string_ostream stream(text);
    op->print(stream);
    text += "\n";
    writeFileAtomically(directory / fmt::format("{:02}-{}.mlir", number++, name),
                        std::as_bytes(std::span(text)));
  }
};

IrDump::IrDump(const fs::path &directory) {
  if (directory.empty())
    return;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    fail(SourcePosition{directory.string()}, "cannot create the folder for --dump-ir: {}",
         error.message());
  state_ = std::make_shared<State>(State{directory});
}

void IrDump::write(std::string_view name, mlir::ModuleOp module) {
  if (state_)
    state_->write(name, module);
}

void IrDump::attach(mlir::PassManager &passes) {
  if (!state_)
    return;
  struct Instrumentation final : mlir::PassInstrumentation {
    explicit Instrumentation(std::shared_ptr<State> state) : state(std::move(state)) {}
    void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override {
      if (!pass->getArgument().empty()) // not the adaptors that nest pipelines
        state->write(std::string_view(pass->getArgument()), op);
    }
    std::shared_ptr<State> state;
  };
  passes.addInstrumentation(std::make_unique<Instrumentation>(state_));
}

} // namespace vinci
