#include "runtime/bench/op_times.h"

#include "runtime/clock/plan_costs.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace vinci {
namespace {

/// A row of the table, and what it is made from.
struct Row {
  OpTimes times;
  const fb::Kernel *kernel = nullptr;
  StepWork work;               ///< of one rank
  std::vector<double> seconds; ///< of each repetition
};

double medianOf(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Rows by kernel, in the order of their first calls, and the row of each command of a step, as
/// resolveEntry numbers them.
struct Rows {
  std::vector<Row> rows;
  std::vector<size_t> ofOrdinal;
};

Rows rowsOf(const Plan &plan, EntryKind kind, StepRecord record) {
  Rows table;
  std::map<uint32_t, size_t> byKernel;
  const Mesh mesh(*plan.root());
  record.tokenShares = plan.root()->limits()->token_shares();
  uint32_t moeLayer = 0;
  for (const fb::Call *call : *plan.entry(toString(kind))->calls()) {
    bool isMoe = false;
    for (const fb::Command *command : *plan.root()->bodies()->Get(call->body())->commands()) {
      const auto [place, isNew] = byKernel.emplace(command->kernel(), table.rows.size());
      const fb::Kernel *kernel = plan.root()->kernels()->Get(command->kernel());
      if (isNew) {
        Row &row = table.rows.emplace_back();
        row.kernel = kernel;
        row.times.op = kernel->op()->str();
        row.times.kernel = kernel->symbol()->str();
      }
      Row &row = table.rows[place->second];
      ++row.times.calls;
      if (kernel->prefetch()) // does nothing here
        table.ofOrdinal.push_back(place->second);
      if (isCompiled(*kernel)) {
        const Cost cost = toCost(plan, *kernel);
        if (cost.kind == CostClass::Matmul || cost.kind == CostClass::GroupedMatmul)
          row.times.shape = fmt::format("{}x{}", cost.n, cost.k);
        isMoe |= cost.kind == CostClass::GroupedMatmul;
        row.work += workOf(cost, record, moeLayer);
        table.ofOrdinal.push_back(place->second);
      }
      if (const fb::Collective *collective = kernel->collective()) {
        row.work +=
            workOf(toCost(*collective, mesh.ranksAlong(axesOf(*collective->axes()))), record);
        table.ofOrdinal.push_back(place->second);
      }
    }
    moeLayer += isMoe ? 1 : 0;
  }
  return table;
}

} // namespace

std::vector<OpTimes> measureOps(StepBench &bench, const BenchTest &test, uint32_t repetitions,
                                const PlanClock *clock) {
  bench.warmUp(test);
  const StepBench::Step step = bench.typicalStep(test);
  bench.model().step(step.kind, step.inputs); // for the experts that it hits
  const std::vector<uint32_t> hit(bench.model().expertsHit().begin(),
                                  bench.model().expertsHit().end());
  StepRecord record = step.record;
  record.expertsHit = hit;
  Rows table = rowsOf(bench.model().plan(), step.kind, record);

  double readGbPerS = 0, tflops = 0, int8Tops = 0;
  for (uint32_t repetition = 0; repetition < repetitions; ++repetition) {
    readGbPerS = std::max(readGbPerS, bench.peak().readGbPerS());
    tflops = std::max(tflops, bench.peak().multiplyTflops(bench.floatType()));
    if (bench.hasInt8())
      int8Tops = std::max(int8Tops, bench.peak().multiplyTflops(DType::Int8));
    for (Row &row : table.rows)
      row.seconds.push_back(0);
    bench.model().timedStep(step.kind, step.inputs, [&](uint32_t ordinal, double seconds) {
      table.rows[table.ofOrdinal[ordinal]].seconds.back() += seconds;
    });
  }

  std::map<const fb::Kernel *, double> predicted;
  if (clock)
    for (const CommandTime &time : clock->commands(step.kind, record))
      predicted[time.kernel] += time.time.us * double(time.calls);

  std::vector<OpTimes> all;
  const double ranks = bench.model().ranks();
  for (Row &row : table.rows) {
    // Activations stay in the caches between two ops; only what a step reads anew counts.
    const double bytes = bench.bytesRead(row.work);
    const double readUs = ranks * bytes / readGbPerS / 1e3;
    double multiplyUs = ranks * (row.work.productFlops - row.work.int8Flops) / tflops / 1e6;
    if (row.work.int8Flops > 0)
      multiplyUs += ranks * row.work.int8Flops / int8Tops / 1e6;
    row.times.measuredUs = medianOf(row.seconds) * 1e6;
    row.times.rooflineUs = std::max(readUs, multiplyUs);
    row.times.isMemoryBound = readUs >= multiplyUs;
    row.times.predictedUs = predicted[row.kernel];
    all.push_back(std::move(row.times));
  }
  return all;
}

} // namespace vinci
