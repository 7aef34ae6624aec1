#include "backend/codegen/kernel_spec.h"

#include "backend/codegen/catalogue.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace vinci {
namespace {

constexpr const char *kindNames[] = {"an integer", "a real number", "a name"};

template <typename T> const T &constantAs(const KernelSpec &spec, const std::string &name) {
  const auto found = spec.constants.find(name);
  if (found == spec.constants.end())
    failInternal("kernel {}: constant \"{}\" is missing", spec.op, name);
  if (const T *value = std::get_if<T>(&found->second))
    return *value;
  failInternal("kernel {}: constant \"{}\" is {} and should be {}", spec.op, name,
               kindNames[found->second.index()], kindNames[Attribute(T{}).index()]);
}

void checkConstant(const KernelSpec &spec, const ConstantRule &rule) {
  const std::string name(rule.name);
  switch (rule.kind) {
  case ConstantKind::ElementType: {
    const DType type = spec.dtype(name);
    if (type != DType::Float32 && type != DType::BFloat16 && type != DType::Float16)
      failInternal("kernel {}: {} \"{}\" must be float32, bfloat16 or float16", spec.op, name,
                   spec.text(name));
    return;
  }
  case ConstantKind::RegionType:
    if (spec.dtype(name) != DType::Float32 && spec.dtype(name) != spec.dtype())
      failInternal("kernel {}: {} {} must be float32 or dtype {}", spec.op, name, spec.text(name),
                   spec.text("dtype"));
    return;
  case ConstantKind::Rows:
    spec.rows();
    return;
  case ConstantKind::Size:
  case ConstantKind::Flag: {
    const bool flag = rule.kind == ConstantKind::Flag;
    const int64_t least = flag ? 0 : rule.least, most = flag ? 1 : rule.most;
    const int64_t value = spec.integer(name);
    if (value < least || value > most)
      failInternal("kernel {}: {} {} must lie in {}..{}", spec.op, name, value, least, most);
    return;
  }
  case ConstantKind::Real:
    if (!std::isfinite(spec.real(name)))
      failInternal("kernel {}: {} must be finite", spec.op, name);
    return;
  }
}

bool isThere(const KernelSpec &spec, const CatalogueEntry &entry, std::string_view operand) {
  const auto optional = std::ranges::find(entry.optional, operand, &OptionalOperand::operand);
  return optional == entry.optional.end() ||
         spec.integer(std::string(optional->flag)) == optional->when;
}

} // namespace

int64_t KernelSpec::integer(const std::string &name) const {
  return constantAs<int64_t>(*this, name);
}

double KernelSpec::real(const std::string &name) const {
  return constantAs<double>(*this, name);
}

const std::string &KernelSpec::text(const std::string &name) const {
  return constantAs<std::string>(*this, name);
}

DType KernelSpec::dtype(const std::string &name) const {
  const std::string &spelling = text(name);
  if (const auto type = parseDType(spelling))
    return *type;
  failInternal("kernel {}: {} \"{}\" is not an element type", op, name, spelling);
}

RowCount KernelSpec::rows() const {
  const std::string &spelling = text("rows");
  const size_t star = std::min(spelling.find('*'), spelling.size());
  const std::string_view symbol = std::string_view(spelling).substr(0, star);
  const std::string_view scale =
      std::string_view(spelling).substr(std::min(star + 1, spelling.size()));
  RowCount rows{symbol == "tokens"         ? VINCI_DIM_TOKENS
                : symbol == "token_shares" ? VINCI_DIM_TOKEN_SHARES
                                           : VINCI_DIM_LOGIT_ROWS,
                1};
  const bool legal =
      scale.empty() ? star == spelling.size()
                    : std::from_chars(scale.data(), scale.data() + scale.size(), rows.scale).ptr ==
                          scale.data() + scale.size();
  if ((symbol != "tokens" && symbol != "logit_rows" && symbol != "token_shares") || !legal ||
      rows.scale < 1 || rows.scale > 65536)
    failInternal("kernel {}: rows \"{}\" must be tokens, logit_rows, token_shares, or a multiple "
                 "such as tokens*8",
                 op, spelling);
  return rows;
}

