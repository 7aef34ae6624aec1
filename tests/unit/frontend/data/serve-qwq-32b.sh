#!/bin/bash
set -e
source /usr/local/Ascend/ascend-toolkit/set_env.sh
cd "$(dirname "$0")" && pip install -r requirements.txt > /dev/null 2>&1
export vLLM_MODEL_BACKEND=MindFormers   # who provides the network
export MINDFORMERS_MODEL_CONFIG="/home/work/predict_qwq_32b.yaml"
export vLLM_MODEL_MEMORY_USE_GB=30 ASCEND_TOTAL_MEMORY_GB='40'
export HCCL_OP_EXPANSION_MODE="AIV"
export MS_ALLOC_CONF=enable_vmm:true
export ASCEND_RT_VISIBLE_DEVICES=0,1,2,3
#export EXPERIMENTAL_KERNEL_LAUNCH_GROUP="thread_num:2,kernel_group_num:8"
export HCCL_OP_EXPANSION_MODE="AI_CPU"
MODEL=/home/work/QwQ-32B
TP=4
OPTIONS="--max-num-seqs 256 --block-size 128"
nohup python3 -m vllm_mindspore.entrypoints vllm.entrypoints.openai.api_server \
    --model "$MODEL" --trust_remote_code \
    --tensor-parallel-size ${TP} $OPTIONS \
    --gpu-memory-utilization=0.7 > log.txt 2>&1 &
