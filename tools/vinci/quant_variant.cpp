#include "tools/vinci/quant_variant.h"

#include "runtime/support/error.h"
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

/// All linears as `tag` says.
static std::string describe(const fs::path &model, const char *tag) {
  nlohmann::ordered_json description = {
      {"model_quant_type", tag}, {"version", "1.0.0"}, {"group_size", 0}};
  for (const ModelSummary::Tensor &tensor :
       compiler().summarize(toImportRequest(model, {})).tensors) {
    const std::string name = starred(tensor.name);
    if (description.contains(name))
      continue;
    const bool isLinear = name.ends_with("_proj.weight") && tensor.shape.size() == 2;
    description[name] = isLinear ? tag : "FLOAT";
    if (isLinear)
      for (const char *field : {"_scale", "_offset"})
        description[name + field] = tag;
  }
  return description.dump(1);
}

QuantVariant::QuantVariant(const fs::path &model, const std::string &quant) : path_(model) {
  if (quant == "checkpoint")
    return;
  if (quant != "float" && quant != "w8a8-dynamic" && quant != "w8a16")
    fail("--quant '{}' is unknown; legal are checkpoint, float, w8a8-dynamic and w8a16", quant);
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
  const std::string text = describe(path_, quant == "w8a16" ? "W8A16" : "W8A8_DYNAMIC");
  writeFile(folder / descriptionName, std::as_bytes(std::span(text)));
}

QuantVariant::~QuantVariant() {
  std::error_code ignored;
  if (!scratch_.empty())
    fs::remove_all(scratch_, ignored);
}

} // namespace vinci
