// Reports: built once as JSON, printed as JSON or as text for people.
#pragma once

#include "frontend/precision.h"
#include "tools/vinci/commands.h"

#include <nlohmann/json.hpp>

namespace vinci {

using Report = nlohmann::ordered_json;

/// The element types that the regions of a model compute in, each under its name.
Report precisionReport(const PrecisionPolicy &policy);

/// `report` without members that are empty lists, which say nothing as text.
Report withoutEmptyLists(Report report);
/// As JSON, indented, with a newline at the end.
std::string toJsonText(const Report &report);

/// Prints `report` on stdout. As text, an object becomes `key: value` lines, an array of flat
/// objects an aligned table with a heading, and an object of such sections one after another under
/// their names.
void printReport(const Report &report, ReportFormat format);

} // namespace vinci
