// simulation_page.html, in which @DATA@ is to be replaced by the figures as JSON.
#pragma once

#include <string_view>

namespace vinci {

std::string_view simulationPageTemplate();

} // namespace vinci
