// Cuts a shell script into simple commands of words, as far as launch scripts need it: quotes,
// escapes, comments, continued lines, here-documents, redirections, and variables whose values are
// known. Nothing is run.
#pragma once

#include "runtime/support/json_tree.h"

#include <map>

namespace vinci {

/// A word after expansion. Each byte knows where in the script it comes from.
struct ShellWord {
  std::string text;
  std::vector<uint32_t> origins; ///< of each byte; bytes of a variable stand at its `$`
  size_t offset = 0;             ///< where the word begins
  bool quoted = false;           ///< part of it is
  std::vector<std::string> uses; ///< names of the variables in it, known or not

  /// Where byte `begin` stands, or would stand if the word were longer.
  size_t place(size_t begin) const {
    if (begin < origins.size())
      return origins[begin];
    return origins.empty() ? offset : origins.back() + 1;
  }
};

/// How long NAME= at the beginning of a word is; 0 if it is no assignment.
size_t assignmentPrefix(std::string_view word);

using ShellVariables = std::map<std::string, std::string, std::less<>>;

class ShellReader {
public:
  /// `tree` holds the script and its name and must outlive the reader.
  explicit ShellReader(const JsonTree &tree) : tree_(tree) {}

  /// The words of the next simple command, at least one; false behind the last. Variables that
  /// `variables` does not know, and what only a shell could work out, stay as they are spelled.
  /// Fails at a quote that is not closed and on a script whose variables expand without end.
  bool next(std::vector<ShellWord> &words, const ShellVariables &variables);

private:
  bool atEnd() const { return cursor_ >= tree_.text.size(); }
  char peek(size_t ahead = 0) const {
    return cursor_ + ahead < tree_.text.size() ? tree_.text[cursor_ + ahead] : '\0';
  }
  bool skipBlanks();
  void redirect(const ShellVariables &variables);
  void skipHereDocuments();
  void finishWord();
  ShellWord &word(size_t offset);
  void append(char byte, size_t origin);
  void append(std::string_view text, size_t origin, bool split);
  void readWord(const ShellVariables &variables);
  void readDoubleQuotes(const ShellVariables &variables);
  void readSingleQuotes();
  void readDollar(const ShellVariables &variables, bool quoted);
  void keep(size_t end);
  size_t closing(size_t open, char opening, char close) const;

  const JsonTree &tree_;
  size_t cursor_ = 0, expanded_ = 0;
  std::vector<ShellWord> words_;
  bool open_ = false; ///< words_.back() is still being read
  std::vector<std::string> hereDocuments_;
};

} // namespace vinci
