// MindIE's config.json: servers, backends, the models they serve and how they are scheduled.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// True if it has the sections of one.
bool looksLikeMindieConfig(const JsonValue &root);

/// Reads it with Authority::Server. Fails at the place of a value that MindIE would refuse, and on
/// a file that lacks what MindIE must be told. Of several instances or models the first is read; a
/// finding says so.
void readMindieConfig(Import &import, const JsonDocument &document);

/// The setting that a key of such a file stands for, named with or without the sections around it;
/// empty if it has none of its own.
std::string_view settingOfMindieKey(std::string_view key);

} // namespace vinci
