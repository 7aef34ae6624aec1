#include "tools/vinci/program_diff.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace vinci {
namespace {

/// The commands of A and B that are the same ones, ascending in both.
using Matches = std::vector<std::pair<size_t, size_t>>;

/// A longest common subsequence by key. What the bodies begin and end with is matched first, so the
/// table is as large as the part that differs; a part too large for one is all difference.
Matches match(const std::vector<CommandView> &a, const std::vector<CommandView> &b) {
  const auto same = [&](size_t i, size_t j) { return a[i].key == b[j].key; };
  Matches matches;
  size_t begin = 0, endA = a.size(), endB = b.size();
  for (; begin < std::min(endA, endB) && same(begin, begin); ++begin)
    matches.push_back({begin, begin});
  while (endA > begin && endB > begin && same(endA - 1, endB - 1))
    --endA, --endB;
  const size_t rows = endA - begin, columns = endB - begin;
  constexpr size_t largestTable = size_t{1} << 24;
  if (rows > 0 && columns > 0 && rows <= largestTable / columns) {
    // length[i][j]: of the longest one of what is left after i commands of A and j of B.
    std::vector<uint32_t> length((rows + 1) * (columns + 1));
    const auto at = [&](size_t i, size_t j) -> uint32_t & { return length[i * (columns + 1) + j]; };
    for (size_t i = rows; i-- > 0;)
      for (size_t j = columns; j-- > 0;)
        at(i, j) = same(begin + i, begin + j) ? at(i + 1, j + 1) + 1
                                              : std::max(at(i + 1, j), at(i, j + 1));
    for (size_t i = 0, j = 0; i < rows && j < columns;) {
      if (same(begin + i, begin + j))
        matches.push_back({begin + i++, begin + j++});
      else if (at(i + 1, j) >= at(i, j + 1))
        ++i;
      else
        ++j;
    }
  }
  for (; endA < a.size(); ++endA, ++endB)
    matches.push_back({endA, endB});
  return matches;
}

/// Which buffers of A and B hold the same: what matched commands write, and what comes out of a
/// stretch of commands in one plan and of the stretch in its place in the other.
class Correspondence {
public:
  Correspondence(const std::vector<BodyView> &a, const std::vector<BodyView> &b)
      : readersA_(readersOf(a)), readersB_(readersOf(b)) {}

  void add(const std::vector<CommandView> &a, const std::vector<CommandView> &b,
           const Matches &matches) {
    size_t nextA = 0, nextB = 0;
    const auto stretch = [&](size_t untilA, size_t untilB) {
      addOutputs(a, nextA, untilA, onlyInA_);
      addOutputs(b, nextB, untilB, onlyInB_);
      pair(liveOut(a, nextA, untilA, readersA_), liveOut(b, nextB, untilB, readersB_));
    };
    for (auto [i, j] : matches) {
      stretch(i, j);
      pair(a[i].outputs, b[j].outputs);
      nextA = i + 1, nextB = j + 1;
    }
    stretch(a.size(), b.size());
  }

  /// All commands of a body are in one program alone.
  void addAlone(const std::vector<CommandView> &commands, bool inA) {
    addOutputs(commands, 0, commands.size(), inA ? onlyInA_ : onlyInB_);
  }

  /// True as well for what commands have made that are themselves shown as different.
  bool same(const std::string &a, const std::string &b) const {
    if (onlyInA_.contains(a) && onlyInB_.contains(b))
      return true;
    const auto found = inB_.find(a);
    return found == inB_.end() ? a == b : found->second.contains(b);
  }

private:
  using Readers = std::map<std::string, size_t>; ///< how many commands read a buffer

  static Readers readersOf(const std::vector<BodyView> &bodies) {
    Readers readers;
    for (const BodyView &body : bodies)
      for (const CommandView &command : body.commands)
        for (const std::string &input : command.inputs)
          ++readers[input];
    return readers;
  }

