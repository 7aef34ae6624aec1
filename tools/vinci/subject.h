// What `simulate`, `explore` and `calibrate` are asked about: from MODEL|PLAN|DEPLOYMENT to a
// compiled plan, its device, and how it is served.
#pragma once

#include "tools/vinci/compile_options.h"
#include "tools/vinci/simulation_setup.h"

#include <string>

namespace vinci {

/// What is simulated. A plan says nothing of how it is served.
struct Subject {
  DeploymentSpec deployment;
  Plan plan;
};

/// A plan as it is, or a model or deployment compiled without kernels. Behind vLLM a model has
/// vLLM's limits, 256 sequences and 8192 tokens a step, where flags and deployment give none.
/// Warnings of the compiler go to stderr unless `quiet`. Throws Error for IR, and for compile
/// options that come with a plan.
Subject subjectOf(const std::string &model, const CompileFlags &flags, bool quiet = false);

/// A --target that is a device's FILE.yaml is that device, and the model is compiled for the target
/// that the file is based on. Other targets stay. Throws Error where a device is named as well, or
/// where the file has no such base.
void takeTargetFile(std::string &target, std::string &device);

/// What `name` stands for: a shipped specification, FILE.yaml, FILE.ini of a chip like the
/// target's, or, if it is empty, the target's. Throws a usage Error if neither names an NPU.
DeviceSpec deviceFor(const DeploymentSpec &deployment, const std::string &name);

/// Subject and costs must outlive it. What is odd about the memory's settings goes to stderr unless
/// `quiet`. Throws Error if the model does not fit the device.
ServedPlan servedPlanOf(const Subject &subject, const StackProfile &stack, const CostModel &costs,
                        const std::optional<Routing> &routing = {}, bool quiet = false);

} // namespace vinci
