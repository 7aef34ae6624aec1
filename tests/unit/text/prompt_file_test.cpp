#include "runtime/text/prompt_file.h"

#include "tests/unit/text/text_test.h"

namespace vinci {
namespace {

using Kind = PromptRecord::Kind;

std::vector<PromptRecord> parse(const std::string &text) {
  return parsePrompts("p.json", text);
}
std::string error(const std::string &text) {
  return errorOf([&] { parse(text); });
}

TEST(PromptFile, EveryForm) {
  auto prompts = parse(
      R"(["one", [1, 2], {"prompt": "three"}, {"prompt": [3]}, {"ids": [4]}, {"prompt_ids": [5, 6]},
    {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f"}], "template_args": {"enable_thinking": false}},
    {"question": "1 + 1?", "answer": "#### 2"},
    {"context": "Long.", "input": "Why?", "answers": ["x"], "length": 9, "dataset": "qasper", "language": "en",
     "all_classes": null, "_id": "7"},
    {"context": "code", "input": ""}, {"context": "", "input": "Why?"}])");
  ASSERT_EQ(prompts.size(), 11u);
  EXPECT_EQ(prompts[0].text, "one");
  EXPECT_EQ(prompts[1].kind, Kind::Ids);
  EXPECT_EQ(prompts[1].ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(prompts[2].text, "three");
  EXPECT_EQ(prompts[3].ids, (std::vector<int32_t>{3}));
  EXPECT_EQ(prompts[4].ids, (std::vector<int32_t>{4}));
  EXPECT_EQ(prompts[5].ids, (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(prompts[6].kind, Kind::Chat);
  EXPECT_EQ(prompts[6].messages.dump(), R"([{"role":"user","content":"hi"}])");
  EXPECT_EQ(prompts[6].tools.dump(), R"([{"name":"f"}])");
  EXPECT_EQ(prompts[6].templateArguments.dump(), R"({"enable_thinking":false})");
  EXPECT_EQ(prompts[7].text, "1 + 1?");
  EXPECT_EQ(prompts[8].kind, Kind::Text);
  EXPECT_EQ(prompts[8].text, "Long.\n\nWhy?");
  EXPECT_EQ(prompts[9].text, "code");
  EXPECT_EQ(prompts[10].text, "Why?");
}

TEST(PromptFile, MessagesKeepTheirOrderAndValues) {
  std::string messages = R"([{"z":1,"a":[true,null,1.5,-7,"\u00e9"],"m":{"y":{},"b":[]}}])";
  EXPECT_EQ(parse("[{\"messages\": " + messages + "}]")[0].messages,
            nlohmann::ordered_json::parse(messages));
  EXPECT_EQ(parse("[{\"messages\": " + messages + "}]")[0].messages.dump(),
            nlohmann::ordered_json::parse(messages).dump());
}

TEST(PromptFile, JsonLinesOrOneDocument) {
  auto lines = parse("\"a\"\n\n{\"prompt\": \"b\"}\r\n[1]\n");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].line, 1u);
  EXPECT_EQ(lines[1].text, "b");
  EXPECT_EQ(lines[1].line, 3u);
  EXPECT_EQ(lines[2].line, 4u);
  EXPECT_EQ(parse("[1, 2]\n[3]\n").size(), 2u);
  EXPECT_EQ(parse("[1, 2]\n")[0].ids.size(), 2u) << "an array of integers is one prompt";
  EXPECT_EQ(parse("[\n\"a\",\n\"b\"]").size(), 2u);
  EXPECT_EQ(parse("[\"a\", \"b\"]\n\n").size(), 2u);
  EXPECT_EQ(parse("{\n\"prompt\": \"a\"\n}")[0].text, "a");
  EXPECT_EQ(parse("\"a\"")[0].text, "a");
}

TEST(PromptFile, SamplingFields) {
  auto prompts =
      parse(R"([{"prompt": "a", "max_tokens": 5, "temperature": 0.5, "top_k": 3, "top_p": 0.9,
                            "repetition_penalty": 1.1, "seed": 7}, "b"])");
  SamplingParams base{.temperature = 1, .topK = 10, .seed = 1};
  SamplingParams set = prompts[0].sampling.applyTo(base), unset = prompts[1].sampling.applyTo(base);
  EXPECT_EQ(prompts[0].sampling.maxTokens, 5);
  EXPECT_EQ(set.temperature, 0.5);
  EXPECT_EQ(set.topK, 3);
  EXPECT_EQ(set.topP, 0.9);
  EXPECT_EQ(set.repetitionPenalty, 1.1);
  EXPECT_EQ(set.seed, 7u);
  EXPECT_EQ(unset.temperature, 1);
  EXPECT_EQ(unset.topK, 10);
  EXPECT_EQ(unset.seed, 1u);
  EXPECT_EQ(prompts[1].sampling.maxTokens, std::nullopt);
}

TEST(PromptFile, ErrorsNamePlaceAndLegalFields) {
  EXPECT_EQ(error(""),
            "p.json: error: the file is empty; a JSON array or JSON Lines of prompts is expected");
  EXPECT_EQ(error(" \n"),
            "p.json: error: the file is empty; a JSON array or JSON Lines of prompts is expected");
  EXPECT_EQ(error("[]"), "p.json: error: the file holds no prompt");
  EXPECT_CONTAINS(error("[\"a\","), "p.json:1:");
  EXPECT_CONTAINS(error("[\"a\", 5]"),
                  "p.json:1:7: error: prompt 1 is 5; a prompt: a string, an array of token ids, or "
                  "an object with the fields \"prompt\", \"ids\"");
  EXPECT_CONTAINS(error("null"), "the document is null; a prompt: a string");
  EXPECT_CONTAINS(error("[\"a\", {\"text\": \"x\"}]"),
                  "p.json:1:7: error: prompt 1: no prompt here; legal fields are \"prompt\", "
                  "\"ids\" or \"prompt_ids\", \"messages\" (with \"tools\" and \"template_args\"), "
                  "\"question\" (gsm8k), \"context\" and \"input\" (LongBench); for sampling "
                  "max_tokens, temperature, top_k, top_p, repetition_penalty and seed");
  EXPECT_CONTAINS(
      error("[{\"prompt\": \"x\",\n \"temprature\": 1}]"),
      "p.json:2:16: error: prompt 0.temprature: unknown field beside \"prompt\"; legal fields are");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "tools": []}])"),
                  "prompt 0.tools: unknown field beside \"prompt\"");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "ids": [1]}])"),
                  "prompt 0: has both \"prompt\" and \"ids\"; one of them is expected");
  EXPECT_CONTAINS(error(R"([{"prompt": 5}])"), "prompt 0.prompt is 5; a string is expected");
  EXPECT_CONTAINS(error(R"([{"ids": "x"}])"),
                  "prompt 0.ids is \"x\" (a string); an array of token ids is expected");
  EXPECT_CONTAINS(error(R"([{"ids": []}])"),
                  "prompt 0.ids is an array of 0; an array of at least one token id is expected");
  EXPECT_CONTAINS(error(R"([{"ids": [1, -1]}])"),
                  "token id is -1; an integer from 0 to 2147483647 is expected");
  EXPECT_CONTAINS(error(R"([[1, "x"]])"), "token id is \"x\"");
  EXPECT_CONTAINS(error(R"([{"messages": "hi"}])"),
                  "prompt 0.messages is \"hi\" (a string); an array is expected");
  EXPECT_CONTAINS(error(R"([{"messages": ["hi"]}])"),
                  "prompt 0.messages[0] is \"hi\" (a string); an object is expected");
  EXPECT_CONTAINS(error(R"([{"messages": [], "tools": [1]}])"),
                  "prompt 0.tools[0] is 1; an object is expected");
  EXPECT_CONTAINS(error(R"([{"messages": [], "template_args": 1}])"),
                  "prompt 0.template_args is 1; an object is expected");
  EXPECT_CONTAINS(error(R"([{"context": "x"}])"), "prompt 0: \"input\" is missing");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "max_tokens": 0}])"),
                  "prompt 0.max_tokens is 0; an integer from 1 to");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "top_k": -1}])"),
                  "prompt 0.top_k is -1; an integer of at least 0 is expected");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "seed": 1.5}])"), "prompt 0.seed is 1.5");
  EXPECT_EQ(error(R"([{"prompt": "x", "temperature": -1}])"),
            "p.json:1:33: error: temperature is -1; a finite number >= 0 is expected (0 chooses "
            "greedily)");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "top_p": 2}])"),
                  "top_p is 2; a number > 0 and <= 1 is expected");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "repetition_penalty": 0}])"),
                  "repetition_penalty is 0;");
  EXPECT_CONTAINS(error(R"([{"prompt": "x", "temperature": "hot"}])"),
                  "prompt 0.temperature is \"hot\" (a string); a number is expected");
}

TEST(PromptFile, ErrorsInJsonLinesNameTheLine) {
  EXPECT_CONTAINS(error("\"a\"\n\n{\"text\": 1}\n"), "p.json:3:1: error: prompt 1: no prompt here");
  EXPECT_CONTAINS(error("\"a\"\n{\"prompt\": \n"), "p.json:2:");
}

TEST(PromptFile, ReadsFiles) {
  Folder folder;
  folder.write("prompts.json", "[\"a\"]");
  EXPECT_EQ(readPromptFile(folder.pathOf("prompts.json"))[0].text, "a");
  EXPECT_CONTAINS(errorOf([&] { readPromptFile(folder.pathOf("gone.json")); }),
                  "gone.json: error: no such file");
}

} // namespace
} // namespace vinci