  /// What commands [first, last) write and others read, in order.
  static std::vector<std::string> liveOut(const std::vector<CommandView> &commands, size_t first,
                                          size_t last, const Readers &readers) {
    Readers inside;
    for (size_t i = first; i < last; ++i)
      for (const std::string &input : commands[i].inputs)
        ++inside[input];
    std::vector<std::string> out;
    for (size_t i = first; i < last; ++i)
      for (const std::string &output : commands[i].outputs) {
        const auto all = readers.find(output);
        if (all != readers.end() && all->second > inside[output])
          out.push_back(output);
      }
    return out;
  }

  static void addOutputs(const std::vector<CommandView> &commands, size_t first, size_t last,
                         std::set<std::string> &to) {
    for (size_t i = first; i < last; ++i)
      to.insert(commands[i].outputs.begin(), commands[i].outputs.end());
  }

  void pair(const std::vector<std::string> &a, const std::vector<std::string> &b) {
    if (a.size() != b.size())
      return;
    for (size_t i = 0; i < a.size(); ++i)
      inB_[a[i]].insert(b[i]);
  }

  Readers readersA_, readersB_;
  std::map<std::string, std::set<std::string>> inB_;
  std::set<std::string> onlyInA_, onlyInB_; ///< written by commands that the other has not
};

Report commandRow(const BodyView &body, const char *side, size_t ordinal) {
  const CommandView &command = body.commands[ordinal];
  return {{"body", body.name},
          {"calls", body.calls},
          {"side", side},
          {"command", ordinal},
          {"op", command.op},
          {"what", command.text},
          {"writes", fmt::format("{}", fmt::join(command.outputs, " "))},
          {"reads", fmt::format("{}", fmt::join(command.inputs, " "))},
          {"location", command.location}};
}

void addRows(Report &rows, const BodyView &body, const char *side, size_t first, size_t last) {
  for (size_t i = first; i < last; ++i)
    rows.push_back(commandRow(body, side, i));
}

bool sameOperands(const CommandView &a, const CommandView &b, const Correspondence &buffers) {
  return std::ranges::equal(a.inputs, b.inputs, [&](const std::string &x, const std::string &y) {
    return buffers.same(x, y);
  });
}

const BodyView *findBody(const std::vector<BodyView> &bodies, const std::string &name) {
  const auto found = std::ranges::find(bodies, name, &BodyView::name);
  return found == bodies.end() ? nullptr : &*found;
}

} // namespace

Report commandDifferences(const std::vector<BodyView> &a, const std::vector<BodyView> &b) {
  std::map<std::string, Matches> matches;
  Correspondence buffers(a, b);
  for (const BodyView &body : a)
    if (const BodyView *other = findBody(b, body.name)) {
      matches[body.name] = match(body.commands, other->commands);
      buffers.add(body.commands, other->commands, matches[body.name]);
    } else {
      buffers.addAlone(body.commands, /*inA=*/true);
    }
  for (const BodyView &body : b)
    if (!findBody(a, body.name))
      buffers.addAlone(body.commands, /*inA=*/false);

  Report rows = Report::array();
  for (const BodyView &body : a) {
    const BodyView *other = findBody(b, body.name);
    if (!other) {
      addRows(rows, body, "-", 0, body.commands.size());
      continue;
    }
    size_t nextA = 0, nextB = 0;
    for (auto [i, j] : matches[body.name]) {
      addRows(rows, body, "-", nextA, i);
      addRows(rows, *other, "+", nextB, j);
      if (!sameOperands(body.commands[i], other->commands[j], buffers))
        rows.push_back(commandRow(*other, "~", j));
      nextA = i + 1, nextB = j + 1;
    }
    addRows(rows, body, "-", nextA, body.commands.size());
    addRows(rows, *other, "+", nextB, other->commands.size());
  }
  for (const BodyView &body : b)
    if (!findBody(a, body.name))
      addRows(rows, body, "+", 0, body.commands.size());
  return rows;
}

} // namespace vinci
