#include "runtime/support/json_edit.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

std::string with(const std::string &text, std::string_view key, std::string_view value) {
  return withMember(JsonDocument::parse(text, "c.json"), key, value);
}

TEST(JsonEdit, ChangesOneValueAndNothingElse) {
  EXPECT_EQ(with("{\n  \"a\" : \"x\\\"}\" ,\"b\":1e3\n}\n", "a", "\"y\""),
            "{\n  \"a\" : \"y\" ,\"b\":1e3\n}\n");
  EXPECT_EQ(with("{\"a\": true}", "a", "false"), "{\"a\": false}");
  EXPECT_EQ(with("{\"o\": {\"a\": 1},\n\t\"a\": null, \"c\": []}", "a", "2"),
            "{\"o\": {\"a\": 1},\n\t\"a\": 2, \"c\": []}");
}

TEST(JsonEdit, AddsWhatIsNotThere) {
  EXPECT_EQ(with("{\n  \"b\": 1\n}", "a", "2"), "{\n  \"a\": 2,\n  \"b\": 1\n}");
  EXPECT_EQ(with("{}", "a", "2"), "{\n  \"a\": 2\n}");
}

TEST(JsonEdit, RefusesContainers) {
  EXPECT_THROW(with("{\"a\": [1]}", "a", "2"), Error);
}

} // namespace
} // namespace vinci
