// Conversations as transformers renders them with the real Qwen3 template.

#include "runtime/text/chat_template.h"
#include "tests/golden/text/golden_files.h"

namespace vinci {
namespace {

TEST(Qwen3ChatGolden, RendersAsTransformersDoes) {
  ChatTemplate chat = ChatTemplate::fromDirectory(qwen3Directory());
  nlohmann::json golden = readJson(kSourceDirectory + "/tests/golden/data/qwen3_chat.json");
  ASSERT_FALSE(golden.empty());
  for (const auto &test : golden) {
    ChatRequest request;
    request.messages = test["in"]["messages"];
    request.addGenerationPrompt = test["add_generation_prompt"];
    EXPECT_EQ(chat.render(request), test["out"].get<std::string>()) << test.dump();
  }
}

// By hand from the template: what the goldens do not reach.
TEST(Qwen3ChatGolden, ToolsAndThinking) {
  ChatTemplate chat = ChatTemplate::fromDirectory(qwen3Directory());
  ChatRequest request;
  request.messages =
      nlohmann::ordered_json::parse(R"([{"role": "user", "content": "wetter in Köln?"}])");
  request.arguments = {{"enable_thinking", false}};
  EXPECT_EQ(chat.render(request),
            "<|im_start|>user\nwetter in Köln?<|im_end|>\n<|im_start|>assistant\n"
            "<think>\n\n</think>\n\n");
  request.arguments = nullptr;
  request.tools = nlohmann::ordered_json::parse(
      R"([{"type": "function", "function": {"name": "wetter", "description": "<Köln & 'mehr'>", "b": 1, "a": 1.0}}])");
  std::string text = chat.render(request);
  EXPECT_NE(text.find("\n{\"type\": \"function\", \"function\": {\"name\": \"wetter\", "
                      "\"description\": \"<Köln & 'mehr'>\", \"b\": 1, \"a\": 1.0}}\n</tools>"),
            std::string::npos)
      << text;
}

TEST(AustenChat, RendersItsTemplate) {
  ChatTemplate chat = ChatTemplate::fromDirectory(kSourceDirectory + "/models/austen-qwen3");
  ChatRequest request;
  request.messages = {{{"role", "user"}, {"content", "Who is Mr. Darcy?"}}};
  EXPECT_EQ(chat.render(request),
            "<|im_start|>user\nWho is Mr. Darcy?<|im_end|>\n<|im_start|>assistant\n");
}

} // namespace
} // namespace vinci
