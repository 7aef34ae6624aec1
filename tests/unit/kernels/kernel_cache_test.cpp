// Cached kernels: the same object with and without, whatever state the folder is in.
#include "backend/codegen/codegen.h"
#include "backend/codegen/kernel_cache.h"
#include "backend/codegen/merge_objects.h"
#include "runtime/exec/kernel_linker.h"
#include "runtime/support/error.h"
#include "tests/unit/kernels/op_cases.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>

namespace vinci::test {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

std::vector<KernelSpec> someSpecs() {
  return {matmulSpec("float32", 64, 64, 1),
          makeSpec("rope_table", {{"dtype", "float32"s}, {"head_dim", int64_t{24}}}),
          makeSpec("moe_route", {{"num_experts", int64_t{12}},
                                 {"top_k", int64_t{3}},
                                 {"norm_topk_prob", int64_t{1}},
                                 {"rows_per_token", int64_t{1}}})};
}

std::vector<std::byte> bytesOf(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class KernelCacheTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "vinci-kernels-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    scratch_ = pattern;
    folder_ = scratch_ / "cache" / "kernels";
  }
  void TearDown() override { fs::remove_all(scratch_); }

  std::vector<fs::path> entries() const {
    std::vector<fs::path> paths;
    for (const auto &entry : fs::directory_iterator(folder_))
      paths.push_back(entry.path());
    std::ranges::sort(paths);
    return paths;
  }

