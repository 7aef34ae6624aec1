#include "backend/codegen/merge_objects.h"

#include "runtime/support/error.h"

#include "llvm/Object/ELF.h"
#include "llvm/Support/Alignment.h"

#include <cstring>
#include <map>
#include <string>

namespace vinci {
namespace {

using namespace llvm::ELF;
using Elf = llvm::object::ELFFile<llvm::object::ELF64LE>;

struct MergedSection {
  std::string name;
  uint32_t type = 0;
  uint64_t flags = 0, entrySize = 0, alignment = 1;
  std::vector<std::byte> bytes;
  std::vector<Elf64_Rela> relocations;
};

struct MergedFunction {
  std::string name;
  Elf64_Sym symbol;
};

/// Where a section of one object begins in the merged one.
struct Place {
  size_t section = 0; ///< index into the merged sections
  uint64_t offset = 0;
};

template <typename T> T get(llvm::Expected<T> value) {
  if (!value)
    failInternal("a compiled kernel's object cannot be read: {}",
                 llvm::toString(value.takeError()));
  return std::move(*value);
}

/// Appends the bytes of a plain struct.
template <typename T> void append(std::vector<std::byte> &bytes, const T &value) {
  const auto *first = reinterpret_cast<const std::byte *>(&value);
  bytes.insert(bytes.end(), first, first + sizeof value);
}

void pad(std::vector<std::byte> &bytes, uint64_t alignment, std::byte filler = {}) {
  bytes.resize(llvm::alignTo(bytes.size(), alignment), filler);
}

class Merger {
public:
  void add(const std::vector<std::byte> &object);
  std::vector<std::byte> write() const;

private:
  /// Section header indices: the null section, then the merged sections.
  static uint16_t headerOf(size_t section) { return uint16_t(section + 1); }

  Place addSection(const Elf &elf, const Elf::Elf_Shdr &header);
  void addSymbols(const Elf &elf, const Elf::Elf_Shdr &table);
  void addRelocations(const Elf &elf, const Elf::Elf_Shdr &table);

  std::vector<MergedSection> sections_;
  std::vector<MergedFunction> functions_;
  std::map<uint64_t, Place> places_; ///< of the object at hand, by index of section
};

Place Merger::addSection(const Elf &elf, const Elf::Elf_Shdr &header) {
  const std::string name = get(elf.getSectionName(header)).str();
  if (header.sh_type != SHT_PROGBITS)
    failInternal("a compiled kernel's section {} is of type {}", name, header.sh_type + 0);
  size_t index = 0;
  for (; index < sections_.size(); ++index)
    if (sections_[index].name == name && sections_[index].flags == header.sh_flags &&
        sections_[index].entrySize == header.sh_entsize)
      break;
  if (index == sections_.size())
    sections_.push_back({name, header.sh_type, header.sh_flags, header.sh_entsize});
  MergedSection &section = sections_[index];
  const uint64_t alignment = std::max<uint64_t>(header.sh_addralign, 1);
  section.alignment = std::max(section.alignment, alignment);
  // Between functions stand breakpoints, which nothing reaches.
  pad(section.bytes, alignment, std::byte(header.sh_flags & SHF_EXECINSTR ? 0xcc : 0));
  const Place place{index, section.bytes.size()};
  const auto contents = get(elf.getSectionContents(header));
  const auto *first = reinterpret_cast<const std::byte *>(contents.data());
  section.bytes.insert(section.bytes.end(), first, first + contents.size());
  return place;
}

void Merger::addSymbols(const Elf &elf, const Elf::Elf_Shdr &table) {
  const llvm::StringRef names = get(elf.getStringTableForSymtab(table));
  for (const Elf::Elf_Sym &symbol : get(elf.symbols(&table)).drop_front()) {
    if (symbol.getBinding() == STB_LOCAL)
      continue;
    const std::string name = get(symbol.getName(names)).str();
    const auto place = places_.find(symbol.st_shndx);
    if (symbol.getType() != STT_FUNC || place == places_.end())
      failInternal("a compiled kernel's symbol {} is no function that it defines", name);
    Elf64_Sym merged{};
    merged.setBindingAndType(STB_GLOBAL, STT_FUNC);
    merged.st_shndx = headerOf(place->second.section);
    merged.st_value = symbol.st_value + place->second.offset;
    merged.st_size = symbol.st_size;
    functions_.push_back({name, merged});
  }
}

void Merger::addRelocations(const Elf &elf, const Elf::Elf_Shdr &table) {
  const auto target = places_.find(table.sh_info);
  if (target == places_.end()) // of a section that is not loaded
    return;
  const Elf::Elf_Shdr *symbols = get(elf.getSection(table.sh_link));
  for (const Elf::Elf_Rela &relocation : get(elf.relas(table))) {
    const Elf::Elf_Sym *symbol = get(elf.getRelocationSymbol(relocation, symbols));
    const auto place = symbol ? places_.find(symbol->st_shndx) : places_.end();
    if (place == places_.end())
      failInternal("a compiled kernel refers to a symbol from elsewhere");
    const uint32_t type = relocation.getType(false);
    Elf64_Rela merged{};
    merged.r_offset = relocation.r_offset + target->second.offset;
    // A call within the object needs no procedure linkage.
    merged.setSymbolAndType(headerOf(place->second.section),
                            type == R_X86_64_PLT32 ? uint32_t(R_X86_64_PC32) : type);
    merged.r_addend = relocation.r_addend + int64_t(symbol->st_value + place->second.offset);
    sections_[target->second.section].relocations.push_back(merged);
  }
}

void Merger::add(const std::vector<std::byte> &object) {
  const Elf elf = get(Elf::create({reinterpret_cast<const char *>(object.data()), object.size()}));
  const auto sections = get(elf.sections());
  places_.clear();
  for (size_t i = 0; i < sections.size(); ++i)
    if (sections[i].sh_flags & SHF_ALLOC)
      places_.emplace(i, addSection(elf, sections[i]));
  for (const Elf::Elf_Shdr &section : sections)
    if (section.sh_type == SHT_SYMTAB)
      addSymbols(elf, section);
    else if (section.sh_type == SHT_RELA)
      addRelocations(elf, section);
}

/// The parts of an object, in the order of its section headers.
class ObjectWriter {
public:
  ObjectWriter() : bytes_(sizeof(Elf64_Ehdr)), headers_(1) {}

