// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/topology/policies.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace sluice::topology {
namespace {

// How many were chosen, by what they are on: the side on which further ones should be.
class Tally {
 public:
  explicit Tally(const std::vector<Item>& taken) {
    for (const auto& item : taken) add(item.place);
  }
  void add(const Place& place) {
    ++on_pf_[place.pf];
    ++on_rail_[place.rail];
    ++with_index_[place.index];
    if (place.numa_node) ++on_numa_[*place.numa_node];
  }
  std::size_t on_pf(const std::string& pf) const { return count(on_pf_, pf); }
  std::size_t on_rail(std::uint32_t rail) const { return count(on_rail_, rail); }
  std::size_t with_index(std::uint32_t index) const { return count(with_index_, index); }
  std::size_t on_numa(const std::optional<int>& node) const {
    return node ? count(on_numa_, *node) : 0;
  }

 private:
  template <class Map, class Key>
  static std::size_t count(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? 0 : found->second;
  }
  std::map<std::string, std::size_t> on_pf_;
  std::map<std::uint32_t, std::size_t> on_rail_, with_index_;
  std::map<int, std::size_t> on_numa_;
};

// A PF's free devices, in the order of `free`.
struct Group {
  std::string pf;
  std::vector<std::size_t> items;
  std::size_t next = 0;          // the first of them that isn't picked
  std::uint32_t free_on_pf = 0;  // also those that aren't available to this container
  std::optional<int> numa_node;

  std::size_t left() const { return items.size() - next; }
  std::size_t free_left() const { return std::max<std::size_t>(free_on_pf, items.size()) - next; }
};

// In the order of each PF's first free device.
std::vector<Group> groups_of(const Problem& problem) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < problem.free.size(); ++i) {
    const Place& place = problem.free[i].place;
    const auto [found, is_new] = at.emplace(place.pf, groups.size());
    if (is_new) groups.push_back({place.pf, {}, 0, 0, place.numa_node});
    Group& group = groups[found->second];
    group.items.push_back(i);
    group.free_on_pf = std::max(group.free_on_pf, place.free_on_pf);
  }
  return groups;
}

// Smaller is better, for what is still needed. Taking whole PFs, the largest first, until one can
// have the rest is the least number of PFs; among those that can, the fullest keeps others whole.
auto packed_rank(const Group& group, const Tally& tally, std::size_t need) {
  const bool used_already = tally.on_pf(group.pf) > 0;
  const bool fits = group.left() >= need;
  const std::size_t missing = fits ? 0 : need - group.left();
  return std::make_tuple(!used_already, missing, group.free_left(),
                         -static_cast<long>(tally.on_numa(group.numa_node)));
}

auto spread_rank(const Group& group, const Tally& tally) {
  return std::make_tuple(tally.on_pf(group.pf), -static_cast<long>(group.free_left()),
                         -static_cast<long>(tally.on_numa(group.numa_node)));
}

// The first of the best groups that have something left; null: none has.
template <class Rank>
Group* best_group(std::vector<Group>& groups, Rank rank) {
  Group* best = nullptr;
  for (auto& group : groups) {
    if (group.left() == 0) continue;
    if (best == nullptr || rank(group) < rank(*best)) best = &group;
  }
  return best;
}

// One round of the rail policy: which index is on most of the rails that are due?
struct IndexChoice {
  std::size_t rails = 0;
  std::size_t taken_with_it = 0;
  std::map<std::uint32_t, std::vector<std::size_t>> by_rail;  // candidates, earliest first
};

std::map<std::uint32_t, IndexChoice> index_choices(const Problem& problem,
                                                   const std::set<std::size_t>& open,
                                                   const std::set<std::uint32_t>& due,
                                                   const Tally& tally) {
  std::map<std::uint32_t, IndexChoice> choices;
  for (const auto i : open) {
    const Place& place = problem.free[i].place;
    if (due.count(place.rail) == 0) continue;
    auto& choice = choices[place.index];
    choice.by_rail[place.rail].push_back(i);
    choice.rails = choice.by_rail.size();
    choice.taken_with_it = tally.with_index(place.index);
  }
  return choices;
}

// The rails that have had least so far, of those that still have something.
std::set<std::uint32_t> rails_due(const Problem& problem, const std::set<std::size_t>& open,
                                  const Tally& tally) {
  std::set<std::uint32_t> due;
  std::size_t least = 0;
  for (const auto i : open) {
    const std::uint32_t candidate = problem.free[i].place.rail;
    const std::size_t had = tally.on_rail(candidate);
    if (due.empty() || had < least) {
      due = {candidate};
      least = had;
    } else if (had == least) {
      due.insert(candidate);
    }
  }
  return due;
}

std::size_t earliest(const IndexChoice& choice) {
  std::size_t first = static_cast<std::size_t>(-1);
  for (const auto& [rail_number, items] : choice.by_rail) first = std::min(first, items.front());
  return first;
}

}  // namespace

Picks packed(const Problem& problem) {
  Picks picks;
  Tally tally(problem.taken);
  auto groups = groups_of(problem);
  while (picks.size() < problem.need) {
    const std::size_t need = problem.need - picks.size();
    Group* group =
        best_group(groups, [&](const Group& one) { return packed_rank(one, tally, need); });
    if (group == nullptr) break;
    const std::size_t count = std::min(need, group->left());
    for (std::size_t n = 0; n < count; ++n) {
      picks.push_back(group->items[group->next++]);
      tally.add(problem.free[picks.back()].place);
    }
  }
  return picks;
}

Picks spread(const Problem& problem) {
  Picks picks;
  Tally tally(problem.taken);
  auto groups = groups_of(problem);
  while (picks.size() < problem.need) {
    Group* group = best_group(groups, [&](const Group& one) { return spread_rank(one, tally); });
    if (group == nullptr) break;
    picks.push_back(group->items[group->next++]);
    tally.add(problem.free[picks.back()].place);
  }
  return picks;
}

Picks rail(const Problem& problem) {
  Picks picks;
  Tally tally(problem.taken);
  std::set<std::size_t> open;
  for (std::size_t i = 0; i < problem.free.size(); ++i) open.insert(i);
  while (picks.size() < problem.need && !open.empty()) {
    const auto choices = index_choices(problem, open, rails_due(problem, open, tally), tally);
    const std::size_t need = problem.need - picks.size();
    const auto rank = [&](const IndexChoice& choice) {
      // Of more rails than are needed none is better for it.
      return std::make_tuple(-static_cast<long>(std::min(choice.rails, need)),
                             -static_cast<long>(choice.taken_with_it), earliest(choice));
    };
    const auto best = std::min_element(
        choices.begin(), choices.end(),
        [&](const auto& a, const auto& b) { return rank(a.second) < rank(b.second); });
    auto by_rail = best->second.by_rail;
    while (picks.size() < problem.need && !by_rail.empty()) {
      const auto next =
          std::min_element(by_rail.begin(), by_rail.end(), [&](const auto& a, const auto& b) {
            const auto key = [&](std::size_t i) {
              return std::make_tuple(
                  -static_cast<long>(tally.on_numa(problem.free[i].place.numa_node)), i);
            };
            return key(a.second.front()) < key(b.second.front());
          });
      picks.push_back(next->second.front());
      open.erase(picks.back());
      tally.add(problem.free[picks.back()].place);
      by_rail.erase(next);
    }
  }
  return picks;
}

}  // namespace sluice::topology
