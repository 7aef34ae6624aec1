// `vinci compile --report`: what each pass did, and what it saved.
#pragma once

#include "frontend/deployment_spec.h"
#include "tools/compiler/compiler.h"
#include "tools/vinci/report.h"

#include <string>
#include <vector>

namespace vinci {

/// From the records of all passes that ran, the first being what they were given. docs/reports.md
/// has the shape. Numbers are those of one rank; where the deployment names a device that there is
/// a specification of, predicted times are among them. The same records give the same report.
Report passReport(const std::vector<PassRecord> &records, const DeploymentSpec &deployment);

/// The report as one HTML file that needs no other.
std::string passReportHtml(const Report &report);

} // namespace vinci
