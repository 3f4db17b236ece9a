// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "device-plugin/config/forms.h"

namespace sluice::config {
namespace {

// Larger lists and more selectors are not compared: it is advice, and must stay cheap.
constexpr std::size_t kMaxCompared = 64;
constexpr std::size_t kMaxSelectorsCompared = 256;

// Does `wide` take whatever `narrow` takes? An empty list takes everything.
template <class T>
bool covers(const std::vector<T>& wide, const std::vector<T>& narrow) {
  if (wide.empty()) return true;
  if (narrow.empty() || wide.size() > kMaxCompared || narrow.size() > kMaxCompared) return false;
  return std::all_of(narrow.begin(), narrow.end(), [&](const T& value) {
    return std::find(wide.begin(), wide.end(), value) != wide.end();
  });
}

bool covers(const Selector& wide, const Selector& narrow) {
  return wide.nothing.empty() && narrow.nothing.empty() && covers(wide.vendors, narrow.vendors) &&
         covers(wide.devices, narrow.devices) && covers(wide.drivers, narrow.drivers) &&
         covers(wide.pci_addresses, narrow.pci_addresses) &&
         covers(wide.acpi_indexes, narrow.acpi_indexes) &&
         covers(wide.aux_types, narrow.aux_types) && covers(wide.pf_names, narrow.pf_names) &&
         covers(wide.root_devices, narrow.root_devices) &&
         covers(wide.link_types, narrow.link_types) &&
         covers(wide.ddp_profiles, narrow.ddp_profiles) && covers(wide.pkeys, narrow.pkeys) &&
         (!wide.is_rdma || narrow.is_rdma) &&
         (wide.vdpa_type.empty() || wide.vdpa_type == narrow.vdpa_type);
}

bool covers(DeviceType wide, DeviceType narrow) {
  return wide == narrow ||
         (wide == DeviceType::kNetwork && (narrow == DeviceType::kVf || narrow == DeviceType::kPf));
}

struct Placed {
  std::size_t pool;
  const Selector* selector;
  std::string where;
};

}  // namespace

void warn_of_overlap(Draft& draft) {
  std::vector<Placed> all;
  for (std::size_t p = 0; p < draft.config.pools.size(); ++p) {
    const auto& selectors = draft.config.pools[p].selectors;
    for (std::size_t s = 0; s < selectors.size() && all.size() < kMaxSelectorsCompared; ++s) {
      const std::string where = draft.where[p] + ".selectors";
      all.push_back({p, &selectors[s], selectors.size() == 1 ? where : item(where, s)});
    }
  }
  for (auto later = all.begin(); later != all.end(); ++later) {
    const auto earlier = std::find_if(all.begin(), later, [&](const Placed& other) {
      return covers(draft.config.pools[other.pool].type, draft.config.pools[later->pool].type) &&
             covers(*other.selector, *later->selector);
    });
    if (earlier == later) continue;
    draft.config.warnings.push_back(
        {later->where, (*earlier->selector == *later->selector ? "is the same as " : "is within ") +
                           earlier->where + ", which comes first and leaves nothing for it"});
  }
}

}  // namespace sluice::config
