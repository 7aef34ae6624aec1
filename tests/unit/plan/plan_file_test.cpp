// The file around the tables: round trip, truncation, flipped bits, versions.
#include "runtime/plan/atomic_file.h"
#include "runtime/plan/plan.h"
#include "tests/unit/plan/sample_plan.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace vinci {
namespace {

std::string errorOf(std::span<const std::byte> bytes) {
  try {
    Plan::parse(bytes, "test.plan");
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    EXPECT_EQ(error.position().file, "test.plan");
    return error.message();
  }
  return "";
}

#define EXPECT_CONTAINS(text, part)                                                                \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "in: " << (text)

TEST(PlanFile, RoundTrip) {
  Plan plan = Plan::parse(sample::bytes(), "test.plan");
  fb::PlanT tables;
  plan.root()->UnPackTo(&tables);
  fb::PlanT expected = sample::plan();
  EXPECT_EQ(tables.model->name, "sample");
  EXPECT_EQ(tables.arena_bytes, expected.arena_bytes);
  ASSERT_EQ(tables.bodies.size(), expected.bodies.size());
  EXPECT_EQ(tables.bodies[1]->commands.size(), expected.bodies[1]->commands.size());
  EXPECT_EQ(tables.generation->temperature, 0.7);
  EXPECT_FALSE(tables.generation->top_k.has_value());

  std::vector<SegmentData> segments = sample::segments();
  ASSERT_EQ(plan.root()->segments()->size(), segments.size());
  for (size_t i = 0; i < segments.size(); ++i) {
    std::span<const std::byte> found = plan.segment(i);
    EXPECT_TRUE(std::ranges::equal(found, segments[i].bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.data()) % planSegmentAlignment, 0u);
  }
  float first;
  std::memcpy(&first, plan.constant(0).data(), sizeof first);
  EXPECT_EQ(first, 1.0f);
  EXPECT_EQ(plan.constant(0).size(), sample::headDim / 2 * sizeof(float));
  for (const char *name : {"prefill", "decode", "score"})
    EXPECT_NE(plan.entry(name), nullptr);
  EXPECT_EQ(plan.entry("train"), nullptr);
}

TEST(PlanFile, PointersSurviveMoves) {
  Plan plan = Plan::parse(sample::bytes(), "test.plan");
  const fb::Plan *root = plan.root();
  Plan moved = std::move(plan);
  EXPECT_EQ(moved.root(), root);
  EXPECT_EQ(moved.root()->model()->name()->string_view(), "sample");
}

TEST(PlanFile, EqualTablesGiveEqualBytes) {
  EXPECT_EQ(sample::bytes(), sample::bytes());
}

TEST(PlanFile, EveryTruncationIsRefused) {
  std::vector<std::byte> bytes = sample::bytes();
  for (size_t size = 0; size < bytes.size(); size += size < 256 ? 1 : 97)
    EXPECT_NE(errorOf(std::span(bytes).first(size)), "") << size;
  EXPECT_CONTAINS(errorOf(std::span(bytes).first(7)), "is not a plan");
  EXPECT_CONTAINS(errorOf(std::span(bytes).first(63)), "truncated: 63 bytes, its header alone");
  EXPECT_CONTAINS(errorOf(std::span(bytes).first(64)), "truncated: 64 bytes, its header says");
  bytes.push_back(std::byte{0});
  EXPECT_CONTAINS(errorOf(bytes), "too long");
}

TEST(PlanFile, EveryFlippedBitIsRefused) {
  std::vector<std::byte> bytes = sample::bytes();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    // Every bit of header and tables; of the padding and the segments every 61st.
    if (bit > 8 * 12000 && bit % 61 != 0)
      continue;
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
    ASSERT_NE(errorOf(bytes), "") << "byte " << bit / 8 << ", bit " << bit % 8;
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
  }
}

/// The sample's bytes with a changed header, its hash put right.
std::vector<std::byte> withHeader(void (*change)(PlanHeader &)) {
  std::vector<std::byte> bytes = sample::bytes();
  PlanHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  change(header);
  header.headerHash = hashHeader(header);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

TEST(PlanFile, VersionsAreEnforced) {
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) { header.schemaMajor = 99; })),
                  "schema version 99.4, this vinci reads 2.0 to 2.4");
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) { header.schemaMinor = 77; })),
                  "schema version 2.77, which is newer than the 2.4 this vinci reads");
  EXPECT_EQ(errorOf(withHeader([](PlanHeader &header) { header.schemaMinor = 0; })), "");
}

