// The vendor's description of a chip, CANN's platform_config/*.ini, as a device spec.
//
// It says cores, clocks, the size of the cube's step, memories and the rates of the compiler's own
// model; not what kernels reach, what launching costs or how devices are joined. Those come from
// the spec that the reader is given.
#pragma once

#include "runtime/device/device_spec.h"

namespace vinci {

/// Reads [SoCInfo] ai_core_cnt, cube_core_cnt, vector_core_cnt, l2_size, memory_size; [AICoreSpec]
/// cube_freq, cube_m_size, cube_n_size, cube_k_size, l0_c_size; [VectorCoreSpec] vec_freq;
/// [AICoreMemoryRates] l2_read_rate or l2_rate; [version] SoC_version. Only ai_core_cnt, cube_freq
/// and l2_size must be there. Without a cube_core_cnt every AI core has a vector unit too. ddr_rate
/// is a hint of the compiler's and no bandwidth; it is not read.
DeviceSpec parsePlatformIni(const std::string &text, const std::string &fileName,
                            const DeviceSpec &base);
DeviceSpec readPlatformIni(const std::filesystem::path &path, const DeviceSpec &base);

} // namespace vinci
