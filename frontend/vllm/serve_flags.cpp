#include "frontend/vllm/serve_flags.h"
#include "frontend/vllm/flag_table.h"

#include <algorithm>
#include <array>

namespace vinci {

namespace {

constexpr std::string_view format = "vLLM's serve command";
constexpr size_t mostFlags = 1024;

/// The flags of one command, by canonical name.
class ServeReader {
public:
  ServeReader(Import &import, const JsonValue &flags)
      : import_(import), deployment_(import.resolved.deployment), object_(flags),
        reader_(import, format, Authority::Server, Spelling::Textual) {
    for (const auto &[key, value] : flags.members())
      if (!key.toText("a flag").starts_with('_') && key.toText("a flag") != "env")
        given_.push_back({canonicalFlag(key.toText("a flag")), key, value});
  }

  void read() {
    // The policy of this server, before it meets another file's.
    Setting<std::string> &policy = deployment_.scheduler.policy;
    const Setting<std::string> before = std::exchange(policy, {});
    for (const Given &flag : given_)
      if (!flag.value.isNull())
        read(flag);
    const Setting<std::string> mine =
        policy ? policy : Setting<std::string>{"vllm", object_.position(), Authority::Server};
    policy = before;
    settle(import_.findings, "the scheduler's policy", policy, *mine.value, mine.origin,
           mine.authority);

    resolveEager();
    resolveDegrees();
    check();
  }

private:
  struct Given {
    std::string name;
    JsonValue key, value;
  };

  void read(const Given &flag) {
    const std::string_view name = flag.name;
    const std::string_view head = name.substr(0, name.find('.'));
    if (const ServeFlag *known = findServeFlag(head)) {
      if (head.size() == name.size())
        return reader_.apply(known->rule, flag.value, head);
      if (known->kind == FlagKind::Json)
        return readDotted(flag, name.substr(head.size() + 1), *known);
    }
    if (const ServeFlag *known = negated(name))
      return reader_.assignNamed(known->rule.setting, flag.value, name,
                                 std::array<ValueName, 2>{{{"true", "false"}, {"false", "true"}}});
    unknown(flag);
  }

  /// The switch that `name`, --no-SWITCH, turns off.
  static const ServeFlag *negated(std::string_view name) {
    const ServeFlag *known = name.starts_with("no-") ? findServeFlag(name.substr(3)) : nullptr;
    return known && known->kind == FlagKind::Switch ? known : nullptr;
  }

  /// --compilation-config.cudagraph_mode FULL: one key of the object.
  void readDotted(const Given &flag, std::string_view path, const ServeFlag &known) {
    std::span<const KeyRule> rules;
    if (known.rule.path == "compilation-config")
      rules = compilationConfigRules();
    else if (known.rule.path == "additional-config")
      rules = additionalConfigRules();
    else if (known.rule.path == "speculative-config")
      rules = speculativeConfigRules();
    const auto rule = std::ranges::find(rules, path, &KeyRule::path);
    if (rule == rules.end())
      return unknown(flag);
    reader_.apply(*rule, flag.value, path.substr(path.rfind('.') + 1));
  }

  void unknown(const Given &flag) {
    std::vector<std::string_view> absent;
    for (const ServeFlag &known : serveFlags())
      if (!find(known.rule.path))
        absent.push_back(known.rule.path);
    const std::string text(flag.key.toText("a flag"));
    if (std::string_view meant = nearestName(flag.name, absent); !meant.empty())
      fail(flag.key.position(), "{} is not a flag of {}; did you mean --{}?", quoteForMessage(text),
           format, meant);
    reader_.report(FindingKind::Unknown, flag.key,
                   "{} is not a flag of {} that Vinci knows and is ignored", quoteForMessage(text),
                   format);
  }

  const Given *find(std::string_view name) const {
    const auto flag = std::ranges::find(given_, name, &Given::name);
    return flag == given_.end() || flag->value.isNull() ? nullptr : &*flag;
  }
  bool isOn(std::string_view name) const {
    const Given *flag = find(name);
    return flag && (flag->value.isString() ? flag->value.toText(name) == "true"
                                           : flag->value.toBoolean(name));
  }

  /// --enforce-eager turns all capture off.
  void resolveEager() {
    Setting<std::string> &mode = deployment_.execution.graphMode;
    if (isOn("enforce-eager")) {
      const SourcePosition place = find("enforce-eager")->value.position();
      if (mode && mode.authority == Authority::Server && *mode != "none") {
        import_.findings.add(FindingKind::Contradiction, place,
                             "enforce-eager is given, but {} asks for graphs, {}; nothing is "
                             "captured",
                             toString(mode.origin), *mode);
        mode = {};
      }
      assignText(import_, settingRule("execution.graph_mode"), "none", place, Authority::Server);
    }
    const auto &sizes = deployment_.execution.graphBatchSizes;
    if (sizes && !sizes->empty() && mode && *mode == "none")
      import_.findings.add(FindingKind::NoEffect, sizes.origin,
                           "sizes to capture are given, but no graphs are captured");
  }

