// vinci-sample-plan FILE [SIZE..]: writes the sample plan, or that of ranks for a mesh of these
// sizes, for tests of tools. There is no code in it: it can be looked at and packed for, not run.
#include "tests/unit/plan/sample_plan.h"

#include <cstdlib>
#include <fstream>

int main(int argc, char **argv) {
  using namespace vinci;
  if (argc < 2)
    return 2;
  std::vector<uint32_t> mesh;
  for (int i = 2; i < argc; ++i)
    mesh.push_back(uint32_t(std::strtoul(argv[i], nullptr, 10)));
  fb::PlanT tables = mesh.empty() ? sample::plan() : sample::rankedPlan(mesh);
  const std::vector<std::byte> bytes = serializePlan(tables, sample::segments());
  std::ofstream file(argv[1], std::ios::binary);
  file.write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
  return file.flush() ? 0 : 1;
}
