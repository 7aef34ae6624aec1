#include "frontend/mindie/config_json.h"
#include "tests/unit/frontend/import_text.h"

namespace vinci {
namespace {

using namespace test;

std::string golden() {
  return dataFile("mindie-qwq-32b.json");
}

Import import(const std::string &text) {
  const JsonDocument document = JsonDocument::parse(text, "config.json");
  Import result;
  readMindieConfig(result, document);
  return result;
}

TEST(MindieConfig, LooksLikeOne) {
  EXPECT_TRUE(looksLikeMindieConfig(JsonDocument::parse(golden(), "f").root()));
  EXPECT_FALSE(
      looksLikeMindieConfig(JsonDocument::parse(R"({"model_type": "qwen2"})", "f").root()));
  EXPECT_FALSE(looksLikeMindieConfig(JsonDocument::parse("[]", "f").root()));
}

TEST(MindieConfig, ReadsThePublishedFile) {
  const Import result = import(golden());
  EXPECT_EQ(shown(result.findings), Lines{});
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.scheduler.policy, "mindie");
  EXPECT_EQ(*spec.parallel.worldSize, 4);
  EXPECT_EQ(*spec.execution.devices, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(*spec.memory.kvGib, 35);
  EXPECT_EQ(*spec.memory.swapGib, 5);
  EXPECT_EQ(*spec.scheduler.maxSeqLen, 2560);
  EXPECT_EQ(*spec.scheduler.maxInputLen, 2048);
  EXPECT_EQ(*spec.scheduler.truncation, false);
  EXPECT_EQ(*spec.scheduler.blockSize, 128);
  EXPECT_EQ(*spec.scheduler.chunkedPrefill, false);
  EXPECT_EQ(*spec.scheduler.maxPrefillSeqs, 50);
  EXPECT_EQ(*spec.scheduler.maxPrefillTokens, 8192);
  EXPECT_EQ(*spec.scheduler.prefillTimeMs, 150);
  EXPECT_EQ(*spec.scheduler.decodeTimeMs, 50);
  EXPECT_EQ(*spec.scheduler.prefillPolicy, 0);
  EXPECT_EQ(*spec.scheduler.decodePolicy, 0);
  EXPECT_EQ(*spec.scheduler.maxNumSeqs, 200);
  EXPECT_EQ(*spec.scheduler.maxOutputLen, 512);
  EXPECT_EQ(*spec.scheduler.maxPreempted, 0);
  EXPECT_EQ(*spec.scheduler.selectBatch, false);
  EXPECT_EQ(*spec.scheduler.maxQueueDelayUs, 5000);
  EXPECT_EQ(*spec.scheduler.maxRequests, 1000);
  EXPECT_EQ(*spec.serving.port, 1025);
  EXPECT_EQ(*spec.serving.managementPort, 1026);
  EXPECT_EQ(*spec.serving.metricsPort, 1027);
  EXPECT_EQ(*spec.serving.modelName, "QwQ-32B");
  EXPECT_EQ(*spec.serving.api, "vllm");
  EXPECT_EQ(*spec.serving.cumulativeText, false);
  EXPECT_EQ(*spec.serving.tokenizerProcesses, 8);
  EXPECT_EQ(*spec.serving.instances, 1);
  EXPECT_EQ(*spec.weights.directory, "/home/work/QwQ-32B");
  EXPECT_EQ(spec.memory.kvGib.authority, Authority::Server);
  const Marked place(replaced(golden(), "\"npuMemSize\": ", "\"npuMemSize\": @"));
  EXPECT_EQ(toString(spec.memory.kvGib.origin), "config.json:" + place.place);
}

TEST(MindieConfig, ReadsWhatThePublishedFileDoesNotUse) {
  std::string text = golden();
  for (auto [from, to] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"\"templateType\": \"Standard\"", "\"templateType\": \"Mix\""},
           {"\"npuMemSize\": 35", "\"npuMemSize\": -1"},
           {"\"openAiSupport\": \"vllm\"", "\"openAiSupport\": \"other\""},
           {"\"worldSize\": 4", "\"worldSize\": 4, \"tp\": 2, \"dp\": 2, \"cp\": -1"},
           {"\"maxPreemptCount\": 0", "\"maxPreemptCount\": 2, \"maxFirstTokenWaitTime\": 2500"},
           {"\"trustRemoteCode\": false",
            R"("plugin_params": "{\"plugin_type\":\"prefix_cache\"}")"}})
    text = replaced(text, from, to);
  const Import result = import(text);
  EXPECT_EQ(shown(result.findings), Lines{});
  const DeploymentSpec &spec = result.resolved.deployment;
  EXPECT_EQ(*spec.scheduler.chunkedPrefill, true);
  EXPECT_EQ(*spec.scheduler.prefixCaching, true);
  EXPECT_EQ(*spec.memory.kvGib, -1);
  EXPECT_EQ(*spec.serving.api, "openai");
  EXPECT_EQ(*spec.parallel.attnTp, 2);
  EXPECT_EQ(*spec.parallel.attnDp, 2);
  EXPECT_FALSE(spec.parallel.contextParallel);
  EXPECT_EQ(*spec.scheduler.maxPreempted, 2);
  EXPECT_EQ(*spec.scheduler.maxFirstTokenWaitMs, 2500);
}

struct Case {
  std::string_view from, to, message;
};

TEST(MindieConfig, Findings) {
  const Case cases[] = {
      {"\"worldSize\": 4", "\"worldSize\": 2",
       "contradiction 62:7 npuDeviceIds names 4 devices, but config.json:95:24 says worldSize 2; "
       "worldSize is used"},
      {"\"modelInstanceNumber\": 1", "\"modelInstanceNumber\": @2",
       "note {} modelInstanceNumber is 2; a plan is for one instance, and the first one's devices "
       "are used"},
      {"\"multiNodesInferEnabled\": false", "\"multiNodesInferEnabled\": @true",
       "no-effect {} multiNodesInferEnabled is true: a rank table would decide which devices are "
       "used; worldSize does here"},
      {"\"modelInstanceType\": \"Standard\"", "\"modelInstanceType\": @\"StandardMock\"",
       "no-effect {} modelInstanceType is \"StandardMock\", a server without a model; Vinci reads "
       "the model"},
      {"\"trustRemoteCode\": false", "\"plugin_params\": @\"mtp\"",
       "no-effect {} plugin_params \"mtp\" has no effect: Vinci has no such plugin"},
      {"\"maxIterTimes\": 512,", "\"maxIterTimes\": 512, @\"moonPhase\": 3,",
       "unknown {} \"BackendConfig.ScheduleConfig.moonPhase\" is not a key of a MindIE config.json "
       "that Vinci knows and is ignored"},
      {"\"maxInputTokenLen\": 2048", "\"maxInputTokenLen\": @2560",
       "note {} maxInputTokenLen is 2560; maxSeqLen 2560 leaves room for 2559 tokens of input"},
      {"\"ModelConfig\": [",
       "\"ModelConfig\": [{\"modelName\": \"a\", \"modelWeightPath\": \"b\", \"worldSize\": 4, "
       "\"npuMemSize\": 1}, @",
       "note {} ModelConfig names 2 models; the first one is used"},
  };
  for (const Case &test : cases) {
    std::string text = replaced(golden(), test.from, test.to);
    const Marked marked(text);
    const std::string expected = test.message.find("{}") == std::string_view::npos
                                     ? std::string(test.message)
                                     : replaced(std::string(test.message), "{}", marked.place);
    const Lines lines = shown(import(marked.text).findings);
    ASSERT_FALSE(lines.empty()) << test.to;
    if (test.to.find("modelInstanceNumber") != std::string_view::npos)
      EXPECT_EQ(lines.size(), 2u); // and one about the number of lists
    else
      EXPECT_EQ(lines.size(), 1u) << lines[1];
    if (test.to.find("[{") == std::string_view::npos)
      EXPECT_EQ(lines.front(), expected);
    else // the second entry of the list is what the file had
      EXPECT_NE(lines.front().find("ModelConfig names 2 models"), std::string::npos);
  }
}

TEST(MindieConfig, Errors) {
  const Case cases[] = {
      // Misspelt.
      {"\"worldSize\"", "@\"wordSize\"",
       "\"wordSize\" is not a key of a MindIE config.json; did you mean worldSize?"},
      {"\"BackendConfig\"", "@\"BackendConfigs\"",
       "\"BackendConfigs\" is not a key of a MindIE config.json; did you mean BackendConfig?"},
      {"\"ScheduleConfig\"", "@\"SchedulConfig\"",
       "\"SchedulConfig\" is not a key of a MindIE config.json; did you mean ScheduleConfig?"},
      {"\"maxPrefillTokens\"", "@\"maxPrefilTokens\"",
       "\"maxPrefilTokens\" is not a key of a MindIE config.json; did you mean maxPrefillTokens?"},
      {"\"cacheBlockSize\"", "@\"cacheBlocksize\"",
       "\"cacheBlocksize\" is not a key of a MindIE config.json; did you mean cacheBlockSize?"},
      // Missing.
      {"\"worldSize\": 4,", "",
       "BackendConfig.ModelDeployConfig.ModelConfig.worldSize is missing; it must be given"},
      {"\"maxSeqLen\": 2560,", "",
       "BackendConfig.ModelDeployConfig.maxSeqLen is missing; it must be given"},
      {"\"maxIterTimes\": 512,", "",
       "BackendConfig.ScheduleConfig.maxIterTimes is missing; it must be given"},
      {"\"maxBatchSize\": 200,", "\"maxBatchSize\": null,",
       "BackendConfig.ScheduleConfig.maxBatchSize is missing; it must be given"},
      {"\"modelName\": \"QwQ-32B\",", "",
       "BackendConfig.ModelDeployConfig.ModelConfig.modelName is missing; it must be given"},
      // Of another type.
      {"\"worldSize\": 4", "\"worldSize\": @\"4\"",
       "worldSize is \"4\" (a string); an integer from 1 to 65536 is expected"},
      {"\"maxSeqLen\": 2560", "\"maxSeqLen\": @2560.5",
       "maxSeqLen is 2560.5; an integer from 1 to 2147483648 is expected"},
      {"\"truncation\": false", "\"truncation\": @0", "truncation is 0; true or false is expected"},
      {"\"modelName\": \"QwQ-32B\"", "\"modelName\": @7", "modelName is 7; a string is expected"},
      {"\"supportSelectBatch\": false", "\"supportSelectBatch\": @\"no\"",
       "supportSelectBatch is \"no\" (a string); true or false is expected"},
      {"\"ScheduleConfig\": {", "\"ScheduleConfig\": @[], \"x\": {",
       "BackendConfig.ScheduleConfig is an array of 0; a mapping of keys is expected"},
      {"\"openAiSupport\": \"vllm\"", "\"openAiSupport\": @true",
       "openAiSupport is true; a string is expected"},
      {"\"modelInstanceNumber\": 1", "\"modelInstanceNumber\": @true",
       "modelInstanceNumber is true; an integer from 1 to 10 is expected"},
      // Out of range.
      {"\"worldSize\": 4", "\"worldSize\": @0",
       "worldSize is 0; an integer from 1 to 65536 is expected"},
      {"\"npuMemSize\": 35", "\"npuMemSize\": @0",
       "npuMemSize is 0; -1, for what is left, or GiB from 1 to 1048576 is expected"},
      {"\"npuMemSize\": 35", "\"npuMemSize\": @-2",
       "npuMemSize is -2; -1, for what is left, or GiB from 1 to 1048576 is expected"},
      {"\"cpuMemSize\": 5", "\"cpuMemSize\": @-5",
       "cpuMemSize is -5; a number from 0 to 1048576 is expected"},
      {"\"maxBatchSize\": 200", "\"maxBatchSize\": @5001",
       "maxBatchSize is 5001; an integer from 1 to 5000 is expected"},
      {"\"maxLinkNum\": 1000", "\"maxLinkNum\": @4097",
       "maxLinkNum is 4097; an integer from 1 to 4096 is expected"},
      {"\"maxQueueDelayMicroseconds\": 5000", "\"maxQueueDelayMicroseconds\": @499",
       "maxQueueDelayMicroseconds is 499; an integer from 500 to 1000000 is expected"},
      {"\"prefillPolicyType\": 0", "\"prefillPolicyType\": @4",
       "prefillPolicyType is 4; an integer from 0 to 3 is expected"},
      {"\"decodePolicyType\": 0", "\"decodePolicyType\": @-1",
       "decodePolicyType is -1; an integer from 0 to 3 is expected"},
      {"\"prefillTimeMsPerReq\": 150", "\"prefillTimeMsPerReq\": @1001",
       "prefillTimeMsPerReq is 1001; an integer from 0 to 1000 is expected"},
      {"\"port\": 1025", "\"port\": @80", "port is 80; an integer from 1024 to 65535 is expected"},
      {"\"metricsPort\": 1027", "\"metricsPort\": @65536",
       "metricsPort is 65536; an integer from 1024 to 65535 is expected"},
      {"\"tokenizerProcessNumber\": 8", "\"tokenizerProcessNumber\": @33",
       "tokenizerProcessNumber is 33; an integer from 1 to 32 is expected"},
      {"\"modelInstanceNumber\": 1", "\"modelInstanceNumber\": @11",
       "modelInstanceNumber is 11; an integer from 1 to 10 is expected"},
      {"\"cacheBlockSize\": 128", "\"cacheBlockSize\": @8",
       "cacheBlockSize is 8; an integer from 16 to 1024 is expected"},
      {"\"cacheBlockSize\": 128", "\"cacheBlockSize\": @100",
       "cacheBlockSize is 100; a multiple of 16 of at most 128 is expected"},
      {"\"cacheBlockSize\": 128", "\"cacheBlockSize\": @256",
       "cacheBlockSize is 256; a multiple of 16 of at most 128 is expected"},
      // Other words.
      {"\"inferMode\": \"standard\"", "\"inferMode\": @\"dmi\"",
       "inferMode is \"dmi\": prefill and decode on separate devices are not supported yet; "
       "standard is expected"},
      {"\"inferMode\": \"standard\"", "\"inferMode\": @\"pd\"",
       "inferMode is \"pd\" (a string); one of standard, dmi is expected"},
      {"\"backendType\": \"ms\"", "\"backendType\": @\"torch\"",
       "backendType is \"torch\" (a string); one of ms, atb is expected"},
      {"\"templateType\": \"Standard\"", "\"templateType\": @\"Mixed\"",
       "templateType is \"Mixed\" (a string); one of Standard, Mix is expected"},
      {"\"backendName\": \"mindieservice_llm_engine\"", "\"backendName\": @\"engine\"",
       "backendName is \"engine\" (a string); one of mindieservice_llm_engine is expected"},
      {"\"modelInstanceType\": \"Standard\"", "\"modelInstanceType\": @\"Mock\"",
       "modelInstanceType is \"Mock\" (a string); one of Standard, StandardMock is expected"},
      // Devices and models.
      {"\"npuDeviceIds\": [", "\"npuDeviceIds\": @[0, ",
       "npuDeviceIds is an array of 2; a list of device ids for each instance, such as "
       "[[0, 1, 2, 3]], is expected"},
      {"        0,\n", "        1,\n        @1,\n", "npuDeviceIds names device 1 twice"},
      {"        0,\n", "        @-1,\n",
       "npuDeviceIds is -1; an integer from 0 to 65535 is expected"},
      {"\"ModelConfig\": [", "\"ModelConfig\": @[], \"metricsTlsCert\": [",
       "ModelConfig is an array of 0; a list with a model is expected"},
      // Values that do not go together.
      {"\"maxPrefillBatchSize\": 50", "\"maxPrefillBatchSize\": @201",
       "maxPrefillBatchSize is 201, more than maxBatchSize, which is 200"},
      {"\"maxPrefillTokens\": 8192", "\"maxPrefillTokens\": @2559",
       "maxPrefillTokens is 2559; at least maxSeqLen, which is 2560, is expected"},
  };
  for (const Case &test : cases) {
    const Marked marked(replaced(golden(), test.from, test.to));
    const std::string place = marked.place.empty() ? "1:1" : marked.place;
    EXPECT_EQ(errorOf([&] { import(marked.text); }),
              fmt::format("config.json:{}: error: {}", place, test.message))
        << test.to;
  }
}

TEST(MindieConfig, PreemptionNeedsMemoryOfTheHost) {
  const Marked marked(replaced(replaced(golden(), "\"cpuMemSize\": 5", "\"cpuMemSize\": 0"),
                               "\"maxPreemptCount\": 0", "\"maxPreemptCount\": @1"));
  EXPECT_EQ(errorOf([&] { import(marked.text); }),
            "config.json:" + marked.place +
                ": error: maxPreemptCount is 1, but cpuMemSize is 0; preempted requests need "
                "memory of the host");
}

TEST(MindieConfig, IsAnObject) {
  EXPECT_EQ(errorOf([] { import("[1]"); }),
            "config.json:1:1: error: a MindIE config.json is an array of 1; a mapping of keys is "
            "expected");
}

} // namespace
} // namespace vinci
