#include "frontend/settings/findings.h"

#include <algorithm>

namespace vinci {

std::string_view toString(FindingKind kind) {
  switch (kind) {
  case FindingKind::Contradiction:
    return "contradiction";
  case FindingKind::Unknown:
    return "unknown";
  case FindingKind::NoEffect:
    return "no-effect";
  case FindingKind::Note:
    return "note";
  }
  return "note";
}

std::string toString(const Finding &finding) {
  const std::string place = toString(finding.position);
  return fmt::format("{}{}{}: {}", place, place.empty() ? "" : ": ",
                     finding.kind == FindingKind::Note ? "note" : "warning", finding.message);
}

void Findings::add(FindingKind kind, SourcePosition position, std::string message) {
  if (list_.size() >= most) // of hostile files; what people write has a few
    return;
  const std::string place = toString(position);
  const bool known = std::any_of(list_.begin(), list_.end(), [&](const Finding &other) {
    return other.message == message && toString(other.position) == place;
  });
  if (known)
    return;
  if (list_.size() + 1 == most)
    message = "further findings are not shown";
  list_.push_back({kind, std::move(position), std::move(message)});
}

void Findings::refuseContradictions() const {
  for (const Finding &finding : list_)
    if (finding.kind == FindingKind::Contradiction)
      fail(finding.position, "{} (--strict makes this an error)", finding.message);
}

} // namespace vinci
