#include "runtime/weights/packing.h"

#include "runtime/support/error.h"
#include "runtime/weights/panel12.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

namespace vinci {

namespace {

// As in runtime/support/half.h, but without branches, so that loops over them become vector code.

uint16_t floatToBFloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // Rounding would carry some NaNs into infinity or zero: keep their upper bits and make them
  // quiet.
  return uint16_t(std::isnan(value) ? (bits >> 16) | 0x40 : rounded);
}

float bfloat16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t floatToFloat16(float value) {
  constexpr uint32_t infinity = 0x7f800000;
  constexpr uint32_t tooLarge = (127 + 16) << 23;    // 65536
  constexpr uint32_t leastNormal = (127 - 14) << 23; // 2^-14
  constexpr float half = 0.5f; // its last bit is 2^-24, that of float16's subnormals
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits & 0x80000000;
  bits ^= sign;
  // The addition rounds to a multiple of 2^-24, to nearest even; what is left over 0.5 is the
  // subnormal's fraction.
  uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(bits) + half) - std::bit_cast<uint32_t>(half);
  // Moves the exponent's bias from 127 to 15 and rounds off 13 bits; carries run into the exponent
  // as they should.
  uint32_t normal = (bits - ((127 - 15) << 23) + 0xfff + ((bits >> 13) & 1)) >> 13;
  uint32_t large = bits > infinity ? 0x7e00 : 0x7c00;
  uint32_t result = bits >= tooLarge ? large : bits < leastNormal ? subnormal : normal;
  return uint16_t(result | (sign >> 16));
}

float float16ToFloat(uint16_t bits) {
  uint32_t exponent = bits & 0x7c00;
  uint32_t magnitude = uint32_t(bits & 0x7fff) << 13;
  // Subnormals are multiples of 2^-24, and small integers are exact in float.
  float subnormal = float(bits & 0x03ff) * 0x1p-24f;
  uint32_t normal = magnitude + ((127 - 15) << 23);
  uint32_t large = magnitude | 0x7f800000;
  uint32_t result = exponent == 0        ? std::bit_cast<uint32_t>(subnormal)
                    : exponent == 0x7c00 ? large
                                         : normal;
  return std::bit_cast<float>(result | (uint32_t(bits & 0x8000) << 16));
}

template <DType type> struct Element;
template <> struct Element<DType::Float32> {
  using Storage = float;
  static float toFloat(float value) { return value; }
  static float fromFloat(float value) { return value; }
};
template <> struct Element<DType::BFloat16> {
  using Storage = uint16_t;
  static constexpr uint16_t infinity = 0x7f80;
  static float toFloat(uint16_t bits) { return bfloat16ToFloat(bits); }
  static uint16_t fromFloat(float value) { return floatToBFloat16(value); }
};
template <> struct Element<DType::Float16> {
  using Storage = uint16_t;
  static constexpr uint16_t infinity = 0x7c00;
  static float toFloat(uint16_t bits) { return float16ToFloat(bits); }
  static uint16_t fromFloat(float value) { return floatToFloat16(value); }
};
template <> struct Element<DType::Int8> {
  using Storage = int8_t;
  static float toFloat(int8_t value) { return value; }
};

/// At most 2^32 - 1 elements: counters of 32 bits keep the loop in vectors of 32-bit lanes.
/// Checkpoint data need not be aligned to its element size, hence memcpy; compilers make plain
/// loads of it.
template <DType fromType, DType toType>
CastLoss convertPiece(const std::byte *from, std::byte *to, uint64_t count) {
  using From = Element<fromType>;
  using To = Element<toType>;
  uint32_t overflows = 0, underflows = 0;
  for (uint64_t i = 0; i < count; ++i) {
    typename From::Storage in;
    std::memcpy(&in, from + i * sizeof in, sizeof in);
    const float value = From::toFloat(in);
    const typename To::Storage out = To::fromFloat(value);
    if constexpr (toType != DType::Float32) {
      const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7fffffff;
      const uint32_t rounded = out & 0x7fff;
      overflows += uint32_t(rounded == To::infinity) & uint32_t(magnitude < 0x7f800000);
      if constexpr (toType == DType::Float16)
        underflows += uint32_t(rounded == 0) & uint32_t(magnitude != 0);
    }
    std::memcpy(to + i * sizeof out, &out, sizeof out);
  }
  return {overflows, underflows};
}

