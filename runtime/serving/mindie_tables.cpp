#include "runtime/serving/mindie_tables.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace vinci {

namespace {

constexpr double ms = 1e-6;

/// As Python prints a float that was rounded to four places.
std::string decimal(double value) {
  std::string text = fmt::format("{:.4f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  return text.back() == '.' ? text + "0" : text;
}

struct Row {
  std::string_view name, unit;
  const Samples &samples;
  bool integers = false; ///< maximum and minimum are printed as such
  std::string slo = "";  ///< empty: the P90
};

/// What requests have one of.
struct PerRequest {
  Samples firstToken, lastGap, largestGap, meanGap, total, input, output, speed, characters,
      tokenizer, detokenizer, nothing;
  uint64_t returned = 0, failed = 0;
};

PerRequest collect(const SimulationResult &result, const MindieTableOptions &options) {
  PerRequest all;
  for (const SimulatedRequest &request : result.requests) {
    if (request.refused) {
      ++all.failed;
      continue;
    }
    ++all.returned;
    const double tokens = request.outputTokens;
    const double total = double(request.lastTokenNs - request.sentNs) * ms;
    all.firstToken.add(double(request.firstTokenNs - request.sentNs) * ms);
    all.total.add(total);
    all.input.add(request.inputTokens);
    all.output.add(tokens);
    all.speed.add(tokens / total * 1000);
    all.tokenizer.add(options.tokenizerMs);
    all.detokenizer.add(options.detokenizerMsPerToken * tokens);
    all.nothing.add(0);
    if (options.charactersPerToken)
      all.characters.add(std::round(tokens * *options.charactersPerToken));
    if (request.outputTokens < 2)
      continue;
    all.lastGap.add(double(request.lastGapNs) * ms);
    all.largestGap.add(double(request.largestGapNs) * ms);
    all.meanGap.add(double(request.lastTokenNs - request.firstTokenNs) / (tokens - 1) * ms);
  }
  return all;
}

std::string withUnit(std::string text, std::string_view unit) {
  return unit.empty() ? text : text + " " + std::string(unit);
}

std::vector<std::string> cells(const Row &row, uint64_t requests) {
  const auto cell = [&](double value, bool integer = false) {
    return withUnit(integer ? fmt::format("{:.0f}", value) : decimal(value), row.unit);
  };
  std::vector<std::string> result = {std::string(row.name)};
  if (row.samples.count() == 0) {
    result.resize(8, withUnit("/", row.unit));
  } else {
    const Samples &samples = row.samples;
    result.push_back(cell(samples.mean()));
    result.push_back(cell(samples.max(), row.integers));
    result.push_back(cell(samples.min(), row.integers));
    result.push_back(cell(samples.percentile(0.75)));
    result.push_back(cell(samples.percentile(0.9)));
    result.push_back(row.slo.empty() ? cell(samples.percentile(0.9)) : row.slo);
    result.push_back(cell(samples.percentile(0.99)));
  }
  result.push_back(fmt::format("{}", requests));
  return result;
}

} // namespace

Table mindieTable(const SimulationResult &result, const MindieTableOptions &options) {
  const PerRequest all = collect(result, options);
  const Samples gaps = result.gapsNs.map([](double ns) { return ns * ms; });
  // MindIE counts whole microseconds.
  const Samples waits = result.queueWaitsNs.map([](double ns) { return std::round(ns / 1000); });
  const std::string meanGapP90 =
      all.meanGap.count() == 0 ? "/ ms" : decimal(all.meanGap.percentile(0.9)) + " ms";

  Table table = {{"Metric", "average", "max", "min", "P75", "P90", "SLO_P90", "P99", "N"}};
  const auto add = [&](const Row &row) { table.push_back(cells(row, all.returned)); };
  add({"FirstTokenTime", "ms", all.firstToken});
  add({"DecodeTime", "ms", gaps, false, meanGapP90});
  add({"LastDecodeTime", "ms", all.lastGap});
  add({"MaxDecodeTime", "ms", all.largestGap});
  add({"GenerateTime", "ms", all.total});
  add({"InputTokens", "", all.input, true});
  add({"GeneratedTokens", "", all.output, true});
  add({"GeneratedTokenSpeed", "token/s", all.speed});
  add({"GeneratedCharacters", "", all.characters, true});
  add({"Tokenizer", "ms", all.tokenizer});
  add({"Detokenizer", "ms", all.detokenizer});
  std::vector<std::string> perToken(9, "/");
  perToken.front() = "CharactersPerToken";
  perToken.back() = fmt::format("{}", all.returned);
  if (all.characters.count() > 0)
    perToken[1] = decimal(all.characters.mean() / all.output.mean());
  table.push_back(perToken);
  // Neither happens outside the steps here; MindIE's tables of the ms backend have zeros as well.
  for (std::string_view name : {"PostProcessingTime", "ForwardTime"}) {
    std::vector<std::string> row(9, "0 ms");
    row.front() = name;
    row.back() = fmt::format("{}", all.returned);
    table.push_back(row);
  }
  add({"PrefillBatchsize", "", result.prefillBatches, true});
  add({"DecoderBatchsize", "", result.decodeBatches, true, "/"});
  add({"QueueWaitTime", "μs", waits, true, "/ μs"});
  return table;
}

Table mindieCommonTable(const SimulationResult &result, const MindieTableOptions &options) {
  const PerRequest all = collect(result, options);
  const uint64_t total = all.returned + all.failed;
  const auto share = [&](uint64_t count, char open, char close) {
    return fmt::format("{}{} {}% {}", count, open,
                       decimal(total == 0 ? 0 : 100 * double(count) / double(total)), close);
  };
  const double elapsed = double(result.elapsedNs) * 1e-9;
  const bool any = all.returned > 0 && elapsed > 0;
  const double speed = any ? all.output.mean() * double(all.returned) / elapsed : 0;
  const auto ifAny = [&](double value, std::string_view unit) {
    return withUnit(any ? decimal(value) : "/", unit);
  };
  return {
      {"Common Metric", "Value"},
      {"CurrentTime", "/"},
      {"TimeElapsed", decimal(elapsed) + " s"},
      {"DataSource", options.dataSource},
      {"Failed", share(all.failed, '(', ')')},
      {"Returned", share(all.returned, '(', ')')},
      {"Total", share(total, '[', ']')},
      {"Concurrency", options.concurrency ? fmt::format("{}", *options.concurrency) : "/"},
      {"ModelName", options.modelName},
      {"lpct", ifAny(any ? all.firstToken.mean() / all.input.mean() : 0, "ms")},
      {"Throughput", ifAny(any ? double(all.returned) / elapsed : 0, "req/s")},
      {"GenerateSpeed", ifAny(speed, "token/s")},
      {"GenerateSpeedPerClient",
       options.concurrency ? ifAny(speed / double(*options.concurrency), "token/s") : "/ token/s"},
      {"accuracy", "/"},
  };
}

/// Characters, not bytes: the micro sign has two.
static size_t width(std::string_view text) {
  return size_t(std::ranges::count_if(text, [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

std::string render(const Table &table) {
  std::vector<size_t> widths;
  for (const auto &row : table) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (size_t line = 0; line < table.size(); ++line) {
    text += "|";
    for (size_t i = 0; i < table[line].size(); ++i)
      text += " " + table[line][i] + std::string(widths[i] - width(table[line][i]), ' ') + " |";
    text += "\n";
    if (line > 0)
      continue;
    text += "|";
    for (size_t columns : widths)
      text += std::string(columns + 2, '-') + "|";
    text += "\n";
  }
  return text;
}

} // namespace vinci
