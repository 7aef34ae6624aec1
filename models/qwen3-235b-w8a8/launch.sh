#!/bin/bash
# The server of the deployment: vllm-ascend on the eight devices of one Atlas 800T A2.
export HCCL_OP_EXPANSION_MODE=AIV
export HCCL_BUFFSIZE=512
export HCCL_INTRA_PCIE_ENABLE=1
export HCCL_INTRA_ROCE_ENABLE=0
export PYTORCH_NPU_ALLOC_CONF=expandable_segments:True
export OMP_PROC_BIND=false
export OMP_NUM_THREADS=10
export LD_PRELOAD=libjemalloc.so.2
# Variables of another stack, MindIE; this one does not read them.
export NPU_MEMORY_FRACTION=0.95
export MINDIE_ASYNC_SCHEDULING_ENABLE=1

vllm serve Qwen3-235B-A22B-Instruct-2507-w8a8-QuaRot --trust-remote-code \
  --quantization ascend --async-scheduling \
  --tensor-parallel-size 8 --data-parallel-size 1 \
  --max-num-seqs 200 --max-model-len 36384 --max-num-batched-tokens 16384 \
  --gpu-memory-utilization 0.9 \
  --compilation-config '{"cudagraph_mode": "FULL_DECODE_ONLY"}' \
  --additional-config '{"ascend_scheduler_config": {"enabled": false}, "enable_cpu_binding": true, "weight_prefetch_config": {"enabled": true, "prefetch_ratio": {"attn": {"qkv": 1.0, "o": 1.0}, "moe": {"gate_up": 0.7}}}}'
