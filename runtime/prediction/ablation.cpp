#include "runtime/prediction/ablation.h"

#include <algorithm>
#include <cmath>

namespace vinci {

double percentAbove(double value, double base) {
  return base > 0 ? std::round((value / base - 1) * 1e4) / 100 : 0;
}

namespace {

/// A row: what is changed, and how.
struct Variant {
  std::string name, from, to;
  std::string passes;
  std::function<void(ServingSettings &)> change = {};
  std::vector<std::string> set = {};

  PlanChange planChange() const { return {passes, set}; }
};

const char *onOff(bool on) {
  return on ? "on" : "off";
}

/// vllm-ascend's own shares, or none.
std::vector<std::string> prefetchSettings(bool on) {
  return {on ? "execution.prefetch_qkv=1" : "execution.prefetch_qkv=0",
          on ? "execution.prefetch_o=1" : "execution.prefetch_o=0",
          on ? "execution.prefetch_gate_up=0.8" : "execution.prefetch_gate_up=0"};
}

bool isOnStream(const fb::Plan &plan, fb::Stream stream) {
  return std::ranges::any_of(*plan.bodies(), [&](const fb::Body *body) {
    return std::ranges::any_of(*body->commands(), [&](const fb::Command *command) {
      return command->stream() == uint32_t(stream);
    });
  });
}

bool has(const DeviceSpec &device, Expansion expansion) {
  return device.has(expansion == Expansion::Host    ? Constant::CollectiveHostRanks2
                    : expansion == Expansion::AiCpu ? Constant::CollectiveAiCpuRanks2
                                                    : Constant::CollectiveAivRanks2);
}

/// Passes without which gate, up, SwiGLU and quantisation of experts are kernels of their own.
constexpr const char *unfusedExperts = "-fuse-grouped-matmul-swiglu,-fuse-swiglu-quant";

constexpr std::pair<const char *, Expansion> engines[] = {
    {"host", Expansion::Host}, {"ai_cpu", Expansion::AiCpu}, {"aiv", Expansion::Aiv}};

/// Passes that are on are switched off one by one, those that are off on.
void addFusions(const AblationRequest &request, std::vector<Variant> &variants) {
  std::string off, on;
  for (const SwitchedPass &pass : request.passes) {
    variants.push_back(
        {pass.name, onOff(pass.isOn), onOff(!pass.isOn), (pass.isOn ? "-" : "+") + pass.name, {}});
    off += (off.empty() ? "-" : ",-") + pass.name;
    on += (on.empty() ? "+" : ",+") + pass.name;
  }
  variants.push_back({"all fusions", "", "off", off, {}});
  variants.push_back({"all fusions", "", "on", on, {}});
}

void addLaunches(const AblationRequest &request, std::vector<Variant> &variants) {
  const ServingSettings &base = request.settings;
  for (const char *other : {"none", "full-decode-only", "full"})
    if (base.graphMode != other)
      variants.push_back({"graph_mode", base.graphMode, other, "",
                          [other](ServingSettings &settings) { settings.graphMode = other; }});
  if (Mesh(*request.plan({}).plan->root()).ranks() == 1)
    return;
  const Expansion expansion = base.clock.expansion;
  const char *from =
      std::ranges::find(engines, expansion, [](auto &engine) { return engine.second; })->first;
  for (const auto &[name, engine] : engines)
    if (engine != expansion && has(request.costs.spec(), engine))
      variants.push_back(
          {"collective_engine", from, name, "",
           [engine = engine](ServingSettings &settings) { settings.clock.expansion = engine; }});
}

void addWeights(const AblationRequest &request, std::vector<Variant> &variants) {
  const fb::Plan &plan = *request.plan({}).plan->root();
  const bool prefetch = isOnStream(plan, fb::Stream::Prefetch);
  variants.push_back(
      {"prefetch", onOff(prefetch), onOff(!prefetch), "", {}, prefetchSettings(!prefetch)});
  const bool streams = isOnStream(plan, fb::Stream::Cube);
  variants.push_back({"assign-streams", onOff(streams), onOff(!streams),
                      streams ? "-assign-streams" : "+assign-streams"});
  const bool fractals = request.settings.clock.fractals;
  variants.push_back(
      {"nz_layout", onOff(fractals), onOff(!fractals), "",
       [fractals](ServingSettings &settings) { settings.clock.fractals = !fractals; }});
  // vllm-ascend cast the experts' weights into fractals for the sake of the fused kernel.
  if (fractals)
    variants.push_back({"fuse-grouped-matmul-swiglu and nz_layout", "on", "off", unfusedExperts,
                        [](ServingSettings &settings) { settings.clock.fractals = false; }});
}

void addHost(const AblationRequest &request, std::vector<Variant> &variants) {
  const ServingSettings &base = request.settings;
  if (request.stack.async.value != 0)
    variants.push_back(
        {"async_scheduling", onOff(base.asyncScheduling), onOff(!base.asyncScheduling), "",
         [](ServingSettings &settings) { settings.asyncScheduling = !settings.asyncScheduling; }});
  for (const bool other : {false, true})
    if (base.cpuBinding != other)
      variants.push_back({"cpu_binding", base.cpuBinding ? onOff(*base.cpuBinding) : "not said",
                          onOff(other), "",
                          [other](ServingSettings &settings) { settings.cpuBinding = other; }});
}

std::vector<Variant> variantsOf(const AblationRequest &request) {
  std::vector<Variant> variants;
  addFusions(request, variants);
  const std::string allOff = variants[variants.size() - 2].passes, allOn = variants.back().passes;
  addLaunches(request, variants);
  addWeights(request, variants);
  addHost(request, variants);
  const bool aiv = has(request.costs.spec(), Expansion::Aiv);
  for (const bool on : {false, true})
    variants.push_back(
        {"everything", "", onOff(on), on ? allOn : allOff, [on, aiv](ServingSettings &settings) {
           settings.graphMode = on ? "full" : "none";
           settings.clock.expansion = on && aiv ? Expansion::Aiv : Expansion::Host;
           settings.asyncScheduling = on;
           settings.cpuBinding = on;
         },
         prefetchSettings(on)});
  return variants;
}

bool isSame(const ServingMetrics &a, const ServingMetrics &b) {
  return percentAbove(a.stepMs, b.stepMs) == 0 && percentAbove(a.tpotMs.mean, b.tpotMs.mean) == 0 &&
         percentAbove(a.ttftMs.mean, b.ttftMs.mean) == 0;
}

} // namespace

AblationResult ablate(const AblationRequest &request,
                      const std::function<void(uint64_t, uint64_t)> &progress) {
  const auto serve = [&](const AblatedPlan &plan, ServingSettings settings) {
    settings.memory = plan.memory;
    return ServedPlan(std::move(settings), *plan.plan, request.stack, request.costs)
        .serve(request.load)
        .metrics;
  };
  const AblatedPlan base = request.plan({});
  AblationResult result;
  result.baseline = serve(base, request.settings);
  const std::vector<Variant> variants = variantsOf(request);
  for (size_t i = 0; i < variants.size(); ++i) {
    progress(i, variants.size());
    const Variant &variant = variants[i];
    const AblatedPlan plan = request.plan(variant.planChange());
    const std::string name = variant.name + " " + variant.to;
    if (!variant.change && std::ranges::equal(plan.plan->bytes(), base.plan->bytes())) {
      result.withoutEffect.push_back(name);
      continue;
    }
    ServingSettings settings = request.settings;
    if (variant.change)
      variant.change(settings);
    const ServingMetrics metrics = serve(plan, std::move(settings));
    if (variant.planChange().isNone() && isSame(metrics, result.baseline))
      result.withoutEffect.push_back(name);
    else
      result.rows.push_back(
          {variant.name, variant.from, variant.to, metrics, request.tokens(variant.planChange())});
  }
  progress(variants.size(), variants.size());
  return result;
}

} // namespace vinci
