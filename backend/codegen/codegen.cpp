#include "backend/codegen/codegen.h"

#include "backend/codegen/catalogue.h"
#include "backend/codegen/merge_objects.h"
#include "backend/kernels/template_bitcode.h"
#include "runtime/plan/plan_file.h"
#include "runtime/support/error.h"

#include "llvm-c/Core.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"

#include <set>

namespace vinci {
namespace {

constexpr const char *targetTriple = "x86_64-unknown-linux-gnu";

std::string featureString(const CpuTarget &target) {
  std::string features;
  for (const std::string &feature : target.features)
    features += (features.empty() ? "+" : ",+") + feature;
  return features;
}

std::unique_ptr<llvm::TargetMachine> createTargetMachine(const CpuTarget &target) {
  [[maybe_unused]] static const bool initialised = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  std::string message;
  const llvm::Target *x86 = llvm::TargetRegistry::lookupTarget(targetTriple, message);
  if (!x86)
    failInternal("LLVM has no x86-64 target: {}", message);
  llvm::TargetOptions options;
  // A template says where it wants a fused multiply-add; nothing else may be fused, or results
  // would differ by target.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(x86->createTargetMachine(
      targetTriple, "x86-64", featureString(target), options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive));
}

/// The templates of a family, their bodies still in the bitcode.
std::unique_ptr<llvm::Module> loadTemplates(llvm::LLVMContext &context, std::string_view family) {
  const auto bitcode = templateBitcode(family);
  if (!bitcode)
    failInternal("kernel family \"{}\" has no template", family);
  auto module = llvm::getLazyBitcodeModule({*bitcode, llvm::StringRef(family)}, context);
  if (!module)
    failInternal("kernel family \"{}\": {}", family, llvm::toString(module.takeError()));
  return std::move(*module);
}

void checkRead(llvm::Error error, const std::string &symbol) {
  if (error)
    failInternal("kernel {}: its template cannot be read: {}", symbol,
                 llvm::toString(std::move(error)));
}

/// Reads the bodies of `root` and of all that it calls, and drops the others: most of a family.
void keepOnly(llvm::Function &root, const std::string &symbol) {
  llvm::Module &module = *root.getParent();
  std::vector<llvm::Function *> pending = {&root};
  std::set<llvm::Function *> reached = {&root};
  while (!pending.empty()) {
    llvm::Function &function = *pending.back();
    pending.pop_back();
    checkRead(function.materialize(), symbol);
    for (llvm::Instruction &instruction : llvm::instructions(function))
      for (llvm::Value *operand : instruction.operand_values())
        if (auto *called = llvm::dyn_cast<llvm::Function>(operand);
            called && reached.insert(called).second)
          pending.push_back(called);
  }
  for (llvm::Function &function : llvm::make_early_inc_range(module))
    if (!reached.contains(&function)) {
      function.deleteBody();
      if (function.use_empty())
        function.eraseFromParent();
    }
  checkRead(module.materializeAll(), symbol);
}

/// Fixes the constants that templates take from the target: those of support/kernel.h.
void defineTargetConstants(llvm::Module &module, const CpuTarget &target) {
  const std::pair<const char *, uint64_t> constants[] = {
      {"vinciVectorBytes", target.vectorBytes},
      {"vinciHasVnni", target.has("avx512vnni")},
      {"vinciHasAmx", target.has("amx-tile")},
      {"vinciHasBf16Dot", target.has("avx512bf16")},
  };
  for (const auto &[name, value] : constants)
    if (llvm::GlobalVariable *constant = module.getGlobalVariable(name)) {
      constant->setInitializer(llvm::ConstantInt::get(constant->getValueType(), value));
      constant->setLinkage(llvm::GlobalValue::InternalLinkage);
    }
}

/// Everything but the wrappers is inlined into them, for the features of the target.
void prepareTemplates(llvm::Module &module, const CpuTarget &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.setLinkage(llvm::GlobalValue::InternalLinkage);
    function.setVisibility(llvm::GlobalValue::DefaultVisibility);
    function.setComdat(nullptr);
    function.removeFnAttr(llvm::Attribute::NoInline);
    function.addFnAttr(llvm::Attribute::AlwaysInline);
    // Clang records the widest vector of its own default target here; it would split 64-byte
    // vectors.
    function.removeFnAttr("min-legal-vector-width");
    function.removeFnAttr("tune-cpu");
    function.addFnAttr("target-cpu", "x86-64");
    function.addFnAttr("target-features", featureString(target));
    function.addFnAttr("prefer-vector-width", std::to_string(8 * target.vectorBytes));
  }
}

