#include "tests/unit/kernels/harness.h"

#include "backend/codegen/catalogue.h"
#include "backend/codegen/codegen.h"
#include "backend/kernels/reference/reference.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/support/error.h"
#include "runtime/weights/packing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <ostream>
#include <sys/mman.h>
#include <unistd.h>

namespace vinci::test {

std::vector<CpuTarget> runnableTargets() {
  const std::vector<std::string> host = hostFeatures();
  std::vector<CpuTarget> targets;
  for (const std::string_view name : cpuTargetNames()) {
    const CpuTarget target = resolveCpu(name);
    if (std::ranges::all_of(target.features, [&](const std::string &feature) {
          return std::ranges::find(host, feature) != host.end();
        }))
      targets.push_back(target);
  }
  return targets;
}

std::vector<CpuTarget> runnableTargets(const KernelSpec &spec) {
  std::vector<CpuTarget> targets = runnableTargets();
  const bool multipliesInt8 = catalogueEntry(spec.op).family == "quant"; // nothing else uses VNNI
  const char *same = multipliesInt8 ? "avx512-bf16" : "avx512-vnni";
  std::erase_if(targets, [&](const CpuTarget &target) { return target.name == same; });
  return targets;
}

Buffer::Buffer(uint64_t bytes) : bytes_(bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t usable = (bytes + page) / page * page;
  mappedBytes_ = usable + page;
  void *mapping =
      mmap(nullptr, mappedBytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    failInternal("test buffer of {} bytes", bytes);
  mapping_ = static_cast<std::byte *>(mapping);
  mprotect(mapping_ + usable, page, PROT_NONE);
  data_ = mapping_ + usable - bytes;
}

Buffer::Buffer(const Buffer &other) : Buffer(other.bytes_) {
  std::memcpy(data_, other.data_, bytes_);
}

Buffer::Buffer(Buffer &&other) noexcept {
  swap(other);
}

Buffer &Buffer::operator=(Buffer other) noexcept {
  swap(other);
  return *this;
}

void Buffer::swap(Buffer &other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(mappedBytes_, other.mappedBytes_);
  std::swap(mapping_, other.mapping_);
  std::swap(data_, other.data_);
}

Buffer::~Buffer() {
  if (mapping_)
    munmap(mapping_, mappedBytes_);
}

void Buffer::fill(std::byte value) {
  std::fill_n(data_, bytes_, value);
}

bool Buffer::operator==(const Buffer &other) const {
  return bytes_ == other.bytes_ && std::memcmp(data_, other.data_, bytes_) == 0;
}

Dims makeDims(uint64_t tokens, uint64_t sequences, uint64_t logitRows) {
  return {1, tokens, sequences, logitRows, tokens};
}

CompiledKernel::CompiledKernel(const KernelSpec &spec, const CpuTarget &target)
    : rule_(tileRule(spec, target)) {
  static std::map<std::string, KernelLibrary> libraries;
  const std::string symbol = symbolName(spec), key = target.name + " " + symbol;
  auto library = libraries.find(key);
  if (library == libraries.end())
    library =
        libraries.emplace(key, KernelLibrary::link(compileKernels({&spec, 1}, target), "test.plan"))
            .first;
  kernel_ = library->second.find(symbol);
}

uint32_t CompiledKernel::tiles(const Dims &dims) const {
  const uint64_t rows = dims[rule_.symbol] * rule_.scale;
  return static_cast<uint32_t>((rows + rule_.rowBlock - 1) / rule_.rowBlock * rule_.columns);
}

void CompiledKernel::runTile(std::span<const Buffer> buffers, const Dims &dims,
                             uint32_t tile) const {
  std::vector<void *> addresses;
  for (const Buffer &buffer : buffers)
    addresses.push_back(buffer.data());
  kernel_(addresses.data(), dims.data(), tile);
}

void CompiledKernel::run(std::span<const Buffer> buffers, const Dims &dims, bool reversed) const {
  const uint32_t count = tiles(dims);
  for (uint32_t tile = 0; tile < count; ++tile)
    runTile(buffers, dims, reversed ? count - 1 - tile : tile);
}

void runReference(const KernelSpec &spec, std::span<const Buffer> buffers, const Dims &dims) {
  std::vector<void *> addresses;
  for (const Buffer &buffer : buffers)
    addresses.push_back(buffer.data());
  vinci::runReference(spec, addresses.data(), dims.data());
}

uint32_t Random::bits() { // splitmix64
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}

double Random::real(double low, double high) {
  return low + (high - low) * bits() / 4294967296.0;
}

int32_t Random::integer(int32_t low, int32_t high) {
  return low + static_cast<int32_t>(bits() % static_cast<uint32_t>(high - low));
}

void Random::fill(const reference::Elements &elements, uint64_t count, uint64_t first) {
  for (uint64_t i = first; i < first + count; ++i)
    elements.set(i, elements.type() == DType::Int8 ? integer(-128, 128) : real());
}

Buffer randomMatrix(Random &random, uint64_t n, uint64_t k, DType type) {
  Buffer matrix(n * k * byteSize(type));
  random.fill(matrix.elements(type), n * k);
  if (type == DType::BFloat16)
    for (uint64_t i = 0; i < n * k; ++i)
      if (random.integer(0, 1000) == 0)
        matrix.elements(type).set(i, std::ldexp(matrix.elements(type).get(i), -40));
  return matrix;
}

void packWeight(const Buffer &matrix, uint64_t n, uint64_t k, DType type, std::byte *to) {
  packTensor(wholeTensor(matrix.data(), type, std::vector<uint64_t>{n, k}), to, type,
             type == DType::BFloat16 ? fb::Packing::Panel12 : fb::Packing::Panel32);
}

double largestError(const reference::Elements &actual, const reference::Elements &expected,
                    uint64_t count, double floor) {
  double largest = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const double a = actual.get(i), e = expected.get(i);
    if (a == e || (std::isnan(a) && std::isnan(e)))
      continue;
    const double error = std::abs(a - e) / (std::abs(e) + floor);
    largest = std::isnan(error) ? INFINITY : std::max(largest, error);
  }
  return largest;
}

double roundingError(DType type) {
  switch (type) {
  case DType::BFloat16:
    return 0x1p-8;
  case DType::Float16:
    return 0x1p-11;
  default:
    return 0x1p-24;
  }
}

} // namespace vinci::test

void vinci::PrintTo(const KernelSpec &spec, std::ostream *stream) {
  *stream << symbolName(spec);
}
