#include "backend/kernels/template_bitcode.h"

// Puts the bitcode of a family into the program, between two symbols. families.inc lists them, one
// line each.
#define VINCI_FAMILY(name)                                                                         \
  extern "C" const char vinciBitcode_##name[], vinciBitcodeEnd_##name[];                           \
  asm(".pushsection .rodata\n"                                                                     \
      ".balign 16\n"                                                                               \
      "vinciBitcode_" #name ":\n"                                                                  \
      ".incbin \"" VINCI_BITCODE_DIR "/" #name ".bc\"\n"                                           \
      "vinciBitcodeEnd_" #name ":\n"                                                               \
      ".popsection");
#include "families.inc"
#undef VINCI_FAMILY

namespace vinci {

std::optional<std::string_view> templateBitcode(std::string_view family) {
#define VINCI_FAMILY(name)                                                                         \
  if (family == #name)                                                                             \
    return std::string_view(vinciBitcode_##name, vinciBitcodeEnd_##name - vinciBitcode_##name);
#include "families.inc"
#undef VINCI_FAMILY
  return std::nullopt;
}

} // namespace vinci
