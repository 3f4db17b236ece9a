// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/assignment.h"

#include <algorithm>

#include "device-plugin/config/ranges.h"
#include "device-plugin/config/text.h"
#include "device-plugin/pools/assigner.h"

namespace sluice::pools {
namespace {

constexpr std::size_t kMaxSelectorsExplained = 4;

const char* kind_text(Candidate::Kind kind) {
  switch (kind) {
    case Candidate::Kind::kPf:
      return "a PF";
    case Candidate::Kind::kVf:
      return "a VF";
    case Candidate::Kind::kSf:
      return "a subfunction";
    case Candidate::Kind::kAccelerator:
      return "an accelerator";
  }
  return "";
}

// All names by which people know a device: `visit` returns true to stop.
template <class Visit>
bool any_name(const Candidate& candidate, const Visit& visit) {
  if (visit(candidate.id)) return true;
  if (candidate.netdev() && visit(candidate.netdev()->name)) return true;
  // What an SF's parent has isn't the SF's.
  if (candidate.sf != nullptr) return false;
  const auto& more = candidate.function->more_netdevs;
  return std::any_of(more.begin(), more.end(),
                     [&](const nic::Netdev& netdev) { return visit(netdev.name); });
}

}  // namespace

Assigner::Assigner(const config::Config& config, const Reserved& reserved)
    : config_(config), reserved_(reserved) {
  for (const auto& text : config.host_ports) {
    if (text.find('#') == std::string::npos) {
      host_addresses_.insert(text);
      continue;
    }
    auto item = config::read_pf_item(text).selector;
    if (const auto address = nic::PciAddress::parse(item.name)) item.name = address->to_string();
    host_functions_.push_back(std::move(item));
  }
}

std::optional<std::string> Assigner::host_port(const Facts& facts) const {
  const auto& candidate = *facts.candidate;
  if (candidate.kind != Candidate::Kind::kVf) return std::nullopt;
  const bool named =
      host_addresses_.contains(candidate.id) ||
      std::any_of(host_functions_.begin(), host_functions_.end(),
                  [&](const config::PfSelector& item) {
                    return (item.name == facts.pf_name || item.name == facts.pf_address) &&
                           config::selects_index(item, candidate.index);
                  });
  if (!named) return std::nullopt;
  return "is kept for the node (hostPorts)";
}

Assigner::Hold Assigner::hold_of(const Facts& facts) const {
  const auto& candidate = *facts.candidate;
  Hold out;
  // The number may be unreadable where the VFs are not.
  const auto vfs = std::max<std::size_t>(candidate.pf ? candidate.pf->num_vfs : 0,
                                         candidate.pf ? candidate.pf->vfs.size() : 0);
  if (candidate.kind == Candidate::Kind::kPf && vfs > 0) {
    out.always = "has " + std::to_string(vfs) + " VFs; a PF is given out only while it has none";
  }
  any_name(candidate, [&](const std::string& name) {
    const auto found = reserved_.find(name);
    if (found != reserved_.end()) out.reserved = "is reserved: " + found->second;
    return found != reserved_.end();
  });
  if (!out.reserved) out.reserved = host_port(facts);
  out.unbound = candidate.driver().empty();
  return out;
}

bool Assigner::names(const config::PoolConfig& pool, const Candidate& candidate) const {
  return any_name(candidate, [&](const std::string& name) {
    return std::find(pool.allow_reserved.begin(), pool.allow_reserved.end(), name) !=
           pool.allow_reserved.end();
  });
}

std::optional<std::string> Assigner::barred(const Facts& facts, const config::PoolConfig& pool,
                                            const Hold& hold) const {
  if (!type_fits(pool.type, facts.candidate->kind)) {
    return std::string("is ") + kind_text(facts.candidate->kind) + "; the pool's type is " +
           std::string(to_string(pool.type));
  }
  if (hold.always) return hold.always;
  if (hold.reserved && !names(pool, *facts.candidate)) return hold.reserved;
  if (hold.unbound) return "no driver is bound";
  return std::nullopt;
}

std::optional<std::string> Assigner::barred(const Facts& facts, std::size_t pool) const {
  return barred(facts, config_.pools[pool], hold_of(facts));
}

std::optional<std::size_t> Assigner::select(const Facts& facts, const config::PoolConfig& pool,
                                            Missing missing) const {
  for (std::size_t i = 0; i < pool.selectors.size(); ++i) {
    if (!first_failing(pool.selectors[i], facts, missing)) return i;
  }
  return std::nullopt;
}

std::optional<Assigner::Choice> Assigner::choose(const Facts& facts,
                                                 std::optional<std::size_t> home) const {
  const Hold hold = hold_of(facts);
  if (hold.always) return std::nullopt;
  for (std::size_t i = 0; i < config_.pools.size(); ++i) {
    const auto& pool = config_.pools[i];
    if (!type_fits(pool.type, facts.candidate->kind)) continue;
    if (hold.reserved && !names(pool, *facts.candidate)) continue;
    if (hold.unbound && home != i) continue;
    auto selector = select(facts, pool, Missing::kCounts);
    if (!selector && home == i) selector = select(facts, pool, Missing::kForgiven);
    if (selector) return Choice{i, *selector};
  }
  return std::nullopt;
}

std::string Assigner::why_not(const Facts& facts, const config::PoolConfig& pool, const Hold& hold,
                              const std::optional<Choice>& choice) const {
  if (auto why = barred(facts, pool, hold)) return *std::move(why);
  if (choice && select(facts, pool, Missing::kCounts)) {
    return config_.pools[choice->pool].resource() + " comes first";
  }
  std::string out;
  const std::size_t size = pool.selectors.size();
  for (std::size_t i = 0; i < size && i < kMaxSelectorsExplained; ++i) {
    const auto key = first_failing(pool.selectors[i], facts);
    if (!key) continue;
    if (size > 1) out += (i > 0 ? "; selectors[" : "selectors[") + std::to_string(i) + "]: ";
    out += explain_key(*key, pool.selectors[i], facts);
  }
  if (size > kMaxSelectorsExplained) {
    out += "; and " + std::to_string(size - kMaxSelectorsExplained) + " more selectors";
  }
  return size == 0 ? "has no selector" : out;
}

std::vector<std::string> Assigner::why_not(const Facts& facts,
                                           const std::optional<Choice>& choice) const {
  const Hold hold = hold_of(facts);
  std::vector<std::string> out(config_.pools.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (choice && choice->pool == i) continue;
    out[i] = why_not(facts, config_.pools[i], hold, choice);
  }
  return out;
}

std::vector<Verdict> assign(const config::Config& config, const std::vector<Candidate>& candidates,
                            const Reserved& reserved) {
  const Assigner assigner(config, reserved);
  std::vector<Verdict> out;
  out.reserve(candidates.size());
  for (const auto& candidate : candidates) {
    const Facts facts = facts_of(candidate);
    const auto choice = assigner.choose(facts);
    Verdict verdict;
    verdict.id = candidate.id;
    if (choice) {
      verdict.pool = choice->pool;
      verdict.selector = choice->selector;
    }
    verdict.why_not = assigner.why_not(facts, choice);
    out.push_back(std::move(verdict));
  }
  return out;
}

std::optional<std::string> mismatch(const config::Selector& selector, const Candidate& candidate) {
  const Facts facts = facts_of(candidate);
  const auto key = first_failing(selector, facts);
  if (!key) return std::nullopt;
  return explain_key(*key, selector, facts);
}

}  // namespace sluice::pools
