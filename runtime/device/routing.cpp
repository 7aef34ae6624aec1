#include "runtime/device/routing.h"

#include "runtime/support/error.h"
#include "runtime/support/json.h"
#include "runtime/support/philox.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace vinci {

namespace {

std::vector<std::vector<double>> readCounts(const std::string &file) {
  const JsonDocument document = JsonDocument::read(file);
  const JsonValue root = document.root();
  if (!root.isArray() || root.size() == 0)
    root.failExpected("the routing", "an array for each MoE layer");
  std::vector<std::vector<double>> layers;
  for (const JsonValue &layer : root.elements()) {
    if (!layer.isArray() || layer.size() == 0)
      layer.failExpected("a layer", "an array of counts, one for each expert");
    std::vector<double> &counts = layers.emplace_back();
    for (const JsonValue &count : layer.elements()) {
      counts.push_back(count.toNumber("a count"));
      if (!(counts.back() >= 0))
        count.failExpected("a count", "a number from 0");
    }
    if (std::accumulate(counts.begin(), counts.end(), 0.0) == 0)
      layer.failExpected("a layer", "an expert that was chosen");
  }
  return layers;
}

/// Experts in an order that depends on the seed alone.
std::vector<uint32_t> placesOf(uint32_t experts, uint64_t seed) {
  std::vector<uint32_t> places(experts);
  std::iota(places.begin(), places.end(), 0u);
  for (uint32_t i = experts; i > 1; --i)
    std::swap(places[i - 1],
              places[uint32_t(uniformAt(seed, i, RandomStream::ExpertPlaces) * double(i))]);
  return places;
}

/// Of choosing `topK` different ones: as if each came by chance, 1 - exp(-rate * weight), with the
/// rate at which topK are expected.
std::vector<double> inclusion(std::vector<double> weights, double topK) {
  const auto chosen = double(std::ranges::count_if(weights, [](double w) { return w > 0; }));
  if (chosen <= topK) { // there are no others to choose
    for (double &weight : weights)
      weight = weight > 0 ? 1 : (topK - chosen) / std::max(1.0, double(weights.size()) - chosen);
    return weights;
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  const auto expected = [&](double rate) {
    double sum = 0;
    for (double weight : weights)
      sum -= std::expm1(-rate * weight / total);
    return sum;
  };
  double low = 0, high = topK;
  while (expected(high) < topK && high < 1e300)
    high *= 2;
  for (int step = 0; step < 100; ++step) {
    const double middle = (low + high) / 2;
    (expected(middle) < topK ? low : high) = middle;
  }
  for (double &weight : weights)
    weight = -std::expm1(-high * weight / total);
  return weights;
}

} // namespace

Routing Routing::parse(std::string_view text, std::string_view name, uint64_t seed) {
  Routing routing;
  routing.seed_ = seed;
  const auto refuse = [&] {
    fail("{} is '{}'; uniform, balanced, zipf:S with S from 0 to 8, and trace FILE are legal", name,
         text);
  };
  if (text == "uniform")
    return routing;
  if (text == "balanced") {
    routing.kind_ = Kind::Balanced;
  } else if (text.starts_with("zipf:")) {
    const std::string_view number = text.substr(5);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), routing.exponent_);
    if (error != std::errc() || end != number.data() + number.size() ||
        !(routing.exponent_ >= 0 && routing.exponent_ <= 8))
      refuse();
    routing.kind_ = Kind::Zipf;
  } else if (text.starts_with("trace:") && text.size() > 6) {
    routing.kind_ = Kind::Trace;
    routing.file_ = text.substr(6);
    routing.counts_ = readCounts(routing.file_);
  } else {
    refuse();
  }
  return routing;
}

std::vector<double> Routing::chances(uint32_t experts, uint32_t topK, uint32_t layer) const {
  if (kind_ == Kind::Uniform || kind_ == Kind::Balanced)
    return std::vector<double>(experts, std::min(1.0, double(topK) / experts));
  std::vector<double> weights(experts);
  if (kind_ == Kind::Zipf) {
    const std::vector<uint32_t> places = placesOf(experts, seed_);
    for (uint32_t i = 0; i < experts; ++i)
      weights[places[i]] = std::pow(double(i + 1), -exponent_);
  } else {
    if (layer >= counts_.size())
      fail(SourcePosition{file_}, "the routing has {} layers; the model has a MoE layer number {}",
           counts_.size(), layer);
    if (counts_[layer].size() != experts)
      fail(SourcePosition{file_}, "layer {} of the routing has {} experts; the model has {}", layer,
           counts_[layer].size(), experts);
    weights = counts_[layer];
  }
  return inclusion(std::move(weights), topK);
}

Routing::Work Routing::busiest(uint32_t experts, uint32_t groups, uint32_t topK, double tokens,
                               uint32_t layer) const {
  const double all = tokens * topK;
  if (kind_ == Kind::Balanced) {
    const double rows = std::ceil(all * groups / experts);
    return {std::min(rows, double(groups)), rows};
  }
  const std::vector<double> chance = chances(experts, topK, layer);
  Work most;
  for (uint32_t first = 0; first + groups <= experts; first += groups) {
    Work work;
    for (uint32_t expert = first; expert < first + groups; ++expert) {
      work.rows += tokens * chance[expert];
      work.hit += chance[expert] < 1 ? -std::expm1(tokens * std::log1p(-chance[expert]))
                                     : std::min(1.0, tokens);
    }
    if (work.rows > most.rows)
      most = work;
  }
  return most;
}

} // namespace vinci
