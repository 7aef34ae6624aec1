// The shipped test checkpoints as float models, for tests that change them.
#pragma once

#include "frontend/huggingface/config.h"
#include "runtime/quantize/quantized_checkpoint.h"
#include "runtime/reference/reference_model.h"
#include "tests/unit/weights/temporary_folder.h"
#include "tools/compiler/reference_config.h"

namespace vinci {

class ModelTest : public TemporaryFolder {
protected:
  static std::filesystem::path data(const std::string &name) {
    return std::filesystem::path(VINCI_SOURCE_DIR) / "tests/golden/data" / name;
  }
  static ReferenceConfig configOf(const std::string &name) {
    return toReferenceConfig(readHuggingFaceConfig(data(name)));
  }
  static FloatModel model(const std::string &name, FloatChanges changes = {}) {
    return FloatModel(configOf(name), Checkpoint::open(data(name)), std::move(changes));
  }

  /// The logits of `model`, through a checkpoint in float32.
  Matrix logits(const FloatModel &model, std::span<const int32_t> ids) {
    QuantizedCheckpoint checkpoint(model, schemesFor(model.config(), LinearScheme::Float, ""),
                                   DType::Float32, {});
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    writeCheckpoint(folder, checkpoint, "model", 1 << 16);
    return ReferenceModel(model.config(), Checkpoint::open(folder)).forward(ids).logits;
  }
};

} // namespace vinci
