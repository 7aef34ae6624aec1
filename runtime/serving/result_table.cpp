#include "runtime/serving/result_table.h"

#include "runtime/support/error.h"
#include "runtime/support/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <vector>

namespace vinci {

namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r*");
  if (begin == text.npos)
    return {};
  return text.substr(begin, text.find_last_not_of(" \t\r*") - begin + 1);
}

struct Cell {
  std::string text;
  SourcePosition position;
};

/// Rows by their first cell. The last one of a name counts: a file may hold several runs' output.
class Rows {
public:
  Rows(const std::string &text, const std::string &file) : file_(file) {
    uint32_t number = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      addLine(std::string_view(text).substr(begin, end - begin), ++number);
      begin = end + 1;
    }
  }

  bool has(const std::string &name) const { return rows_.contains(name); }
  bool empty() const { return rows_.empty(); }

  const Cell &cell(const std::string &name, size_t column, const char *heading) const {
    const auto found = rows_.find(name);
    if (found == rows_.end())
      fail(SourcePosition{file_}, "the table has no row {}", name);
    if (found->second.size() <= column)
      fail(found->second.front().position, "{} has {} columns; {} is column {}", name,
           found->second.size(), heading, column + 1);
    return found->second[column];
  }

private:
  void addLine(std::string_view line, uint32_t number) {
    // Bars of a log, "|", or of a drawn table.
    std::vector<Cell> cells;
    const size_t first = line.find('|');
    if (first == line.npos)
      return;
    for (size_t begin = first + 1; begin < line.size();) {
      const size_t end = line.find('|', begin);
      if (end == line.npos)
        break;
      const std::string_view cell = line.substr(begin, end - begin);
      const std::string_view inner = trimmed(cell);
      const size_t column = begin + (inner.empty() ? 0 : size_t(inner.data() - cell.data()));
      cells.push_back({std::string(inner), {file_, number, uint32_t(column + 1)}});
      begin = end + 1;
    }
    if (cells.size() >= 2 && !cells.front().text.empty())
      rows_[cells.front().text] = std::move(cells);
  }

  const std::string file_;
  std::map<std::string, std::vector<Cell>> rows_;
};

/// A number above or at 0 with its unit, in the unit that is asked for: ms, s, token/s, or none.
double numberIn(const Cell &cell, const std::string &name, std::string_view unit) {
  double value = 0;
  const char *end = cell.text.data() + cell.text.size();
  const auto [rest, error] = std::from_chars(cell.text.data(), end, value);
  if (error != std::errc())
    fail(cell.position, "{} is '{}'; a number{}{} is expected", name, cell.text,
         unit.empty() ? "" : " of ", unit);
  const std::string_view given = trimmed({rest, size_t(end - rest)});
  static const std::map<std::string, double, std::less<>> times = {
      {"s", 1e3}, {"ms", 1}, {"us", 1e-3}, {"μs", 1e-3}, {"µs", 1e-3}};
  const auto from = times.find(given), to = times.find(unit);
  if (to != times.end() && from != times.end())
    value *= from->second / to->second;
  else if (!given.empty() && given != unit)
    fail(cell.position, "{} is in '{}'; {} is expected", name, given,
         unit.empty() ? "no unit" : unit);
  if (!(value >= 0) || !std::isfinite(value))
    fail(cell.position, "{} is {}; a number from 0 is expected", name, cell.text);
  return value;
}

double positive(const Cell &cell, const std::string &name, std::string_view unit) {
  const double value = numberIn(cell, name, unit);
  if (value == 0)
    fail(cell.position, "{} is 0; a number above 0 is expected", name);
  return value;
}

uint64_t wholeFrom1(const Cell &cell, const std::string &name) {
  const double value = positive(cell, name, "");
  if (value != std::floor(value) || value > 1e9)
    fail(cell.position, "{} is {}; a whole number from 1 to 1000000000 is expected", name,
         cell.text);
  return uint64_t(value);
}

/// Columns of MindIE's first table.
enum Column : size_t { Average = 1, Max, Min, P75, P90, SloP90, P99, Count };

