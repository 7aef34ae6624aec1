// The npu dialect: the device program, one to one with runtime/plan/plan.fbs. NpuOps.td is its
// specification.
#pragma once

#include "ir/llm/Llm.h"

#include "ir/npu/NpuDialect.h.inc"

namespace vinci::npu {
// The dialect, its ops and its attributes refer to the cache type of the llm dialect by its short
// name.
using llm::KvCacheType;
} // namespace vinci::npu

#include "ir/npu/NpuEnums.h.inc"

#include "ir/npu/NpuInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/npu/NpuAttrs.h.inc"

#define GET_OP_CLASSES
#include "ir/npu/NpuOps.h.inc"
