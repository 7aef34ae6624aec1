// YAML into the same positioned tree as JSON, so that one set of typed getters and messages serves
// both.
//
// What configs need and no more: one document of mappings, sequences and scalars. Plain scalars are
// typed as PyYAML, which the files are written for, types them (true/yes/on, 12, 1.0e-6, null), and
// numbers such as 1e-6, which it would leave strings, are numbers too; quoted and block scalars are
// strings. Anchors, aliases, tags, keys that are not scalars and further documents are refused at
// their place.
#pragma once

#include "runtime/support/json.h"

namespace vinci {

/// Parses `text`; `fileName` is what messages call it. Every error is `file:line:col: error: …`.
JsonDocument parseYaml(std::string text, std::string fileName,
                       const JsonLimits &limits = {.maxBytes = size_t(1) << 20,
                                                   .maxValues = size_t(1) << 16});

class JsonTreeBuilder;

/// Appends the scalar `text`, which starts at byte `offset`, as the type that a plain YAML scalar
/// of this spelling has.
void addPlainScalar(JsonTreeBuilder &builder, size_t offset, std::string_view text);

} // namespace vinci
