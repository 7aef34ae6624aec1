#include "runtime/exec/kernel_linker.h"

#include "runtime/exec/kernel_object.h"
#include "runtime/support/error.h"

#include "llvm/ExecutionEngine/Orc/Core.h"
#include "llvm/ExecutionEngine/Orc/ExecutorProcessControl.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/Support/MemoryBuffer.h"

#include <map>

namespace vinci {

namespace orc = llvm::orc;

struct KernelLibrary::State {
  std::string origin;
  std::unique_ptr<orc::ExecutionSession> session;
  std::unique_ptr<orc::ObjectLinkingLayer> layer;
  std::map<std::string, VinciKernel> kernels;
  std::string problem; ///< what the session reported last

  ~State() {
    if (session)
      llvm::consumeError(session->endSession());
  }

  template <typename T> T get(llvm::Expected<T> value) {
    if (!value)
      rejectObject(value.takeError());
    return std::move(*value);
  }

  [[noreturn]] void rejectObject(llvm::Error error) {
    const std::string message = llvm::toString(std::move(error));
    fail(SourcePosition{origin}, "kernel object cannot be linked: {}",
         problem.empty() ? message : problem);
  }
};

KernelLibrary::KernelLibrary(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelLibrary::KernelLibrary(KernelLibrary &&) noexcept = default;
KernelLibrary &KernelLibrary::operator=(KernelLibrary &&) noexcept = default;
KernelLibrary::~KernelLibrary() = default;

KernelLibrary KernelLibrary::link(std::span<const std::byte> object, const std::string &origin) {
  const std::set<std::string> functions = checkKernelObject(object, origin);
  auto state = std::make_unique<State>();
  state->origin = origin;
  // Everything happens on this thread: a library is linked before there is anything to do beside
  // it.
  state->session =
      std::make_unique<orc::ExecutionSession>(state->get(orc::SelfExecutorProcessControl::Create(
          nullptr, std::make_unique<orc::InPlaceTaskDispatcher>())));
  state->session->setErrorReporter([reported = state.get()](llvm::Error error) {
    reported->problem = llvm::toString(std::move(error));
  });
  state->layer = std::make_unique<orc::ObjectLinkingLayer>(*state->session);
  orc::JITDylib &library = state->session->createBareJITDylib("kernels");

  const llvm::StringRef bytes(reinterpret_cast<const char *>(object.data()), object.size());
  if (llvm::Error error =
          state->layer->add(library, llvm::MemoryBuffer::getMemBufferCopy(bytes, "kernels")))
    state->rejectObject(std::move(error));
  orc::SymbolLookupSet wanted;
  for (const std::string &name : functions)
    wanted.add(state->session->intern(name));
  const orc::SymbolMap addresses =
      state->get(state->session->lookup(orc::makeJITDylibSearchOrder(&library), std::move(wanted)));
  for (const auto &[name, definition] : addresses)
    state->kernels[(*name).str()] = definition.getAddress().toPtr<VinciKernel>();
  return KernelLibrary(std::move(state));
}

VinciKernel KernelLibrary::find(const std::string &symbol) const {
  const auto kernel = state_->kernels.find(symbol);
  if (kernel == state_->kernels.end())
    fail(SourcePosition{state_->origin},
         "kernel \"{}\" is not in the plan's object, which defines {} kernels", symbol,
         state_->kernels.size());
  return kernel->second;
}

} // namespace vinci
