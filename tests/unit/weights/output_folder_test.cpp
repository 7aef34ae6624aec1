#include "runtime/weights/output_folder.h"

#include "runtime/support/json.h"
#include "tests/unit/weights/temporary_folder.h"

namespace vinci {
namespace {

namespace fs = std::filesystem;

class OutputFolders : public TemporaryFolder {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    fs::create_directories(folder / "model");
  }
  OutputFolder open(std::string_view task) const {
    return OutputFolder(folder / "out", folder / "model", task);
  }
};

TEST_F(OutputFolders, WorkGoesOnAndEnds) {
  const OutputFolder first = open("a");
  write("out/model.safetensors", "complete");
  write("out/model-2.safetensors.a1B2c3", "a fragment");
  write("out/.unfinished/part", "");
  OutputFolder second = open("a");
  EXPECT_TRUE(fs::exists(second.path() / "model.safetensors"));
  EXPECT_FALSE(fs::exists(second.path() / "model-2.safetensors.a1B2c3"));
  EXPECT_TRUE(fs::exists(second.work() / "part"));
  second.finish();
  EXPECT_FALSE(fs::exists(second.work()));
  EXPECT_CONTAINS(messageOf([&] { open("a"); }),
                  "out: error: the folder holds \"model.safetensors\" already");
}

TEST_F(OutputFolders, OtherContentIsRefusedAndLeftAlone) {
  open("a");
  EXPECT_CONTAINS(messageOf([&] { open("b"); }), "unfinished work of another kind");
  fs::remove_all(folder / "out");
  for (const char *name : {"!first", "notes.txt"}) {
    fs::create_directories(folder / "out");
    write(std::string("out/") + name, "mine");
    EXPECT_CONTAINS(messageOf([&] { open("a"); }), name);
    EXPECT_FALSE(fs::exists(folder / "out" / ".unfinished"));
    fs::remove_all(folder / "out");
  }
  write("out", "a file");
  EXPECT_CONTAINS(messageOf([&] { open("a"); }), "out: error: cannot be made a folder");
  EXPECT_CONTAINS(messageOf([&] { OutputFolder(folder / "model", folder / "model", "a"); }),
                  "this is the model's own folder");
}

TEST_F(OutputFolders, CopiesAllButWeights) {
  for (const char *name : {"config.json", "tokenizer.json", "a.safetensors", "pytorch_model.bin",
                           "model.safetensors.index.json", ".gitattributes"})
    write(std::string("model/") + name, name);
  fs::create_directories(folder / "model" / "figures");
  fs::create_directories(folder / "out");
  const CopiedFiles files = copyOtherFiles(folder / "model", folder / "out", {"config.json"});
  EXPECT_EQ(files.copied, (std::vector<std::string>{"tokenizer.json"}));
  EXPECT_EQ(files.leftAlone,
            (std::vector<std::string>{".gitattributes", "figures", "pytorch_model.bin"}));
  EXPECT_EQ(readTextFile(folder / "out" / "tokenizer.json", 100), "tokenizer.json");
}

TEST_F(OutputFolders, ConfigsKeepTheirSpelling) {
  fs::create_directories(folder / "out");
  const auto copied = [&](const char *text, bool untied) {
    write("model/config.json", text);
    copyConfig(folder / "model", folder / "out", DType::Float16, untied);
    return readTextFile(folder / "out" / "config.json", 1000);
  };
  EXPECT_EQ(copied(R"({"dtype": "bfloat16", "x": 1})", false), R"({"dtype": "float16", "x": 1})");
  EXPECT_EQ(copied(R"({"torch_dtype":"float32"})", false), R"({"torch_dtype":"float16"})");
  EXPECT_EQ(copied(R"({"torch_dtype":"float32","tie_word_embeddings":true})", true),
            R"({"torch_dtype":"float16","tie_word_embeddings":false})");
}

} // namespace
} // namespace vinci
