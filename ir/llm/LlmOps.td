//===- LlmOps.td - the whole llm dialect ---------------------------------------------------------===//
include "ir/llm/LlmStructureOps.td"
include "ir/llm/LlmDenseOps.td"
include "ir/llm/LlmAttentionOps.td"
include "ir/llm/LlmMoeOps.td"
include "ir/llm/LlmQuantOps.td"
include "ir/llm/LlmFusedOps.td"
include "ir/llm/LlmCollectiveOps.td"
