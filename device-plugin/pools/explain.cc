// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/explain.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "device-plugin/config/text.h"
#include "device-plugin/pools/assigner.h"

namespace sluice::pools {
namespace {

constexpr std::size_t kIdsPerLine = 6;

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string device_line(const Candidate& candidate) {
  const auto& function = *candidate.function;
  char ids[16];
  std::snprintf(ids, sizeof ids, "%04x:%04x", unsigned{function.vendor}, unsigned{function.device});
  return candidate.id + " (" + describe(candidate) + ", " + ids + ", " +
         (candidate.driver().empty() ? "no driver" : config::bounded(candidate.driver())) + ")";
}

class Explanation {
 public:
  Explanation(const config::Config& config, const nic::Inventory& inventory,
              const Reserved& reserved)
      : config_(config),
        inventory_(inventory),
        candidates_(candidates(inventory)),
        assigner_(config, reserved),
        verdicts_(assign(config, candidates_, reserved)) {}

  std::string text() {
    notes();
    for (std::size_t i = 0; i < config_.pools.size(); ++i) pool(i);
    devices();
    broken();
    return std::move(out_);
  }

 private:
  void line(std::string text);
  void notes();
  void pool(std::size_t index);
  void members(const std::vector<std::string>& ids);
  void nearest_miss(std::size_t index);
  void devices();
  void broken();

  const config::Config& config_;
  const nic::Inventory& inventory_;
  const std::vector<Candidate> candidates_;
  const Assigner assigner_;
  const std::vector<Verdict> verdicts_;
  std::string out_;
};

// Names in a saved inventory can hold anything; a line stays a line.
void Explanation::line(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  out_ += text + "\n";
}

void Explanation::notes() {
  for (const auto& refused : config_.refused) {
    line("refused: " + refused.resource + ": " + refused.reason);
  }
  for (const auto& warning : config_.warnings) {
    line("warning: " + warning.where + ": " + warning.what);
  }
  if (!out_.empty()) line("");
}

void Explanation::members(const std::vector<std::string>& ids) {
  std::string row;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    row += " " + ids[i];
    if ((i + 1) % kIdsPerLine != 0 && i + 1 != ids.size()) continue;
    line(" " + row);
    row.clear();
  }
}

void Explanation::pool(std::size_t index) {
  const auto& pool = config_.pools[index];
  std::vector<std::string> ids;
  for (const auto& verdict : verdicts_) {
    if (verdict.pool == index) ids.push_back(verdict.id);
  }
  line("pool " + pool.resource() + " (type " + std::string(to_string(pool.type)) + ", " +
       counted(pool.selectors.size(), "selector") + "): " + counted(ids.size(), "device"));
  members(ids);
  if (ids.empty()) nearest_miss(index);
}

// The device, of this pool's type, that the fewest keys keep out.
void Explanation::nearest_miss(std::size_t index) {
  const auto& pool = config_.pools[index];
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  std::string best;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!type_fits(pool.type, candidates_[i].kind)) continue;
    const Facts facts = facts_of(candidates_[i]);
    const auto barred = assigner_.barred(facts, index);
    for (const auto& selector : pool.selectors) {
      const auto keys = all_failing(selector, facts);
      const std::size_t misses = keys.size() + (barred ? 1 : 0);
      if (misses >= fewest) continue;
      fewest = misses;
      best = "  nearest: " + device_line(candidates_[i]) + ": ";
      if (misses == 0) best += "taken by " + config_.pools[*verdicts_[i].pool].resource();
      if (barred) best += *barred;
      for (std::size_t k = 0; k < keys.size(); ++k) {
        if (barred || k > 0) best += "; ";
        best += explain_key(keys[k], selector, facts);
      }
    }
  }
  line(best.empty() ? "  no device of its type is on this node" : best);
}

void Explanation::devices() {
  line("");
  line(counted(candidates_.size(), "device"));
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const auto& verdict = verdicts_[i];
    line("  " + device_line(candidates_[i]) + ": " +
         (verdict.pool ? config_.pools[*verdict.pool].resource() : std::string("in no pool")));
    for (std::size_t p = 0; p < verdict.why_not.size(); ++p) {
      if (verdict.why_not[p].empty()) continue;
      line("    not " + config_.pools[p].resource() + ": " + verdict.why_not[p]);
    }
  }
}

void Explanation::broken() {
  for (const auto& entry : inventory_.broken) {
    line("unreadable: " + config::bounded(entry.device) + ": " + config::bounded(entry.reason));
  }
}

}  // namespace

std::string explain(const config::Config& config, const nic::Inventory& inventory,
                    const Reserved& reserved) {
  return Explanation(config, inventory, reserved).text();
}

}  // namespace sluice::pools
