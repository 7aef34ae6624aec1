#include "runtime/support/lengths.h"
#include "runtime/support/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

namespace vinci {

namespace {

template <typename T> std::optional<T> parseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

bool isLength(double tokens) {
  return tokens >= 1 && tokens <= double(LengthDistribution::largest); // false for NaN
}

/// Cuts `text` at the first `separator`; without one the second part is empty.
std::pair<std::string_view, std::string_view> cut(std::string_view text, char separator) {
  const size_t at = text.find(separator);
  if (at == std::string_view::npos)
    return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

/// The z below which a standard normal variable stays with this probability. Bisection: as exact as
/// erfc, the same everywhere, and fast enough for a number per request.
double standardNormalQuantile(double probability) {
  double low = -10, high = 10;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

} // namespace

/// One text on its way to a distribution; every failure names the text and what would be legal.
class LengthDistribution::Parser {
public:
  Parser(std::string_view text, std::string_view name, const SourcePosition &position)
      : text_(text), name_(name), position_(position) {}

  LengthDistribution parse() const {
    const auto [kind, rest] = cut(text_, ':');
    if (kind == "fixed")
      return fixed(rest);
    if (kind == "uniform")
      return uniform(rest);
    if (kind == "normal")
      return normal(rest);
    if (kind == "quantiles")
      return quantiles(rest);
    if (kind == "file")
      refuse(
          "a file of prompts is read for --input-len and --output-len of simulate and explore "
          "only; fixed:N, uniform:A-B, normal:MEAN,DEVIATION or quantiles:0=A,…,1=B is expected");
    refuse("fixed:N, uniform:A-B, normal:MEAN,DEVIATION or quantiles:0=A,…,1=B is expected");
  }

private:
  [[noreturn]] void refuse(const std::string &reason) const {
    fail(position_, "{} is {}; {}", name_, quoteForMessage(text_), reason);
  }

  LengthDistribution fixed(std::string_view rest) const {
    const auto tokens = parseNumber<int64_t>(rest);
    if (!tokens || !isLength(double(*tokens)))
      refuse(fmt::format("fixed:N takes an integer from 1 to {}", largest));
    return between(*tokens, *tokens);
  }

  LengthDistribution uniform(std::string_view rest) const {
    const auto [first, second] = cut(rest, '-');
    const auto least = parseNumber<int64_t>(first), most = parseNumber<int64_t>(second);
    if (!least || !most || !isLength(double(*least)) || !isLength(double(*most)) || *least > *most)
      refuse(
          fmt::format("uniform:A-B takes two integers from 1 to {}, the smaller first", largest));
    return between(*least, *most);
  }

  /// Half a token more at both ends, which sampling rounds to the integers inside.
  static LengthDistribution between(int64_t least, int64_t most) {
    LengthDistribution result;
    result.quantiles_ = {{0, double(least) - 0.5}, {1, double(most) + 0.5}};
    result.least_ = double(least);
    result.most_ = double(most);
    return result;
  }

  LengthDistribution normal(std::string_view rest) const {
    const auto [first, second] = cut(rest, ',');
    const auto mean = parseNumber<double>(first), deviation = parseNumber<double>(second);
    if (!mean || !deviation || !isLength(*mean) || !(*deviation >= 0 && *deviation <= largest))
      refuse(
          fmt::format("normal:MEAN,DEVIATION takes a mean from 1 and a deviation from 0, both to "
                      "{}",
                      largest));
    LengthDistribution result;
    result.mean_ = *mean;
    result.deviation_ = *deviation;
    return result;
  }

  LengthDistribution quantiles(std::string_view rest) const {
    constexpr size_t most = 4096;
    LengthDistribution result;
    std::vector<Quantile> &list = result.quantiles_;
    while (true) {
      const auto [entry, others] = cut(rest, ',');
      list.push_back(quantile(entry));
      if (list.size() == 1 && list.back().probability != 0)
        refuse("the first quantile must be 0=, the smallest length");
      if (list.size() > most)
        refuse(fmt::format("at most {} quantiles are read", most));
      if (list.size() > 1)
        requireOrder(list[list.size() - 2], list.back());
      if (entry.size() == rest.size())
        break;
      rest = others;
    }
    if (list.back().probability != 1)
      refuse("the last quantile must be 1=, the largest length");
    return result;
  }

  Quantile quantile(std::string_view entry) const {
    const auto [first, second] = cut(entry, '=');
    const auto probability = parseNumber<double>(first), tokens = parseNumber<double>(second);
    if (!probability || !tokens || !(*probability >= 0 && *probability <= 1) || !isLength(*tokens))
      refuse(fmt::format("{} is no quantile: PROBABILITY=TOKENS, from 0 to 1 and from 1 to {}, is "
                         "expected",
                         quoteForMessage(entry), largest));
    return {*probability, *tokens};
  }

  void requireOrder(const Quantile &before, const Quantile &after) const {
    if (after.probability <= before.probability || after.tokens < before.tokens)
      refuse(fmt::format("{}={} cannot follow {}={}: probabilities rise and lengths do not fall",
                         after.probability, after.tokens, before.probability, before.tokens));
  }

  std::string_view text_, name_;
  const SourcePosition &position_;
};

LengthDistribution LengthDistribution::parse(std::string_view text, std::string_view name,
                                             const SourcePosition &position) {
  return Parser(text, name, position).parse();
}

LengthDistribution LengthDistribution::list(std::vector<int64_t> lengths) {
  if (lengths.empty())
    failInternal("a list of lengths without one");
  for (int64_t tokens : lengths)
    if (!isLength(double(tokens)))
      failInternal("a length of {}; 1 to {} are legal", tokens, largest);
  LengthDistribution result;
  result.list_ = std::move(lengths);
  return result;
}

double LengthDistribution::quantile(double probability) const {
  if (quantiles_.empty())
    return mean_ + deviation_ * standardNormalQuantile(probability);
  const auto above = std::ranges::upper_bound(quantiles_, probability, {}, &Quantile::probability);
  if (above == quantiles_.end())
    return quantiles_.back().tokens;
  const Quantile &low = above[-1], &high = *above; // the first is at 0, and no draw is below
  return low.tokens + (high.tokens - low.tokens) * (probability - low.probability) /
                          (high.probability - low.probability);
}

int64_t LengthDistribution::sample(uint64_t seed, uint64_t index, RandomStream stream) const {
  if (!list_.empty())
    return list_[index % list_.size()];
  const double tokens = quantile(uniformAt(seed, index, stream));
  return std::lround(std::clamp(tokens, least_, most_));
}

double LengthDistribution::mean() const {
  if (!list_.empty())
    return std::accumulate(list_.begin(), list_.end(), 0.0) / double(list_.size());
  if (quantiles_.empty())
    return mean_;
  double sum = 0;
  for (size_t i = 1; i < quantiles_.size(); ++i)
    sum += (quantiles_[i].probability - quantiles_[i - 1].probability) *
           (quantiles_[i].tokens + quantiles_[i - 1].tokens) / 2;
  return sum;
}

} // namespace vinci
