#include "tools/vinci/quantize_report.h"

#include "runtime/quantize/linear_error.h"
#include "runtime/reference/ops.h"

#include <algorithm>

namespace vinci {

namespace {

constexpr uint64_t decodeTokens = 16, prefillTokens = 1024;

/// Outputs and inputs of the linears of a group, side by side.
struct GroupShape {
  uint64_t out = 0, in = 0;
};

GroupShape shapeOf(const ReferenceConfig &config, uint64_t layer, LinearGroup group) {
  const uint64_t queries = config.numAttentionHeads * config.headDim;
  const uint64_t keys = config.numKeyValueHeads * config.headDim;
  const uint64_t width = group != LinearGroup::Head && config.hasExperts(layer)
                             ? config.moeIntermediateSize
                             : config.intermediateSize;
  switch (group) {
  case LinearGroup::Qkv:
    return {queries + 2 * keys, config.hiddenSize};
  case LinearGroup::Output:
    return {config.hiddenSize, queries};
  case LinearGroup::GateUp:
    return {2 * width, config.hiddenSize};
  case LinearGroup::Down:
    return {config.hiddenSize, width};
  case LinearGroup::Head:
    return {config.vocabSize, config.hiddenSize};
  }
  failInternal("unknown group of linears");
}

class Times {
public:
  Times(const ReferenceConfig &config, const CostModel &device)
      : config_(config), device_(device),
        float_(device.spec().has(Constant::CubeFlopsBFloat16) ? DType::BFloat16 : DType::Float16) {}

  double us(uint64_t layer, LinearGroup group, LinearScheme scheme, uint64_t tokens) const {
    const GroupShape shape = shapeOf(config_, layer, group);
    const bool isExperts =
        (group == LinearGroup::GateUp || group == LinearGroup::Down) && config_.hasExperts(layer);
    const DType weights = scheme == LinearScheme::Float ? float_ : DType::Int8;
    const bool quantizes = scheme == LinearScheme::W8A8 || scheme == LinearScheme::W8A8Dynamic;
    const DType activations = quantizes ? DType::Int8 : float_;
    const double rows = double(tokens) * (isExperts ? double(config_.numExpertsPerTok) : 1);
    const double activationBytes =
        rows * (double(shape.in * byteSize(activations)) + double(shape.out * byteSize(float_)));
    const double weightBytes = double(shape.out * shape.in * byteSize(weights));
    double time = 0;
    if (isExperts) {
      const double experts = double(config_.numExperts);
      const double hit = CostModel::expectedHits(experts, experts, double(config_.numExpertsPerTok),
                                                 double(tokens));
      time = device_
                 .groupedMatmul({weights, activations, hit, rows, double(shape.out),
                                 double(shape.in), weightBytes, activationBytes},
                                LaunchMode::Graph)
                 .us;
    } else {
      time = device_
                 .matmul({weights, activations, rows, double(shape.out), double(shape.in),
                          weightBytes, activationBytes},
                         LaunchMode::Graph)
                 .us;
    }
    if (quantizes) {
      const double values = rows * double(shape.in);
      time +=
          device_.vector(values * double(byteSize(float_) + 1), 3 * values, LaunchMode::Graph).us;
    }
    return time;
  }

private:
  const ReferenceConfig &config_;
  const CostModel &device_;
  DType float_;
};

Matrix swiglu(const Matrix &input, const Matrix &gate, const Matrix &up) {
  return ops::multiply(ops::silu(ops::linear(input, gate, nullptr)),
                       ops::linear(input, up, nullptr));
}

/// Of a group's linears, all experts together.
LinearError errorOf(const FloatModel &model, uint64_t layer, LinearGroup group, LinearScheme scheme,
                    StaticScale scale, const ActivationCalibration &calibration) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const auto sample = [&](LinearGroup of) { return calibration.samples.at({layer, of}); };
  LinearError error;
  const auto add = [&](const std::string &path, const Matrix &input) {
    for (const std::string &name : linearsOf(group))
      error += linearError(input, model.tensor(path + name + ".weight"), scheme, scale);
  };
  if (group == LinearGroup::Head) {
    add("", sample(group));
  } else if (group == LinearGroup::Qkv || group == LinearGroup::Output) {
    add(prefix + "self_attn.", sample(group));
  } else if (!model.config().hasExperts(layer)) {
    add(prefix + "mlp.", sample(group));
  } else {
    const Matrix input = sample(LinearGroup::GateUp);
    for (uint64_t expert = 0; expert < model.config().numExperts; ++expert) {
      const std::string path = fmt::format("{}mlp.experts.{}.", prefix, expert);
      if (group == LinearGroup::GateUp)
        add(path, input);
      else
        add(path, swiglu(input, model.tensor(path + "gate_proj.weight"),
                         model.tensor(path + "up_proj.weight")));
    }
  }
  return error;
}

void addOutliers(Report &row, const ActivationStatistics &statistics) {
  std::vector<double> magnitudes = statistics.channelMax();
  const auto largest = std::ranges::max_element(magnitudes);
  const double value = *largest;
  row["outlier_channel"] = largest - magnitudes.begin();
  const auto middle = magnitudes.begin() + ptrdiff_t(magnitudes.size() / 2);
  std::nth_element(magnitudes.begin(), middle, magnitudes.end());
  row["outlier"] = *middle > 0 ? value / *middle : 0;
}

class LinearReporter {
public:
  LinearReporter(const FloatModel &model, const StaticScales &scales,
                 const ActivationCalibration &calibration, const CostModel &device)
      : model_(model), scales_(scales), calibration_(calibration), times_(model.config(), device) {}

