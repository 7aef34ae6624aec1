// The flags of vLLM's serve command, with those of its Ascend and MindSpore plug-ins.
#pragma once

#include "frontend/import/key_table.h"

namespace vinci {

/// What follows a flag on a command line.
enum class FlagKind {
  Switch, ///< nothing; --no-NAME says the opposite
  Scalar, ///< a number or a word
  Text,   ///< a text, whatever it looks like
  Json,   ///< a JSON object; also --NAME.key value
  List,   ///< words up to the next flag
};

struct ServeFlag {
  FlagKind kind;
  KeyRule rule; ///< its path is the flag without dashes in front
};

std::span<const ServeFlag> serveFlags();

/// The flag called `name`, in canonical spelling and without a `.key`; nullptr if there is none.
const ServeFlag *findServeFlag(std::string_view name);

/// One spelling for all: no dashes in front, dashes for underscores, long names for short ones
/// (tensor-parallel-size for -tp). What follows a dot is a key of a JSON object and stays as it is.
std::string canonicalFlag(std::string_view flag);

/// Rules for the objects that --compilation-config, --additional-config and --speculative-config
/// take.
std::span<const KeyRule> compilationConfigRules();
std::span<const KeyRule> additionalConfigRules();
std::span<const KeyRule> speculativeConfigRules();

/// Reads an object by `rules`; it may also stand as JSON in a text.
void readJsonFlag(KeyReader &reader, const JsonValue &value, std::string_view key,
                  std::span<const KeyRule> rules);

/// --compilation-config: an object, or the level of optimisation alone.
void readCompilationConfig(KeyReader &reader, const JsonValue &value, std::string_view key);

} // namespace vinci
