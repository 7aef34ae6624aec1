#include "runtime/support/yaml.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

JsonDocument parse(std::string text) {
  return parseYaml(std::move(text), "f.yaml");
}

std::string parseError(std::string text) {
  try {
    parse(std::move(text));
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    return error.what();
  }
  return "no error";
}

std::string placeOf(const JsonValue &value) {
  return toString(value.position());
}

TEST(Yaml, KnowsValuesAndPlaces) {
  JsonDocument document = parse("# a comment\n"
                                "model:\n"
                                "  hidden_size: 5120 # why not\n"
                                "  eps: 1.0e-6\n"
                                "  ids: [1, 'two', \"th\\u00e9\"]\n"
                                "list:\n"
                                "  - a: b\n"
                                "  - ~\n");
  JsonValue model = *document.root().find("model");
  EXPECT_EQ(model.find("hidden_size")->toInteger("x"), 5120);
  EXPECT_EQ(placeOf(*model.find("hidden_size")), "f.yaml:3:16");
  EXPECT_EQ(model.find("eps")->toNumber("x"), 1e-6);
  EXPECT_EQ(model.find("eps")->describe(), "1.0e-6");
  std::vector<JsonValue> ids = model.find("ids")->elements();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[1].toText("x"), "two");
  EXPECT_EQ(placeOf(ids[1]), "f.yaml:5:12");
  EXPECT_EQ(ids[2].toText("x"), "th\xc3\xa9");
  std::vector<JsonValue> list = document.root().find("list")->elements();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].find("a")->toText("x"), "b");
  EXPECT_TRUE(list[1].isNull());
}

TEST(Yaml, TypesPlainScalarsAndLeavesQuotedOnesStrings) {
  JsonDocument document =
      parse("{a: True, b: no, c: null, d: -7, e: 1e-6, f: '12', g: 010, h: .inf, "
            "i: 1.2.3, j: 99999999999999999999, k: 59GB, true: 1, l: +3}");
  auto kind = [&](const char *key) { return document.root().find(key)->kind(); };
  EXPECT_TRUE(document.root().find("a")->toBoolean("a"));
  EXPECT_FALSE(document.root().find("b")->toBoolean("b"));
  EXPECT_EQ(kind("c"), JsonKind::Null);
  EXPECT_EQ(document.root().find("d")->toInteger("d"), -7);
  EXPECT_EQ(document.root().find("e")->toNumber("e"), 1e-6);
  EXPECT_EQ(document.root().find("l")->toInteger("l"), 3);
  EXPECT_EQ(kind("f"), JsonKind::String);
  EXPECT_EQ(kind("g"), JsonKind::String);
  EXPECT_EQ(kind("h"), JsonKind::String);
  EXPECT_EQ(kind("i"), JsonKind::String);
  EXPECT_EQ(kind("j"), JsonKind::Number);
  EXPECT_EQ(kind("k"), JsonKind::String);
  EXPECT_EQ(kind("true"), JsonKind::Integer);
}

TEST(Yaml, PlacesHoldAfterTextsOfSeveralBytesAndAByteOrderMark) {
  JsonDocument document = parse("\xEF\xBB\xBF# \xc3\xa9\xc3\xa9\na: \"\xe2\x82\xac\"\r\nb: 3\n");
  EXPECT_EQ(placeOf(*document.root().find("b")), "f.yaml:3:4");
}

TEST(Yaml, RefusesWhatConfigsDoNotNeed) {
  EXPECT_EQ(parseError("a: &x 1\n"),
            "f.yaml:1:4: error: anchors (&name) are not supported; write the value out");
  EXPECT_EQ(parseError("a: 1\nb: *x\n"), "f.yaml:2:4: error: not valid YAML: the referenced anchor "
                                         "is not defined");
  EXPECT_EQ(
      parseError("a: !!python/object 1\n"),
      "f.yaml:1:4: error: the tag \"tag:yaml.org,2002:python/object\" is not supported; write "
      "a plain or quoted value");
  EXPECT_EQ(parseError("? [1, 2]\n: 3\n"),
            "f.yaml:1:3: error: a key is a list or a mapping; a name is expected");
  EXPECT_EQ(parseError("a: 1\n---\nb: 2\n"),
            "f.yaml: error: a second document follows the first; one is expected");
  EXPECT_EQ(parseError(""), "f.yaml: error: the file is empty; a mapping is expected");
  EXPECT_EQ(parseError("a: 1\na: 2\n"), "f.yaml:2:1: error: the key \"a\" stands twice in one "
                                        "object; it was first given at line 1, column 1");
}

TEST(Yaml, NamesThePlaceOfWhatIsNotYaml) {
  EXPECT_EQ(parseError("a: [1, 2\nb: 3\n").substr(0, 9), "f.yaml:2:");
  EXPECT_EQ(parseError("a: 1\n\tb: 2\n").substr(0, 9), "f.yaml:2:");
  EXPECT_EQ(parseError("a: \"x\n"),
            "f.yaml:1:4: error: not valid YAML: the quoted text has no end");
  EXPECT_EQ(parseError("a: 'x\nb: c\n"),
            "f.yaml:1:4: error: not valid YAML: the quoted text has no end");
  EXPECT_EQ(parseError("a: \xff\n"), "f.yaml:1:4: error: not valid YAML: the text is not UTF-8");
  EXPECT_EQ(parseError(std::string("a: 1\0", 5)),
            "f.yaml:1:5: error: not valid YAML: the text has a NUL byte");
  std::string deep;
  for (int i = 0; i < 200; ++i)
    deep += std::string(i, ' ') + "a:\n";
  EXPECT_EQ(parseError(deep + std::string(200, ' ') + "b: 1\n").substr(0, 50),
            "f.yaml:129:129: error: arrays and objects nest dee");
  EXPECT_NE(parseError(std::string(100000, '[')), "no error");
  EXPECT_NE(parseError(std::string(100000, '{')), "no error");
}

} // namespace
} // namespace vinci
