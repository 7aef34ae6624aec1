#include "ir/npu/Npu.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "ir/npu/NpuDialect.cpp.inc"

#include "ir/npu/NpuEnums.cpp.inc"

#include "ir/npu/NpuInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/npu/NpuAttrs.cpp.inc"

namespace vinci::npu {

void NpuDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "ir/npu/NpuOps.cpp.inc"
      >();
}

void NpuDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/npu/NpuAttrs.cpp.inc"
      >();
}

} // namespace vinci::npu
