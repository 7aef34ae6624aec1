#include "tools/vinci/quant_variant.h"

#include "runtime/support/error.h"
#include "runtime/support/json.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/plan_cache.h"
#include "tools/vinci/resources.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <stdlib.h>

namespace vinci {
namespace fs = std::filesystem;

static constexpr const char *descriptionName = "quant_model_description.json";

static fs::path folderFor(const fs::path &model) {
  return fs::is_directory(model) ? model : folderOf(model);
}

bool QuantVariant::isQuantised(const fs::path &model) {
  return fs::exists(folderFor(model) / descriptionName);
}

/// "model.layers.3.mlp.up_proj.weight" as "model.layers.*.mlp.up_proj.weight".
static std::string starred(const std::string &name) {
  std::string result;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    const bool isNumber = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    result += (begin == 0 ? "" : ".") + (isNumber ? std::string("*") : part);
    begin = end + 1;
  }
  return result;
}

/// All linears as `tag` says; the head, too, if `head`.
static std::string describe(const fs::path &model, const char *tag, bool head) {
  nlohmann::ordered_json description = {
      {"model_quant_type", tag}, {"version", "1.0.0"}, {"group_size", 0}};
  for (const ModelSummary::Tensor &tensor :
       compiler().summarize(toImportRequest(model, {})).tensors) {
    const std::string name = starred(tensor.name);
    if (description.contains(name))
      continue;
    const bool isLinear = (name.ends_with("_proj.weight") && tensor.shape.size() == 2) ||
                          (head && name == "lm_head.weight");
    description[name] = isLinear ? tag : "FLOAT";
    if (isLinear)
      for (const char *field : {"_scale", "_offset"})
        description[name + field] = tag;
  }
  return description.dump(1);
}

/// Gives the model of config.json a head of its own.
static void untieHead(const fs::path &config) {
  if (!fs::exists(config))
    fail("--quant w8a8-dynamic+head needs a config.json that says whether the head is a matrix of "
         "its own; {} has none",
         config.parent_path().filename().string());
  auto root = nlohmann::ordered_json::parse(readTextFile(config.string(), size_t(16) << 20));
  root["tie_word_embeddings"] = false;
  const std::string text = root.dump(2);
  writeFile(config, std::as_bytes(std::span(text)));
}

QuantVariant::QuantVariant(const fs::path &model, const std::string &quant) : path_(model) {
  if (quant == "checkpoint")
    return;
  const bool head = quant == "w8a8-dynamic+head";
  if (quant != "float" && quant != "w8a8-dynamic" && !head && quant != "w8a16")
    fail("--quant '{}' is unknown; legal are checkpoint, float, w8a8-dynamic, w8a8-dynamic+head "
         "and w8a16",
         quant);
  std::string place = (fs::temp_directory_path() / "vinci-explore-XXXXXX").string();
  if (!mkdtemp(place.data()))
    fail(SourcePosition{place}, "cannot create a folder: {}", strerror(errno));
  scratch_ = place;
  const fs::path folder = scratch_ / folderFor(fs::absolute(model)).filename();
  fs::create_directories(folder);
  for (const auto &entry : fs::directory_iterator(folderFor(model))) {
    const std::string ending = entry.path().extension().string();
    const bool isConfig = ending == ".json" || ending == ".yaml" || ending == ".yml" ||
                          ending == ".sh" || ending == ".env";
    if (isConfig && entry.path().filename() != descriptionName && entry.is_regular_file())
      fs::copy_file(entry.path(), folder / entry.path().filename());
  }
  path_ = fs::is_directory(model) ? folder : folder / model.filename();
  if (quant == "float")
    return;
  if (head)
    untieHead(folder / "config.json");
  const std::string text = describe(path_, quant == "w8a16" ? "W8A16" : "W8A8_DYNAMIC", head);
  writeFile(folder / descriptionName, std::as_bytes(std::span(text)));
}

QuantVariant::~QuantVariant() {
  std::error_code ignored;
  if (!scratch_.empty())
    fs::remove_all(scratch_, ignored);
}

} // namespace vinci
