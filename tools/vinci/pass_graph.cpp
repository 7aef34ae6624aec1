#include "tools/vinci/pass_graph.h"

#include <algorithm>
#include <map>
#include <set>

namespace vinci {
namespace {

/// Names of the ops that make `origin`, and nothing but them: what two views of one op share.
std::string identity(const llm::Origin &origin) {
  std::string text = origin.op + " " + origin.role + " " + origin.pass + " " + origin.location;
  for (const llm::Origin &part : origin.of)
    text += " (" + identity(part) + ")";
  return text;
}

/// "hidden" of "decoder_layer/%hidden".
std::string shortName(const std::string &value) {
  const size_t percent = value.find('%');
  return percent == std::string::npos ? value : value.substr(percent + 1);
}

/// The ops of a body, and edges between them.
class Graph {
public:
  Graph(const BodyView &body, const std::set<std::string> &stepInputs) : stepInputs_(stepInputs) {
    for (const CommandView &command : body.commands) {
      if (isNode(command))
        addNode(command);
      else if (command.op == "weight")
        for (const std::string &name : command.outputs)
          weights_.insert(name);
      else if (command.op == "return")
        addReturn(command);
      else // constants, and what names the KV cache
        hidden_.insert(command.outputs.begin(), command.outputs.end());
    }
  }

  size_t size() const { return nodes.size(); }

  Report nodes = Report::array();
  std::vector<const CommandView *> commands; ///< of each node; null for arguments

private:
  void addNode(const CommandView &command) {
    Report inputs = Report::array(), weights = Report::array(), reads = Report::array();
    for (const std::string &name : command.inputs) {
      if (weights_.contains(name))
        weights.push_back(shortName(name));
      else if (stepInputs_.contains(shortName(name)))
        reads.push_back(shortName(name));
      else if (!hidden_.contains(name))
        inputs.push_back(producerOf(name));
    }
    const size_t node = nodes.size();
    nodes.push_back({{"op", command.op},
                     {"role", command.origin.role},
                     {"made_by", command.origin.pass},
                     {"inputs", inputs},
                     {"weights", weights},
                     {"reads", reads},
                     {"text", command.text}});
    commands.push_back(&command);
    for (const std::string &name : command.outputs)
      producers_[name] = node;
  }

  void addReturn(const CommandView &command) {
    for (const std::string &name : command.inputs)
      if (!weights_.contains(name) && !hidden_.contains(name))
        nodes[producerOf(name)]["returned"] = true;
  }

  /// What no op has made is an argument, which has a node of its own.
  size_t producerOf(const std::string &name) {
    const auto [found, isNew] = producers_.try_emplace(name, nodes.size());
    if (isNew) {
      nodes.push_back({{"argument", shortName(name)}, {"inputs", Report::array()}});
      commands.push_back(nullptr);
    }
    return found->second;
  }

  const std::set<std::string> &stepInputs_;
  std::set<std::string> weights_, hidden_;
  std::map<std::string, size_t> producers_;
};

/// Finds the ops before fusion in what those after it were made of.
class Matching {
public:
  explicit Matching(Graph &before) : before_(before) {
    for (size_t node = 0; node < before.size(); ++node)
      if (before.commands[node])
        byIdentity_[identity(before.commands[node]->origin)].push_back(node);
  }

  /// Adds to `node` of the graph after fusion what it was made of.
  void match(const llm::Origin &origin, size_t index, Report &node) {
    node["of"] = Report::array();
    node["passes"] = Report::array();
    if (!isBefore(origin, "", index, node))
      visit(origin, index, node);
  }

private:
  void visit(const llm::Origin &origin, size_t index, Report &node) {
    if (origin.pass.empty())
      return;
    for (const llm::Origin &part : origin.of)
      if (!isBefore(part, origin.pass, index, node))
        visit(part, index, node);
    if (!origin.of.empty())
      node["passes"].push_back(origin.pass);
  }

  /// True if `origin` is an op that was there before, which `pass` has merged; or may have been one
  /// of another body.
  bool isBefore(const llm::Origin &origin, const std::string &pass, size_t index, Report &node) {
    const auto found = byIdentity_.find(identity(origin));
    const bool isLeaf = origin.of.empty() && !pass.empty();
    if (found == byIdentity_.end() && !isLeaf)
      return false;
    Report part = {{"op", origin.op}, {"role", origin.role}, {"pass", pass}, {"node", nullptr}};
    if (found != byIdentity_.end()) {
      // Several of one name: one after another, and the last one for all that follow.
      std::vector<size_t> &nodes = found->second;
      const size_t before = nodes.front();
      if (nodes.size() > 1)
        nodes.erase(nodes.begin());
      part["node"] = before;
      Report &target = before_.nodes[before];
      target["into"].push_back(index);
      if (!pass.empty() && !target.contains("merged_by"))
        target["merged_by"] = pass;
    }
    node["of"].push_back(std::move(part));
    return true;
  }

  Graph &before_;
  std::map<std::string, std::vector<size_t>> byIdentity_;
};

} // namespace

bool isNode(const CommandView &command) {
  static const std::set<std::string> others = {"weight", "constant", "rank_constant", "kv_cache",
                                               "return", "call",     "buffer",        "prefetch"};
  return !command.origin.op.empty() && !others.contains(command.op);
}

Report passGraphs(const PassRecord &before, const PassRecord &after, const fb::Plan &plan) {
  std::set<std::string> stepInputs;
  for (const fb::StepTensor *input : *plan.entries()->Get(0)->inputs())
    stepInputs.insert(input->name()->str());
  Report graphs = Report::array();
  for (const BodyView &body : after.bodies) {
    const auto old = std::ranges::find(before.bodies, body.name, &BodyView::name);
    if (old == before.bodies.end() || std::ranges::none_of(body.commands, isNode))
      continue;
    Graph graphBefore(*old, stepInputs), graphAfter(body, stepInputs);
    Matching matching(graphBefore);
    for (size_t node = 0; node < graphAfter.size(); ++node)
      if (const CommandView *command = graphAfter.commands[node])
        matching.match(command->origin, node, graphAfter.nodes[node]);
    graphs.push_back({{"body", body.name},
                      {"calls", body.calls},
                      {"before", graphBefore.nodes},
                      {"after", graphAfter.nodes}});
  }
  std::stable_sort(graphs.begin(), graphs.end(), [](const Report &a, const Report &b) {
    return a["calls"].get<size_t>() > b["calls"].get<size_t>();
  });
  return graphs;
}

} // namespace vinci
