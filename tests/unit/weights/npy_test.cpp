#include "runtime/weights/npy.h"

#include "tests/unit/weights/temporary_folder.h"

#include <gtest/gtest.h>
#include <sstream>

namespace vinci {
namespace {

class Npy : public TemporaryFolder {
protected:
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(folder / "a.npy", std::ios::binary).rdbuf();
    return text.str();
  }
};

TEST_F(Npy, TwoDimensions) {
  NpyWriter writer(folder / "a.npy", 3);
  writer.append(std::vector<float>{1, 2, 3});
  writer.append(std::vector<float>{4, 5, 6, 7, 8, 9});
  writer.finish();
  std::string file = content();
  ASSERT_EQ(file.size(), 128u + 9 * 4);
  EXPECT_EQ(file.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_CONTAINS(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }");
  EXPECT_EQ(file[127], '\n');
  EXPECT_EQ(file.substr(128), bytesOf(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(Npy, OneDimension) {
  NpyWriter writer(folder / "a.npy");
  writer.append(std::vector<float>{1, 2, 3, 4});
  writer.finish();
  EXPECT_CONTAINS(content(), "'shape': (4,), }");
}

TEST_F(Npy, NoRows) {
  NpyWriter(folder / "a.npy", 7).finish();
  EXPECT_CONTAINS(content(), "'shape': (0, 7), }");
}

TEST_F(Npy, UnfinishedFilesDisappear) {
  { NpyWriter(folder / "a.npy").append(std::vector<float>{1}); }
  EXPECT_FALSE(std::filesystem::exists(folder / "a.npy"));
}

TEST_F(Npy, Errors) {
  EXPECT_CONTAINS(messageOf([&] { NpyWriter(folder / "absent" / "a.npy"); }),
                  "a.npy: error: cannot write: No such file");
  EXPECT_CONTAINS(messageOf([&] { NpyWriter(folder / "a.npy", 0); }), "rows without columns");
  NpyWriter writer(folder / "a.npy", 2);
  EXPECT_CONTAINS(messageOf([&] { writer.append(std::vector<float>{1}); }),
                  "1 values are no whole number of rows of 2");
}

TEST_F(Npy, AFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full"))
    GTEST_SKIP();
  EXPECT_CONTAINS(messageOf([&] {
                    NpyWriter writer("/dev/full");
                    writer.append(std::vector<float>(100000, 1.0f));
                    writer.finish();
                  }),
                  "/dev/full: error: cannot write: No space left");
  EXPECT_TRUE(std::filesystem::exists("/dev/full")); // a device is not an unfinished file
}

} // namespace
} // namespace vinci
