//===- LlmInterfaces.td - what passes ask of any op ---------------------------------------------===//
#ifndef VINCI_IR_LLM_LLMINTERFACES_TD
#define VINCI_IR_LLM_LLMINTERFACES_TD

include "mlir/IR/OpBase.td"

def Llm_ShardingOpInterface : OpInterface<"ShardingOpInterface"> {
  let cppNamespace = "::vinci::llm";
  let description = [{ How the dimensions of an op factor; see ir/llm/ShardingRule.h. }];
  let methods = [InterfaceMethod<"The sharding rule of the op's td entry; empty for an op that is made after partitioning.",
                                 "::llvm::StringRef", "getShardingRule">];
}

#endif