  uint32_t addName(const std::string &name) {
    const auto at = uint32_t(names_.size());
    names_ += name + '\0';
    return at;
  }

  void addSection(const std::string &name, Elf64_Shdr header, std::span<const std::byte> bytes) {
    pad(bytes_, header.sh_addralign);
    header.sh_name = addName(name);
    header.sh_offset = bytes_.size();
    header.sh_size = bytes.size();
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    headers_.push_back(header);
  }

  /// Adds the names and the section headers.
  std::vector<std::byte> finish() {
    const uint32_t ownName = addName(".strtab");
    Elf64_Shdr strings{};
    strings.sh_type = SHT_STRTAB;
    strings.sh_addralign = 1;
    strings.sh_name = ownName;
    strings.sh_offset = bytes_.size();
    strings.sh_size = names_.size();
    const auto text = std::as_bytes(std::span(names_));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    headers_.push_back(strings);
    pad(bytes_, 8);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ElfMagic, 4);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_REL;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_shoff = bytes_.size();
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = uint16_t(headers_.size());
    header.e_shstrndx = uint16_t(headers_.size() - 1);
    std::memcpy(bytes_.data(), &header, sizeof header);
    for (const Elf64_Shdr &section : headers_)
      append(bytes_, section);
    return std::move(bytes_);
  }

private:
  std::vector<std::byte> bytes_;
  std::vector<Elf64_Shdr> headers_; ///< begins with the null section
  std::string names_ = std::string(1, '\0');
};

std::vector<std::byte> Merger::write() const {
  ObjectWriter writer;
  for (const MergedSection &section : sections_) {
    Elf64_Shdr header{};
    header.sh_type = section.type;
    header.sh_flags = section.flags;
    header.sh_entsize = section.entrySize;
    header.sh_addralign = section.alignment;
    writer.addSection(section.name, header, section.bytes);
  }
  uint32_t symbolTable = headerOf(sections_.size());
  for (const MergedSection &section : sections_)
    symbolTable += !section.relocations.empty();
  for (size_t i = 0; i < sections_.size(); ++i) {
    if (sections_[i].relocations.empty())
      continue;
    Elf64_Shdr header{};
    header.sh_type = SHT_RELA;
    header.sh_flags = SHF_INFO_LINK;
    header.sh_entsize = sizeof(Elf64_Rela);
    header.sh_addralign = 8;
    header.sh_link = symbolTable;
    header.sh_info = headerOf(i);
    writer.addSection(".rela" + sections_[i].name, header,
                      std::as_bytes(std::span(sections_[i].relocations)));
  }
  std::vector<Elf64_Sym> symbols(1);
  for (size_t i = 0; i < sections_.size(); ++i) {
    Elf64_Sym symbol{};
    symbol.setBindingAndType(STB_LOCAL, STT_SECTION);
    symbol.st_shndx = headerOf(i);
    symbols.push_back(symbol);
  }
  Elf64_Shdr header{};
  header.sh_type = SHT_SYMTAB;
  header.sh_entsize = sizeof(Elf64_Sym);
  header.sh_addralign = 8;
  header.sh_link = symbolTable + 1;
  header.sh_info = uint32_t(symbols.size()); // the first that is not local
  for (const MergedFunction &function : functions_) {
    symbols.push_back(function.symbol);
    symbols.back().st_name = writer.addName(function.name);
  }
  writer.addSection(".symtab", header, std::as_bytes(std::span(symbols)));
  return writer.finish();
}

} // namespace

std::vector<std::byte> mergeObjects(std::span<const std::vector<std::byte>> objects) {
  Merger merger;
  for (const std::vector<std::byte> &object : objects)
    merger.add(object);
  return merger.write();
}

} // namespace vinci
