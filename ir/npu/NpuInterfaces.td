//===- NpuInterfaces.td - what all commands have in common ---------------------------------------===//
#ifndef VINCI_IR_NPU_NPUINTERFACES_TD
#define VINCI_IR_NPU_NPUINTERFACES_TD

include "mlir/IR/OpBase.td"

def Npu_CommandOpInterface : OpInterface<"CommandOpInterface"> {
  let cppNamespace = "::vinci::npu";
  let description = [{ What a device queues and waits count: launches and prefetches. }];
  let methods = [
    InterfaceMethod<"Ordinals of the commands of the body that must have finished; none until schedule-commands.",
                    "::std::optional<::llvm::ArrayRef<int32_t>>", "getWaits">,
    InterfaceMethod<"", "void", "setWaits", (ins "::std::optional<::llvm::ArrayRef<int32_t>>":$waits)>,
    InterfaceMethod<"The queue that it stands in; none until schedule-commands.",
                    "::std::optional<::vinci::npu::Stream>", "getStream">,
    InterfaceMethod<"", "void", "setStream", (ins "::std::optional<::vinci::npu::Stream>":$stream)>
  ];
}

#endif
