#include "frontend/launch/script.h"
#include "frontend/launch/serve.h"
#include "tests/unit/frontend/import_text.h"

namespace vinci {
namespace {

using namespace test;

Import import(const std::string &text) {
  Import result;
  const JsonDocument document = parseLaunchScript(text, "run.sh", result.findings);
  readServe(result, document);
  return result;
}

/// The variables of a script, NAME=value each.
Lines environmentOf(const std::string &text) {
  Findings findings;
  const JsonDocument document = parseLaunchScript(text, "run.sh", findings);
  Lines lines;
  for (const auto &[key, value] : document.root().find("env")->members())
    lines.push_back(fmt::format("{}={}", key.toText(""), value.toText("")));
  return lines;
}

TEST(LaunchScript, ReadsAServerAndItsVariables) {
  const Import result = import(dataFile("serve-qwq-32b.sh"));
  EXPECT_EQ(
      shown(result.findings),
      Lines{"contradiction 12:32 HCCL_OP_EXPANSION_MODE is set to \"AI_CPU\", but run.sh:8:32 "
            "sets it to \"AIV\"; \"AI_CPU\" is used"});
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.weights.config, "/home/work/predict_qwq_32b.yaml");
  EXPECT_EQ(*spec.weights.directory, "/home/work/QwQ-32B");
  EXPECT_EQ(*spec.memory.nonKvGib, 30);
  EXPECT_EQ(*spec.memory.deviceGib, 40);
  EXPECT_EQ(*spec.execution.collectiveEngine, "ai_cpu");
  EXPECT_EQ(toString(spec.execution.collectiveEngine.origin), "run.sh:12:32");
  EXPECT_EQ(*spec.execution.devices, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_FALSE(spec.execution.dispatchThreads);
  EXPECT_EQ(*spec.parallel.attnTp, 4);
  EXPECT_EQ(toString(spec.parallel.attnTp.origin), "run.sh:18:28");
  EXPECT_EQ(*spec.scheduler.maxNumSeqs, 256);
  EXPECT_EQ(*spec.scheduler.blockSize, 128);
  EXPECT_EQ(*spec.memory.utilization, 0.7);
  EXPECT_EQ(toString(spec.memory.utilization.origin), "run.sh:19:30");
}

TEST(LaunchScript, ReadsRunMindie) {
  const Import result = import("bash scripts/run_mindie.sh --model-name QwQ-32B \\\n"
                               "  --model-path /home/work/QwQ-32B --max-prefill-batch-size 1 \\\n"
                               "  --max-seq-len 9000 --truncation true --world-size 4\n");
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.scheduler.policy, "mindie");
  EXPECT_EQ(*spec.serving.modelName, "QwQ-32B");
  EXPECT_EQ(*spec.weights.directory, "/home/work/QwQ-32B");
  EXPECT_EQ(*spec.scheduler.maxPrefillSeqs, 1);
  EXPECT_EQ(*spec.scheduler.maxSeqLen, 9000);
  EXPECT_EQ(*spec.scheduler.truncation, true);
  EXPECT_EQ(*spec.parallel.worldSize, 4);
  EXPECT_EQ(*spec.parallel.attnTp, 4);
  // Defaults of the script.
  EXPECT_EQ(*spec.serving.port, 1025);
  EXPECT_EQ(*spec.serving.managementPort, 1026);
  EXPECT_EQ(*spec.serving.metricsPort, 1027);
  EXPECT_EQ(*spec.scheduler.maxOutputLen, 512);
  EXPECT_EQ(*spec.scheduler.maxInputLen, 2048);
  EXPECT_EQ(*spec.scheduler.maxPrefillTokens, 9000);
  EXPECT_EQ(*spec.memory.kvGib, 8);
  EXPECT_EQ(spec.memory.kvGib.authority, Authority::Default);
  EXPECT_EQ(shown(result.findings),
            Lines{"note 0:0 max-prefill-tokens is 8192; run_mindie.sh raises it to max-seq-len, "
                  "9000"});
}

TEST(LaunchScript, Shell) {
  EXPECT_EQ(environmentOf("A=1\nexport B=$A C=\"${A}2\" D='$A'\n"),
            (Lines{"A=1", "B=1", "C=12", "D=$A"}));
  EXPECT_EQ(environmentOf("# A=1\nB=2 # C=3\nD=a#b\n"), (Lines{"B=2", "D=a#b"}));
  EXPECT_EQ(environmentOf("A=a\\\nb\nB=a\\ b\n"), (Lines{"A=ab", "B=a b"}));
  EXPECT_EQ(environmentOf("A=1; B=2 && C=3 || D=4 | E=5\n"),
            (Lines{"A=1", "B=2", "C=3", "D=4", "E=5"}));
  EXPECT_EQ(environmentOf("A=1\nB=2\nunset A\n"), Lines{"B=2"});
  EXPECT_EQ(environmentOf("A=${X:-7} B=${A:-8} C=$X D=${#A} E=$(date +%s) F=`id`\n"),
            (Lines{"A=7", "B=8", "C=$X", "D=${#A}", "E=$(date +%s)", "F=`id`"}));
  EXPECT_EQ(environmentOf("cat > f <<EOF\nA=1\nEOF\nB=2\n"), Lines{"B=2"});
  EXPECT_EQ(environmentOf("cat <<-'E' > f\n\tA=1\n\tE\nB=2\n"), Lines{"B=2"});
  EXPECT_EQ(environmentOf("A= B=\"\"\nexport C\n"), (Lines{"A=", "B="}));
  EXPECT_EQ(environmentOf("A=1\r\nB=2\r\n"), (Lines{"A=1", "B=2"}));
  EXPECT_EQ(environmentOf("export A=\"x y\"\nB=$A\n"), (Lines{"A=x y", "B=x y"}));
  EXPECT_EQ(environmentOf("env A=1 python x.py\nsudo -E true\n2=3\n"), Lines{"A=1"});
  EXPECT_EQ(environmentOf(""), Lines{});
}

TEST(LaunchScript, FindsTheServer) {
  for (const char *command :
       {"vllm serve m -tp 2", "nohup vllm serve m -tp 2 > x.log 2>&1 &",
        "numactl -N 0 /usr/bin/vllm serve m -tp=2 | tee log", "vllm-mindspore serve m -tp 2",
        "python -m vllm.entrypoints.openai.api_server --model m -tp 2 &>log",
        "python3 -m vllm_mindspore.entrypoints vllm.entrypoints.openai.api_server --model=m -tp 2",
        "(vllm serve m -tp 2 2>/dev/null)", "S='serve m'; vllm $S -tp 2",
        "taskset -c 0-7 env A=B vllm serve 'm' \"-tp\" '2'"}) {
    const Import result = import(command);
    EXPECT_EQ(shown(result.findings), Lines{}) << command;
    ASSERT_TRUE(result.resolved.deployment.weights.directory) << command;
    EXPECT_EQ(*result.resolved.deployment.weights.directory, "m") << command;
    EXPECT_EQ(*result.resolved.deployment.parallel.attnTp, 2) << command;
  }
  for (const char *command : {"pip install vllm", "chmod +x run_mindie.sh", "echo serve",
                              "vllm bench serve", "python -m vllm"})
    EXPECT_FALSE(import(command).resolved.deployment.scheduler.policy) << command;
}

TEST(LaunchScript, EnvironmentFile) {
  const Import result = import("# of a container\nTASK_QUEUE_ENABLE=2\n"
                               "EXPERIMENTAL_KERNEL_LAUNCH_GROUP=thread_num:2,kernel_group_num:8\n"
                               "CPU_AFFINITY_CONF=1,npu0:0-1\nVLLM_ASCEND_ENABLE_NZ=2\n"
                               "PYTORCH_NPU_ALLOC_CONF=expandable_segments:True,page_size:1g\n"
                               "MS_ENABLE_LCCL=on\nVLLM_ASCEND_ENABLE_FLASHCOMM1=1\nMY_OWN=1\n");
  EXPECT_EQ(shown(result.findings), Lines{});
  EXPECT_EQ(*result.resolved.deployment.parallel.sequenceParallel, true);
  const auto &execution = result.resolved.deployment.execution;
  EXPECT_EQ(*execution.dispatchThreads, 2);
  EXPECT_EQ(*execution.dispatchGroupSize, 8);
  EXPECT_EQ(*execution.cpuBinding, true);
  EXPECT_EQ(*execution.lowLatencyCollectives, true);
  EXPECT_EQ(*result.resolved.deployment.weights.nzLayout, true);
  EXPECT_FALSE(result.resolved.deployment.scheduler.policy);
}

TEST(LaunchScript, VariablesOfMindie) {
  const Import result = import("export NPU_MEMORY_FRACTION=0.95 MINDIE_ASYNC_SCHEDULING_ENABLE=1\n"
                               "bash run_mindie.sh --model-name a --model-path b\n");
  EXPECT_EQ(shown(result.findings), Lines{});
  EXPECT_EQ(*result.resolved.deployment.memory.utilization, 0.95);
  EXPECT_EQ(*result.resolved.deployment.execution.asyncScheduling, true);
}

struct Case {
  std::string_view text, message;
};

TEST(LaunchScript, Findings) {
  const Case cases[] = {
      {"export @NPU_VISIBE_DEVICES=0",
       "no-effect {} NPU_VISIBE_DEVICES has no effect: no stack reads it; "
       "ASCEND_RT_VISIBLE_DEVICES chooses devices"},
      {"@NPU_VISIBLE_DEVICES=0",
       "no-effect {} NPU_VISIBLE_DEVICES has no effect: no stack reads it; "
       "ASCEND_RT_VISIBLE_DEVICES chooses devices"},
      {"@ASCEND_VISIBLE_DEVICES=0",
       "no-effect {} ASCEND_VISIBLE_DEVICES has no effect: it tells a container which devices to "
       "show; ASCEND_RT_VISIBLE_DEVICES chooses among them"},
      {"NPU_MEMORY_FRACTION=@0.9",
       "no-effect {} NPU_MEMORY_FRACTION is read by MindIE only and has no effect without a MindIE "
       "configuration"},
      {"@HCCL_DETERMINISTIC=true",
       "no-effect {} HCCL_DETERMINISTIC has no effect: Vinci always computes the same bits"},
      {"@HCCL_BUFSIZE=512",
       "unknown {} \"HCCL_BUFSIZE\" is not a variable that Vinci knows and is ignored; did you "
       "mean HCCL_BUFFSIZE?"},
      {"@VLLM_MODEL_BACKEND=MindFormers",
       "unknown {} \"VLLM_MODEL_BACKEND\" is not a variable that Vinci knows and is ignored; did "
       "you mean vLLM_MODEL_BACKEND?"},
      {"@ASCEND_MOON_PHASE=3",
       "unknown {} \"ASCEND_MOON_PHASE\" is not a variable that Vinci knows and is ignored"},
      {"HCCL_BUFFSIZE=200\nHCCL_BUFFSIZE=@512",
       "contradiction {} HCCL_BUFFSIZE is set to \"512\", but run.sh:1:15 sets it to \"200\"; "
       "\"512\" is used"},
      {"if [ -d x ]; then\n  export @OMP_NUM_THREADS=8\nfi\nexport HCCL_BUFFSIZE=1",
       "note {} OMP_NUM_THREADS stands inside if; it is taken as if it were always run"},
      {"for i in 1 2; do @vllm serve m; done",
       "note {} a server stands inside for; it is taken as if it were always run"},
  };
  for (const Case &test : cases) {
    const Marked marked{std::string(test.text)};
    EXPECT_EQ(shown(import(marked.text).findings),
              Lines{replaced(std::string(test.message), "{}", marked.place)})
        << marked.text;
  }
  EXPECT_EQ(shown(import("A=1\nA=1\nPATH=/a:$PATH\nPATH=/b:${PATH}\n").findings), Lines{});
}

TEST(LaunchScript, Errors) {
  const Case cases[] = {
      {"HCCL_OP_EXPANSION_MODE=@aiv",
       "HCCL_OP_EXPANSION_MODE is \"aiv\" (a string); one of HOST, AI_CPU, AIV is expected"},
      {"HCCL_OP_EXPANSION_MODE=@\"\"",
       "HCCL_OP_EXPANSION_MODE is \"\" (a string); one of HOST, AI_CPU, AIV is expected"},
      {"HCCL_BUFFSIZE=@big",
       "HCCL_BUFFSIZE is \"big\" (a string); an integer from 1 to 1048576 is expected"},
      {"HCCL_BUFFSIZE=@0",
       "HCCL_BUFFSIZE is \"0\" (a string); an integer from 1 to 1048576 is expected"},
      {"HCCL_INTRA_PCIE_ENABLE=@2",
       "HCCL_INTRA_PCIE_ENABLE is \"2\" (a string); one of 0, 1 is expected"},
      {"HCCL_INTRA_ROCE_ENABLE=@on",
       "HCCL_INTRA_ROCE_ENABLE is \"on\" (a string); one of 0, 1 is expected"},
      {"MS_ENABLE_LCCL=@true", "MS_ENABLE_LCCL is \"true\" (a string); one of on, off is expected"},
      {"MS_ENABLE_INTERNAL_BOOST=@0",
       "MS_ENABLE_INTERNAL_BOOST is \"0\" (a string); one of on, off is expected"},
      {"MS_ENABLE_TRACE_MEMORY=@maybe",
       "MS_ENABLE_TRACE_MEMORY is \"maybe\" (a string); one of on, off is expected"},
      {"MS_ALLOC_CONF=@enable_vmm",
       "MS_ALLOC_CONF is \"enable_vmm\" (a string); enable_vmm:true or enable_vmm:false is "
       "expected"},
      {"MS_ALLOC_CONF=@enable_vmm:yes",
       "MS_ALLOC_CONF is \"enable_vmm:yes\" (a string); enable_vmm:true or enable_vmm:false is "
       "expected"},
      {"MS_ALLOC_CONF=@vmm:true",
       "MS_ALLOC_CONF is \"vmm:true\" (a string); enable_vmm:true or enable_vmm:false is expected"},
      {"PYTORCH_NPU_ALLOC_CONF=@expandable_segments:1",
       "PYTORCH_NPU_ALLOC_CONF is \"expandable_segments:1\" (a string); expandable_segments:True "
       "or expandable_segments:False is expected"},
      {"PYTORCH_NPU_ALLOC_CONF=@segments:True",
       "PYTORCH_NPU_ALLOC_CONF is \"segments:True\" (a string); expandable_segments:True or "
       "expandable_segments:False is expected"},
      {"EXPERIMENTAL_KERNEL_LAUNCH_GROUP=@thread_num:0",
       "EXPERIMENTAL_KERNEL_LAUNCH_GROUP is \"thread_num:0\" (a string); "
       "thread_num:1-256,kernel_group_num:1-65536 is expected"},
      {"EXPERIMENTAL_KERNEL_LAUNCH_GROUP=@threads:2",
       "EXPERIMENTAL_KERNEL_LAUNCH_GROUP is \"threads:2\" (a string); "
       "thread_num:1-256,kernel_group_num:1-65536 is expected"},
      {"ASCEND_RT_VISIBLE_DEVICES=@0,x",
       "ASCEND_RT_VISIBLE_DEVICES is \"0,x\" (a string); a list of different device ids, such as "
       "0,1,2,3, is expected"},
      {"ASCEND_RT_VISIBLE_DEVICES=@0,0",
       "ASCEND_RT_VISIBLE_DEVICES is \"0,0\" (a string); a list of different device ids, such as "
       "0,1,2,3, is expected"},
      {"ASCEND_RT_VISIBLE_DEVICES=@\"\"",
       "ASCEND_RT_VISIBLE_DEVICES is \"\" (a string); a list of different device ids, such as "
       "0,1,2,3, is expected"},
      {"ASCEND_TOTAL_MEMORY_GB=@-1",
       "ASCEND_TOTAL_MEMORY_GB is \"-1\" (a string); a number from 0 to 1048576 is expected"},
      {"ASCEND_TOTAL_MEMORY_GB=@40GB",
       "ASCEND_TOTAL_MEMORY_GB is \"40GB\" (a string); a number from 0 to 1048576 is expected"},
      {"vLLM_MODEL_MEMORY_USE_GB=@much",
       "vLLM_MODEL_MEMORY_USE_GB is \"much\" (a string); a number from 0 to 1048576 is expected"},
      {"vLLM_MODEL_BACKEND=@mindformers",
       "vLLM_MODEL_BACKEND is \"mindformers\" (a string); one of MindFormers, MindONE, Native is "
       "expected"},
      {"MINDIE_LLM_FRAMEWORK_BACKEND=@TF",
       "MINDIE_LLM_FRAMEWORK_BACKEND is \"TF\" (a string); one of MS, ATB is expected"},
      {"DEVICE_NUM_PER_NODE=@0",
       "DEVICE_NUM_PER_NODE is \"0\" (a string); an integer from 1 to 1024 is expected"},
      {"TASK_QUEUE_ENABLE=@3", "TASK_QUEUE_ENABLE is \"3\" (a string); one of 0, 1, 2 is expected"},
      {"OMP_NUM_THREADS=@ten",
       "OMP_NUM_THREADS is \"ten\" (a string); an integer from 1 to 4096 is expected"},
      {"GLOG_v=@9", "GLOG_v is \"9\" (a string); one of 0, 1, 2, 3, 4 is expected"},
      {"CPU_AFFINITY_CONF=@yes",
       "CPU_AFFINITY_CONF is \"yes\" (a string); 0, 1 or 2, with more behind a comma, is expected"},
      {"VLLM_ASCEND_ENABLE_NZ=@3",
       "VLLM_ASCEND_ENABLE_NZ is \"3\" (a string); one of 0, 1, 2 is expected"},
      {"MS_DEV_SAVE_GRAPHS=@4",
       "MS_DEV_SAVE_GRAPHS is \"4\" (a string); one of 0, 1, 2, 3 is expected"},
      {"export NPU_MEMORY_FRACTION=@95\nbash run_mindie.sh --model-name a --model-path b",
       "NPU_MEMORY_FRACTION is \"95\" (a string); a number from 0 to 1 is expected"},
      // The options of run_mindie.sh.
      {"@bash run_mindie.sh --model-name a",
       "--model-path is missing; run_mindie.sh must be given it"},
      {"@bash run_mindie.sh --model-path a",
       "--model-name is missing; run_mindie.sh must be given it"},
      {"run_mindie.sh --model-name a --model-path b @--max-seq-length 8",
       "\"max-seq-length\" is no option of run_mindie.sh"},
      {"run_mindie.sh --model-name a --model-path b @--max-seq-lne 8",
       "\"max-seq-lne\" is not a key of run_mindie.sh's options; did you mean max-seq-len?"},
      {"run_mindie.sh --model-name a --model-path b --port @80",
       "port is 80; an integer from 1024 to 65535 is expected"},
      {"run_mindie.sh --model-name a --model-path b --npu-mem-size @0",
       "npu-mem-size is 0; -1, for what is left, or GiB from 1 to 1048576 is expected"},
      {"run_mindie.sh --model-name a --model-path b --truncation @maybe",
       "truncation is \"maybe\" (a string); true or false is expected"},
      {"run_mindie.sh --model-name a --model-path b --template-type @Other",
       "template-type is \"Other\" (a string); one of Standard, Mix is expected"},
      {"run_mindie.sh --model-name a --model-path b @--port", "\"--port\" needs a value"},
      // The script itself.
      {"A=@\"x", "this \" is not closed"},
      {"A=1\nB=@'x", "this ' is not closed"},
      {"A=$@{B", "this { is not closed"},
  };
  for (const Case &test : cases) {
    const Marked marked{std::string(test.text)};
    EXPECT_EQ(errorOf([&] { import(marked.text); }),
              fmt::format("run.sh:{}: error: {}", marked.place, test.message))
        << marked.text;
  }
}

TEST(LaunchScript, HostileTexts) {
  std::string bomb = "A=xxxxxxxxxxxxxxxx\n";
  for (int i = 0; i < 40; ++i)
    bomb += "A=$A$A\n";
  EXPECT_NE(errorOf([&] { import(bomb); }).find("variables expand to more than"),
            std::string::npos);
  std::string many;
  for (int i = 0; i < 5000; ++i)
    many += "A=" + std::to_string(i) + "\n";
  EXPECT_NE(errorOf([&] { import(many); }).find("sets variables more than 4096 times"),
            std::string::npos);
  std::string flags = "vllm serve m";
  for (int i = 0; i < 2000; ++i)
    flags += " --x" + std::to_string(i);
  EXPECT_NE(errorOf([&] { import(flags); }).find("more than 1024 flags"), std::string::npos);
  EXPECT_NE(errorOf([&] { import(std::string(1 << 20, 'a')); }).find("at most 262144 are read"),
            std::string::npos);
  EXPECT_EQ(errorOf([&] { import(std::string("A=\xff")); }),
            "run.sh:1:3: error: the text is not valid UTF-8");
  EXPECT_EQ(errorOf([&] { import(std::string("A=\0b", 4)); }),
            "run.sh:1:3: error: the text has a NUL byte");
}

} // namespace
} // namespace vinci
