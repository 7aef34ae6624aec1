#include "frontend/import/finish.h"
#include "frontend/settings/deployment_json.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

/// What a deployment.json of these sections imports as.
Import imported(const std::string &sections) {
  Import import;
  readDeploymentJson(import,
                     JsonDocument::parse("{\"vinci_deployment\": 1" + sections + "}", "d.json"));
  finishImport(import);
  return import;
}

std::string errorOf(const std::string &sections) {
  try {
    imported(sections);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    return error.what();
  }
  return "no error";
}

std::string findingsOf(const Import &import) {
  std::string text;
  for (const Finding &finding : import.findings.list())
    text += std::string(toString(finding.kind)) + ": " + finding.message + "\n";
  return text;
}

TEST(FinishImport, DerivesDegrees) {
  const Import import = imported(R"(, "parallel": {"world_size": 32, "attn_tp": 4, "moe_tp": 1},
                   "model": {"num_experts": 128})");
  const DeploymentSpec::Parallel &parallel = import.resolved.deployment.parallel;
  EXPECT_EQ(*parallel.attnDp, 8);
  EXPECT_EQ(*parallel.moeEp, 32);
  EXPECT_EQ(*parallel.embedTp, 4);
  EXPECT_EQ(toString(parallel.attnDp.origin), "from world_size / attn_tp");
  EXPECT_EQ(*imported(R"(, "parallel": {"attn_tp": 4})").resolved.deployment.parallel.worldSize, 4);
  EXPECT_EQ(*imported(R"(, "parallel": {"attn_tp": 4, "replicate_embedding": true})")
                 .resolved.deployment.parallel.embedTp,
            1);
}

TEST(FinishImport, RefusesDegreesThatDoNotDivide) {
  EXPECT_EQ(errorOf(R"(, "parallel": {"world_size": 12, "attn_tp": 8})"),
            "d.json:1:67: error: attn_tp 8 does not divide world_size 12; legal are 1, 2, 3, 4, 6, "
            "12");
  EXPECT_NE(errorOf(R"(, "parallel": {"world_size": 4, "lm_head_tp": 3})")
                .find("lm_head_tp 3 does not divide world_size 4; legal are 1, 2, 4"),
            std::string::npos);
}

TEST(FinishImport, SaysWhichDegreesItDoesNotFollow) {
  const Import import = imported(
      R"(, "parallel": {"world_size": 8, "attn_tp": 4, "o_proj_tp": 2, "dense_tp": 8, "shared_expert_tp": 8})");
  EXPECT_EQ(
      findingsOf(import),
      "no-effect: o_proj_tp is 2, which Vinci does not follow: o_proj is divided as attention "
      "is, among 4 ranks (attn_tp)\n"
      "no-effect: dense_tp is 8, which Vinci does not follow: dense feed-forward layers are "
      "divided as attention is, among 4 ranks (attn_tp)\n"
      "no-effect: shared_expert_tp is 8, but no family that Vinci reads has a shared expert\n");
  EXPECT_EQ(toString(import.findings.list()[0].position), "d.json:1:82");
  EXPECT_EQ(
      findingsOf(imported(
          R"(, "parallel": {"attn_tp": 4, "o_proj_tp": 4, "dense_tp": 4, "shared_expert_tp": 1})")),
      "");
}

TEST(FinishImport, ReportsWorldsThatDoNotAddUp) {
  EXPECT_EQ(findingsOf(imported(R"(, "parallel": {"world_size": 8, "attn_tp": 4, "attn_dp": 1})")),
            "contradiction: world_size is 8, but attn_tp 4 * attn_dp 1 * pipeline_stages 1 is 4\n");
  EXPECT_EQ(
      findingsOf(imported(R"(, "parallel": {"world_size": 4}, "execution": {"devices": [0, 1]})")),
      "contradiction: the device mask [0, 1] has 2 devices, but world_size is 4\n");
  try {
    imported(R"(, "parallel": {"world_size": 2}, "execution": {"devices": [0, 3, 3]})");
    FAIL() << "was accepted";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what())
                  .find("the device mask [0, 3, 3] names device 3 twice; each rank has one of its own"),
              std::string::npos)
        << error.what();
  }
}

TEST(FinishImport, CountsTheBlocksThatFit) {
  // QwQ-32B on four devices: 8 MiB for a block of 128 tokens, 4480 of them in 35 GiB.
  const std::string model =
      R"(, "model": {"num_hidden_layers": 64, "num_key_value_heads": 8, "head_dim": 128})";
  const Import import =
      imported(model + R"(, "parallel": {"attn_tp": 4}, "memory": {"kv_gib": 35})");
  EXPECT_EQ(*import.resolved.deployment.scheduler.numBlocks, 4480);
  EXPECT_EQ(findingsOf(imported(model + R"(, "memory": {"kv_gib": 0.001})")),
            "contradiction: 0.001 GiB for the KV cache do not hold one block of 33554432 bytes\n");
  // vLLM: a share of the device, less what is reserved.
  EXPECT_EQ(*imported(R"(, "memory": {"device_gib": 64, "utilization": 0.5, "non_kv_gib": 30})")
                 .resolved.deployment.memory.kvGib,
            2);
  const std::string findings = findingsOf(
      imported(R"(, "memory": {"device_gib": 40, "utilization": 0.5, "non_kv_gib": 30})"));
  EXPECT_NE(findings.find("30 GiB are reserved for weights and activations, but 0.5 of 40 GiB"),
            std::string::npos);
  EXPECT_NE(findings.find("is 20 GiB: -10 GiB are left for the KV cache"), std::string::npos);
}

