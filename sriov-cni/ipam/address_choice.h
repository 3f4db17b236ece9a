// SPDX-License-Identifier: Apache-2.0
// Which address of a source an attachment gets: the one it has, the one it asked for, the one that
// is reserved for it, or the next free one.
//
// Errors: none left is Code::kExhausted, Retry::kLater, with the source's name, its ranges and what
// they are full of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/ip.h"
#include "common/base/result.h"
#include "sriov-cni/ipam/address_range.h"
#include "sriov-cni/ipam/address_store.h"

namespace sluice::cni {

// For one pod or one MAC alone: exactly one of them is set.
struct Reservation {
  IpAddr address;
  std::string pod;  // "<namespace>/<name>"
  std::optional<MacAddr> mac;
};

struct AddressSource {
  std::string name;  // as errors have it: "pool storage", "block 10.244.1.0/24"
  RangeSet ranges;
  std::vector<IpPrefix> exclude;          // given to nobody, but for a reservation
  std::vector<Reservation> reservations;  // in the ranges' subnets; others are somebody else's
};

struct AddressWish {
  std::string owner;  // AttachmentKey::id()
  std::string pod;
  std::optional<MacAddr> mac;
  std::optional<IpAddr> requested;
  std::vector<IpAddr> chosen;  // for it, from other sources in the same directory
};

// `set`: LockedAddresses' of this source. Gives nothing yet.
Result<IpAddr> choose_address(const LockedAddresses& store, const AddressSource& source,
                              std::size_t set, const AddressWish& wish);

// That somebody without a wish could have an address now.
Status check_room(const AddressOwners& owners, const AddressSource& source);

}  // namespace sluice::cni