void validate(const KernelSpec &spec) {
  const CatalogueEntry &entry = catalogueEntry(spec.op);
  for (const ConstantRule &rule : entry.constants)
    checkConstant(spec, rule);
  for (const auto &[name, value] : spec.constants)
    if (std::ranges::find(entry.constants, name, &ConstantRule::name) == entry.constants.end())
      failInternal("kernel {}: has no constant \"{}\"", spec.op, name);
  if (const auto message = entry.check(spec))
    failInternal("kernel {}: {}", spec.op, *message);
}

/// Rows of x, of `bytes` each, that stay in the second cache while tiles (AMX) multiply them with
/// panels.
static uint32_t tileRowBlock(int64_t bytes) {
  constexpr int64_t cached = 1024 * 1024;
  int64_t rows = 512;
  while (rows > 64 && rows * bytes > cached)
    rows /= 2;
  return static_cast<uint32_t>(rows);
}

std::string symbolName(const KernelSpec &spec) {
  validate(spec);
  std::string name = spec.op;
  for (const ConstantRule &rule : catalogueEntry(spec.op).constants) {
    const std::string constant(rule.name);
    switch (rule.kind) {
    case ConstantKind::ElementType:
      if (rule.name == "dtype")
        name += "_" + spec.text(constant);
      else if (spec.text(constant) != spec.text("dtype"))
        name += "_to_" + spec.text(constant);
      break;
    case ConstantKind::RegionType:
      if (spec.dtype(constant) != DType::Float32)
        name += fmt::format("_{}_{}", constant, spec.text(constant));
      break;
    case ConstantKind::Rows:
      if (spec.rows().symbol == VINCI_DIM_LOGIT_ROWS)
        name += "_logit_rows";
      if (spec.rows().symbol == VINCI_DIM_TOKEN_SHARES)
        name += "_token_shares";
      if (spec.rows().scale != 1)
        name += fmt::format("_rows{}", spec.rows().scale);
      break;
    case ConstantKind::Size:
      name += fmt::format("_{}{}", constant, spec.integer(constant));
      break;
    case ConstantKind::Flag:
      if (spec.integer(constant) == 1)
        name += "_" + constant;
      break;
    case ConstantKind::Real:
      name += fmt::format("_{}{}", constant, spec.real(constant));
      break;
    }
  }
  return name;
}

std::vector<std::string_view> operandNames(const KernelSpec &spec) {
  validate(spec);
  const CatalogueEntry &entry = catalogueEntry(spec.op);
  std::vector<std::string_view> names;
  for (const auto *operands : {&entry.outputs, &entry.inputs})
    std::ranges::copy_if(*operands, std::back_inserter(names),
                         [&](std::string_view operand) { return isThere(spec, entry, operand); });
  return names;
}

uint32_t operandCount(const KernelSpec &spec) {
  return static_cast<uint32_t>(operandNames(spec).size());
}

uint32_t outputCount(const KernelSpec &spec) {
  validate(spec);
  const CatalogueEntry &entry = catalogueEntry(spec.op);
  return static_cast<uint32_t>(std::ranges::count_if(
      entry.outputs, [&](std::string_view output) { return isThere(spec, entry, output); }));
}

KernelTiles tileRule(const KernelSpec &spec, const CpuTarget &cpu) {
  validate(spec);
  const CatalogueEntry &entry = catalogueEntry(spec.op);
  KernelTiles tiles = entry.tiles(spec);
  if (entry.family == "matmul" && spec.dtype() == DType::BFloat16 && cpu.has("amx-tile"))
    tiles.rowBlock = tileRowBlock(spec.integer("k") * int64_t(byteSize(spec.dtype())));
  if (entry.family == "attention" && spec.dtype() == DType::BFloat16 && cpu.has("amx-tile"))
    tiles.rowBlock *= 2; // two tiles of rows share what is read
  return tiles;
}

} // namespace vinci