TEST(FinishImport, ReportsSequencesBeyondTheRotaryTable) {
  EXPECT_EQ(findingsOf(imported(R"(, "model": {"max_position_embeddings": 100},
                                    "scheduler": {"max_seq_len": 101})")),
            "contradiction: max_seq_len is 101, but the rotary table has 100 positions "
            "(d.json:1:62)\n");
}

TEST(FinishImport, FollowsTheTarget) {
  EXPECT_EQ(errorOf(R"(, "target": {"name": "h100"})"),
            "d.json:1:44: error: \"h100\" is no target; there are host, 310p3, 910b3, a3");
  const Import cast = imported(R"(, "target": {"name": "310p3"}, "model": {"dtype": "bfloat16"})");
  EXPECT_EQ(*cast.resolved.deployment.precision.compute, "float16");
  EXPECT_NE(findingsOf(cast).find("note: the checkpoint is in bfloat16, which 310p3 cannot"),
            std::string::npos);
  const Import policy = imported(R"(, "target": {"name": "310p3"},
      "precision": {"compute": "bfloat16", "layernorm": "float32"},
      "execution": {"collective_engine": "aiv"})");
  EXPECT_EQ(*policy.resolved.deployment.precision.compute, "float16");
  EXPECT_EQ(*policy.resolved.deployment.precision.layernorm, "float32");
  EXPECT_EQ(findingsOf(policy),
            "contradiction: collective_engine is aiv, but the vector cores of 310p3 run no "
            "collectives\n"
            "contradiction: compute is bfloat16, which 310p3 cannot compute in; float16 is used\n");
  EXPECT_FALSE(imported(R"(, "target": {"name": "910b3"}, "model": {"dtype": "bfloat16"})")
                   .resolved.deployment.precision.compute);
}

TEST(FinishImport, TwiceChangesNothing) {
  Import import = imported(R"(, "parallel": {"world_size": 8, "attn_tp": 4, "attn_dp": 1},
      "memory": {"device_gib": 40, "utilization": 0.5, "non_kv_gib": 30},
      "target": {"name": "310p3"}, "model": {"dtype": "bfloat16"})");
  const std::string once = writeDeploymentJson(import);
  finishImport(import);
  EXPECT_EQ(writeDeploymentJson(import), once);
}

TEST(DeploymentJson, ReadsWhatItWrites) {
  Import import =
      imported(R"(, "scheduler": {"block_size": 128}, "workload": {"prompts": ["a", "b"]})");
  import.findings.add(FindingKind::Contradiction, {"x.yaml", 3, 7}, "one thing, and another");
  const std::string text = writeDeploymentJson(import);
  Import again;
  readDeploymentJson(again, JsonDocument::parse(text, "again.json"));
  EXPECT_EQ(writeDeploymentJson(again), text);
  EXPECT_EQ(again.resolved.deployment.scheduler.blockSize.origin.file, "d.json");
}

TEST(DeploymentJson, RefusesWhatItDoesNotHave) {
  EXPECT_EQ(errorOf(R"(, "scheduler": {"block_sise": 128})"),
            "d.json:1:39: error: \"block_sise\" is no setting of scheduler; did you mean "
            "block_size?");
  EXPECT_EQ(errorOf(R"(, "scheduler": {"block_size": 8})"),
            "d.json:1:53: error: block_size is 8; an integer from 16 to 1024 is expected");
  EXPECT_EQ(errorOf(R"(, "workload": {"input_tokens": "fixed:0"})"),
            "d.json:1:54: error: input_tokens is \"fixed:0\"; fixed:N takes an integer from 1 to "
            "2147483647");
  EXPECT_EQ(errorOf(R"(, "workload": {"output_tokens": "quantiles:0=3"})"),
            "d.json:1:55: error: output_tokens is \"quantiles:0=3\"; the last quantile must be 1=, "
            "the largest length");
  EXPECT_EQ(errorOf(R"(, "workload": {"output_tokens": 12})"),
            "d.json:1:55: error: output_tokens is 12; a string is expected");
  EXPECT_EQ(
      errorOf(R"(, "scheduler": {"block_size": {"value": 128}})"),
      "d.json:1:53: error: block_size is an object of 1; a value, or an object with value and "
      "origin is expected");
  EXPECT_NE(errorOf(R"(, "schedule": {})").find("\"schedule\" is no section of a deployment"),
            std::string::npos);
  EXPECT_NE(errorOf(R"(, "findings": [{"kind": "rumour", "at": "", "message": ""}])")
                .find("kind is \"rumour\" (a string); one of contradiction"),
            std::string::npos);
  EXPECT_NE(errorOf(R"(, "scheduler": 7)").find("scheduler is 7; an object of settings"),
            std::string::npos);
}

} // namespace
} // namespace vinci
