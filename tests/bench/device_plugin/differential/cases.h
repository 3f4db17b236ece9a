// SPDX-License-Identifier: Apache-2.0
// What the two programs are compared on, and where they are meant to differ.
#pragma once

#include <string>
#include <vector>

namespace sluice::bench {

struct Case {
  std::string name;
  std::string config;  // a resourceList
};
std::vector<Case> all_cases();

// Patterns as of fnmatch(3). A difference that no row names fails the run, and so does a row that
// names none.
struct OnPurpose {
  const char* in;     // the case's name
  const char* where;  // the answer's key, see answers.h
  const char* ours;
  const char* peer;  // "-": that program has no such answer
  const char* why;
};
const std::vector<OnPurpose>& differences_on_purpose();

}  // namespace sluice::bench