template <DType fromType, DType toType>
CastLoss convert(const std::byte *from, std::byte *to, uint64_t count) {
  constexpr uint64_t fromSize = sizeof(typename Element<fromType>::Storage);
  constexpr uint64_t toSize = sizeof(typename Element<toType>::Storage);
  if constexpr (fromType == toType) {
    if (count != 0)
      std::memcpy(to, from, count * toSize);
    return {};
  }
  constexpr uint64_t piece = 1 << 20;
  CastLoss loss;
  for (uint64_t done = 0; done < count; done += piece)
    loss += convertPiece<fromType, toType>(from + done * fromSize, to + done * toSize,
                                           std::min(piece, count - done));
  return loss;
}

template <DType fromType>
CastLoss convertFrom(const std::byte *from, std::byte *to, DType toType, uint64_t count) {
  switch (toType) {
  case DType::Float32:
    return convert<fromType, DType::Float32>(from, to, count);
  case DType::BFloat16:
    return convert<fromType, DType::BFloat16>(from, to, count);
  case DType::Float16:
    return convert<fromType, DType::Float16>(from, to, count);
  case DType::Int32:
  case DType::Int8:
    break;
  }
  failInternal("weights of dtype {} cannot be made", toString(toType));
}

/// Columns of K that are converted at a time: 32 rows of them stay in the L1 cache while they are
/// transposed.
constexpr uint64_t kBlock = 256;

/// `rows` holds 32 rows of kBlock elements. Writes `steps` k-steps of 32, each two tiles of 16
/// columns, k in pairs.
void transposePairs(const uint16_t *rows, uint64_t steps, uint16_t *out) {
  for (uint64_t step = 0; step < steps; ++step)
    for (uint64_t half = 0; half < 2; ++half)
      for (uint64_t k = step * 32; k < step * 32 + 32; k += 2)
        for (uint64_t column = half * 16; column < half * 16 + 16; ++column) {
          *out++ = rows[column * kBlock + k];
          *out++ = rows[column * kBlock + k + 1];
        }
}

/// The same for int8: k-steps of 64, k in fours.
void transposeFours(const std::byte *rows, uint64_t steps, std::byte *out) {
  for (uint64_t step = 0; step < steps; ++step)
    for (uint64_t half = 0; half < 2; ++half)
      for (uint64_t k = step * 64; k < step * 64 + 64; k += 4)
        for (uint64_t column = half * 16; column < half * 16 + 16; ++column, out += 4)
          std::memcpy(out, rows + column * kBlock + k, 4);
}

void transposeFloats(const float *rows, uint64_t steps, float *out) {
  for (uint64_t k = 0; k < steps * 32; ++k)
    for (uint64_t column = 0; column < 32; ++column)
      *out++ = rows[column * kBlock + k];
}

template <typename Storage>
void gather(const TensorSlice &from, uint64_t row, uint64_t rows, uint64_t column, uint64_t columns,
            std::byte *to) {
  const std::byte *begins[32];
  for (uint64_t i = 0; i < rows; ++i)
    begins[i] = from.at(row + i, column);
  // In a transposed tensor the rows of one column lie side by side.
  for (uint64_t j = 0; j < columns; ++j)
    for (uint64_t i = 0; i < rows; ++i)
      std::memcpy(to + (i * kBlock + j) * sizeof(Storage),
                  begins[i] + j * from.columnStride * sizeof(Storage), sizeof(Storage));
}

/// Converts a block of at most 32 rows and kBlock columns; its rows begin `toStride` bytes apart.
CastLoss convertBlock(const TensorSlice &from, uint64_t row, uint64_t rows, uint64_t column,
                      uint64_t columns, std::byte *to, uint64_t toStride, DType toType) {
  alignas(64) std::byte gathered[32 * kBlock * sizeof(float)];
  const uint64_t size = byteSize(from.dtype);
  if (from.columnStride != 1 && size == sizeof(float))
    gather<float>(from, row, rows, column, columns, gathered);
  else if (from.columnStride != 1 && size == sizeof(uint8_t))
    gather<uint8_t>(from, row, rows, column, columns, gathered);
  else if (from.columnStride != 1)
    gather<uint16_t>(from, row, rows, column, columns, gathered);
  CastLoss loss;
  for (uint64_t i = 0; i < rows; ++i) {
    const std::byte *begin =
        from.columnStride == 1 ? from.at(row + i, column) : gathered + i * kBlock * size;
    loss += convertElements(begin, from.dtype, to + i * toStride, toType, columns);
  }
  return loss;
}

