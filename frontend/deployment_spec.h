// How a model is run: precision, parallel degrees, execution, scheduling, memory, load. Independent
// of the file that said so, as ModelSpec is.
//
// Every reader (MindFormers, MindIE, recipes, vLLM command lines, launch scripts) resolves its file
// into these settings. A setting is absent where no file says it and nothing follows from what they
// say; it knows where it was said. frontend/settings/rules.cpp has the table of all settings: name,
// legal values, meaning, unit.
#pragma once

#include "frontend/settings/setting.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vinci {

struct DeploymentSpec {
  Setting<std::string> target; ///< a name of runtime/device/targets.h

  struct Precision {
    Setting<std::string> compute, layernorm, softmax, rotary, parameters; ///< names of DType
    Setting<bool> keepOriginDtype;
  } precision;

  /// Degrees; DP of attention and EP follow from the world.
  struct Parallel {
    Setting<int64_t> worldSize, attnTp, attnDp, moeTp, moeEp, embedTp, lmHeadTp;
    Setting<int64_t> oProjTp, denseTp, sharedExpertTp, pipelineStages, contextParallel;
    Setting<bool> replicateEmbedding, sequenceParallel;
  } parallel;

  struct Weights {
    Setting<std::string> directory; ///< as the file says it; need not exist here
    Setting<std::string> config;    ///< the MindFormers YAML that a launch script names
    Setting<std::string> quantization;
    Setting<bool> qkvConcat, ffnConcat; ///< the checkpoint's or the network's fused projections
    Setting<bool> shardOnLoad, random, nzLayout;
  } weights;

  struct Execution {
    Setting<std::string> graphMode, collectiveEngine;
    Setting<std::vector<int64_t>> graphBatchSizes, devices;
    Setting<int64_t> devicesPerHost, dispatchThreads, dispatchGroupSize, hostThreads,
        collectiveBufferMb, speculativeTokens;
    Setting<bool> asyncScheduling, cpuBinding, lowLatencyCollectives, fusedKernels, staticKernels,
        compileCache, balancedExperts;
    Setting<double> prefetchQkv, prefetchO, prefetchGateUp; ///< share of the weight, 0 to 1
  } execution;

  struct Scheduler {
    Setting<std::string> policy;
    Setting<int64_t> maxSeqLen, maxInputLen, maxOutputLen, maxNumSeqs, maxNumBatchedTokens,
        maxPrefillSeqs, maxPrefillTokens, blockSize, numBlocks, maxPreempted, prefillTimeMs,
        decodeTimeMs, prefillPolicy, decodePolicy, maxQueueDelayUs, maxFirstTokenWaitMs, maxRequests,
        reservedDecodeTokens;
    Setting<bool> chunkedPrefill, prefixCaching, selectBatch, truncation;
  } scheduler;

  /// Of one device; GiB.
  struct Memory {
    Setting<double> deviceGib, utilization, nonKvGib, kvGib, swapGib, limitGib;
  } memory;

  struct Serving {
    Setting<int64_t> port, managementPort, metricsPort, tokenizerProcesses, instances;
    Setting<std::string> modelName, api;
    Setting<bool> cumulativeText;
  } serving;

  struct Tokenizer {
    Setting<std::string> chatTemplate;
    Setting<int64_t> modelMaxLength;
  } tokenizer;

  /// The load that published figures were measured under, for commands that are given none.
  struct Workload {
    Setting<std::string> dataset, inputTokens, outputTokens, metric;
    Setting<std::vector<std::string>> prompts;
    Setting<int64_t> requests, concurrency, batchSize, maxTokens;
  } workload;
};

} // namespace vinci
