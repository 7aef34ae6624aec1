#!/bin/bash
# The server of the deployment: vLLM-MindSpore with the network of MindFormers, on the four chips of two cards.
export ASCEND_RT_VISIBLE_DEVICES=0,1,2,3
export DEVICE_NUM_PER_NODE=8
export vLLM_MODEL_BACKEND=MindFormers
export MINDFORMERS_MODEL_CONFIG=predict_qwq_32b.yaml
export ASCEND_TOTAL_MEMORY_GB=40
export vLLM_MODEL_MEMORY_USE_GB=30
export MS_ALLOC_CONF=enable_vmm:true
export MS_ENABLE_LCCL=off
export MS_ENABLE_INTERNAL_BOOST=off
export MS_ENABLE_TRACE_MEMORY=off
export MS_NODE_TIMEOUT=300
export HCCL_OP_EXPANSION_MODE=AIV
export GLOG_v=3
# Off in the source: kernels launched by two threads, dumps of the graphs, traces.
# export EXPERIMENTAL_KERNEL_LAUNCH_GROUP=thread_num:2,kernel_group_num:8
# export MS_DEV_SAVE_GRAPHS=1
# export MS_DEV_SAVE_GRAPHS_PATH=./graphs
# export VLLM_TORCH_PROFILER_DIR=./traces
export HCCL_OP_EXPANSION_MODE=AI_CPU

python3 -m vllm_mindspore.entrypoints vllm.entrypoints.openai.api_server \
  --model /home/ckpt/QwQ --trust-remote-code \
  --tensor-parallel-size 4 --max-num-seqs 256 --block-size 128 \
  --gpu-memory-utilization 0.7 --max-num-batched-tokens 16384 --max-model-len 8192
