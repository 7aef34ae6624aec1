// Links the compiled kernels of a plan into this process.
#pragma once

#include "runtime/plan/kernel_abi.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace vinci {

/// The kernels of one ELF object, in executable memory as long as the library lives.
///
/// Kernels keep no state and call nothing, so an object with undefined symbols or with writable
/// data is refused, as is anything malformed. What the machine code does cannot be checked: only
/// link objects of plans that one trusts.
class KernelLibrary {
public:
  /// Links a relocatable x86-64 object. `origin` names it in errors: the plan's file. The bytes are
  /// not needed afterwards.
  static KernelLibrary link(std::span<const std::byte> object, const std::string &origin);

  KernelLibrary(KernelLibrary &&) noexcept;
  KernelLibrary &operator=(KernelLibrary &&) noexcept;
  ~KernelLibrary();

  /// The kernel called `symbol`; throws a user error if the object does not define it.
  VinciKernel find(const std::string &symbol) const;

private:
  struct State;
  explicit KernelLibrary(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace vinci
