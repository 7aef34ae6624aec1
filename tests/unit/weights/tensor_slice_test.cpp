// Where the parts of joined tensors lie: each layout is written out element by element as its
// description says, and every element of every slice is compared.
#include "runtime/weights/tensor_slice.h"

#include <cstring>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using Shape = std::vector<uint64_t>;

/// A value that tells part, expert, row and column.
float valueOf(size_t part, uint64_t expert, uint64_t row, uint64_t column) {
  return float(((part * 8 + expert) * 512 + row) * 16 + column);
}

void appendRow(std::vector<float> &file, const Shape &shape, size_t part, uint64_t row) {
  for (uint64_t column = 0; column < (shape.size() == 2 ? shape[1] : 1); ++column)
    file.push_back(valueOf(part, 0, row, column));
}

void expectSlices(const JoinedTensors &joined, const std::vector<float> &file) {
  const Shape shape = joined.shape().value();
  uint64_t elements = 1;
  for (uint64_t size : shape)
    elements *= size;
  ASSERT_EQ(file.size(), elements);
  const auto *data = reinterpret_cast<const std::byte *>(file.data());
  for (size_t part = 0; part < joined.shapes.size(); ++part)
    for (uint64_t expert = 0; expert < joined.experts; ++expert) {
      TensorSlice slice = joined.slice(data, DType::Float32, part, expert);
      ASSERT_EQ(slice.rows, joined.shapes[part][0]);
      ASSERT_EQ(slice.columns, joined.shapes[part].size() == 2 ? joined.shapes[part][1] : 1);
      for (uint64_t row = 0; row < slice.rows; ++row)
        for (uint64_t column = 0; column < slice.columns; ++column) {
          ASSERT_LE(slice.at(row, column) + sizeof(float), data + file.size() * sizeof(float));
          float found;
          std::memcpy(&found, slice.at(row, column), sizeof found);
          ASSERT_EQ(found, valueOf(part, expert, row, column))
              << part << " of " << expert << ": " << row << ", " << column;
        }
    }
}

struct Heads {
  uint64_t queriesPerKeyValueHead, keyValueHeads, headDim, columns; ///< columns 0: a bias
};

class QueryKeyValue : public testing::TestWithParam<Heads> {
protected:
  JoinedTensors joined(Layout layout) const {
    auto [repeats, heads, headDim, columns] = GetParam();
    JoinedTensors joined{layout, {}, 1, heads};
    for (uint64_t rows : {repeats * heads * headDim, heads * headDim, heads * headDim})
      joined.shapes.push_back(columns == 0 ? Shape{rows} : Shape{rows, columns});
    return joined;
  }
};

TEST_P(QueryKeyValue, PerHead) {
  const JoinedTensors joined = this->joined(Layout::RowsPerKeyValueHead);
  auto [repeats, heads, headDim, columns] = GetParam();
  std::vector<float> file;
  for (uint64_t head = 0; head < heads; ++head) {
    for (uint64_t query = head * repeats; query < (head + 1) * repeats; ++query)
      for (uint64_t row = 0; row < headDim; ++row)
        appendRow(file, joined.shapes[0], 0, query * headDim + row);
    for (size_t part : {1, 2})
      for (uint64_t row = 0; row < headDim; ++row)
        appendRow(file, joined.shapes[part], part, head * headDim + row);
  }
  expectSlices(joined, file);
}

TEST_P(QueryKeyValue, OneAfterTheOther) {
  const JoinedTensors joined = this->joined(Layout::Rows);
  std::vector<float> file;
  for (size_t part = 0; part < 3; ++part)
    for (uint64_t row = 0; row < joined.shapes[part][0]; ++row)
      appendRow(file, joined.shapes[part], part, row);
  expectSlices(joined, file);
  const auto *data = reinterpret_cast<const std::byte *>(file.data());
  for (size_t part = 0; part < 3; ++part)
    EXPECT_TRUE(joined.slice(data, DType::BFloat16, part).isContiguous());
}

INSTANTIATE_TEST_SUITE_P(Heads, QueryKeyValue,
                         testing::Values(Heads{1, 1, 1, 1}, Heads{1, 4, 3, 5}, Heads{3, 1, 4, 7},
                                         Heads{3, 5, 2, 3}, Heads{7, 2, 6, 4}, Heads{7, 1, 1, 2},
                                         Heads{3, 2, 5, 0}, Heads{7, 1, 4, 0}));

TEST(JoinedTensors, AlternatingRows) {
  for (const Shape &shape : {Shape{5, 3}, Shape{1, 4}, Shape{7}}) {
    const JoinedTensors joined{Layout::AlternatingRows, {shape, shape}, 1, 3};
    std::vector<float> file;
    for (uint64_t row = 0; row < shape[0]; ++row)
      for (size_t part : {0, 1})
        appendRow(file, shape, part, row);
    expectSlices(joined, file);
  }
}

TEST(JoinedTensors, TransposedStack) {
  for (const std::vector<Shape> &shapes : {std::vector<Shape>{{5, 3}, {5, 3}},
                                           {{4, 7}},
                                           {{1, 2}, {1, 2}},
                                           {{3, 1}},
                                           {{2, 5}, {4, 5}}}) {
    const JoinedTensors joined{Layout::TransposedStack, shapes, 3, 2};
    std::vector<float> file;
    for (uint64_t expert = 0; expert < 3; ++expert)
      for (uint64_t column = 0; column < shapes[0][1]; ++column)
        for (size_t part = 0; part < shapes.size(); ++part)
          for (uint64_t row = 0; row < shapes[part][0]; ++row)
            file.push_back(valueOf(part, expert, row, column));
    expectSlices(joined, file);
  }
}

TEST(JoinedTensors, ASingleTensorIsItself) {
  for (const Shape &shape : {Shape{5, 3}, Shape{4}, Shape{}, Shape{2, 3, 4}}) {
    const JoinedTensors joined{Layout::Rows, {shape}, 1, 1};
    EXPECT_EQ(joined.shape(), shape);
    EXPECT_TRUE(joined.slice(nullptr, DType::Float32, 0).isContiguous());
  }
  TensorSlice deep = wholeTensor(nullptr, DType::Float32, Shape{2, 3, 4});
  EXPECT_EQ(deep.rows, 2u);
  EXPECT_EQ(deep.columns, 12u);
}

TEST(JoinedTensors, PartsThatCannotBeJoined) {
  EXPECT_EQ((JoinedTensors{Layout::Rows, {{4, 3}, {2, 5}}, 1, 1}.shape()), std::nullopt);
  EXPECT_EQ((JoinedTensors{Layout::Rows, {{4, 3}, {2}}, 1, 1}.shape()), std::nullopt);
  EXPECT_EQ((JoinedTensors{Layout::AlternatingRows, {{4, 3}, {2, 3}}, 1, 1}.shape()), std::nullopt);
  EXPECT_EQ((JoinedTensors{Layout::RowsPerKeyValueHead, {{9, 2}, {4, 2}, {4, 2}}, 1, 4}.shape()),
            std::nullopt);
  EXPECT_EQ((JoinedTensors{Layout::RowsPerKeyValueHead, {{8, 2}, {4, 2}, {4, 2}}, 1, 4}.shape()),
            (Shape{16, 2}));
  EXPECT_EQ((JoinedTensors{Layout::TransposedStack, {{4}}, 2, 1}.shape()), std::nullopt);
}

} // namespace
} // namespace vinci
