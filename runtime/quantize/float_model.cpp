#include "runtime/quantize/float_model.h"

#include "runtime/quantize/rotation.h"

#include <algorithm>
#include <memory>

namespace vinci {

namespace {

/// Calls `map(part, i)` for the i-th run of `size` values in each row, in double, and rounds once.
template <typename Map> void mapRows(Matrix &matrix, uint64_t size, Map map) {
  std::vector<double> row(matrix.columns);
  for (uint64_t r = 0; r < matrix.rows; ++r) {
    float *values = &matrix.at(r, 0);
    std::copy_n(values, matrix.columns, row.begin());
    for (uint64_t first = 0; first < matrix.columns; first += size)
      map(std::span(row).subspan(first, size), first / size);
    std::ranges::transform(row, values, [](double value) { return float(value); });
  }
}

Matrix transposed(const Matrix &matrix) {
  Matrix result(matrix.columns, matrix.rows);
  constexpr uint64_t block = 32; // both sides stay in the cache
  for (uint64_t r = 0; r < matrix.rows; r += block)
    for (uint64_t c = 0; c < matrix.columns; c += block)
      for (uint64_t i = r; i < std::min(r + block, matrix.rows); ++i)
        for (uint64_t j = c; j < std::min(c + block, matrix.columns); ++j)
          result.at(j, i) = matrix.at(i, j);
  return result;
}

/// The same for what a linear writes: for each column of a weight [out, in], and a bias [out].
template <typename Map> void mapOutputs(Matrix &matrix, uint64_t size, Map map) {
  Matrix outputs = transposed(matrix);
  mapRows(outputs, size, map);
  matrix = transposed(outputs);
}

bool isOneOf(const std::string &name, std::initializer_list<const char *> names) {
  return std::ranges::find(names, name) != names.end();
}

} // namespace

FloatChanges quarot(const ReferenceConfig &config, uint64_t seed) {
  const auto residual = std::make_shared<Rotation>(config.hiddenSize, seed, 0);
  const auto head = std::make_shared<Rotation>(config.headDim, seed, 1);
  const HeadMap rotateHead = [head](std::span<double> values, uint64_t, uint64_t) {
    head->apply(values);
  };
  return {true, [residual](std::span<double> row) { residual->apply(row); }, rotateHead,
          rotateHead};
}

static ReferenceConfig untied(ReferenceConfig config, const FloatChanges &changes) {
  config.tieWordEmbeddings &= !changes.foldNorms && !changes.untieHead;
  return config;
}

FloatModel::FloatModel(ReferenceConfig config, Checkpoint checkpoint, FloatChanges changes)
    : config_(untied(config, changes)), headIsTied_(config.tieWordEmbeddings),
      weights_(config, std::move(checkpoint)), changes_(std::move(changes)) {
  if ((changes_.residual || changes_.normWeights) && !changes_.foldNorms)
    failInternal("the residual stream is to be changed under norms with weights");
}

/// `weight` takes the norm before it, and the basis of what it reads.
Matrix FloatModel::readsStream(Matrix weight, const std::string &norm) const {
  const Matrix scale = changes_.foldNorms ? weights_.floats(norm + ".weight") : Matrix();
  const std::vector<float> given =
      changes_.normWeights ? changes_.normWeights(norm) : std::vector<float>();
  if (changes_.foldNorms || changes_.residual)
    mapRows(weight, weight.columns, [&](std::span<double> row, uint64_t) {
      for (uint64_t i = 0; i < scale.rows; ++i)
        row[i] *= scale.at(i, 0);
      if (changes_.residual)
        changes_.residual(row);
      for (uint64_t i = 0; i < given.size(); ++i)
        row[i] /= given[i];
    });
  return weight;
}

/// `path` is what stands between the layer's prefix and the linear's name.
Matrix FloatModel::linear(uint64_t layer, const std::string &prefix, const std::string &path,
                          const std::string &name) const {
  const std::string linear = name.substr(0, name.rfind('.'));
  const bool isBias = name.ends_with(".bias");
  Matrix weight = weights_.floats(prefix + path + name);
  const bool isAttention = path == "self_attn.";
  if (!isBias && isOneOf(linear, {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "gate"}))
    weight = readsStream(std::move(weight),
                         prefix + (isAttention ? "input_layernorm" : "post_attention_layernorm"));
  if (linear == "v_proj" && changes_.value)
    mapOutputs(weight, config_.headDim, [&](std::span<double> values, uint64_t head) {
      changes_.value(values, layer, head);
    });
  const uint64_t share = config_.numAttentionHeads / config_.numKeyValueHeads;
  if (linear == "o_proj" && !isBias && changes_.output)
    mapRows(weight, config_.headDim, [&](std::span<double> values, uint64_t head) {
      changes_.output(values, layer, head / share);
    });
  if (isOneOf(linear, {"o_proj", "down_proj"}) && changes_.residual)
    mapOutputs(weight, config_.hiddenSize,
               [&](std::span<double> values, uint64_t) { changes_.residual(values); });
  return weight;
}

Matrix FloatModel::tensor(const std::string &name) const {
  static const std::string embedding = "model.embed_tokens.weight", layers = "model.layers.";
  if (name == embedding) {
    Matrix table = weights_.floats(name);
    if (changes_.residual)
      mapRows(table, table.columns,
              [&](std::span<double> row, uint64_t) { changes_.residual(row); });
    return table;
  }
  if (name == "lm_head.weight")
    return readsStream(weights_.floats(headIsTied_ ? embedding : name), "model.norm");
  const bool isNorm = name.ends_with("layernorm.weight") || name == "model.norm.weight";
  if (isNorm && changes_.foldNorms)
    return Matrix(config_.hiddenSize, 1,
                  changes_.normWeights ? changes_.normWeights(name.substr(0, name.rfind('.')))
                                       : std::vector<float>(config_.hiddenSize, 1));
  if (isNorm || !name.starts_with(layers) || name.ends_with("_norm.weight"))
    return weights_.floats(name);
  const size_t dot = name.find('.', layers.size());
  const uint64_t layer = std::stoull(name.substr(layers.size(), dot - layers.size()));
  const size_t linearBegin = name.rfind('.', name.rfind('.') - 1) + 1;
  return linear(layer, name.substr(0, dot + 1), name.substr(dot + 1, linearBegin - dot - 1),
                name.substr(linearBegin));
}

} // namespace vinci
