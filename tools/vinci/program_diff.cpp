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

/// Two programs, and which of their commands are the same ones.
struct Comparison {
  Comparison(const std::vector<BodyView> &a, const std::vector<BodyView> &b) : buffers(a, b) {
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
  }

  std::map<std::string, Matches> matches;
  Correspondence buffers;
};

//===- Unified diffs --------------------------------------------------------------------------===//

/// A line of a body before, after, or both.
struct DiffLine {
  char side;
  const std::string *text;
};

/// The commands of both, in order; those of A before those of B in their place.
std::vector<DiffLine> diffLines(const BodyView *a, const BodyView *b, const Comparison &all) {
  std::vector<DiffLine> lines;
  const auto add = [&](const BodyView *body, char side, size_t first, size_t last) {
    for (size_t i = first; i < last; ++i)
      lines.push_back({side, &body->commands[i].text});
  };
  size_t nextA = 0, nextB = 0;
  if (a && b)
    for (auto [i, j] : all.matches.at(a->name)) {
      add(a, '-', nextA, i);
      add(b, '+', nextB, j);
      const bool same = sameOperands(a->commands[i], b->commands[j], all.buffers);
      if (!same)
        add(a, '-', i, i + 1);
      add(b, same ? ' ' : '+', j, j + 1);
      nextA = i + 1, nextB = j + 1;
    }
  if (a)
    add(a, '-', nextA, a->commands.size());
  if (b)
    add(b, '+', nextB, b->commands.size());
  return lines;
}

/// Lines of context before and after a change.
constexpr size_t context = 3;

/// The hunk of `all` from `first` to `last`, after `before` lines of A and of B.
void addHunk(const std::vector<DiffLine> &all, size_t first, size_t last, size_t beforeA,
             size_t beforeB, std::vector<std::string> &lines) {
  size_t ofA = 0, ofB = 0;
  const size_t header = lines.size();
  lines.emplace_back();
  for (size_t i = first; i < last; ++i) {
    ofA += all[i].side != '+' ? 1 : 0;
    ofB += all[i].side != '-' ? 1 : 0;
    lines.push_back(all[i].side + *all[i].text);
  }
  // As diff has it: an empty side is named by the line before it.
  lines[header] = fmt::format("@@ -{},{} +{},{} @@", beforeA + (ofA > 0 ? 1 : 0), ofA,
                              beforeB + (ofB > 0 ? 1 : 0), ofB);
}

std::vector<std::string> hunksOf(const std::vector<DiffLine> &all) {
  std::vector<std::string> lines;
  size_t beforeA = 0, beforeB = 0, done = 0;
  const auto skipTo = [&](size_t line) {
    for (; done < line; ++done) {
      beforeA += all[done].side != '+' ? 1 : 0;
      beforeB += all[done].side != '-' ? 1 : 0;
    }
  };
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].side == ' ')
      continue;
    // As far as no more than the context of two hunks lies between changes.
    size_t lastChange = i;
    for (size_t j = i + 1; j < all.size() && j <= lastChange + 2 * context + 1; ++j)
      lastChange = all[j].side != ' ' ? j : lastChange;
    const size_t first = std::max(done, i - std::min(i, context));
    const size_t last = std::min(all.size(), lastChange + 1 + context);
    skipTo(first);
    addHunk(all, first, last, beforeA, beforeB, lines);
    skipTo(last);
    i = last - 1;
  }
  return lines;
}

} // namespace

std::vector<UnifiedDiff> unifiedDiffs(const std::vector<BodyView> &a,
                                      const std::vector<BodyView> &b) {
  const Comparison comparison(a, b);
  std::vector<UnifiedDiff> diffs;
  const auto add = [&](const BodyView *before, const BodyView *after) {
    const std::string &name = (after ? after : before)->name;
    std::vector<std::string> hunks = hunksOf(diffLines(before, after, comparison));
    if (hunks.empty())
      return;
    UnifiedDiff &diff = diffs.emplace_back(UnifiedDiff{name, {}});
    diff.lines = {"--- " + (before ? name : "/dev/null"), "+++ " + (after ? name : "/dev/null")};
    std::ranges::move(hunks, std::back_inserter(diff.lines));
  };
  for (const BodyView &body : a)
    add(&body, findBody(b, body.name));
  for (const BodyView &body : b)
    if (!findBody(a, body.name))
      add(nullptr, &body);
  return diffs;
}

Report commandDifferences(const std::vector<BodyView> &a, const std::vector<BodyView> &b) {
  const Comparison comparison(a, b);
  Report rows = Report::array();
  for (const BodyView &body : a) {
    const BodyView *other = findBody(b, body.name);
    if (!other) {
      addRows(rows, body, "-", 0, body.commands.size());
      continue;
    }
    size_t nextA = 0, nextB = 0;
    for (auto [i, j] : comparison.matches.at(body.name)) {
      addRows(rows, body, "-", nextA, i);
      addRows(rows, *other, "+", nextB, j);
      if (!sameOperands(body.commands[i], other->commands[j], comparison.buffers))
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