/// The constants of `spec`, then its tile rule: the trailing arguments of its template.
llvm::SmallVector<llvm::Value *>
constantArguments(llvm::IRBuilder<> &builder, const KernelSpec &spec, const CpuTarget &target) {
  llvm::SmallVector<llvm::Value *> arguments;
  for (const ConstantRule &rule : catalogueEntry(spec.op).constants) {
    const std::string name(rule.name);
    if (rule.kind == ConstantKind::Size || rule.kind == ConstantKind::Flag)
      arguments.push_back(builder.getInt64(static_cast<uint64_t>(spec.integer(name))));
    else if (rule.kind == ConstantKind::Real)
      arguments.push_back(llvm::ConstantFP::get(builder.getDoubleTy(), spec.real(name)));
  }
  const KernelTiles tiles = tileRule(spec, target);
  for (const uint64_t value :
       {uint64_t(tiles.symbol), tiles.scale, uint64_t(tiles.rowBlock), uint64_t(tiles.columns)})
    arguments.push_back(builder.getInt64(value));
  return arguments;
}

/// void <symbol>(buffers, dims, tile): calls the template `callee` with the constants of `spec`.
void addWrapper(llvm::Module &module, llvm::Function *callee, const std::string &symbol,
                const KernelSpec &spec, const CpuTarget &target) {
  llvm::LLVMContext &context = module.getContext();
  llvm::IRBuilder<> builder(context);
  auto *type = llvm::FunctionType::get(
      builder.getVoidTy(), {builder.getPtrTy(), builder.getPtrTy(), builder.getInt32Ty()}, false);
  auto *wrapper = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, symbol, module);
  wrapper->setAttributes(llvm::AttributeList::get(context, callee->getAttributes().getFnAttrs(),
                                                  llvm::AttributeSet(), {}));
  wrapper->removeFnAttr(llvm::Attribute::AlwaysInline);
  builder.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", wrapper));
  llvm::SmallVector<llvm::Value *> arguments = {wrapper->getArg(0), wrapper->getArg(1),
                                                wrapper->getArg(2)};
  arguments.append(constantArguments(builder, spec, target));
  if (callee->arg_size() != arguments.size())
    failInternal("kernel {}: template {} takes {} parameters, the catalogue gives {}", symbol,
                 templateName(spec), callee->arg_size(), arguments.size());
  builder.CreateCall(callee, arguments);
  builder.CreateRetVoid();
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  // The templates are vectorised by hand; what these passes would add is code for loops that are
  // cold.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

std::vector<std::byte> emitObject(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    failInternal("LLVM cannot emit objects for {}", targetTriple);
  passes.run(module);
  const auto *first = reinterpret_cast<const std::byte *>(object.data());
  return {first, first + object.size()};
}

/// The object of one kernel. Its bytes do not depend on what else is compiled.
std::vector<std::byte> compileKernel(const std::string &symbol, const KernelSpec &spec,
                                     const CpuTarget &target, llvm::TargetMachine &machine) {
  llvm::LLVMContext context;
  const auto module = loadTemplates(context, catalogueEntry(spec.op).family);
  llvm::Function *callee = module->getFunction(templateName(spec));
  if (!callee)
    failInternal("kernel {}: its family has no template {}", symbol, templateName(spec));
  keepOnly(*callee, symbol);
  module->setDataLayout(machine.createDataLayout());
  module->setTargetTriple(targetTriple);
  defineTargetConstants(*module, target);
  prepareTemplates(*module, target);
  addWrapper(*module, callee, symbol, spec, target);
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(*module, &stream))
    failInternal("kernel {} is not valid: {}", symbol, problems);
  optimise(*module, machine);
  return emitObject(*module, machine);
}

/// All that the object of a kernel depends on, as text.
std::string cacheKey(const std::string &symbol, const KernelSpec &spec, const CpuTarget &target) {
  static constexpr const char *generator =
#include "generator_id.inc"
      ;
  unsigned major = 0, minor = 0, patch = 0;
  LLVMGetVersion(&major, &minor, &patch);
  const std::string_view family = catalogueEntry(spec.op).family;
  const std::string_view bitcode = templateBitcode(family).value_or("");
  return fmt::format("{}\ngenerator {}\nllvm {}.{}.{}\ntemplates {} {:016x}\ntarget {} {}\n",
                     symbol, generator, major, minor, patch, family,
                     hashBytes(std::as_bytes(std::span(bitcode))), featureString(target),
                     target.vectorBytes);
}

} // namespace

std::vector<std::byte> compileKernels(std::span<const KernelSpec> specs, const CpuTarget &target,
                                      KernelCache *cache) {
  std::map<std::string, KernelSpec> bySymbol;
  for (const KernelSpec &spec : specs)
    bySymbol.emplace(symbolName(spec), spec);

  const auto machine = createTargetMachine(target);
  std::vector<std::vector<std::byte>> objects;
  for (const auto &[symbol, spec] : bySymbol) {
    const std::string key = cache ? cacheKey(symbol, spec, target) : std::string();
    auto object = cache ? cache->find(key) : std::nullopt;
    if (!object) {
      object = compileKernel(symbol, spec, target, *machine);
      if (cache)
        cache->store(key, *object);
    }
    objects.push_back(std::move(*object));
  }
  return mergeObjects(objects);
}

} // namespace vinci