  /// vLLM's world is the product; experts are shared by all ranks of a stage, each expert by all of
  /// them unless --enable-expert-parallel gives each rank experts of its own.
  void resolveDegrees() {
    auto &parallel = deployment_.parallel;
    SourcePosition origin{"the default of vllm serve"};
    bool said = false;
    const auto degree = [&](std::string_view flag, const Setting<int64_t> &setting) -> int64_t {
      if (!find(flag))
        return 1;
      said = true;
      origin = find(flag)->value.position();
      return *setting;
    };
    // Each at most 65536, so that the product fits.
    const int64_t stages = degree("pipeline-parallel-size", parallel.pipelineStages);
    const int64_t dp = degree("data-parallel-size", parallel.attnDp);
    const int64_t tp = degree("tensor-parallel-size", parallel.attnTp);
    const int64_t most = int64_t(settingRule("parallel.world_size").maximum);
    if (tp * dp * stages > most)
      fail(origin,
           "tensor, data and pipeline parallel sizes {}, {} and {} make {} ranks; at most "
           "{} are supported",
           tp, dp, stages, tp * dp * stages, most);
    const Authority authority = said ? Authority::Server : Authority::Default;
    const auto derive = [&](std::string_view name, Setting<int64_t> &setting, int64_t value,
                            const SourcePosition &place, Authority from) {
      settle(import_.findings, name, setting, value, place, from);
    };
    derive("world size", parallel.worldSize, tp * dp * stages, origin, authority);
    derive("tensor-parallel-size", parallel.attnTp, tp, origin, Authority::Default);
    derive("data-parallel-size", parallel.attnDp, dp, origin, Authority::Default);
    if (isOn("enable-expert-parallel")) {
      const SourcePosition place = find("enable-expert-parallel")->value.position();
      derive("expert parallel degree", parallel.moeEp, tp * dp, place, Authority::Server);
      derive("tensor parallel degree of experts", parallel.moeTp, 1, place, Authority::Server);
    } else {
      derive("expert parallel degree", parallel.moeEp, 1, origin, Authority::Default);
      derive("tensor parallel degree of experts", parallel.moeTp, tp * dp, origin,
             Authority::Default);
    }
    for (const Setting<int64_t> *setting : {&parallel.lmHeadTp, &parallel.oProjTp})
      if (*setting && setting->authority == Authority::Server && tp > 1)
        fail(setting->origin,
             "a degree of its own for lm_head or o_proj needs "
             "tensor-parallel-size 1; it is {}",
             tp);
  }

  /// What vLLM refuses to start with.
  void check() {
    const auto &scheduler = deployment_.scheduler;
    const auto &tokens = scheduler.maxNumBatchedTokens;
    if (!tokens)
      return;
    if (scheduler.maxNumSeqs && *tokens < *scheduler.maxNumSeqs)
      fail(tokens.origin,
           "max-num-batched-tokens is {}; at least max-num-seqs, which is {}, is "
           "expected",
           *tokens, *scheduler.maxNumSeqs);
    // The Ascend scheduler chunks only when told to, vLLM's own unless told not to.
    const bool chunked = scheduler.chunkedPrefill.valueOr(scheduler.policy.valueOr("") == "vllm");
    if (!chunked && scheduler.maxSeqLen && *tokens < *scheduler.maxSeqLen)
      fail(tokens.origin,
           "max-num-batched-tokens is {}; without chunked prefill at least "
           "max-model-len, which is {}, is expected",
           *tokens, *scheduler.maxSeqLen);
  }

  Import &import_;
  DeploymentSpec &deployment_;
  JsonValue object_;
  KeyReader reader_;
  std::vector<Given> given_;
};

} // namespace

bool looksLikeServeFlags(const JsonValue &object) {
  if (object.find("model_type") || object.find("architectures"))
    return false; // a config.json
  constexpr std::string_view own[] = {
      "tensor-parallel-size", "data-parallel-size",     "pipeline-parallel-size",
      "max-num-seqs",         "max-num-batched-tokens", "gpu-memory-utilization",
      "max-model-len",        "compilation-config",     "additional-config",
      "enforce-eager",        "enable-expert-parallel"};
  return std::ranges::any_of(object.members(), [&](const auto &member) {
    const std::string_view key = member.first.toText("a key");
    return std::ranges::find(own, canonicalFlag(key)) != std::end(own);
  });
}

void readServeFlags(Import &import, const JsonValue &flags) {
  if (!flags.isObject())
    flags.failExpected("serve", "an object of flags and values");
  if (flags.size() > mostFlags)
    fail(flags.position(), "the server has {} flags; at most {} are read", flags.size(), mostFlags);
  ServeReader(import, flags).read();
}

} // namespace vinci
