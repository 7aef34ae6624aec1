// `vinci verify`: is this plan whole, and does it make sense?
#include "runtime/plan/mesh.h"
#include "runtime/plan/plan.h"
#include "tools/vinci/report.h"

namespace vinci {

static void verify(const std::string &path, ReportFormat format) {
  const Plan plan = Plan::open(path); // throws unless structure, hashes and meaning hold
  size_t commands = 0;
  for (const fb::Body *body : *plan.root()->bodies())
    commands += body->commands()->size();
  printReport({{"plan", path},
               {"valid", true},
               {"bytes", plan.bytes().size()},
               {"ranks", Mesh(*plan.root()).ranks()},
               {"kernels", plan.root()->kernels()->size()},
               {"bodies", plan.root()->bodies()->size()},
               {"commands", commands}},
              format);
}

void addVerifyCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "verify", "Check a plan: header, hashes, structure, offsets, hazards, bindings");
  auto path = std::make_shared<std::string>();
  auto format = std::make_shared<ReportFormat>(ReportFormat::Text);
  command->add_option("PLAN", *path, "The plan")->required();
  addFormatOption(*command, *format);
  command->footer("Hashes protect against accidents, not against malice: a plan holds machine "
                  "code, run only plans you trust.\n"
                  "Example:\n  vinci verify austen.plan");
  command->callback([path, format] { verify(*path, *format); });
}

} // namespace vinci
