// deployment.json: settings as Vinci itself writes and reads them.
//
// One form for two uses. People write it beside a config.json, with plain values:
//   {"vinci_deployment": 1, "from": ["predict_qwq_32b.yaml", "launch.sh"], "target": {"name":
//   "310p3"}}
// `vinci import --format json` writes all that it resolved, each value with its origin, and the
// findings:
//   {"vinci_deployment": 1, "model": {"hidden_size": {"value": 5120, "origin": "config.json:5:18"},
//   …},
//    …, "findings": [{"kind": "contradiction", "at": "launch.sh:9:8", "message": "…"}]}
// Reading that gives the same again.
#pragma once

#include "frontend/settings/assign.h"

#include <string>
#include <vector>

namespace vinci {

/// True if `root` says that it is one.
bool looksLikeDeploymentJson(const JsonValue &root);

/// Reads all but "from". Fails at its place on a section or setting that there is none of, and on a
/// version that is not 1.
void readDeploymentJson(Import &import, const JsonDocument &document);

/// The files named by "from", relative to the document, in order.
std::vector<std::string> deploymentSources(const JsonValue &root);

/// Every setting that has a value, by section, and the findings; ends with a newline.
std::string writeDeploymentJson(const Import &import);

} // namespace vinci
