// Leaves a mark of the phase that llm IR has gone through. See Passes.td.
#include "ir/llm/Llm.h"
#include "passes/passes.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_MARKPHASE
#include "passes/Passes.h.inc"

namespace {

class MarkPhase : public impl::MarkPhaseBase<MarkPhase> {
public:
  using impl::MarkPhaseBase<MarkPhase>::MarkPhaseBase;

private:
  void runOnOperation() override {
    getOperation()->setAttr(llm::LlmDialect::phaseAttrName, StringAttr::get(&getContext(), phase));
    markAllAnalysesPreserved();
  }
};

} // namespace
} // namespace vinci