TEST(PlanFile, HeaderIsChecked) {
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) { header.reserved[1] = 1; })),
                  "reserved header fields are not zero");
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) { header.flatbufferBytes = 1 << 30; })),
                  "tables have 1073741824 bytes, the most that is read");
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) { header.flatbufferBytes = 1 << 20; })),
                  "more than the file");
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) { header.flatbufferHash ^= 1; })),
                  "tables are damaged");
  std::vector<std::byte> bytes = sample::bytes();
  bytes[16] ^= std::byte{1};
  EXPECT_CONTAINS(errorOf(bytes), "header is damaged");
}

TEST(PlanFile, TablesAndSegmentsAreChecked) {
  EXPECT_CONTAINS(errorOf(withHeader([](PlanHeader &header) {
                    std::vector<std::byte> bytes = sample::bytes();
                    header.flatbufferBytes = 4;
                    header.flatbufferHash = hashBytes(std::span(bytes).subspan(sizeof header, 4));
                  })),
                  "tables are malformed");
  std::vector<std::byte> bytes = sample::bytes();
  bytes.back() ^= std::byte{1};
  EXPECT_CONTAINS(errorOf(bytes), "segment 1 of the plan is damaged");
  bytes.back() ^= std::byte{1};
  PlanHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes[sizeof header + header.flatbufferBytes] = std::byte{1};
  EXPECT_CONTAINS(errorOf(bytes), "bytes between its parts are not zero");
}

class PlanOnDisk : public testing::Test {
protected:
  void SetUp() override {
    folder = std::filesystem::path(testing::TempDir()) /
             testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(PlanOnDisk, WrittenAndOpened) {
  fb::PlanT tables = sample::plan();
  std::filesystem::path path = folder / "a.plan";
  writeFileAtomically(path, serializePlan(tables, sample::segments()));
  writeFileAtomically(path, serializePlan(tables, sample::segments())); // replaces
  Plan plan = Plan::open(path);
  EXPECT_EQ(plan.name(), path.string());
  EXPECT_TRUE(std::ranges::equal(plan.bytes(), sample::bytes()));
  // Nothing temporary stays behind.
  auto files = std::filesystem::directory_iterator(folder);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

template <typename Action> std::string messageOf(Action action) {
  try {
    action();
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

TEST_F(PlanOnDisk, UnreadableAndUnwritablePaths) {
  fb::PlanT tables = sample::plan();
  auto write = [&](const std::filesystem::path &path) {
    return messageOf([&] { writeFileAtomically(path, serializePlan(tables, sample::segments())); });
  };
  EXPECT_CONTAINS(write(folder / "absent" / "a.plan"), "a.plan: error: cannot write: No such file");
  EXPECT_CONTAINS(write(folder), "cannot write: it is a folder");
  auto open = [&](const std::filesystem::path &path) {
    return messageOf([&] { Plan::open(path); });
  };
  EXPECT_CONTAINS(open(folder / "absent.plan"), "absent.plan: error: cannot open for reading");
  EXPECT_CONTAINS(open(folder), "is not a regular file");
  std::ofstream(folder / "empty.plan");
  EXPECT_CONTAINS(open(folder / "empty.plan"), "is not a plan");
}

TEST(PlanWriter, PlansThatDoNotVerifyAreDefectsOfTheCompiler) {
  fb::PlanT tables = sample::plan();
  tables.model->vocab_size = 0;
  try {
    serializePlan(tables, sample::segments());
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::Internal);
    EXPECT_CONTAINS(error.message(), "vocab_size is 0");
  }
}

TEST(PlanWriter, EmptySegmentsAreRefused) {
  fb::PlanT tables = sample::plan();
  std::vector<SegmentData> segments = sample::segments();
  segments[0].bytes.clear();
  EXPECT_CONTAINS(messageOf([&] { serializePlan(tables, segments); }), "segment is empty");
}

} // namespace
} // namespace vinci
