#include "frontend/launch/shell.h"

#include <cctype>

namespace vinci {

namespace {

constexpr size_t mostExpanded = size_t(4) << 20;

bool isNameByte(char byte) {
  return std::isalnum((unsigned char)byte) || byte == '_';
}
bool isBlank(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\r';
}
bool endsWord(char byte) {
  return isBlank(byte) || std::string_view("\n;&|()<>").find(byte) != std::string_view::npos;
}

} // namespace

size_t assignmentPrefix(std::string_view word) {
  size_t end = 0;
  while (end < word.size() && isNameByte(word[end]))
    ++end;
  const bool name = end > 0 && !std::isdigit((unsigned char)word[0]);
  return name && end < word.size() && word[end] == '=' ? end + 1 : 0;
}

ShellWord &ShellReader::word(size_t offset) {
  if (!open_) {
    words_.emplace_back().offset = offset;
    open_ = true;
  }
  return words_.back();
}

/// A word of nothing but empty variables is none.
void ShellReader::finishWord() {
  if (open_ && words_.back().text.empty() && !words_.back().quoted)
    words_.pop_back();
  open_ = false;
}

void ShellReader::append(char byte, size_t origin) {
  if (++expanded_ > mostExpanded + tree_.text.size())
    fail(tree_.positionOf(origin), "the script's variables expand to more than {} bytes",
         mostExpanded);
  ShellWord &to = word(origin);
  to.text += byte;
  to.origins.push_back(uint32_t(origin));
}

/// A variable's value; outside quotes its blanks part words.
void ShellReader::append(std::string_view text, size_t origin, bool split) {
  for (char byte : text) {
    if (split && (isBlank(byte) || byte == '\n'))
      finishWord();
    else
      append(byte, origin);
  }
}

/// Up to `end`, as it is spelled.
void ShellReader::keep(size_t end) {
  for (; cursor_ < end; ++cursor_)
    append(tree_.text[cursor_], cursor_);
}

/// Blanks, continued lines and comments; true if there were any.
bool ShellReader::skipBlanks() {
  const size_t begin = cursor_;
  while (!atEnd()) {
    if (isBlank(peek()))
      ++cursor_;
    else if (peek() == '\\' && peek(1) == '\n')
      cursor_ += 2;
    else if (peek() == '\\' && peek(1) == '\r' && peek(2) == '\n')
      cursor_ += 3;
    else if (peek() == '#')
      cursor_ = std::min(tree_.text.find('\n', cursor_), tree_.text.size());
    else
      break;
  }
  return cursor_ != begin;
}

bool ShellReader::next(std::vector<ShellWord> &words, const ShellVariables &variables) {
  words_.clear();
  while (true) {
    finishWord();
    skipBlanks();
    if (atEnd())
      break;
    const char byte = peek();
    if (byte == '<' || byte == '>' || (byte == '&' && peek(1) == '>')) {
      redirect(variables);
    } else if (endsWord(byte)) {
      ++cursor_;
      if (byte == '\n')
        skipHereDocuments();
      if (!words_.empty())
        break;
    } else {
      readWord(variables);
    }
  }
  words = std::move(words_);
  return !words.empty();
}

/// > file, 2>&1, < file, <<EOF: none of them says anything here.
void ShellReader::redirect(const ShellVariables &variables) {
  const bool here = peek() == '<' && peek(1) == '<' && peek(2) != '<';
  // The number of a file in front: 2>.
  if (!words_.empty() && words_.back().origins.size() == words_.back().text.size() &&
      !words_.back().text.empty() && words_.back().origins.back() + 1 == cursor_ &&
      words_.back().text.find_first_not_of("0123456789") == std::string::npos)
    words_.pop_back();
  while (!atEnd() && std::string_view("<>&|-").find(peek()) != std::string_view::npos)
    ++cursor_;
  skipBlanks();
  const size_t count = words_.size();
  if (!atEnd() && !endsWord(peek()))
    readWord(variables);
  finishWord();
  if (here && words_.size() > count)
    hereDocuments_.push_back(words_[count].text);
  words_.resize(count);
}

void ShellReader::skipHereDocuments() {
  for (const std::string &delimiter : hereDocuments_) {
    while (!atEnd()) {
      const size_t end = std::min(tree_.text.find('\n', cursor_), tree_.text.size());
      std::string_view line(tree_.text.data() + cursor_, end - cursor_);
      cursor_ = std::min(end + 1, tree_.text.size());
      line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
      if (line == delimiter)
        break;
    }
  }
  hereDocuments_.clear();
}

void ShellReader::readWord(const ShellVariables &variables) {
  while (!atEnd() && !endsWord(peek())) {
    const char byte = peek();
    if (byte == '\\') {
      ++cursor_;
      if (peek() == '\r' && peek(1) == '\n')
        ++cursor_;
      if (peek() != '\n' && !atEnd())
        append(peek(), cursor_);
      ++cursor_;
    } else if (byte == '\'') {
      readSingleQuotes();
    } else if (byte == '"') {
      readDoubleQuotes(variables);
    } else if (byte == '$') {
      readDollar(variables, false);
    } else if (byte == '`') {
      const size_t end = tree_.text.find('`', cursor_ + 1);
      if (end == std::string::npos)
        fail(tree_.positionOf(cursor_), "this ` is not closed");
      keep(end + 1);
    } else {
      append(byte, cursor_++);
    }
  }
}

void ShellReader::readSingleQuotes() {
  const size_t end = tree_.text.find('\'', cursor_ + 1);
  if (end == std::string::npos)
    fail(tree_.positionOf(cursor_), "this ' is not closed");
  word(cursor_).quoted = true;
  ++cursor_;
  keep(end);
  ++cursor_;
}

void ShellReader::readDoubleQuotes(const ShellVariables &variables) {
  const size_t begin = cursor_;
  word(cursor_).quoted = true;
  ++cursor_;
  while (true) {
    if (atEnd())
      fail(tree_.positionOf(begin), "this \" is not closed");
    const char byte = peek();
    if (byte == '"') {
      ++cursor_;
      return;
    }
    if (byte == '$') {
      readDollar(variables, true);
    } else if (byte == '\\' &&
               std::string_view("\\\"$`\n").find(peek(1)) != std::string_view::npos &&
               cursor_ + 1 < tree_.text.size()) {
      if (peek(1) != '\n')
        append(peek(1), cursor_ + 1);
      cursor_ += 2;
    } else {
      append(byte, cursor_++);
    }
  }
}

/// Where the bracket at `open` is closed.
size_t ShellReader::closing(size_t open, char opening, char close) const {
  size_t depth = 0;
  for (size_t i = open; i < tree_.text.size(); ++i) {
    if (tree_.text[i] == opening)
      ++depth;
    else if (tree_.text[i] == close && --depth == 0)
      return i;
  }
  fail(tree_.positionOf(open), "this {} is not closed", opening);
}

/// $A, ${A}, ${A:-default}; $(command) and what else a shell knows stay as they are.
void ShellReader::readDollar(const ShellVariables &variables, bool quoted) {
  const size_t begin = cursor_;
  if (peek(1) == '(')
    return keep(closing(cursor_ + 1, '(', ')') + 1);
  const bool braces = peek(1) == '{';
  const size_t nameBegin = cursor_ + (braces ? 2 : 1);
  size_t nameEnd = nameBegin;
  while (nameEnd < tree_.text.size() && isNameByte(tree_.text[nameEnd]))
    ++nameEnd;
  const size_t end = braces ? closing(cursor_ + 1, '{', '}') + 1 : nameEnd;
  if (nameEnd == nameBegin)
    return keep(std::max(end, begin + 1));
  const std::string name = tree_.text.substr(nameBegin, nameEnd - nameBegin);
  word(begin).uses.push_back(name);
  const auto known = variables.find(name);
  std::string_view rest;
  if (braces)
    rest = std::string_view(tree_.text).substr(nameEnd, end - 1 - nameEnd);
  const bool split = !quoted && assignmentPrefix(word(begin).text) == 0;
  const bool isDefault = rest.starts_with(":-") || rest.starts_with("-");
  if (!rest.empty() && !isDefault)
    return keep(end);
  if (known != variables.end() && !(known->second.empty() && rest.starts_with(":")))
    append(known->second, begin, split);
  else if (isDefault && rest.find_first_of("$`\"'\\") == std::string_view::npos)
    append(rest.substr(rest.starts_with(":") ? 2 : 1), begin, split);
  else
    return keep(end);
  cursor_ = end;
}

} // namespace vinci
