// A config.json for tests, of which single keys are replaced, added or left out; one key per line,
// from line 2 on.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vinci::test {

class ConfigText {
public:
  using Keys = std::vector<std::pair<std::string, std::string>>;
  explicit ConfigText(Keys keys) : keys_(std::move(keys)) {}

  /// `value` is JSON text. A new key goes to the end.
  ConfigText &set(const std::string &key, const std::string &value) {
    for (auto &[name, old] : keys_)
      if (name == key) {
        old = value;
        return *this;
      }
    keys_.emplace_back(key, value);
    return *this;
  }
  ConfigText &remove(const std::string &key) {
    std::erase_if(keys_, [&](const auto &entry) { return entry.first == key; });
    return *this;
  }
  std::string text() const {
    std::string result = "{\n";
    for (size_t i = 0; i < keys_.size(); ++i)
      result +=
          "\"" + keys_[i].first + "\": " + keys_[i].second + (i + 1 < keys_.size() ? ",\n" : "\n");
    return result + "}\n";
  }

private:
  Keys keys_;
};

inline ConfigText qwen3Config() {
  return ConfigText({{"model_type", "\"qwen3\""},
                     {"architectures", "[\"Qwen3ForCausalLM\"]"},
                     {"hidden_size", "64"},
                     {"intermediate_size", "96"},
                     {"num_hidden_layers", "2"},
                     {"num_attention_heads", "4"},
                     {"num_key_value_heads", "2"},
                     {"head_dim", "16"},
                     {"vocab_size", "100"},
                     {"max_position_embeddings", "512"},
                     {"rope_theta", "1000000"}});
}

inline ConfigText qwen3MoeConfig() {
  return qwen3Config()
      .set("model_type", "\"qwen3_moe\"")
      .set("architectures", "[\"Qwen3MoeForCausalLM\"]")
      .set("num_experts", "6")
      .set("num_experts_per_tok", "2")
      .set("moe_intermediate_size", "24");
}

inline ConfigText qwen2Config() {
  return qwen3Config()
      .set("model_type", "\"qwen2\"")
      .set("architectures", "[\"Qwen2ForCausalLM\"]")
      .remove("head_dim");
}

inline ConfigText llamaConfig() {
  return qwen3Config()
      .set("model_type", "\"llama\"")
      .set("architectures", "[\"LlamaForCausalLM\"]")
      .remove("head_dim");
}

} // namespace vinci::test
