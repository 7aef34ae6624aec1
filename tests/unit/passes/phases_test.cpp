#include "passes/phases.h"

#include <gtest/gtest.h>

using namespace vinci;

TEST(PhasesTest, NamesReadBackInOrder) {
  for (size_t i = 0; i < phaseNames.size(); ++i) {
    std::optional<Phase> phase = parsePhase(phaseNames[i]);
    ASSERT_TRUE(phase);
    EXPECT_EQ(static_cast<size_t>(*phase), i);
    EXPECT_EQ(toString(*phase), phaseNames[i]);
  }
  EXPECT_FALSE(parsePhase(""));
  EXPECT_FALSE(parsePhase("Lower"));
}
