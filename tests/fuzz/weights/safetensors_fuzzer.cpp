// safetensors files that lie. The input is read twice: as a file, and as the text of a header with
// data behind it (all that follows the last brace), given the right length field, so that mutation
// gets past that.
#include "runtime/support/error.h"
#include "runtime/weights/safetensors.h"

#include <cstring>
#include <string>

namespace {

using namespace vinci;

/// Parses, and reads what the parser says is there.
void read(std::span<const std::byte> bytes) {
  try {
    SafetensorsFile file = SafetensorsFile::parse(bytes, "fuzzed.safetensors");
    volatile uint64_t sum = 0;
    for (const TensorView &tensor : file.tensors()) {
      if (!tensor.bytes.empty())
        sum = sum + uint64_t(tensor.bytes.front()) + uint64_t(tensor.bytes.back());
      if (file.find(tensor.name) != &tensor)
        __builtin_trap();
    }
  } catch (const Error &) {
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string input(reinterpret_cast<const char *>(data), size);
  read(std::as_bytes(std::span(input.data(), input.size())));

  uint64_t header = input.rfind('}') + 1; // 0 if there is none
  std::string file(reinterpret_cast<const char *>(&header), sizeof header);
  file += input;
  read(std::as_bytes(std::span(file.data(), file.size())));
  return 0;
}
