#include "runtime/support/json.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace vinci {
namespace {

JsonDocument parse(std::string text, const JsonLimits &limits = {}) {
  return JsonDocument::parse(std::move(text), "f.json", limits);
}

template <typename Function> std::string errorOf(Function function) {
  try {
    function();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    return error.what();
  }
  return "no error";
}

std::string parseError(std::string text, const JsonLimits &limits = {}) {
  return errorOf([&] { parse(text, limits); });
}

std::string placeOf(const JsonValue &value) {
  return toString(value.position());
}

TEST(Json, KnowsValuesAndPlaces) {
  JsonDocument document =
      parse("{\n  \"a\": [1, -2.5, \"x\\n\\u00e9\"],\n  \"b\":{\"c\" : null},\"d\": true }\n");
  JsonValue root = document.root();
  ASSERT_TRUE(root.isObject());
  EXPECT_EQ(root.size(), 3u);
  EXPECT_EQ(placeOf(root), "f.json:1:1");

  JsonValue a = *root.find("a");
  ASSERT_EQ(a.elements().size(), 3u);
  EXPECT_EQ(a.size(), 3u);
  EXPECT_EQ(placeOf(a), "f.json:2:8");
  EXPECT_EQ(a.elements()[0].toInteger("a"), 1);
  EXPECT_EQ(a.elements()[1].toNumber("a"), -2.5);
  EXPECT_EQ(a.elements()[2].toText("a"), "x\n\xc3\xa9");
  EXPECT_EQ(placeOf(a.elements()[1]), "f.json:2:12");
  EXPECT_EQ(placeOf(a.elements()[2]), "f.json:2:18");

  auto members = root.members();
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[1].first.toText("key"), "b");
  EXPECT_EQ(placeOf(members[1].first), "f.json:3:3");
  EXPECT_EQ(placeOf(members[1].second), "f.json:3:7");
  EXPECT_TRUE(members[1].second.find("c")->isNull());
  EXPECT_EQ(placeOf(*members[1].second.find("c")), "f.json:3:14");
  EXPECT_TRUE(root.find("d")->toBoolean("d"));
  EXPECT_EQ(placeOf(*root.find("d")), "f.json:3:25");
  EXPECT_FALSE(root.find("c").has_value());
  EXPECT_FALSE(a.find("c").has_value());
}

TEST(Json, HandlesOutliveAMovedDocument) {
  JsonDocument document = parse("[\"a\\tb\", 7]");
  JsonValue root = document.root();
  JsonDocument moved = std::move(document);
  EXPECT_EQ(root.elements()[0].toText("text"), "a\tb");
  EXPECT_EQ(moved.root().elements()[1].toInteger("number"), 7);
}

TEST(Json, SkipsAByteOrderMark) {
  JsonDocument document = parse("\xEF\xBB\xBF{\"a\": 5}");
  EXPECT_EQ(document.root().find("a")->toInteger("a"), 5);
  EXPECT_EQ(placeOf(*document.root().find("a")), "f.json:1:10");
}

