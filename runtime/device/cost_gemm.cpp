// t = fixed + overlapped(cube, memory), at least the L2's time for operands that cores read again.
//
// The cube works in tiles of the output, one for each core at a time: the last wave is as long as a
// full one, and a core has whole tiles. Of the vendor's tile shapes the fastest counts.
#include "runtime/device/cost_parts.h"

#include <bit>

namespace vinci {

using enum Constant;

namespace {

struct Tile {
  unsigned rowBits; ///< rows and columns are powers of two
  unsigned columnBits;
};

constexpr Tile tiles[] = {{4, 7}, {4, 8}, {4, 9}, {5, 8}, {5, 9}, {6, 7}, {6, 8}, {7, 8}, {8, 7}};

/// With `split` cores sharing the depth of a tile, each has at least so much of it.
constexpr double leastDepth = 512;

struct Cube {
  double flops = 0; ///< of the busiest core
  double bytes = 0; ///< that all cores read from L2
};

/// ceil(count / cores). Processors divide 32 bits several times as fast as 64.
uint64_t wavesOf(uint64_t count, uint32_t cores) {
  return count <= UINT32_MAX - cores ? (uint32_t(count) + cores - 1) / cores
                                     : (count + cores - 1) / cores;
}

/// The tiling with the least of `time(flops, bytes)`.
template <typename Time>
Cube tile(double rows, double n, double k, double elementBytes, const DeviceSpec &spec,
          Time &&time) {
  const auto m = uint64_t(std::max(rows, 1.0)), columns = uint64_t(n);
  const auto cores = uint32_t(spec[CubeCores].value);
  const auto elements = uint64_t(spec[CubeL0c].value / 4); // sums are float32 or int32
  Cube best;
  double bestTime = 0;
  for (const Tile &shape : tiles) {
    const uint64_t height = uint64_t(1) << shape.rowBits;
    // Twice the rows that there are is never better than a lower tile.
    const bool lowest = shape.rowBits == tiles[0].rowBits;
    if ((!lowest && height >= 2 * m) || height << shape.columnBits > elements)
      continue;
    const uint64_t count = ((m + height - 1) >> shape.rowBits) *
                           ((columns + (uint64_t(1) << shape.columnBits) - 1) >> shape.columnBits);
    const double area = double(height << shape.columnBits);
    const double perimeter = double(height + (uint64_t(1) << shape.columnBits));
    for (uint64_t split = 1; count * split <= cores || split == 1; split *= 2) {
      if (split > 1 && k < leastDepth * double(split))
        break;
      // A single wave needs no division.
      const uint64_t waves = count * split <= cores ? 1 : wavesOf(count, cores);
      Cube cube;
      cube.flops = double(waves) * 2 * area * k / double(split);
      // Partial sums are written and read again in float32.
      cube.bytes = double(count) * perimeter * k * elementBytes +
                   (split > 1 ? double(split) * 8 * rows * n : 0);
      const double cubeTime = time(cube.flops, cube.bytes);
      if (best.flops == 0 || cubeTime < bestTime) {
        best = cube;
        bestTime = cubeTime;
      }
    }
  }
  return best;
}

} // namespace

OpTime CostModel::matmul(const MatmulWork &work, LaunchMode mode) const {
  const DType type = cost::multipliedType(work.weights, work.activations);
  const bool isInt8 = type == DType::Int8;
  const Quantity &fixed =
      cost::fixedTime(spec_, mode, isInt8 ? LaunchedMatmulInt8 : LaunchedMatmulFloat);
  const Quantity &cubeShare = spec_[isInt8 ? CubeShareInt8 : CubeShareFloat];
  const Quantity &memoryShare =
      spec_[work.weights == DType::Int8 ? MemoryShareMatmulInt8 : MemoryShareMatmulFloat];
  const double rate = cost::cubeRate(spec_, type);
  // What goes in was just written: as far as it fits, it is in L2, and so is what goes out.
  const double warm = residentShare(work.activationBytes) * work.activationBytes;
  const double cached = std::min(work.cachedBytes, work.weightBytes);
  const cost::Streams bytes = {work.weightBytes - cached + work.activationBytes - warm,
                               work.weightBytes + work.activationBytes};

  // The time beside the fixed one; what it takes depends on the tiling, which is that of the
  // constants' values.
  const auto spent = [&](double compute, double reuse, double memory, double loss) {
    return std::max(cost::overlapped(compute, memory, loss), reuse);
  };
  const double memory = std::max(bytes.hbmTime(spec_, memoryShare.value),
                                 bytes.l2Time(spec_, spec_[L2StreamShare].value));
  const double flopTime = 1 / (rate * cubeShare.value);
  const double byteTime = 1 / (spec_[L2Bandwidth].value * spec_[L2ReuseShare].value);
  const double loss = spec_[CubeOverlapLoss].value;
  const Cube cube = tile(work.rows, work.n, work.k, double(byteSize(type)), spec_,
                         [&](double flops, double reused) {
                           return spent(flops * flopTime, reused * byteTime, memory, loss);
                         });
  const double compute = cube.flops / rate, reuse = cube.bytes / spec_[L2Bandwidth].value;
  const double ideal = 2 * work.rows * work.n * work.k / (rate * spec_[CubeCores].value);
  const double hbmIdeal = bytes.hbmTime(spec_, 1), l2Ideal = bytes.l2Time(spec_, 1);
  return cost::evaluate(
      std::array{cost::Term{&fixed}, cost::Term{&cubeShare, compute},
                 cost::Term{&memoryShare, hbmIdeal}, cost::Term{&spec_[L2StreamShare], l2Ideal},
                 cost::Term{&spec_[CubeOverlapLoss]}, cost::Term{&spec_[L2ReuseShare], reuse}},
      [&](const std::array<double, 6> &times, cost::Part *largest) {
        const auto [start, cubeTime, hbm, l2, loss, reuseTime] = times;
        cost::report(largest, {{Bound::Fixed, start, 0, &fixed},
                               {Bound::Compute, cubeTime, ideal, &cubeShare},
                               {Bound::Hbm, hbm, hbmIdeal, &memoryShare},
                               {Bound::L2, l2, l2Ideal, &spec_[L2StreamShare]},
                               {Bound::L2, reuseTime, reuse, &spec_[L2ReuseShare]}});
        return start + spent(cubeTime, reuseTime, std::max(hbm, l2), loss);
      });
}

} // namespace vinci
