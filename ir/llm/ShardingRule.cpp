#include "ir/llm/ShardingRule.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace vinci::llm {

namespace {

/// Reads rules. They come from the td files: one that does not fit its op is a defect.
class RuleReader {
public:
  ShardingRule::Dims read(StringRef group, Type type) {
    ShardingRule::Dims dims;
    dims.linear = group.consume_front("~");
    group = group.drop_front().drop_back();
    const unsigned rank = rankOf(type);
    SmallVector<StringRef> names;
    group.split(names, ',', -1, /*KeepEmpty=*/false);
    for (StringRef name : names)
      if (name == "..")
        for (unsigned i = 0; i + names.size() <= rank; ++i)
          dims.factors.push_back(factor(".." + std::to_string(i), false));
      else
        dims.factors.push_back(factor(name.rtrim('!').str(), name.ends_with("!")));
    while (dims.factors.size() < rank) // "()"
      dims.factors.push_back(fresh(true));
    assert(dims.factors.size() == rank && "a sharding rule does not fit its op");
    return dims;
  }

  std::vector<bool> whole;

private:
  static unsigned rankOf(Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor ? tensor.getRank() : 1; // a KV cache has its heads
  }
  unsigned fresh(bool isWhole) {
    whole.push_back(isWhole);
    return whole.size() - 1;
  }
  unsigned factor(const std::string &name, bool isWhole) {
    auto [found, isNew] = factors_.try_emplace(name, whole.size());
    if (isNew)
      fresh(isWhole);
    return found->second;
  }

  llvm::StringMap<unsigned> factors_;
};

/// "(a,b),~(c)" as its groups.
SmallVector<StringRef> groupsOf(StringRef text) {
  SmallVector<StringRef> groups;
  while (!text.empty()) {
    const size_t end = text.find(')') + 1;
    groups.push_back(text.take_front(end));
    text = text.drop_front(end);
    text.consume_front(",");
  }
  return groups;
}

} // namespace

FailureOr<ShardingRule> shardingRuleOf(Operation *op) {
  auto sharding = dyn_cast<ShardingOpInterface>(op);
  const StringRef text = sharding ? sharding.getShardingRule() : "";
  if (text.empty())
    return op->emitOpError() << "has no sharding rule; it is made after partitioning";
  auto [operands, results] = text.split("->");
  RuleReader reader;
  ShardingRule rule;
  for (auto [group, type] : llvm::zip(groupsOf(operands), op->getOperandTypes()))
    rule.operands.push_back(reader.read(group, type));
  for (auto [group, type] : llvm::zip(groupsOf(results), op->getResultTypes()))
    rule.results.push_back(reader.read(group, type));
  rule.whole = std::move(reader.whole);
  return rule;
}

} // namespace vinci::llm
