#include "runtime/weights/output_folder.h"

#include "runtime/plan/atomic_file.h"
#include "runtime/plan/quote.h"
#include "runtime/support/json_edit.h"

#include <algorithm>

namespace vinci {

namespace fs = std::filesystem;

static constexpr size_t maxTaskBytes = 1 << 20;

/// The first name in `folder`, in alphabetical order, but for `except`; empty: there is none.
static std::string firstName(const fs::path &folder, const fs::path &except) {
  std::string first;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != except && (first.empty() || name < first))
      first = name;
  }
  return first;
}

/// What is left of a file that an interrupted run was writing: AtomicFile's temporary name.
static void removeFragments(const fs::path &folder) {
  static constexpr size_t suffix = sizeof(".XXXXXX") - 1;
  std::vector<fs::path> fragments;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder)) {
    const fs::path &path = entry.path();
    if (path.stem().extension() == ".safetensors" && path.extension().string().size() == suffix)
      fragments.push_back(path);
  }
  std::error_code ignored;
  for (const fs::path &fragment : fragments)
    fs::remove(fragment, ignored);
}

OutputFolder::OutputFolder(fs::path path, const fs::path &source, std::string_view task)
    : path_(std::move(path)) {
  std::error_code error;
  if (fs::equivalent(path_, source, error))
    fail(SourcePosition{path_.string()},
         "this is the model's own folder; the new checkpoint needs one of its own");
  const fs::path taskFile = work() / "task";
  if (fs::exists(taskFile, error)) {
    if (readTextFile(taskFile, maxTaskBytes) != task)
      fail(SourcePosition{path_.string()},
           "the folder holds unfinished work of another kind: another model or other options; "
           "finish that with its own command, or remove the folder");
    removeFragments(path_);
    return;
  }
  fs::create_directories(work(), error);
  if (!fs::is_directory(path_, error))
    fail(SourcePosition{path_.string()}, "cannot be made a folder");
  if (const std::string name = firstName(path_, work().filename()); !name.empty()) {
    fs::remove(work(), error);
    fail(SourcePosition{path_.string()},
         "the folder holds {} already; one that is empty or not there is expected", quote(name));
  }
  writeFileAtomically(taskFile, std::as_bytes(std::span(task.data(), task.size())));
}

void OutputFolder::finish() {
  std::error_code error;
  fs::remove_all(work(), error);
  if (error)
    fail(SourcePosition{work().string()}, "cannot be removed: {}", error.message());
}

static bool isWeights(const fs::path &file) {
  static constexpr const char *endings[] = {".bin", ".pt",      ".pth",  ".gguf", ".ckpt",
                                            ".h5",  ".msgpack", ".onnx", ".npz"};
  return std::ranges::find(endings, file.extension()) != std::end(endings);
}

CopiedFiles copyOtherFiles(const fs::path &from, const fs::path &to,
                           const std::set<std::string> &except) {
  CopiedFiles files;
  for (const fs::directory_entry &entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    if (except.contains(name) || name.ends_with(".safetensors") ||
        name.ends_with(".safetensors.index.json"))
      continue;
    if (!entry.is_regular_file() || isWeights(name) || name.starts_with('.')) {
      files.leftAlone.push_back(name);
      continue;
    }
    std::error_code error;
    fs::copy_file(entry.path(), to / name, fs::copy_options::overwrite_existing, error);
    if (error)
      fail(SourcePosition{(to / name).string()}, "cannot write: {}", error.message());
    files.copied.push_back(name);
  }
  std::ranges::sort(files.copied);
  std::ranges::sort(files.leftAlone);
  return files;
}

void copyConfig(const fs::path &from, const fs::path &to, DType dtype, bool untied) {
  const std::string file = (from / "config.json").string();
  const JsonDocument config = JsonDocument::read(file);
  const char *key = config.root().find("dtype") ? "dtype" : "torch_dtype";
  std::string text = withMember(config, key, fmt::format("\"{}\"", toString(dtype)));
  if (untied)
    text = withMember(JsonDocument::parse(std::move(text), file), "tie_word_embeddings", "false");
  writeFileAtomically(to / "config.json", std::as_bytes(std::span(text.data(), text.size())));
}

} // namespace vinci
