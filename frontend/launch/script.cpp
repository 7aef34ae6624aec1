#include "frontend/launch/script.h"
#include "frontend/launch/shell.h"
#include "frontend/vllm/flag_table.h"
#include "runtime/support/yaml.h"

#include <algorithm>

namespace vinci {

namespace {

constexpr JsonLimits limits{.maxBytes = size_t(1) << 18, .maxValues = size_t(1) << 16};
constexpr size_t mostAssignments = 4096, mostFlags = 1024;

/// Part of a word.
struct Span {
  const ShellWord *word;
  size_t begin = 0;

  std::string_view text() const { return std::string_view(word->text).substr(begin); }
  size_t place() const { return word->place(begin); }
};

struct Value {
  std::string text;
  size_t offset;
  std::optional<size_t> verbatim; ///< where it stands in the script as it is
};

struct Flag {
  std::string name;
  size_t offset;
  FlagKind kind;
  std::vector<Value> values; ///< of a List any number, of a Switch none or one, else one
};

struct Variable {
  std::string name;
  size_t offset;
  Value value;
};

class ScriptReader {
public:
  ScriptReader(std::string text, std::string name, Findings &findings)
      : builder_(std::move(text), std::move(name), limits), tree_(builder_.tree()),
        findings_(findings) {
    if (size_t bad = findIllFormedUtf8(tree_.text); bad != std::string::npos)
      fail(tree_.positionOf(bad), "the text is not valid UTF-8");
    if (size_t nul = tree_.text.find('\0'); nul != std::string::npos)
      fail(tree_.positionOf(nul), "the text has a NUL byte");
  }

  void readAll(bool bareFlags) {
    ShellReader shell(tree_);
    std::vector<ShellWord> words;
    while (shell.next(words, variables_)) {
      if (bareFlags && !server_ && words.front().text.starts_with('-'))
        readFlags("serve", words.front().offset, words, 0, false);
      else
        readCommand(words);
    }
  }

  bool hasServer() const { return server_.has_value(); }
  [[noreturn]] void failWithoutServer() {
    fail(SourcePosition{tree_.fileName, 1, 1},
         "no server is started; vllm serve MODEL, python3 -m vllm.entrypoints.openai.api_server, "
         "run_mindie.sh or the flags of a server are expected");
  }

  JsonDocument finish() {
    builder_.open(JsonKind::Object, 0);
    if (server_) {
      builder_.string(serverOffset_, *server_);
      builder_.open(JsonKind::Object, serverOffset_);
      for (const Flag &flag : flags_) {
        builder_.string(flag.offset, flag.name);
        emit(flag);
      }
      builder_.close();
    }
    builder_.string(0, "env");
    builder_.open(JsonKind::Object, 0);
    for (const Variable &variable : environment_) {
      builder_.string(variable.offset, variable.name);
      emitText(variable.value);
    }
    builder_.close();
    builder_.close();
    return builder_.finish();
  }

private:
  // --- commands

  void readCommand(const std::vector<ShellWord> &words) {
    size_t first = 0;
    while (first < words.size() && isKeyword(words[first]))
      ++first;
    // NAME=value in front of a command, or alone.
    const size_t assignments = first;
    while (first < words.size() && assignmentPrefix(words[first].text))
      ++first;
    if (first < words.size() && isDeclaration(words[first].text)) {
      for (size_t i = first; i < words.size(); ++i)
        set(words[i]);
    } else if (first < words.size() && words[first].text == "unset") {
      for (size_t i = first + 1; i < words.size(); ++i)
        unset(words[i].text);
    } else {
      for (size_t i = assignments; i < first; ++i)
        set(words[i]);
      if (first < words.size() && words[first].text == "env")
        for (size_t i = first + 1; i < words.size() && assignmentPrefix(words[i].text); ++i)
          set(words[i]);
      findServer(words, first);
    }
  }

  static bool isDeclaration(std::string_view word) {
    return word == "export" || word == "declare" || word == "readonly" || word == "local";
  }

  /// Words of control flow in front of a command; counts how deep the command stands.
  bool isKeyword(const ShellWord &word) {
    if (word.quoted)
      return false;
    for (std::string_view opens : {"if", "for", "while", "until", "case", "select"})
      if (word.text == opens) {
        control_.push_back(std::string(opens));
        return true;
      }
    for (std::string_view closes : {"fi", "done", "esac"})
      if (word.text == closes) {
        if (!control_.empty())
          control_.pop_back();
        return true;
      }
    for (std::string_view inner : {"then", "else", "elif", "do", "{", "}", "!", "time"})
      if (word.text == inner)
        return true;
    return false;
  }

