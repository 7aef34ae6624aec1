// From what the frontend read to what the reference computes with.
#pragma once

#include "frontend/model_spec.h"
#include "runtime/reference/reference_config.h"

namespace vinci {

ReferenceConfig toReferenceConfig(const ModelSpec &spec);

} // namespace vinci
