#include "runtime/exec/kernel_object.h"

#include "runtime/support/error.h"

#include "llvm/Object/ELF.h"
#include "llvm/Support/MathExtras.h"

namespace vinci {
namespace {

using namespace llvm::ELF;
using Elf = llvm::object::ELFFile<llvm::object::ELF64LE>;
using Section = Elf::Elf_Shdr;
using Symbol = Elf::Elf_Sym;

constexpr uint64_t maxAlignment = 4096;

class ObjectChecker {
public:
  ObjectChecker(const Elf &elf, const std::string &origin) : elf_(elf), origin_(origin) {}

  std::set<std::string> check() {
    const auto &header = elf_.getHeader();
    if (header.e_machine != EM_X86_64 || header.e_type != ET_REL)
      reject("it is not a relocatable x86-64 object");
    for (const Section &section : sections())
      checkSection(section);
    return functions_;
  }

private:
  template <typename... Args>
  [[noreturn]] void reject(fmt::format_string<Args...> format, Args &&...args) const {
    fail(SourcePosition{origin_}, "malformed kernel object: {}",
         fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename T> T get(llvm::Expected<T> value) const {
    if (!value)
      reject("{}", llvm::toString(value.takeError()));
    return std::move(*value);
  }

  Elf::Elf_Shdr_Range sections() const { return get(elf_.sections()); }

  uint64_t indexOf(const Section &section) const { return &section - sections().begin(); }

  const Section &sectionAt(uint64_t index) const {
    if (index >= sections().size())
      reject("there is no section {}", index);
    return sections()[index];
  }

  void checkSection(const Section &section) {
    if (section.sh_type == SHT_NULL)
      return;
    if ((section.sh_flags & SHF_ALLOC) && section.sh_type != SHT_PROGBITS)
      reject("section {} is loaded and is of type {}", indexOf(section), section.sh_type + 0);
    if ((section.sh_flags & SHF_ALLOC) && (section.sh_flags & (SHF_WRITE | SHF_TLS)))
      reject("section {} is writable; kernels keep no state", indexOf(section));
    if (section.sh_addralign > maxAlignment ||
        (section.sh_addralign > 1 && !llvm::isPowerOf2_64(section.sh_addralign)))
      reject("section {} is aligned to {}", indexOf(section), section.sh_addralign + 0);
    if (section.sh_addr != 0)
      reject("section {} has an address", indexOf(section));
    static_cast<void>(get(elf_.getSectionContents(section)));
    if (section.sh_type == SHT_SYMTAB)
      checkSymbols(section);
    else if (section.sh_type == SHT_RELA)
      checkRelocations(section);
    else if (section.sh_type == SHT_REL)
      reject("section {} holds relocations without addends", indexOf(section));
  }

  void checkSymbols(const Section &table) {
    const llvm::StringRef names = get(elf_.getStringTableForSymtab(table));
    bool first = true; // symbol 0 is the null symbol
    for (const Symbol &symbol : get(elf_.symbols(&table))) {
      if (!first)
        checkSymbol(symbol, get(symbol.getName(names)));
      first = false;
    }
  }

  void checkSymbol(const Symbol &symbol, llvm::StringRef name) {
    const uint8_t type = symbol.getType();
    if (type == STT_FILE)
      return;
    if (type != STT_NOTYPE && type != STT_OBJECT && type != STT_FUNC && type != STT_SECTION)
      reject("symbol \"{}\" is of type {}", name.str(), type);
    if (symbol.st_shndx == SHN_UNDEF)
      reject("symbol \"{}\" is undefined; kernels call nothing", name.str());
    const Section &section = sectionAt(symbol.st_shndx);
    if (symbol.st_value > section.sh_size || symbol.st_size > section.sh_size - symbol.st_value)
      reject("symbol \"{}\" reaches beyond its section", name.str());
    if (type == STT_FUNC && symbol.getBinding() != STB_LOCAL) {
      if (!(section.sh_flags & SHF_EXECINSTR))
        reject("function \"{}\" is not in executable memory", name.str());
      if (!functions_.insert(name.str()).second)
        reject("function \"{}\" is defined twice", name.str());
    }
  }

  void checkRelocations(const Section &table) {
    const Section &target = sectionAt(table.sh_info);
    const Section &symbols = sectionAt(table.sh_link);
    if (symbols.sh_type != SHT_SYMTAB)
      reject("relocations {} refer to no symbol table", indexOf(table));
    const uint64_t symbolCount = get(elf_.symbols(&symbols)).size();
    for (const auto &relocation : get(elf_.relas(table))) {
      if (relocation.r_offset > target.sh_size ||
          target.sh_size - relocation.r_offset < relocationWidth(relocation.getType(false)))
        reject("a relocation at {} lies beyond section {}", relocation.r_offset + 0,
               table.sh_info + 0);
      if (relocation.getSymbol(false) == 0 || relocation.getSymbol(false) >= symbolCount)
        reject("a relocation refers to symbol {} of {}", relocation.getSymbol(false), symbolCount);
    }
  }

  uint64_t relocationWidth(uint32_t type) const {
    switch (type) {
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
    case R_X86_64_32:
    case R_X86_64_32S:
      return 4;
    case R_X86_64_PC64:
    case R_X86_64_64:
      return 8;
    default:
      reject("relocation type {} does not occur in kernels", type);
    }
  }

  const Elf &elf_;
  const std::string &origin_;
  std::set<std::string> functions_;
};

} // namespace

std::set<std::string> checkKernelObject(std::span<const std::byte> object,
                                        const std::string &origin) {
  auto elf = Elf::create({reinterpret_cast<const char *>(object.data()), object.size()});
  if (!elf)
    fail(SourcePosition{origin}, "malformed kernel object: {}", llvm::toString(elf.takeError()));
  const auto *identity = reinterpret_cast<const unsigned char *>(object.data());
  if (std::string_view(reinterpret_cast<const char *>(identity), 4) != ElfMagic ||
      identity[EI_CLASS] != ELFCLASS64 || identity[EI_DATA] != ELFDATA2LSB)
    fail(SourcePosition{origin},
         "malformed kernel object: it is not a 64-bit little-endian ELF file");
  return ObjectChecker(*elf, origin).check();
}

} // namespace vinci
