#include "backend/codegen/disassembler.h"

#include "runtime/support/error.h"

#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Triple.h"

namespace vinci {
namespace {

constexpr const char *targetTriple = "x86_64-unknown-linux-gnu";
/// Every feature that any kernel may use, so that no instruction is unknown.
constexpr const char *allFeatures = "+avx2,+fma,+f16c,+avx512f,+avx512vl,+avx512bw,+avx512dq,"
                                    "+avx512vnni,+avx512bf16,+amx-tile,+amx-bf16,+amx-int8";

/// The bytes of function `symbol`.
llvm::ArrayRef<uint8_t> functionBytes(std::span<const std::byte> bytes, const std::string &symbol) {
  const llvm::StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  const auto check = [&](auto expected) {
    if (!expected)
      fail("kernel {}: its object cannot be read: {}", symbol,
           llvm::toString(expected.takeError()));
    return std::move(*expected);
  };
  const auto object = check(llvm::object::ObjectFile::createELFObjectFile({text, "kernels"}));
  for (const llvm::object::ELFSymbolRef candidate : object->symbols()) {
    if (check(candidate.getName()) != symbol)
      continue;
    const auto section = check(candidate.getSection());
    if (section == object->section_end())
      break;
    const llvm::StringRef contents = check(section->getContents());
    const uint64_t begin = check(candidate.getValue());
    if (begin > contents.size() || candidate.getSize() > contents.size() - begin)
      fail("kernel {}: its object cannot be read: the symbol reaches beyond its section", symbol);
    return llvm::arrayRefFromStringRef(contents.substr(begin, candidate.getSize()));
  }
  fail("kernel {} is not defined in the object", symbol);
}

/// LLVM's disassembler and instruction printer for x86-64.
class X86Printer {
public:
  X86Printer() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86Disassembler();
    std::string message;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(targetTriple, message);
    if (!target)
      failInternal("LLVM has no x86-64 target: {}", message);
    registers_.reset(target->createMCRegInfo(targetTriple));
    syntax_.reset(target->createMCAsmInfo(*registers_, targetTriple, llvm::MCTargetOptions()));
    instructions_.reset(target->createMCInstrInfo());
    subtarget_.reset(target->createMCSubtargetInfo(targetTriple, "x86-64", allFeatures));
    context_ = std::make_unique<llvm::MCContext>(llvm::Triple(targetTriple), syntax_.get(),
                                                 registers_.get(), subtarget_.get());
    disassembler_.reset(target->createMCDisassembler(*subtarget_, *context_));
    constexpr unsigned attSyntax = 0;
    printer_.reset(target->createMCInstPrinter(llvm::Triple(targetTriple), attSyntax, *syntax_,
                                               *instructions_, *registers_));
    printer_->setPrintBranchImmAsAddress(true);
    printer_->setPrintImmHex(true);
  }

  /// Appends the instruction at `offset` to `stream` and returns its length; 0 if there is none.
  uint64_t print(llvm::ArrayRef<uint8_t> code, uint64_t offset, llvm::raw_ostream &stream) {
    llvm::MCInst instruction;
    uint64_t length = 0;
    if (disassembler_->getInstruction(instruction, length, code.slice(offset), offset,
                                      llvm::nulls()) != llvm::MCDisassembler::Success)
      return 0;
    stream << llvm::format_hex_no_prefix(offset, 6);
    printer_->printInst(&instruction, offset, "", *subtarget_, stream);
    stream << '\n';
    return length;
  }

private:
  std::unique_ptr<llvm::MCRegisterInfo> registers_;
  std::unique_ptr<llvm::MCAsmInfo> syntax_;
  std::unique_ptr<llvm::MCInstrInfo> instructions_;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget_;
  std::unique_ptr<llvm::MCContext> context_;
  std::unique_ptr<llvm::MCDisassembler> disassembler_;
  std::unique_ptr<llvm::MCInstPrinter> printer_;
};

} // namespace

std::string disassemble(std::span<const std::byte> object, const std::string &symbol) {
  const llvm::ArrayRef<uint8_t> code = functionBytes(object, symbol);
  X86Printer printer;
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (uint64_t offset = 0; offset < code.size();) {
    const uint64_t length = printer.print(code, offset, stream);
    if (length == 0)
      fail("kernel {}: no valid instruction at offset {:#x}", symbol, offset);
    offset += length;
  }
  return text;
}

} // namespace vinci