  Report row(uint64_t layer, LinearGroup group, LinearScheme scheme) const {
    Report row = {{"layer", layer == noLayer ? Report() : Report(layer)},
                  {"linear", toString(group)},
                  {"scheme", descriptionTag(scheme)}};
    addError(row, layer, group, scheme);
    row["outlier_channel"] = nullptr;
    row["outlier"] = nullptr;
    if (const auto found = calibration_.statistics.find({layer, group});
        found != calibration_.statistics.end())
      addOutliers(row, found->second);
    addTimes(row, layer, group, scheme);
    return row;
  }

private:
  void addError(Report &row, uint64_t layer, LinearGroup group, LinearScheme scheme) const {
    for (const char *column : {"sqnr_db", "cosine", "max_error"})
      row[column] = nullptr;
    if (scheme == LinearScheme::Float)
      return;
    const auto scale = scales_.find({layer, group});
    const LinearError error =
        errorOf(model_, layer, group, scheme,
                scale == scales_.end() ? StaticScale() : scale->second, calibration_);
    row["sqnr_db"] = error.sqnrDb();
    row["cosine"] = error.cosine();
    row["max_error"] = error.max;
  }

  void addTimes(Report &row, uint64_t layer, LinearGroup group, LinearScheme scheme) const {
    bool pays[2] = {};
    for (uint64_t tokens : {decodeTokens, prefillTokens}) {
      const bool isPrefill = tokens == prefillTokens;
      const double before = times_.us(layer, group, LinearScheme::Float, tokens);
      const double after = times_.us(layer, group, scheme, tokens);
      row[isPrefill ? "prefill_float_us" : "decode_float_us"] = before;
      row[isPrefill ? "prefill_us" : "decode_us"] = after;
      pays[isPrefill] = after < before;
    }
    row["pays"] = pays[0] && pays[1] ? "both" : pays[0] ? "decode" : pays[1] ? "prefill" : "no";
  }

  const FloatModel &model_;
  const StaticScales &scales_;
  const ActivationCalibration &calibration_;
  Times times_;
};

} // namespace

std::vector<Report> linearReports(const FloatModel &model, const std::vector<LayerSchemes> &schemes,
                                  LinearScheme head, const StaticScales &scales,
                                  const ActivationCalibration &calibration,
                                  const CostModel &device) {
  const LinearReporter reporter(model, scales, calibration, device);
  std::vector<Report> rows;
  for (uint64_t layer = 0; layer < schemes.size(); ++layer)
    for (LinearGroup group : linearGroups)
      rows.push_back(reporter.row(layer, group, schemes[layer][group]));
  if (head != LinearScheme::Float)
    rows.push_back(reporter.row(noLayer, LinearGroup::Head, head));
  return rows;
}

} // namespace vinci
