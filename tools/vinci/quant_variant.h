// A model as it would be with another quantisation: its configs in a folder of their own, with
// another quant_model_description.json, or none. For times only: there are no such weights.
#pragma once

#include "tools/vinci/compile_options.h"

#include <filesystem>
#include <string>
#include <vector>

namespace vinci {

class QuantVariant {
public:
  /// `quant`: checkpoint (as it is), float, w8a8-dynamic, every linear of the layers but the
  /// routers in int8 with a scale per token, w8a8-dynamic+head, lm_head as well, as a matrix of its
  /// own, or w8a16, only their weights. Throws Error for another name.
  QuantVariant(const std::filesystem::path &model, const std::string &quant);
  ~QuantVariant();
  QuantVariant(const QuantVariant &) = delete;
  QuantVariant &operator=(const QuantVariant &) = delete;

  /// What to import in place of the model.
  const std::filesystem::path &path() const { return path_; }

  static bool isQuantised(const std::filesystem::path &model);

private:
  std::filesystem::path path_;
  std::filesystem::path scratch_; ///< is removed; empty: nothing is
};

} // namespace vinci
