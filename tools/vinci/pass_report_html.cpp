#include "tools/vinci/pass_report.h"

namespace vinci {

extern const char *const kPassReportTemplate; // pass_report.html

/// The template reads the report from an element of its own, in which nothing may look like HTML.
std::string passReportHtml(const Report &report) {
  std::string json;
  for (const char c : report.dump(-1, ' ', false, Report::error_handler_t::replace))
    json += c == '<' ? "\\u003c" : std::string(1, c);
  std::string html = kPassReportTemplate;
  constexpr std::string_view place = "{{report}}";
  return html.replace(html.find(place), place.size(), json);
}

} // namespace vinci