  void noteControl(size_t offset, std::string_view what) {
    if (!control_.empty())
      findings_.add(FindingKind::Note, tree_.positionOf(offset),
                    "{} stands inside {}; it is taken as if it were always run", what,
                    control_.back());
  }

  // --- variables

  void set(const ShellWord &word) {
    const size_t length = assignmentPrefix(word.text);
    if (length == 0)
      return;
    const std::string name = word.text.substr(0, length - 1);
    Variable variable{name, word.offset, value({&word, length})};
    if (++assignments_ > mostAssignments)
      fail(tree_.positionOf(word.offset), "the script sets variables more than {} times",
           mostAssignments);
    noteControl(word.offset, name);
    const auto before = std::ranges::find(environment_, name, &Variable::name);
    // PATH=x:$PATH changes a value on purpose.
    const bool builds = std::ranges::find(word.uses, name) != word.uses.end();
    if (before == environment_.end()) {
      environment_.push_back(variable);
    } else {
      if (before->value.text != variable.value.text && !builds)
        findings_.add(FindingKind::Contradiction, tree_.positionOf(variable.value.offset),
                      "{} is set to {}, but {} sets it to {}; {} is used", name,
                      quoteForMessage(variable.value.text),
                      toString(tree_.positionOf(before->value.offset)),
                      quoteForMessage(before->value.text), quoteForMessage(variable.value.text));
      *before = variable;
    }
    variables_[name] = variable.value.text;
  }

  void unset(const std::string &name) {
    std::erase_if(environment_, [&](const Variable &each) { return each.name == name; });
    variables_.erase(name);
  }

  // --- servers

  /// The server that a command starts, whatever stands in front of it (nohup, numactl, env).
  void findServer(const std::vector<ShellWord> &words, size_t first) {
    const auto base = [](std::string_view path) { return path.substr(path.rfind('/') + 1); };
    for (size_t i = first; i < words.size(); ++i) {
      const std::string_view text = words[i].text;
      const std::string_view next = i + 1 < words.size() ? words[i + 1].text : std::string_view();
      if ((base(text) == "vllm" || base(text) == "vllm-mindspore") && next == "serve")
        return startServer("serve", words[first].offset, words, i + 2, true);
      constexpr std::string_view runners[] = {"bash", "sh", "nohup", "sudo", "env", "time"};
      const bool runs =
          i == first || std::ranges::find(runners, base(words[i - 1].text)) != std::end(runners);
      if (base(text) == "run_mindie.sh" && runs)
        return startServer("run_mindie", words[first].offset, words, i + 1, false);
      if (text == "-m" && next.starts_with("vllm")) {
        size_t flags = i + 2;
        // vllm_mindspore.entrypoints runs the module behind it.
        if (!next.ends_with("api_server") && flags < words.size() &&
            words[flags].text.ends_with("api_server"))
          ++flags;
        else if (!next.ends_with("api_server"))
          return;
        return startServer("serve", words[first].offset, words, flags, false);
      }
    }
  }

  /// `offset`: where the command begins; its flags do at words[first].
  void startServer(std::string_view kind, size_t offset, const std::vector<ShellWord> &words,
                   size_t first, bool takesModel) {
    noteControl(offset, "a server");
    if (server_) {
      findings_.add(FindingKind::Note, tree_.positionOf(offset),
                    "the script starts another server at {}; that one is read, this one is not",
                    toString(tree_.positionOf(serverOffset_)));
      return;
    }
    readFlags(kind, offset, words, first, takesModel);
  }

  void readFlags(std::string_view kind, size_t offset, const std::vector<ShellWord> &words,
                 size_t i, bool takesModel) {
    server_ = kind;
    serverOffset_ = offset;
    const bool vllm = kind == "serve";
    while (i < words.size()) {
      const ShellWord &word = words[i++];
      if (!isFlag(word)) {
        if (takesModel)
          add({"model", word.offset, FlagKind::Text, {value({&word})}});
        else
          findings_.add(FindingKind::Unknown, tree_.positionOf(word.offset),
                        "{} belongs to no flag and is ignored", quoteForMessage(word.text));
        takesModel = false;
        continue;
      }
      const size_t equals = word.text.find('=');
      std::string_view spelled = std::string_view(word.text).substr(0, equals);
      std::optional<Value> inlineValue;
      if (equals != std::string::npos)
        inlineValue = value({&word, equals + 1});
      // -O3 and -O{…}
      if (vllm && spelled.starts_with("-O") && spelled.size() > 2 && spelled[2] != '.') {
        spelled = "-O";
        inlineValue = value({&word, 2});
      }
      Flag flag{
          vllm ? canonicalFlag(spelled) : mindieOption(spelled), word.offset, FlagKind::Scalar, {}};
      const bool known = classify(flag, vllm);
      if (inlineValue) {
        flag.values.push_back(*inlineValue);
      } else if (flag.kind == FlagKind::List) {
        while (i < words.size() && !isFlag(words[i]))
          flag.values.push_back(value({&words[i++]}));
      } else if (flag.kind != FlagKind::Switch) {
        const bool follows = i < words.size() && !isFlag(words[i]);
        if (follows)
          flag.values.push_back(value({&words[i++]}));
        else if (known)
          fail(tree_.positionOf(word.offset), "{} needs a value", quoteForMessage(word.text));
        else
          flag.kind = FlagKind::Switch;
      }
      add(std::move(flag));
    }
  }