/// What several threads lose of each part. Most lose nothing.
class Losses {
public:
  explicit Losses(size_t parts) : lost_(parts) {}
  void add(size_t part, const CastLoss &loss) {
    if (loss.overflows != 0)
      std::atomic_ref(lost_[part].overflows).fetch_add(loss.overflows);
    if (loss.underflows != 0)
      std::atomic_ref(lost_[part].underflows).fetch_add(loss.underflows);
  }
  std::vector<CastLoss> take() { return std::move(lost_); }

private:
  std::vector<CastLoss> lost_;
};

/// Rows of one part that belong into one panel.
struct PanelRows {
  size_t part;
  uint64_t row; ///< the first, in the part
  uint64_t count;
  uint64_t place; ///< in the panel
};

/// What there is of the rows begin .. begin + 32 of all parts together. Gives their number.
uint64_t rowsOfPanel(std::span<const PackedRows> parts, uint64_t begin,
                     std::span<PanelRows> found) {
  const uint64_t end = begin + panelWidth;
  uint64_t number = 0, before = 0;
  for (size_t part = 0; part < parts.size() && before < end; ++part) {
    const uint64_t first = std::max(before, begin);
    const uint64_t last = std::min(before + parts[part].slice.rows, end);
    if (first < last)
      found[number++] = {part, first - before, last - first, first - begin};
    before += parts[part].rows;
  }
  return number;
}

/// One panel, output columns panel*32 .. +32 over all of K, as number `place` of those at `to`.
void packPanel(std::span<const PackedRows> parts, uint64_t columns, uint64_t panel, uint64_t place,
               std::byte *to, DType toType, Losses &losses) {
  alignas(64) std::byte rows[32 * kBlock * sizeof(float)];
  const uint64_t outSize = byteSize(toType);
  const uint64_t paddedK = roundUp(columns, panelDepth(toType));
  const uint64_t first = panel * panelWidth;
  std::array<PanelRows, panelWidth> pieces;
  const std::span used = std::span(pieces).first(rowsOfPanel(parts, first, pieces));
  std::byte *out = to + place * panelWidth * paddedK * outSize;
  for (uint64_t begin = 0; begin < paddedK; begin += kBlock) {
    const uint64_t width = std::min(kBlock, paddedK - begin);
    uint64_t converted = 0;
    for (const PanelRows &piece : used) {
      const TensorSlice &slice = parts[piece.part].slice;
      const uint64_t valid = std::min(kBlock, slice.columns - std::min(begin, slice.columns));
      converted += piece.count * std::min(valid, width);
    }
    if (converted != panelWidth * width)
      std::memset(rows, 0, panelWidth * kBlock * outSize);
    for (const PanelRows &piece : used) {
      const TensorSlice &slice = parts[piece.part].slice;
      if (begin < slice.columns)
        losses.add(piece.part,
                   convertBlock(slice, piece.row, piece.count, begin,
                                std::min(kBlock, slice.columns - begin),
                                rows + piece.place * kBlock * outSize, kBlock * outSize, toType));
    }
    if (outSize == sizeof(float))
      transposeFloats(reinterpret_cast<const float *>(rows), width / 32,
                      reinterpret_cast<float *>(out));
    else if (outSize == sizeof(uint16_t))
      transposePairs(reinterpret_cast<const uint16_t *>(rows), width / 32,
                     reinterpret_cast<uint16_t *>(out));
    else
      transposeFours(rows, width / 64, out);
    out += width * panelWidth * outSize;
  }
}

/// The same panel as Panel12.
void packPanel12(std::span<const PackedRows> parts, uint64_t columns, uint64_t panel,
                 const Panel12Layout &layout, std::byte *to, Losses &losses) {
  std::vector<uint16_t> tiles(layout.steps() * panel12StepElements);
  packPanel(parts, columns, panel, 0, reinterpret_cast<std::byte *>(tiles.data()), DType::BFloat16,
            losses);
  encodePanel12(tiles, layout, panel, to);
}

