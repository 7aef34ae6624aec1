// Any bytes as a tokenizer.json: it must load and tokenise, or throw vinci::Error.

#include "runtime/support/error.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static constexpr std::string_view kText =
      "It's <think>hello</think>  12\n\n caf\u00e9 e\u0301 \u5317\u4eac<|end|>\xff aaaaaaaaaaaa";
  try {
    vinci::Tokenizer tokenizer = vinci::Tokenizer::fromJson(
        "fuzz.json", std::string(reinterpret_cast<const char *>(data), size));
    std::vector<int32_t> ids = tokenizer.encodePrompt(kText);
    std::string whole = tokenizer.decode(ids, true);
    vinci::Detokenizer detokenizer(tokenizer, true);
    std::string streamed;
    for (int32_t id : ids)
      streamed += detokenizer.push(id);
    if (streamed + detokenizer.flush() != whole)
      std::abort();
  } catch (const vinci::Error &error) {
    if (error.kind() == vinci::ErrorKind::Internal)
      std::abort();
  }
  return 0;
}
