// SPDX-License-Identifier: Apache-2.0
// device_plugin_differential: the same configurations on the same machine through our device plugin
// and the peer; says where their answers differ, and fails where that isn't on purpose.
#include <fnmatch.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <set>

#include "tests/bench/device_plugin/differential/answers.h"
#include "tests/bench/device_plugin/differential/cases.h"
#include "tests/bench/device_plugin/differential/zoo.h"
#include "tests/bench/device_plugin/workplace.h"

namespace sluice::bench {
namespace {

constexpr const char* kName = "device-plugin.differential";

bool matches(const char* pattern, const std::string& text) {
  return ::fnmatch(pattern, text.c_str(), 0) == 0;
}

class Judge {
 public:
  // Does a case agree, apart from what is on purpose?
  bool agrees(const Case& tried, const std::vector<Difference>& differences) {
    bool good = true;
    for (const auto& difference : differences) {
      const auto row = find(tried, difference);
      good = good && row.has_value();
      std::cout << (row ? "  on purpose: " : "  DIFFERS: ") << difference.where
                << "\n    ours: " << difference.ours << "\n    peer: " << difference.peer << "\n";
      if (row) std::cout << "    because " << differences_on_purpose()[*row].why << "\n";
    }
    return good;
  }
  bool all_rows_used() const {
    const auto& rows = differences_on_purpose();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (used_.contains(i)) continue;
      std::cout << "FAIL no such difference: in '" << rows[i].in << "', '" << rows[i].where
                << "': " << rows[i].why << "\n";
    }
    return used_.size() == rows.size();
  }

 private:
  std::optional<std::size_t> find(const Case& tried, const Difference& difference) {
    const auto& rows = differences_on_purpose();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (matches(rows[i].in, tried.name) && matches(rows[i].where, difference.where) &&
          matches(rows[i].ours, difference.ours) && matches(rows[i].peer, difference.peer)) {
        used_.insert(i);
        return i;
      }
    }
    return {};
  }
  std::set<std::size_t> used_;
};

// The number of cases that agree.
Result<std::size_t> compare_all(Lab& ours, Lab& peer, const std::vector<Case>& cases) {
  Judge judge;
  std::size_t agreed = 0;
  for (const auto& tried : cases) {
    SLUICE_TRY(const auto our_answers, collect(ours, tried.config));
    SLUICE_TRY(const auto peer_answers, collect(peer, tried.config));
    const auto differences = compare(our_answers, peer_answers);
    const bool good = judge.agrees(tried, differences);
    agreed += good ? 1 : 0;
    std::cout << (good ? "PASS " : "FAIL ") << tried.name << ": " << our_answers.size()
              << " answers" << std::endl;
  }
  if (!judge.all_rows_used()) return fail(Code::kInternal, "the table of differences is stale");
  return agreed;
}

Result<bool> run() {
  const char* only = std::getenv("SLUICE_BENCH_ONLY");
  if (only != nullptr && !std::string(kName).starts_with(only)) return true;
  const auto cases = all_cases();
  const auto peer = peer_program();
  if (!peer) {
    std::cout << "BENCH " << kName << " ours=0 peer=absent ratio=- unit=cases runs=1 spread=0\n";
    return true;
  }
  SLUICE_TRY(const auto workplace, Workplace::make());
  const auto tree = workplace.path() + "/tree";
  const auto zoo = make_zoo(tree);
  SLUICE_TRY(auto labs, make_labs(workplace.path(), tree, zoo_ethernets(), peer));
  for (auto& lab : labs) SLUICE_CHECK_OK(join(lab.room.netns(), *zoo));
  SLUICE_TRY(const auto agreed, compare_all(labs[0], labs[1], cases));
  std::cout << "BENCH " << kName << " ours=" << agreed << " peer=" << cases.size()
            << " ratio=" << static_cast<double>(agreed) / static_cast<double>(cases.size())
            << " unit=cases runs=1 spread=0\n";
  return agreed == cases.size();
}

}  // namespace
}  // namespace sluice::bench

int main() {
  const auto good = sluice::bench::run();
  if (!good) std::cerr << "device-plugin: " << good.error().to_string() << "\n";
  return good && *good ? 0 : 1;
}
