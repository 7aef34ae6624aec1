// How checkpoints name and lay out the tensors that a plan asks for by their Hugging Face names.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// How a tensor of a file holds its parts, which are the tensors of a plan.
enum class Layout {
  /// The rows of each part, one part after the other; of a single part: that tensor itself.
  Rows,
  /// For each KV head: its share of the rows of each part. The heads of w_qkv.
  RowsPerKeyValueHead,
  /// Row 0 of each part, row 1 of each part, ...
  AlternatingRows,
  /// A matrix for each expert, transposed: [experts, columns, rows of all parts].
  TransposedStack,
};

/// What a tensor of a file holds, by Hugging Face names. In those of a TransposedStack "{}" stands
/// for the expert.
struct Holding {
  std::vector<std::string> parts;
  Layout layout = Layout::Rows;
};

/// A tensor of a file and what it holds. In a layer both are without "model.layers.3." or what
/// takes its place, and a '*' at the end stands for "weight" or "bias", the same in both.
struct NamingRule {
  std::string_view tensor;
  std::vector<std::string_view> parts;
  Layout layout = Layout::Rows;
};

/// The names of one family of checkpoints.
struct Naming {
  std::string_view title;                 ///< for messages
  std::string_view layers;                ///< what comes before a layer's number
  std::vector<NamingRule> model, inLayer; ///< both empty: as in the plan
};

/// The first is Hugging Face's.
std::span<const Naming> namings();

/// What `tensor` of a file holds; nullopt for a name that is not of this naming.
std::optional<Holding> holdingOf(const Naming &naming, std::string_view tensor);

/// The tensors of a file that can hold `part`, a Hugging Face name with the expert's number.
std::vector<std::string> holdersOf(const Naming &naming, std::string_view part);

} // namespace vinci
