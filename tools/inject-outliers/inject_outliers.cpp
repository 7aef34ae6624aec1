// inject-outliers: a test model that computes what another one does, and is hard to quantise.
//
// Large models have a few channels that are much larger than all others; small ones do not. This
// gives them some without changing the function:
//
//   the residual stream   norms are folded, then a reflection turns the direction in which the
//                         normed stream is largest into one channel
//   values                in every KV head a channel of v is multiplied by --scale, and what
//                         o_proj reads of it divided
//   norms                 with --norm-spread S each channel of a norm gets a weight between 1/S and
//                         S, and what reads it is divided: something for folding to undo
//
// The weights are written in float32.
#include "runtime/plan/plan_file.h"
#include "runtime/quantize/quantized_checkpoint.h"
#include "runtime/reference/reference_model.h"
#include "runtime/support/error.h"
#include "runtime/support/json.h"
#include "runtime/support/philox.h"
#include "runtime/weights/output_folder.h"
#include "tools/vinci/compiler_library.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>

namespace vinci {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t outlierChannel = 7;

std::vector<int32_t> firstIds(const fs::path &file, size_t count) {
  const JsonDocument document = JsonDocument::read(file);
  std::vector<int32_t> ids;
  for (const JsonValue &id : document.root().elements())
    if (ids.size() < count)
      ids.push_back(int32_t(id.toInteger("a token id", 0)));
  return ids;
}

/// The sum of x xᵀ over all rows of the residual stream, each with a mean square of one, as a norm
/// leaves it.
std::vector<double> secondMoments(const ReferencePass &pass, uint64_t hidden) {
  std::vector<double> moments(hidden * hidden);
  for (const ReferenceTensor &tensor : pass.tensors) {
    if (!tensor.name.ends_with(".sum"))
      continue;
    for (uint64_t t = 0; t < tensor.values.rows; ++t) {
      const float *row = &tensor.values.at(t, 0);
      const double squares = std::inner_product(row, row + hidden, row, 0.0);
      for (uint64_t i = 0; i < hidden; ++i)
        for (uint64_t j = 0; j < hidden; ++j)
          moments[i * hidden + j] += double(row[i]) * row[j] * double(hidden) / squares;
    }
  }
  return moments;
}

std::vector<double> largestComponent(const std::vector<double> &moments, uint64_t hidden) {
  std::vector<double> direction(hidden, 1 / std::sqrt(double(hidden)));
  for (int iteration = 0; iteration < 200; ++iteration) {
    std::vector<double> next(hidden);
    for (uint64_t i = 0; i < hidden; ++i)
      for (uint64_t j = 0; j < hidden; ++j)
        next[i] += moments[i * hidden + j] * direction[j];
    const double length =
        std::sqrt(std::inner_product(next.begin(), next.end(), next.begin(), 0.0));
    for (uint64_t i = 0; i < hidden; ++i)
      direction[i] = next[i] / length;
  }
  return direction;
}

/// The reflection that swaps `direction`, of length one, and the outlier channel.
RowMap reflectionOf(std::vector<double> direction) {
  direction[outlierChannel] -= 1;
  const double square =
      std::inner_product(direction.begin(), direction.end(), direction.begin(), 0.0);
  return [mirror = std::move(direction), square](std::span<double> row) {
    if (square == 0)
      return;
    const double along = 2 * std::inner_product(mirror.begin(), mirror.end(), row.begin(), 0.0);
    for (size_t i = 0; i < row.size(); ++i)
      row[i] -= along / square * mirror[i];
  };
}

HeadMap scaleOf(double factor) {
  return [factor](std::span<double> values, uint64_t layer, uint64_t kvHead) {
    values[(5 * layer + 11 * kvHead) % values.size()] *= factor;
  };
}

/// For each norm its own: S to the power of something between -1 and 1.
std::vector<float> spreadWeights(const std::string &norm, uint64_t hidden, double spread) {
  const uint64_t key = hashBytes(std::as_bytes(std::span(norm)));
  std::vector<float> weights(hidden);
  for (uint64_t i = 0; i < hidden; ++i) {
    const uint32_t bits =
        philox4x32({uint32_t(i), 0, 0, 0}, {uint32_t(key), uint32_t(key >> 32)})[0];
    weights[i] = float(std::pow(spread, double(bits) / 0x1p31 - 1));
  }
  return weights;
}

void inject(const fs::path &folder, const fs::path &target, double scale, double normSpread) {
  const ReferenceConfig config = compiler().referenceConfig({.files = {folder}});
  if (!config.schemes.empty())
    fail(SourcePosition{folder.string()}, "the model is quantised; a float one is expected");
  if (!(scale > 0))
    fail("--scale {} is not possible; more than 0 is legal", scale);
  if (!(normSpread >= 1 && normSpread <= 1e6))
    fail("--norm-spread {} is not possible; 1 to 1e6 are legal", normSpread);
  const ReferenceModel reference(config, Checkpoint::open(folder));
  const ReferencePass pass = reference.forward(firstIds(folder / "validation_ids.json", 128));
  FloatChanges changes = {
      true,
      reflectionOf(largestComponent(secondMoments(pass, config.hiddenSize), config.hiddenSize)),
      scaleOf(scale), scaleOf(1 / scale)};
  if (normSpread > 1)
    changes.normWeights = [&](const std::string &norm) {
      return spreadWeights(norm, config.hiddenSize, normSpread);
    };
  const FloatModel model(config, Checkpoint::open(folder), changes);
  OutputFolder output(target, folder, fmt::format("inject-outliers {} {}\n", scale, normSpread));
  QuantizedCheckpoint checkpoint(model, schemesFor(model.config(), LinearScheme::Float, ""),
                                 DType::Float32, {});
  writeCheckpoint(output.path(), checkpoint, "model", uint64_t(4) << 30);
  copyConfig(folder, output.path(), DType::Float32, model.headWasUntied());
  copyOtherFiles(folder, output.path(), {"config.json"});
  output.finish();
}

} // namespace
} // namespace vinci

int main(int argc, char **argv) {
  CLI::App app("Writes a model that computes what MODEL does, with outliers in its activations.");
  std::string model, output;
  double scale = 160, normSpread = 1;
  app.add_option("MODEL", model, "A model's folder, with validation_ids.json")->required();
  app.add_option("-o,--output", output, "The folder to write to")->required();
  app.add_option("--scale", scale, "Of a channel of v in each head (default: 160)");
  app.add_option("--norm-spread", normSpread,
                 "Weights of the norms lie between 1/S and S (default: 1, ones)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2; // help is no error; an unknown flag is one as in vinci
  }
  try {
    vinci::inject(model, output, scale, normSpread);
    return 0;
  } catch (const std::exception &error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
