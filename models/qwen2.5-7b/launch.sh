#!/bin/bash
# The server of the deployment: vLLM-MindSpore with the network of MindFormers, on one device.
export ASCEND_TOTAL_MEMORY_GB=64
export vLLM_MODEL_BACKEND=MindFormers
export vLLM_MODEL_MEMORY_USE_GB=32
export MINDFORMERS_MODEL_CONFIG=predict_qwen2_5_7b_instruct.yaml
# The first is spelled so in the source.
export NPU_VISIBE_DEVICES=0
export ASCEND_RT_VISIBLE_DEVICES=0

python3 -m vllm_mindspore.entrypoints vllm.entrypoints.openai.api_server --model /path/to/Qwen2.5-7B-Instruct
