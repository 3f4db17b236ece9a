// SPDX-License-Identifier: Apache-2.0
// One selector against one device, key by key: pure.
//
// Source: sriov-network-device-plugin's README for what each key compares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "device-plugin/config/config.h"
#include "device-plugin/pools/candidate.h"

namespace sluice::pools {

// What selectors compare, of one candidate: made once, compared with every selector.
struct Facts {
  const Candidate* candidate = nullptr;
  std::string pf_name;                // lower case; "" when the PF has no netdev
  std::string pf_address;             // "" for a PF itself
  std::string link_type;              // its own netdev's, else its PF's
  std::optional<std::uint16_t> pkey;  // the first, of the first port; InfiniBand only
};
Facts facts_of(const Candidate& candidate);

enum class Key : std::uint8_t {
  kPossible,  // the selector has a value that could match at all
  kVendors,
  kDevices,
  kDrivers,
  kPciAddresses,
  kAcpiIndexes,
  kAuxTypes,
  kPfNames,
  kRootDevices,
  kLinkTypes,
  kDdpProfiles,
  kPkeys,
  kRdma,
  kVdpaType,
};

// A function without driver shows no RDMA device, one that is in a pod may have taken them along:
// for a device that was the pool's already, what is not there to be seen doesn't count against it.
enum class Missing : std::uint8_t { kCounts, kForgiven };

// The first key that doesn't hold, in the peer's order; nothing: the selector takes it.
std::optional<Key> first_failing(const config::Selector& selector, const Facts& facts,
                                 Missing missing = Missing::kCounts);
std::vector<Key> all_failing(const config::Selector& selector, const Facts& facts);

// "pfNames wants p1#0-3; it is VF 4 of p0".
std::string explain_key(Key key, const config::Selector& selector, const Facts& facts);

bool type_fits(config::DeviceType type, Candidate::Kind kind);

}  // namespace sluice::pools
