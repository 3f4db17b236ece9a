// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/rails.h"

namespace sluice::broker {

std::uint32_t rail_of(const pools::Candidate& candidate, const nic::Inventory& inventory,
                      const config::Config& config) {
  if (!candidate.pf) return 0;
  const auto& pf = *candidate.pf;
  auto rail = config.rails.find(pf.address.to_string());
  if (rail == config.rails.end() && pf.netdev) rail = config.rails.find(pf.netdev->name);
  if (rail != config.rails.end()) return rail->second;
  std::uint32_t place = 0;
  for (const auto& other : inventory.pfs) {
    if (other.address == pf.address) return place;
    ++place;
  }
  return place;
}

}  // namespace sluice::broker
