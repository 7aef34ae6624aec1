#include "tools/vinci/bench_report.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace vinci {

/// Four significant digits are more than a shared machine repeats.
static double rounded(double value) {
  if (value == 0 || !std::isfinite(value))
    return 0;
  const double unit = std::pow(10, std::floor(std::log10(std::abs(value))) - 4);
  return std::stod(fmt::format("{:.12g}", std::round(value / unit) * unit));
}

template <typename Value>
static std::vector<double> sorted(const BenchResult &result, Value value) {
  std::vector<double> values;
  for (const BenchRun &run : result.runs)
    values.push_back(value(run));
  std::ranges::sort(values);
  return values;
}

template <typename Value> static double median(const BenchResult &result, Value value) {
  const std::vector<double> values = sorted(result, value);
  const size_t half = values.size() / 2;
  return rounded(values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2);
}

static Report opsReport(const std::vector<OpTimes> &ops, bool predicted) {
  double total = 0;
  for (const OpTimes &op : ops)
    total += op.measuredUs;
  Report rows = Report::array();
  for (const OpTimes &op : ops) {
    Report row = {{"op", op.op},
                  {"shape", op.shape},
                  {"kernel", op.kernel},
                  {"calls", op.calls},
                  {"measured_us", rounded(op.measuredUs)},
                  {"share", rounded(op.measuredUs / total)},
                  {"roofline_us", rounded(op.rooflineUs)},
                  {"of_roofline", rounded(op.rooflineUs / op.measuredUs)},
                  {"bound", op.rooflineUs == 0 ? "neither"
                            : op.isMemoryBound ? "read"
                                               : "multiply"}};
    if (predicted)
      row["predicted_us"] = rounded(op.predictedUs);
    rows.push_back(std::move(row));
  }
  return rows;
}

Report benchReport(const std::vector<BenchResult> &results, const BenchContext &context) {
  Report report = Report::array();
  for (const BenchResult &result : results) {
    const std::vector<double> speeds = sorted(result, [](auto &run) { return run.tokensPerS(); });
    const double ofRead = median(result, [](auto &run) { return run.ofRead(); });
    const double ofMultiply = median(result, [](auto &run) { return run.ofMultiply(); });
    Report peak = {{"read_gb_per_s", median(result, [](auto &run) { return run.readGbPerS; })},
                   {"read_method", context.readMethod},
                   {"tflops", median(result, [](auto &run) { return run.multiplyTflops; })},
                   {"instructions", context.multiplyInstructions}};
    if (!context.int8Instructions.empty()) {
      peak["int8_tops"] = median(result, [](auto &run) { return run.int8Tops; });
      peak["int8_instructions"] = context.int8Instructions;
    }
    Report row = {{"test", result.test.name},
                  {"tokens_per_s",
                   {{"min", rounded(speeds.front())},
                    {"median", median(result, [](auto &run) { return run.tokensPerS(); })},
                    {"max", rounded(speeds.back())}}},
                  {"gb_per_s", median(result, [](auto &run) { return run.gbPerS(); })},
                  {"tflops", median(result, [](auto &run) { return run.tflops(); })},
                  {"of_peak", std::max(ofRead, ofMultiply)},
                  {"bound", ofRead >= ofMultiply ? "read" : "multiply"},
                  {"of_read_peak", ofRead},
                  {"of_multiply_peak", ofMultiply},
                  {"peak", std::move(peak)},
                  {"repetitions", result.runs.size()},
                  {"model", context.model},
                  {"dtype", context.dtype},
                  {"cpu", context.cpu},
                  {"ranks", context.ranks},
                  {"threads", context.threads}};
    if (!result.ops.empty()) {
      if (!context.device.empty())
        row["predicted_device"] = context.device;
      row["ops"] = opsReport(result.ops, !context.device.empty());
    }
    report.push_back(std::move(row));
  }
  return report;
}

/// Rows of texts below a heading.
static void printRows(const std::vector<std::vector<std::string>> &rows, size_t leftColumns,
                      bool markdown) {
  std::vector<size_t> widths(rows.front().size());
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  for (size_t number = 0; number < rows.size(); ++number) {
    std::string line = markdown ? "|" : "";
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < leftColumns ? fmt::format("{:<{}}", rows[number][i], widths[i])
                                               : fmt::format("{:>{}}", rows[number][i], widths[i]);
      line += markdown ? " " + cell + " |" : cell + "  ";
    }
    fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
    if (markdown && number == 0) {
      line = "|";
      for (size_t i = 0; i < widths.size(); ++i)
        line += std::string(widths[i] + 1, '-') + (i < leftColumns ? "-|" : ":|");
      fmt::print("{}\n", line);
    }
  }
}

static std::string number(const Report &value) {
  return fmt::format("{:.4g}", value.get<double>());
}

static std::string percent(const Report &value) {
  return fmt::format("{:.1f} %", 100 * value.get<double>());
}

void printBenchTables(const Report &report, bool markdown) {
  const Report &first = report.front();
  fmt::print("{}{}, {}, {}, {} rank{}, {} thread{}, {} repetitions\n\n", markdown ? "### " : "",
             first["model"].get<std::string>(), first["dtype"].get<std::string>(),
             first["cpu"].get<std::string>(), first["ranks"].dump(), first["ranks"] == 1 ? "" : "s",
             first["threads"].dump(), first["threads"] == 1 ? "" : "s",
             first["repetitions"].dump());
  std::vector<std::vector<std::string>> rows = {{"test", "tokens/s", "min", "max", "GB/s",
                                                 "TFLOP/s", "of peak", "bound by", "read peak",
                                                 "multiply peak"}};
  for (const Report &test : report) {
    const Report &speed = test["tokens_per_s"], &peak = test["peak"];
    rows.push_back({test["test"].get<std::string>(), number(speed["median"]), number(speed["min"]),
                    number(speed["max"]), number(test["gb_per_s"]), number(test["tflops"]),
                    percent(test["of_peak"]), test["bound"].get<std::string>(),
                    number(peak["read_gb_per_s"]),
                    number(peak.contains("int8_tops") ? peak["int8_tops"] : peak["tflops"])});
  }
  printRows(rows, 1, markdown);
  fmt::print(
      "\npeaks of this machine, measured between the repetitions: memory read in {}; products "
      "by {}{}\n",
      first["peak"]["read_method"].get<std::string>(),
      first["peak"]["instructions"].get<std::string>(),
      first["peak"].contains("int8_instructions")
          ? ", of int8 by " + first["peak"]["int8_instructions"].get<std::string>()
          : "");
  for (const Report &test : report) {
    if (!test.contains("ops"))
      continue;
    const bool predicted = test.contains("predicted_device");
    fmt::print("\n{}{}, a step by op\n\n", markdown ? "#### " : "",
               test["test"].get<std::string>());
    rows = {
        {"op", "shape", "calls", "measured us", "share", "roofline us", "of roofline", "bound by"}};
    if (predicted)
      rows.front().push_back(test["predicted_device"].get<std::string>() + " us");
    for (const Report &op : test["ops"]) {
      const bool isBound = op["roofline_us"] != 0.0;
      rows.push_back({op["op"].get<std::string>(), op["shape"].get<std::string>(),
                      op["calls"].dump(), number(op["measured_us"]), percent(op["share"]),
                      isBound ? number(op["roofline_us"]) : "-",
                      isBound ? percent(op["of_roofline"]) : "-", op["bound"].get<std::string>()});
      if (predicted)
        rows.back().push_back(number(op["predicted_us"]));
    }
    printRows(rows, 2, markdown);
  }
}

} // namespace vinci
