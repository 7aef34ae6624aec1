// A small plan with everything a plan can hold: two layers of one attention block, one KV head, a
// stack of weights. Its object segment holds no code: nothing here executes plans.
#pragma once

#include "backend/plan/plan_writer.h"
#include "runtime/plan/types.h"

#include <string>
#include <vector>

namespace vinci::sample {

inline constexpr uint32_t hidden = 32, vocabulary = 40, headDim = 16, layers = 2, experts = 2;

/// Buffers of the arena, in the order of PlanT::buffers.
enum Buffer : uint32_t { Hidden, Rope, X, Q, K, V, Attended, O, Rows, bufferCount };
/// Kernels, in the order of PlanT::kernels.
enum Kernel : uint32_t {
  Embedding,
  RopeTable,
  RmsNorm,
  MatmulQ,
  MatmulKv,
  RopeQ,
  KvAppend,
  Attention,
  Add,
  GatherRows,
  LmHead,
  kernelCount
};
enum Input : uint32_t {
  TokenIds,
  Positions,
  SlotMapping,
  QueryStart,
  ContextLens,
  BlockTables,
  LogitIndices
};
enum Body : uint32_t { Prologue, Layer, EpiloguePrefill, Epilogue };

/// Commands of the body `Layer`.
enum LayerCommand : uint32_t {
  Norm,
  ProjectQ,
  ProjectK,
  ProjectV,
  RotateQ,
  RotateK,
  Append,
  Attend,
  ProjectO,
  Residual
};

fb::PlanT plan();
/// The same cut along the last axis of `mesh`, which has size 1 or 2: query heads, the columns of o
/// and the experts. Command `Residual` of the layers is an all_reduce of o, the residual is the
/// next. Its kernel follows the sample's.
fb::PlanT rankedPlan(std::vector<uint32_t> mesh);

std::unique_ptr<fb::ShardT> shard(fb::ShardKind kind, std::vector<uint32_t> axes, uint32_t parts);
/// Cuts a piece, and gives the weight the shape, count and bytes that are left.
void addShard(fb::WeightT &weight, size_t piece, std::unique_ptr<fb::ShardT> shard);
/// Adds a kernel that is a collective and gives its index.
uint32_t addCollective(fb::PlanT &plan, fb::CollectiveKind kind, std::vector<uint32_t> axes,
                       fb::DType dtype, fb::Dim count);

/// Puts a command that prefetches a share of `parameter` before the command `at` of a body; it
/// waits for nothing.
void insertPrefetch(fb::PlanT &plan, uint32_t body, uint32_t at, uint32_t parameter, double share,
                    uint32_t minTokens = 0);

std::vector<SegmentData> segments();
/// The file, as serializePlan makes it.
std::vector<std::byte> bytes();

} // namespace vinci::sample
