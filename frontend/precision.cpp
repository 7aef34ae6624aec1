#include "frontend/precision.h"

#include "runtime/support/error.h"

namespace vinci {

std::optional<std::string> precisionConflict(const PrecisionPolicy &policy) {
  for (const PrecisionField &field : precisionFields) {
    const DType type = policy.*field.policy;
    if (type != DType::Float32 && type != DType::BFloat16 && type != DType::Float16)
      return fmt::format("precision {}={}: a model cannot compute in it; legal are float32, "
                         "bfloat16 and float16",
                         field.name, toString(type));
  }
  for (const PrecisionField &field : precisionFields) {
    const DType type = policy.*field.policy;
    if (type == policy.compute)
      continue;
    if (field.policy == &PrecisionPolicy::parameters)
      return fmt::format("precision parameters={} does not go with compute={}: weights are packed "
                         "in the type that they are multiplied in; legal is {}",
                         toString(type), toString(policy.compute), toString(policy.compute));
    if (type != DType::Float32)
      return fmt::format("precision {}={} does not go with compute={}; legal {}", field.name,
                         toString(type), toString(policy.compute),
                         policy.compute == DType::Float32
                             ? std::string("is float32")
                             : fmt::format("are float32 and {}", toString(policy.compute)));
  }
  return std::nullopt;
}

PrecisionPolicy resolvePrecision(DType dtype, const RequestedPrecision &requested) {
  PrecisionPolicy policy;
  policy.compute = requested.compute.value_or(dtype);
  policy.layernorm = requested.layernorm.value_or(DType::Float32);
  policy.softmax = requested.softmax.value_or(DType::Float32);
  policy.rotary = requested.rotary.value_or(DType::Float32);
  policy.parameters = requested.parameters.value_or(policy.compute);
  policy.keepOriginDtype = requested.keepOriginDtype.value_or(false);
  if (const auto conflict = precisionConflict(policy))
    fail("{}", *conflict);
  return policy;
}

} // namespace vinci