  static std::string read(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string keyOf(const std::string &entry) {
    KernelEntryHeader header;
    std::memcpy(&header, entry.data(), sizeof header);
    return entry.substr(sizeof header, header.keyBytes);
  }
  static void write(const fs::path &path, const std::string &text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  fs::path scratch_, folder_;
  const CpuTarget avx2_ = resolveCpu("avx2");
};

TEST_F(KernelCacheTest, GivesBackWhatWasStored) {
  KernelCache cache(folder_);
  EXPECT_EQ(cache.find("a"), std::nullopt);
  cache.store("a", bytesOf("object of a"));
  cache.store("b", {});
  EXPECT_EQ(cache.find("a"), bytesOf("object of a"));
  EXPECT_EQ(cache.find("b"), std::vector<std::byte>());
  EXPECT_EQ(cache.find("c"), std::nullopt);
  cache.store("a", bytesOf("another"));
  EXPECT_EQ(KernelCache(folder_).find("a"), bytesOf("another"));
  EXPECT_EQ(entries().size(), 2u);
  EXPECT_TRUE(cache.warnings().empty());
}

TEST_F(KernelCacheTest, AnEntryOfAnotherKeyIsNone) {
  KernelCache cache(folder_);
  cache.store("a", bytesOf("object of a"));
  const fs::path ofA = entries().front();
  cache.store("b", bytesOf("object of b"));
  for (const fs::path &path : entries())
    if (path != ofA)
      fs::copy_file(path, ofA, fs::copy_options::overwrite_existing);
  EXPECT_EQ(cache.find("a"), std::nullopt);
  EXPECT_EQ(cache.find("b"), bytesOf("object of b"));
}

TEST_F(KernelCacheTest, CompilesWhatTheCacheLacks) {
  const std::vector<KernelSpec> specs = someSpecs();
  const auto expected = compileKernels(specs, avx2_);
  KernelCache cache(folder_);
  EXPECT_EQ(compileKernels(std::span(specs).first(2), avx2_, &cache),
            compileKernels(std::span(specs).first(2), avx2_));
  EXPECT_EQ(entries().size(), 2u);
  EXPECT_EQ(compileKernels(specs, avx2_, &cache), expected);
  EXPECT_EQ(entries().size(), 3u);
  EXPECT_EQ(compileKernels(specs, avx2_, &cache), expected);
  compileKernels(specs, resolveCpu("avx512"), &cache);
  EXPECT_EQ(entries().size(), 6u);
  EXPECT_TRUE(cache.warnings().empty());
}

TEST_F(KernelCacheTest, TakesKernelsFromTheCache) {
  // Under the key of one target, the object of another: it is what comes out.
  const KernelSpec spec = someSpecs()[1];
  KernelCache cache(folder_), other(scratch_ / "other");
  compileKernels({&spec, 1}, avx2_, &cache);
  const std::string key = keyOf(read(entries().front()));
  const CpuTarget avx512 = resolveCpu("avx512");
  const auto expected = compileKernels({&spec, 1}, avx512, &other);
  ASSERT_NE(compileKernels({&spec, 1}, avx2_), expected);
  const std::string entry = read(fs::directory_iterator(scratch_ / "other")->path());
  EXPECT_NE(keyOf(entry), key);
  cache.store(key, bytesOf(entry.substr(sizeof(KernelEntryHeader) + keyOf(entry).size())));
  EXPECT_EQ(compileKernels({&spec, 1}, avx2_, &cache), expected);
}

TEST_F(KernelCacheTest, IgnoresAndReplacesADamagedEntry) {
  const std::vector<KernelSpec> specs = someSpecs();
  KernelCache cache(folder_);
  const auto expected = compileKernels({&specs[1], 1}, avx2_, &cache);
  const fs::path entry = entries().front();
  const std::string good = read(entry);
  std::vector<std::string> damaged = {"", good.substr(0, 39), good.substr(0, 40),
                                      good.substr(0, good.size() - 1), good + "x"};
  for (size_t at = 0; at < good.size(); at += at < 40 ? 5 : 501) {
    damaged.push_back(good);
    damaged.back()[at] ^= 4;
  }
  for (const std::string &bad : damaged) {
    write(entry, bad);
    KernelCache again(folder_);
    EXPECT_EQ(compileKernels({&specs[1], 1}, avx2_, &again), expected);
    ASSERT_EQ(again.warnings().size(), 1u);
    EXPECT_EQ(again.warnings().front(),
              "warning: compiling a kernel again, the cached one is damaged: " + entry.string());
    EXPECT_EQ(read(entry), good);
  }
}

TEST_F(KernelCacheTest, WarnsOnceIfNothingCanBeKept) {
  write(scratch_ / "cache", "a file where the folder should be");
  KernelCache cache(folder_);
  const std::vector<KernelSpec> specs = someSpecs();
  EXPECT_EQ(compileKernels(specs, avx2_, &cache), compileKernels(specs, avx2_));
  ASSERT_EQ(cache.warnings().size(), 1u);
  EXPECT_TRUE(cache.warnings().front().starts_with(
      "warning: the compiled kernels are not cached: " + folder_.string() +
      ": error: cannot create the folder: "))
      << cache.warnings().front();
}

TEST_F(KernelCacheTest, AnEntryThatIsNoFileIsNoError) {
  const std::vector<KernelSpec> specs = someSpecs();
  KernelCache cache(folder_);
  const auto expected = compileKernels(specs, avx2_, &cache);
  const fs::path entry = entries().front();
  fs::remove(entry);
  fs::create_directory(entry);
  EXPECT_EQ(compileKernels(specs, avx2_, &cache), expected);
  ASSERT_EQ(cache.warnings().size(), 2u); // neither read nor written
  EXPECT_TRUE(cache.warnings()[0].starts_with(
      "warning: compiling a kernel again, the cached one cannot be read: " + entry.string()));
}

TEST_F(KernelCacheTest, ConcurrentWritersAndReadersSeeWholeEntries) {
  const std::vector<std::byte> object = bytesOf(std::string(200000, 'o'));
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      KernelCache cache(folder_);
      for (int i = 0; i < 50; ++i) {
        cache.store("key", object);
        wrong += cache.find("key") != object;
      }
      wrong += !cache.warnings().empty();
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(entries().size(), 1u);
}

TEST(MergeObjects, PutsFunctionsOfSeveralObjectsIntoOne) {
  const std::vector<KernelSpec> specs = someSpecs();
  std::vector<std::vector<std::byte>> objects;
  for (const KernelSpec &spec : specs)
    objects.push_back(compileKernels({&spec, 1}, resolveCpu("avx2")));
  const auto merged = mergeObjects(objects);
  const KernelLibrary library = KernelLibrary::link(merged, "test.plan");
  for (const KernelSpec &spec : specs)
    EXPECT_NE(library.find(symbolName(spec)), nullptr);
  // Merging what is merged changes nothing.
  EXPECT_EQ(mergeObjects({&merged, 1}), merged);
}

TEST(MergeObjects, RefusesWhatCodegenDoesNotMake) {
  for (const std::string &text : {""s, "not an object"s, std::string(4096, 'x')}) {
    const std::vector<std::vector<std::byte>> objects = {bytesOf(text)};
    EXPECT_THROW(mergeObjects(objects), Error) << text.size();
  }
}

} // namespace
} // namespace vinci::test
