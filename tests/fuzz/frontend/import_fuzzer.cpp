// Bytes -> settings, by the readers of files that say how a model is run. The first line is the
// file's name, whose ending chooses the syntax (YAML, JSON, launch script); what is in it chooses
// the reader. "args" stands for the flags of --from-vllm-args. Whatever the bytes are, either the
// import resolves, and what it writes reads back as itself, or vinci::Error is thrown.
#include "frontend/import/finish.h"
#include "frontend/import/import.h"
#include "frontend/launch/script.h"
#include "frontend/launch/serve.h"
#include "frontend/settings/deployment_json.h"

#include <cstdlib>
#include <string_view>

using namespace vinci;

static void require(bool holds) {
  if (!holds)
    std::abort();
}

static Imported importFlags(std::string text) {
  Imported imported;
  readServe(imported, parseServeCommand(std::move(text), "args", imported.findings));
  finishImport(imported);
  return imported;
}

/// The names of seeds, so that messages are short and nothing depends on the bytes of the name.
static std::string nameOf(std::string_view firstLine) {
  for (std::string_view name : {"f.yaml", "f.json", "args"})
    if (firstLine == name)
      return std::string(name);
  return "f.sh";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view all(reinterpret_cast<const char *>(data), size);
  const size_t end = std::min(all.find('\n'), all.size());
  const std::string name = nameOf(all.substr(0, end));
  std::string text(all.substr(std::min(end + 1, all.size())));
  std::string written;
  try {
    written = writeDeploymentJson(name == "args" ? importFlags(std::move(text))
                                                 : importText(std::move(text), name));
  } catch (const Error &error) {
    require(error.kind() != ErrorKind::Internal && !error.message().empty());
    return 0;
  }
  require(writeDeploymentJson(importText(written, "again.json")) ==
          written); // an error is a defect
  return 0;
}