TEST(Json, KeepsIntegersExactAndTheRestAsNumbers) {
  JsonDocument document =
      parse("[9223372036854775807, -9223372036854775808, 9223372036854775808, 1e3, "
            "1000000000000000019884624838656]");
  auto values = document.root().elements();
  EXPECT_EQ(values[0].toInteger("n"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(values[1].toInteger("n"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(values[2].kind(), JsonKind::Number);
  EXPECT_EQ(values[3].toNumber("n"), 1000.0);
  EXPECT_EQ(values[4].toNumber("n"), 1e30);
  EXPECT_EQ(errorOf([&] { values[4].toInteger("model_max_length", 1, 10); }),
            "f.json:1:71: error: model_max_length is 1000000000000000019884624838656; an integer "
            "from 1 to 10 is "
            "expected");
}

TEST(Json, RefusesWhatIsNotJson) {
  struct Case {
    std::string text, message;
  };
  std::string deep(129, '[');
  const Case cases[] = {
      {"", "f.json:1:1: error: not valid JSON: "},
      {"{\n  \"a\": 1,\n}", "f.json:3:1: error: not valid JSON: "},
      {"{\"a\": 1} x", "f.json:1:10: error: not valid JSON: "},
      {"{\"a\": 1}{", "f.json:1:9: error: not valid JSON: "},
      {"[1, 2", "f.json:1:6: error: not valid JSON: "},
      {"[NaN]", "f.json:1:2: error: not valid JSON: "},
      {"[Infinity]", "f.json:1:2: error: not valid JSON: "},
      {"[-Infinity]", "f.json:1:3: error: not valid JSON: "},
      {"[1e999]", "f.json:1:6: error: not valid JSON: number overflow"},
      {"[01]", "f.json:1:3: error: not valid JSON: "},
      {"['a']", "f.json:1:2: error: not valid JSON: "},
      {"[\"\xff\"]", "f.json:1:3: error: not valid JSON: "},
      {"[\"\xc3\"]", "f.json:1:4: error: not valid JSON: "},
      {"[\"\\ud800\"]", "f.json:1:9: error: not valid JSON: "},
      {"[\"a\nb\"]", "f.json:2:0"},
      {"// comment\n[]", "f.json:1:1: error: not valid JSON: "},
      {std::string("[1]\0[2]", 7), "f.json:1:4: error: not valid JSON: the text has a NUL byte"},
      {deep, "f.json:1:129: error: arrays and objects nest deeper than 128 levels"},
      {"{\"a\": 1, \"b\": {\"a\": 2},\n \"a\": 3}",
       "f.json:2:2: error: the key \"a\" stands twice in one object; it was first given at line 1, "
       "column 2"},
      {"{\"a\": 1, \"\\u0061\": 3}", "f.json:1:10: error: the key \"a\" stands twice"},
  };
  for (const Case &test : cases) {
    if (test.message == "f.json:2:0") // the newline itself is the offender: the end of line 1
      EXPECT_EQ(parseError(test.text).substr(0, 11), "f.json:1:4:");
    else
      EXPECT_EQ(parseError(test.text).substr(0, test.message.size()), test.message) << test.text;
  }
}

TEST(Json, AcceptsTheLimitsAndRefusesBeyond) {
  std::string deep = std::string(128, '[') + std::string(128, ']');
  EXPECT_EQ(parse(deep).root().size(), 1u);
  EXPECT_EQ(parseError("[1,2,3]", {.maxBytes = 6}),
            "f.json: error: the file has 7 bytes; at most 6 are read");
  EXPECT_EQ(parse("[1,2,3]", {.maxValues = 4}).root().size(), 3u);
  EXPECT_EQ(parseError("[1,2,3]", {.maxValues = 3}),
            "f.json:1:6: error: the file has more than 3 keys and values");
}

TEST(Json, MessagesStayShortAndPrintable) {
  std::string message = parseError("[\"" + std::string(100000, 'x') + "\x01\"]");
  EXPECT_LT(message.size(), 300u);
  EXPECT_EQ(quoteForMessage("a\x01\xff\xc3\xa9"), "\"a??\xc3\xa9\"");
  EXPECT_EQ(quoteForMessage("abcdefgh", 5), "\"abcd…\"");
}

TEST(Json, TypedGettersSayWhatIsExpected) {
  JsonDocument document = parse("{\"s\": \"abc\", \"i\": 0, \"f\": 1.50, \"b\": false, \"n\": "
                                "null, \"a\": [1,2],\n\"o\": {}}");
  JsonValue root = document.root();
  auto get = [&](const char *key) { return *root.find(key); };
  EXPECT_EQ(errorOf([&] { get("s").toInteger("hidden_size", 1, 1048576); }),
            "f.json:1:7: error: hidden_size is \"abc\" (a string); an integer from 1 to 1048576 is "
            "expected");
  EXPECT_EQ(errorOf([&] { get("i").toInteger("hidden_size", 1, 1048576); }),
            "f.json:1:19: error: hidden_size is 0; an integer from 1 to 1048576 is expected");
  EXPECT_EQ(errorOf([&] { get("f").toInteger("hidden_size", 1, 9); }),
            "f.json:1:27: error: hidden_size is 1.50; an integer from 1 to 9 is expected");
  EXPECT_EQ(errorOf([&] { get("i").toBoolean("use_cache"); }),
            "f.json:1:19: error: use_cache is 0; true or false is expected");
  EXPECT_EQ(errorOf([&] { get("n").toNumber("rope_theta"); }),
            "f.json:1:50: error: rope_theta is null; a number is expected");
  EXPECT_EQ(errorOf([&] { get("a").toText("model_type"); }),
            "f.json:1:61: error: model_type is an array of 2; a string is expected");
  EXPECT_EQ(errorOf([&] { get("o").toText("model_type"); }),
            "f.json:2:6: error: model_type is an object of 0; a string is expected");
  EXPECT_EQ(errorOf([&] { get("b").toText("model_type"); }),
            "f.json:1:38: error: model_type is false; a string is expected");
  EXPECT_EQ(get("i").toNumber("x"), 0.0);
}

TEST(Json, ReadsFiles) {
  namespace fs = std::filesystem;
  fs::path folder = fs::path(testing::TempDir()) / "vinci-json-test";
  fs::create_directories(folder);
  fs::path path = folder / "a.json";
  std::ofstream(path) << "[1, 2, 3]";
  EXPECT_EQ(JsonDocument::read(path).root().size(), 3u);
  EXPECT_EQ(errorOf([&] { JsonDocument::read(path, {.maxBytes = 8}); }),
            path.string() + ": error: the file is larger than 8 bytes, the most that is read");
  EXPECT_EQ(errorOf([&] { JsonDocument::read(folder); }),
            folder.string() + ": error: this is a directory; a file is expected");
  EXPECT_EQ(errorOf([&] { JsonDocument::read(folder / "b.json"); }),
            (folder / "b.json").string() + ": error: no such file");
  fs::remove_all(folder);
}

} // namespace
} // namespace vinci