/// The distribution with the row's quantiles. What the table does not say, how many are how short,
/// follows from the mean: either where the half of them lies, or from which share on they are as
/// long as at P75.
std::string lengthsOf(const Rows &rows, const std::string &name) {
  const auto at = [&](Column column, const char *heading) {
    return positive(rows.cell(name, column, heading), name, "");
  };
  const double mean = at(Average, "average"), most = at(Max, "max"), least = at(Min, "min");
  const double p75 = at(P75, "P75"), p90 = at(P90, "P90"), p99 = at(P99, "P99");
  if (!(least <= p75 && p75 <= p90 && p90 <= p99 && p99 <= most && least <= mean && mean <= most))
    fail(rows.cell(name, Average, "average").position,
         "{} has min {}, average {}, P75 {}, P90 {}, P99 {} and max {}, which do not rise", name,
         least, mean, p75, p90, p99, most);
  const std::string above = fmt::format("0.75={:g},0.9={:g},0.99={:g},1={:g}", p75, p90, p99, most);
  const double sumAbove = 0.15 * (p75 + p90) / 2 + 0.09 * (p90 + p99) / 2 + 0.01 * (p99 + most) / 2;
  if (least == most)
    return fmt::format("fixed:{:g}", std::round(mean));
  // mean = 0.5 (least + middle) / 2 + 0.25 (middle + p75) / 2 + sumAbove
  const double middle = (mean - sumAbove - 0.25 * least - 0.125 * p75) / 0.375;
  if (middle >= least && middle <= p75)
    return fmt::format("quantiles:0={:g},0.5={:.2f},{}", least, middle, above);
  // mean = share (least + p75) / 2 + (0.75 - share) p75 + sumAbove
  const double share = p75 > least ? (0.75 * p75 + sumAbove - mean) / ((p75 - least) / 2) : 0;
  if (share > 0.0001 && share < 0.7499)
    return fmt::format("quantiles:0={:g},{:.5f}={:g},{}", least, share, p75, above);
  return fmt::format("quantiles:0={:g},{}", least, above);
}

MeasuredRun readMindie(const Rows &rows) {
  MeasuredRun run;
  run.format = "mindie";
  const auto average = [&](const std::string &name, std::string_view unit) {
    return positive(rows.cell(name, Average, "average"), name, unit);
  };
  run.ttftMs = average("FirstTokenTime", "ms");
  run.tokenGapMs = average("DecodeTime", "ms");
  run.inputTokens = lengthsOf(rows, "InputTokens");
  run.outputTokens = lengthsOf(rows, "GeneratedTokens");
  if (rows.has("DecoderBatchsize"))
    run.decodeBatch = average("DecoderBatchsize", "");
  const auto common = [&](const std::string &name) -> const Cell & {
    return rows.cell(name, 1, "the value");
  };
  // "200( 100.0% )" and "200[ 100.0% ]"
  const auto count = [&](const std::string &name) {
    Cell cell = common(name);
    cell.text = cell.text.substr(0, cell.text.find_first_of("(["));
    return cell;
  };
  if (const Cell failed = count("Failed"); numberIn(failed, "Failed", "") != 0)
    fail(failed.position, "{} requests failed; a run without failures is expected", failed.text);
  run.requests = wholeFrom1(count("Total"), "Total");
  run.concurrency = wholeFrom1(common("Concurrency"), "Concurrency");
  run.elapsedS = positive(common("TimeElapsed"), "TimeElapsed", "s");
  run.outputTokensPerS = positive(common("GenerateSpeed"), "GenerateSpeed", "token/s");
  return run;
}

MeasuredRun readEvalscope(const Rows &rows) {
  MeasuredRun run;
  run.format = "evalscope";
  const auto value = [&](const std::string &name) -> const Cell & {
    return rows.cell(name, 1, "the value");
  };
  const auto seconds = [&](const std::string &name) {
    return 1e3 * positive(value(name), name, "");
  };
  run.ttftMs = seconds("Average time to first token (s)");
  run.tokenGapMs = seconds("Average time per output token (s)");
  const auto fixed = [&](const std::string &name) {
    return fmt::format("fixed:{}",
                       std::max<int64_t>(1, std::llround(positive(value(name), name, ""))));
  };
  run.inputTokens = fixed("Average input tokens per request");
  run.outputTokens = fixed("Average output tokens per request");
  if (rows.has("Failed requests") && numberIn(value("Failed requests"), "Failed requests", "") != 0)
    fail(value("Failed requests").position,
         "{} requests failed; a run without failures is expected", value("Failed requests").text);
  run.requests = wholeFrom1(value("Total requests"), "Total requests");
  run.concurrency = wholeFrom1(value("Number of concurrency"), "Number of concurrency");
  run.elapsedS = positive(value("Time taken for tests (s)"), "Time taken for tests (s)", "");
  run.outputTokensPerS =
      positive(value("Output token throughput (tok/s)"), "Output token throughput (tok/s)", "");
  return run;
}

} // namespace

MeasuredRun parseResultTable(const std::string &text, const std::string &fileName) {
  const Rows rows(text, fileName);
  MeasuredRun run;
  if (rows.has("FirstTokenTime") || rows.has("DecodeTime"))
    run = readMindie(rows);
  else if (rows.has("Average time to first token (s)") || rows.has("Number of concurrency"))
    run = readEvalscope(rows);
  else
    fail(SourcePosition{fileName},
         "{}; the tables of MindIE's benchmark (rows FirstTokenTime, DecodeTime, …) or evalscope's "
         "summary (Average time to first token (s), …) are expected",
         rows.empty() ? "there is no table" : "this table is of no benchmark that Vinci knows");
  run.file = fileName;
  return run;
}

MeasuredRun readResultTable(const std::string &path) {
  return parseResultTable(readTextFile(path, size_t(1) << 24), path);
}

} // namespace vinci