/// At most 32 rows of a matrix of `columns` columns, packed as Rows.
CastLoss packRows(const TensorSlice &from, uint64_t row, uint64_t columns, std::byte *to,
                  DType toType) {
  const uint64_t outSize = byteSize(toType);
  const uint64_t rows = std::min(panelWidth, from.rows - row);
  CastLoss loss;
  for (uint64_t begin = 0; begin < from.columns; begin += kBlock)
    loss += convertBlock(from, row, rows, begin, std::min(kBlock, from.columns - begin),
                         to + begin * outSize, columns * outSize, toType);
  if (from.columns < columns)
    for (uint64_t i = 0; i < rows; ++i)
      std::memset(to + (i * columns + from.columns) * outSize, 0,
                  (columns - from.columns) * outSize);
  return loss;
}

/// Calls `pack(begin, end)` for pieces of 0 .. count from several threads.
template <typename PackRange>
void packInParallel(uint64_t count, uint64_t grain, const PackRange &pack) {
  tbb::parallel_for(tbb::blocked_range<uint64_t>(0, count, grain),
                    [&](const auto &range) { pack(range.begin(), range.end()); });
}

/// One part, packed as Rows.
void packPart(const PackedRows &part, uint64_t columns, std::byte *to, DType toType,
              const std::function<void(const CastLoss &)> &lose) {
  const TensorSlice &from = part.slice;
  const uint64_t rowBytes = columns * byteSize(toType);
  if (from.isContiguous() && from.columns == columns)
    packInParallel(from.rows * columns, 1 << 18, [&](uint64_t begin, uint64_t end) {
      lose(convertElements(from.at(0, 0) + begin * byteSize(from.dtype), from.dtype,
                           to + begin * byteSize(toType), toType, end - begin));
    });
  else
    packInParallel(roundUp(from.rows, panelWidth) / panelWidth, 1,
                   [&](uint64_t begin, uint64_t end) {
                     for (uint64_t block = begin; block < end; ++block)
                       lose(packRows(from, block * panelWidth, columns,
                                     to + block * panelWidth * rowBytes, toType));
                   });
  std::memset(to + from.rows * rowBytes, 0, (part.rows - from.rows) * rowBytes);
}

} // namespace

CastLoss &CastLoss::operator+=(const CastLoss &other) {
  overflows += other.overflows;
  underflows += other.underflows;
  return *this;
}

CastLoss convertElements(const std::byte *from, DType fromType, std::byte *to, DType toType,
                         uint64_t count) {
  if (fromType == toType) {
    if (count != 0)
      std::memcpy(to, from, count * byteSize(toType));
    return {};
  }
  switch (fromType) {
  case DType::Float32:
    return convertFrom<DType::Float32>(from, to, toType, count);
  case DType::BFloat16:
    return convertFrom<DType::BFloat16>(from, to, toType, count);
  case DType::Float16:
    return convertFrom<DType::Float16>(from, to, toType, count);
  case DType::Int8:
    return convertFrom<DType::Int8>(from, to, toType, count);
  case DType::Int32:
    break;
  }
  failInternal("weights of dtype {} cannot be read", toString(fromType));
}

std::vector<CastLoss> packTensor(std::span<const PackedRows> parts, uint64_t columns, std::byte *to,
                                 DType toType, fb::Packing packing) {
  Losses losses(parts.size());
  uint64_t rows = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (packing == fb::Packing::Rows)
      packPart(parts[i], columns, to + rows * columns * byteSize(toType), toType,
               [&](const CastLoss &loss) { losses.add(i, loss); });
    rows += parts[i].rows;
  }
  if (packing == fb::Packing::Panel32)
    packInParallel(roundUp(rows, panelWidth) / panelWidth, 1, [&](uint64_t begin, uint64_t end) {
      for (uint64_t panel = begin; panel < end; ++panel)
        packPanel(parts, columns, panel, panel, to, toType, losses);
    });
  if (packing == fb::Packing::Panel12) {
    if (toType != DType::BFloat16)
      failInternal("weights of dtype {} are not packed as Panel12", toString(toType));
    const Panel12Layout layout(rows, columns);
    packInParallel(layout.panels(), 1, [&](uint64_t begin, uint64_t end) {
      for (uint64_t panel = begin; panel < end; ++panel)
        packPanel12(parts, columns, panel, layout, to, losses);
    });
  }
  return losses.take();
}

CastLoss packTensor(const TensorSlice &from, std::byte *to, DType toType, fb::Packing packing) {
  const PackedRows whole{from, from.rows};
  return packTensor(std::span(&whole, 1), from.columns, to, toType, packing).front();
}

} // namespace vinci