  static bool isFlag(const ShellWord &word) {
    return word.text.size() > 1 && word.text[0] == '-' &&
           !std::isdigit((unsigned char)word.text[1]) && word.text[1] != '.';
  }

  static std::string mindieOption(std::string_view spelled) {
    spelled.remove_prefix(std::min(spelled.find_first_not_of('-'), spelled.size()));
    return std::string(spelled);
  }

  /// Finds out what follows the flag; false if it is not a known one.
  static bool classify(Flag &flag, bool vllm) {
    if (!vllm)
      return true;
    const std::string_view name = flag.name;
    const std::string_view head = name.substr(0, name.find('.'));
    const ServeFlag *known = findServeFlag(head);
    if (!known && head.starts_with("no-")) {
      known = findServeFlag(head.substr(3));
      if (known && known->kind != FlagKind::Switch)
        known = nullptr;
    }
    if (known)
      flag.kind = head.size() == name.size() ? known->kind : FlagKind::Scalar;
    return known != nullptr;
  }

  void add(Flag flag) {
    if (++given_ > mostFlags)
      fail(tree_.positionOf(flag.offset), "the command has more than {} flags", mostFlags);
    const auto before = std::ranges::find(flags_, flag.name, &Flag::name);
    if (before == flags_.end())
      return flags_.push_back(std::move(flag));
    if (!std::ranges::equal(before->values, flag.values, {}, &Value::text, &Value::text))
      findings_.add(FindingKind::Contradiction, tree_.positionOf(flag.offset),
                    "--{} is {}, but {} says {}; {} is used", flag.name, describe(flag),
                    toString(tree_.positionOf(before->offset)), describe(*before), describe(flag));
    *before = std::move(flag);
  }

  static std::string describe(const Flag &flag) {
    std::string text;
    for (const Value &each : flag.values)
      text += (text.empty() ? "" : " ") + each.text;
    return quoteForMessage(text);
  }

  // --- values

  Value value(Span span) const {
    Value result{std::string(span.text()), span.place(), std::nullopt};
    const auto &origins = span.word->origins;
    bool verbatim = span.begin < origins.size();
    for (size_t i = span.begin + 1; i < origins.size(); ++i)
      verbatim = verbatim && origins[i] == origins[i - 1] + 1;
    if (verbatim && tree_.text[span.place()] == span.text().front())
      result.verbatim = span.place();
    return result;
  }

  void emitText(const Value &value) {
    if (value.verbatim)
      builder_.slice(value.offset, *value.verbatim, value.text.size());
    else
      builder_.string(value.offset, value.text);
  }

  void emit(const Flag &flag) {
    if (flag.kind == FlagKind::List) {
      builder_.open(JsonKind::Array, flag.offset);
      for (const Value &each : flag.values)
        emitText(each);
      builder_.close();
      return;
    }
    if (flag.values.empty())
      return builder_.boolean(flag.offset, true);
    const Value &value = flag.values.front();
    if (flag.kind == FlagKind::Text)
      emitText(value);
    else if (flag.kind == FlagKind::Json && value.text.starts_with('{') && value.verbatim)
      parseJsonInto(builder_, *value.verbatim, *value.verbatim + value.text.size());
    else
      addPlainScalar(builder_, value.offset, value.text);
  }

  JsonTreeBuilder builder_;
  const JsonTree &tree_;
  Findings &findings_;
  ShellVariables variables_;
  std::vector<std::string> control_;
  std::vector<Variable> environment_;
  std::optional<std::string> server_;
  size_t serverOffset_ = 0;
  std::vector<Flag> flags_;
  size_t assignments_ = 0, given_ = 0;
};

} // namespace

JsonDocument parseLaunchScript(std::string text, std::string name, Findings &findings) {
  ScriptReader reader(std::move(text), std::move(name), findings);
  reader.readAll(/*bareFlags=*/false);
  return reader.finish();
}

JsonDocument parseServeCommand(std::string text, std::string name, Findings &findings) {
  ScriptReader reader(std::move(text), std::move(name), findings);
  reader.readAll(/*bareFlags=*/true);
  if (!reader.hasServer())
    reader.failWithoutServer();
  return reader.finish();
}

} // namespace vinci
