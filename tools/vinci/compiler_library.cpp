#include "tools/vinci/compiler_library.h"
#include "runtime/support/error.h"
#include "tools/vinci/resources.h"

#include <dlfcn.h>

namespace vinci {

static Compiler &load() {
  const auto path = executableDirectory().parent_path() / "lib" / "libvinci-compiler.so";
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail(SourcePosition{path.string()},
         "cannot load the compiler: {}; it is built beside the vinci binary "
         "(cmake --build build --target vinci)",
         dlerror());
  auto entry = reinterpret_cast<Compiler *(*)(uint32_t)>(dlsym(library, "vinciCompiler"));
  if (!entry)
    fail(SourcePosition{path.string()},
         "this library is not Vinci's compiler: it does not export vinciCompiler");
  Compiler *compiler = entry(compilerInterface);
  if (!compiler)
    fail(SourcePosition{path.string()},
         "this compiler belongs to another build of vinci; build both again "
         "(cmake --build build --target vinci)");
  return *compiler;
}

Compiler &compiler() {
  static Compiler &instance = load();
  return instance;
}

} // namespace vinci
