// What `vinci quantize --report` says: errors, outliers and times of every linear.
#pragma once

#include "runtime/device/cost_model.h"
#include "runtime/quantize/float_model.h"
#include "runtime/quantize/quantized_checkpoint.h"
#include "tools/vinci/activation_calibration.h"
#include "tools/vinci/report.h"

namespace vinci {

/// One row for each layer and linear (linears that share an input are one):
///
///   layer                        null for lm_head, which has a row where it is quantised
///   sqnr_db, cosine, max_error   outputs of the quantised linear against the float one, on samples
///                                of what it read in calibration; experts on the samples of their
///                                layer, all together
///   outlier_channel, outlier     the channel with the largest magnitude, and that against the
///                                median channel's largest
///   decode_*, prefill_*          microseconds for 16 and for 1024 tokens, float and as quantised
///                                with the quantisation of the activations; one device, no fusions
///   pays                         the quantised one takes less time in decode, in prefill, both, or
///                                neither
std::vector<Report> linearReports(const FloatModel &model, const std::vector<LayerSchemes> &schemes,
                                  LinearScheme head, const StaticScales &scales,
                                  const ActivationCalibration &calibration,
                                  const CostModel &device);

} // namespace vinci
