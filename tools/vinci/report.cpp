#include "tools/vinci/report.h"

#include <algorithm>
#include <fmt/format.h>

namespace vinci {

void addFormatOption(CLI::App &command, ReportFormat &format, bool html) {
  const std::string legal = html ? "text, json and html" : "text and json";
  command.add_option_function<std::string>(
      "--format",
      [&format, html, legal](const std::string &name) {
        if (name == "text")
          format = ReportFormat::Text;
        else if (name == "json")
          format = ReportFormat::Json;
        else if (name == "html" && html)
          format = ReportFormat::Html;
        else
          throw CLI::ValidationError(
              "--format", fmt::format("'{}' is not a report format; legal are {}", name, legal));
      },
      fmt::format("How to print the report: {} (default: {})",
                  html ? "text, json or html" : "text or json",
                  format == ReportFormat::Text ? "text" : "json"));
}

Report withoutEmptyLists(Report report) {
  Report rest = Report::object();
  for (auto &[name, value] : report.items())
    if (!value.is_array() || !value.empty())
      rest[name] = std::move(value);
  return rest;
}

static std::string cell(const Report &value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_number_float())
    return fmt::format("{:g}", value.get<double>());
  if (!value.is_array())
    return value.dump();
  std::string text;
  for (const Report &item : value)
    text += (text.empty() ? "" : " ") + cell(item);
  return text;
}

static bool isTable(const Report &report) {
  return report.is_array() && !report.empty() && report.front().is_object();
}

/// Texts of several lines (assembly) stand below their name, like tables and objects.
static bool isSection(const Report &value) {
  return isTable(value) || value.is_object() ||
         (value.is_string() &&
          value.get_ref<const std::string &>().find('\n') != std::string::npos);
}

/// Numbers stand right, everything else left.
static void printTable(const Report &rows) {
  std::vector<std::string> names;
  for (const auto &[name, value] : rows.front().items())
    names.push_back(name);
  std::vector<size_t> widths;
  for (const std::string &name : names) {
    size_t width = name.size();
    for (const Report &row : rows)
      width = std::max(width, cell(row.at(name)).size());
    widths.push_back(width);
  }
  auto printRow = [&](auto text) {
    std::string line;
    for (size_t i = 0; i < names.size(); ++i)
      line += rows.front().at(names[i]).is_number() ? fmt::format("{:>{}}  ", text(i), widths[i])
                                                    : fmt::format("{:<{}}  ", text(i), widths[i]);
    fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  };
  printRow([&](size_t i) { return names[i]; });
  for (const Report &row : rows)
    printRow([&](size_t i) { return cell(row.at(names[i])); });
}

static void printText(const Report &report) {
  if (isTable(report))
    return printTable(report);
  if (!report.is_object()) {
    fmt::print("{}\n", cell(report));
    return;
  }
  size_t width = 0;
  for (const auto &[name, value] : report.items())
    if (!isSection(value))
      width = std::max(width, name.size());
  bool first = true;
  for (const auto &[name, value] : report.items()) {
    if (isSection(value)) {
      fmt::print("{}{}\n", first ? "" : "\n", name);
      printText(value);
    } else
      fmt::print("{:<{}}  {}\n", name, width, cell(value));
    first = false;
  }
}

Report precisionReport(const PrecisionPolicy &policy) {
  Report report = Report::object();
  for (const PrecisionField &field : precisionFields)
    report[std::string(field.name)] = toString(policy.*field.policy);
  report["keep_origin"] = policy.keepOriginDtype;
  return report;
}

std::string toJsonText(const Report &report) {
  return report.dump(2, ' ', false, Report::error_handler_t::replace) + "\n";
}

void printReport(const Report &report, ReportFormat format) {
  if (format == ReportFormat::Json)
    fmt::print("{}", toJsonText(report));
  else
    printText(report);
}

} // namespace vinci
