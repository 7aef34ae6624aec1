#include "runtime/text/chat_template.h"

#include "runtime/text/child_process.h"
#include "tests/unit/text/text_test.h"

#include <csignal>
#include <unistd.h>

namespace vinci {
namespace {

using nlohmann::ordered_json;
using namespace std::chrono_literals;

const ordered_json kHi = {{{"role", "user"}, {"content", "hi"}}};

class ChatTemplateTest : public testing::Test {
protected:
  ChatTemplate load() { return ChatTemplate::fromDirectory(folder.path()); }
  ChatTemplate jinja(const std::string &text) {
    folder.write("chat_template.jinja", text);
    return load();
  }
  void config(const ordered_json &value) { folder.write("tokenizer_config.json", value.dump()); }
  std::string jinjaFile() { return folder.pathOf("chat_template.jinja"); }
  std::string configFile() { return folder.pathOf("tokenizer_config.json"); }

  Folder folder;
};

TEST_F(ChatTemplateTest, BlocksAreTrimmedAsInTransformers) {
  EXPECT_EQ(jinja("{% for m in messages %}\n  {% if true %}\n[{{ m.role }}]{{ m['content'] }}\n  "
                  "{% endif %}\n{% endfor %}\n")
                .render({kHi}),
            "[user]hi\n");
}

TEST_F(ChatTemplateTest, EveryVariable) {
  config({{"bos_token", "<s>"},
          {"eos_token", {{"content", "</s>"}}},
          {"pad_token", nullptr},
          {"additional_special_tokens", {"<a>", "<b>"}},
          {"extra_special_tokens", {{"image_token", "<i>"}}}});
  ChatTemplate chat = jinja(
      "{{ bos_token }}{{ eos_token }}{{ image_token }}{{ additional_special_tokens|join }}"
      "{{ pad_token is defined }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ x }}");
  EXPECT_EQ(chat.render({kHi}), "<s></s><i><a><b>False None None True ");
  ChatRequest request{kHi, {{{"name", "f"}}}, false, {{"x", "X"}, {"bos_token", "!"}}};
  EXPECT_EQ(chat.render(request), "!</s><i><a><b>False [{'name': 'f'}] None False X");
}

TEST_F(ChatTemplateTest, ToJsonIsPythons) {
  ChatRequest request{
      kHi, nullptr, true, {{"x", {{"b", "<é&'北>"}, {"a", {1, 2.0, nullptr, true}}}}}};
  EXPECT_EQ(jinja("{{ x | tojson }}").render(request),
            "{\"b\": \"<é&'北>\", \"a\": [1, 2.0, null, true]}");
  EXPECT_EQ(jinja("{{ x.a | tojson(indent=1) }}").render(request),
            "[\n 1,\n 2.0,\n null,\n true\n]");
  EXPECT_EQ(jinja("{{ x.b | tojson(ensure_ascii=true) }}").render(request),
            "\"<\\u00e9&'\\u5317>\"");
}

TEST_F(ChatTemplateTest, Extensions) {
  EXPECT_EQ(jinja("{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 "
                  "%}{% break %}{% endif %}{{ i }}{% endfor %}")
                .render({kHi}),
            "013");
  EXPECT_EQ(jinja("a{% generation %}b{{ messages[0].content }}{% endgeneration %}c").render({kHi}),
            "abhic");
  EXPECT_EQ(jinja("{{ strftime_now('%Y')|length }}").render({kHi}), "4");
}

TEST_F(ChatTemplateTest, TextPassesUnharmed) {
  std::string odd = "\"\\\n\t\x01 é北😀 </script> {{ x }}";
  ordered_json messages = {{{"role", "user"}, {"content", odd}}};
  EXPECT_EQ(jinja("{{ messages[0].content }}").render({messages}), odd);
  messages[0]["content"] = "a\xFFz";
  EXPECT_EQ(jinja("{{ messages[0].content }}").render({messages}), "a\uFFFDz");
  messages[0]["content"] = std::string(3 << 20, 'x'); // more than any socket's buffer, both ways
  EXPECT_EQ(jinja("{{ messages[0].content }}").render({messages}).size(), 3u << 20);
}

TEST_F(ChatTemplateTest, JinjaFileWinsOverTheConfig) {
  config({{"chat_template", "config"}});
  EXPECT_EQ(load().render({kHi}), "config");
  EXPECT_EQ(jinja("file").render({kHi}), "file");
}

TEST_F(ChatTemplateTest, NamedVariants) {
  config({{"chat_template",
           {{{"name", "default"}, {"template", "plain"}},
            {{"name", "tool_use"}, {"template", "tools"}}}}});
  EXPECT_EQ(load().render({kHi}), "plain");
  EXPECT_EQ(load().render({kHi, ordered_json::array()}), "tools");
  config({{"chat_template", {{{"name", "default"}, {"template", "plain"}}}}});
  EXPECT_EQ(load().render({kHi, ordered_json::array()}), "plain");
  config({{"chat_template", {{{"name", "rag"}, {"template", "x"}}}}});
  EXPECT_CONTAINS(errorOf([&] { load().render({kHi}); }),
                  "error: none of the chat templates (\"rag\") is called \"default\"");
  config({{"chat_template", ordered_json::array()}});
  EXPECT_EQ(errorOf([&] { load().render({kHi}); }),
            "error: none of the chat templates () is called \"default\"");
}

TEST_F(ChatTemplateTest, AModelWithoutATemplate) {
  std::string message = folder.path() +
                        ": error: the model has no chat template: neither chat_template.jinja nor "
                        "chat_template in tokenizer_config.json; give the prompt as plain text";
  EXPECT_EQ(errorOf([&] { load(); }), message);
  config({{"chat_template", nullptr}});
  EXPECT_EQ(errorOf([&] { load(); }), message);
}

TEST_F(ChatTemplateTest, WrongFiles) {
  config({{"chat_template", 5}});
  EXPECT_CONTAINS(errorOf([&] { load(); }), "chat_template is 5; a string is expected");
  config({{"chat_template", {{{"name", "default"}}}}});
  EXPECT_CONTAINS(errorOf([&] { load(); }), "chat_template[0]: \"template\" is missing");
  config({{"chat_template", std::string(2 << 20, 'x')}});
  EXPECT_CONTAINS(errorOf([&] { load(); }),
                  "chat_template: a template of 2097152 bytes; the limit is 1048576");
  EXPECT_CONTAINS(errorOf([&] { jinja(std::string(2 << 20, 'x')); }),
                  "chat_template.jinja: error: ");
}

TEST_F(ChatTemplateTest, TemplateErrorsNameFileLineAndMessage) {
  auto error = [&](const std::string &text) { return errorOf([&] { jinja(text).render({kHi}); }); };
  EXPECT_EQ(error("a\n{{ raise_exception('no system role') }}\n"),
            jinjaFile() + ":2: error: chat template: no system role");
  EXPECT_EQ(error("a\n\n{% if %}\n"),
            jinjaFile() + ":3: error: chat template: TemplateSyntaxError: Expected an expression, "
                          "got 'end of statement block'");
  EXPECT_EQ(error("{% for x in [1] %}\n{{ nothing.at_all }}{% endfor %}"),
            jinjaFile() + ":2: error: chat template: UndefinedError: 'nothing' is undefined");
  EXPECT_EQ(error("{{ 1 / 0 }}"),
            jinjaFile() + ":1: error: chat template: ZeroDivisionError: division by zero");
  EXPECT_CONTAINS(error("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "recurses too deeply");
  std::filesystem::remove(jinjaFile());
  config({{"model_max_length", 5}, {"chat_template", "a\n{{ raise_exception('no') }}"}});
  EXPECT_EQ(errorOf([&] { load().render({kHi}); }),
            configFile() + ":1:39: error: chat template, line 2: no");
}

TEST_F(ChatTemplateTest, TheSandboxHolds) {
  auto error = [&](const std::string &text) { return errorOf([&] { jinja(text).render({kHi}); }); };
  EXPECT_CONTAINS(error("{{ ''.__class__.__mro__[1].__subclasses__() }}"), "SecurityError");
  EXPECT_CONTAINS(error("{{ messages.append(1) }}"), "SecurityError");
  EXPECT_EQ(jinja("[{{ raise_exception.__globals__ }}]").render({kHi}), "[]");
  EXPECT_CONTAINS(error("{% include '/etc/passwd' %}"), "error: chat template: TypeError");
}

TEST_F(ChatTemplateTest, TimeAndMemoryAreLimited) {
  // 10^10 rounds; range() itself is limited by the sandbox.
  std::string loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
  EXPECT_EQ(errorOf([&] { jinja(loops).render({kHi}, {.cpuSeconds = 1}); }),
            jinjaFile() + ": error: chat template: not rendered within 1 s of processor time");
  EXPECT_EQ(errorOf([&] { jinja(loops).render({kHi}, {.wallTime = 300ms}); }),
            jinjaFile() + ": error: chat template: not rendered within 300 ms");
  EXPECT_CONTAINS(errorOf([&] { jinja("{{ 'x' * 999999999 }}").render({kHi}); }),
                  "needs more than 512 MiB of memory");
  EXPECT_EQ(errorOf([&] { jinja("{{ 'x' * 100000 }}").render({kHi}, {.outputBytes = 1000}); }),
            jinjaFile() + ": error: chat template: renders more than 1000 bytes");
}

TEST_F(ChatTemplateTest, WrongRequests) {
  ChatTemplate chat = jinja("x");
  auto error = [&](const ChatRequest &request) { return errorOf([&] { chat.render(request); }); };
  EXPECT_EQ(error({"hi"}), "error: messages must be a JSON array of objects, not string");
  EXPECT_EQ(error({{"hi"}}), "error: messages[0] must be a JSON object, not string");
  EXPECT_EQ(error({kHi, {1}}), "error: tools[0] must be a JSON object, not number");
  EXPECT_EQ(error({kHi, "x"}), "error: tools must be a JSON array of objects, not string");
  EXPECT_EQ(error({kHi, nullptr, true, 5}),
            "error: template arguments must be a JSON object, not number");
  EXPECT_EQ(error({kHi, nullptr, true, {{"tools", 5}}}),
            "error: template argument \"tools\" is set by Vinci itself; use another name");
  ordered_json deep = 1;
  for (int i = 0; i < 200; ++i)
    deep = ordered_json::array({deep});
  EXPECT_EQ(error({kHi, nullptr, true, {{"x", deep}}}),
            "error: messages, tools or template arguments nested deeper than 128 levels");
}

TEST_F(ChatTemplateTest, MissingInterpreterAndModule) {
  ChatTemplate chat = jinja("x");
  chat.setPython("/nowhere/python3");
  EXPECT_EQ(errorOf([&] { chat.render({kHi}); }),
            "error: chat templates are rendered by /nowhere/python3, which cannot be started (No "
            "such file or directory); "
            "install it with: apt-get install python3 python3-jinja2");
  // -S leaves out the folder of Debian's packages.
  std::string bare = folder.pathOf("python3");
  folder.write("python3", "#!/bin/sh\nexec /usr/bin/python3 -S \"$@\"\n");
  std::filesystem::permissions(bare, std::filesystem::perms::owner_all);
  chat.setPython(bare);
  EXPECT_EQ(errorOf([&] { chat.render({kHi}); }),
            "error: chat templates are rendered by " + bare +
                ", which has no module jinja2; install it with: apt-get install python3-jinja2");
  chat.setPython("/bin/false");
  EXPECT_EQ(errorOf([&] { chat.render({kHi}); }),
            jinjaFile() + ": error: chat template: /bin/false ended with status 1: \"\"");
  folder.write("python3", "#!/bin/sh\nkill -SEGV $$\n");
  chat.setPython(bare);
  EXPECT_EQ(errorOf([&] { chat.render({kHi}); }),
            jinjaFile() + ": error: chat template: " + bare + " died of signal 11");
}

TEST(ChildProcess, TalksBothWays) {
  std::string much(1 << 22, 'x');
  ChildResult result = runChild({"/bin/cat"}, much, {});
  EXPECT_EQ(result.outcome, ChildResult::Outcome::Exited);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, much);
  result = runChild({"/bin/sh", "-c", "echo oops >&2; env; exit 3"}, "", {});
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.errors, "oops\n");
  EXPECT_EQ(result.output.find("HOME="), std::string::npos);
}

TEST(ChildProcess, AChildThatDoesNotListen) {
  ChildResult result = runChild({"/bin/true"}, std::string(1 << 22, 'x'), {});
  EXPECT_EQ(result.outcome, ChildResult::Outcome::Exited);
  EXPECT_EQ(result.status, 0);
}

TEST(ChildProcess, AChildThatClosesItsOutputAndStays) {
  ChildResult result =
      runChild({"/bin/sh", "-c", "exec >&- 2>&-; exec sleep 100"}, "", {.wallTime = 300ms});
  EXPECT_EQ(result.outcome, ChildResult::Outcome::TimedOut);
}

} // namespace
} // namespace vinci
