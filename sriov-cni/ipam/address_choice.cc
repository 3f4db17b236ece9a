// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/address_choice.h"

#include <algorithm>
#include <functional>
#include <set>

namespace sluice::cni {
namespace {

const AddressRange* range_of(const RangeSet& ranges, const IpAddr& ip) {
  const auto found = std::find_if(ranges.begin(), ranges.end(),
                                  [&](const auto& range) { return range.contains(ip); });
  return found == ranges.end() ? nullptr : &*found;
}

bool in_a_subnet(const RangeSet& ranges, const IpAddr& ip) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.subnet.contains(ip); });
}

bool is_for(const Reservation& reservation, const AddressWish& wish) {
  if (reservation.mac) return reservation.mac == wish.mac;
  return reservation.pod == wish.pod;
}

const Reservation* reservation_of(const AddressSource& source, const IpAddr& ip) {
  const auto found =
      std::find_if(source.reservations.begin(), source.reservations.end(),
                   [&](const auto& reservation) { return reservation.address == ip; });
  return found == source.reservations.end() ? nullptr : &*found;
}

std::string holder(const std::optional<std::string>& owner) {
  if (!owner) return "an entry that can't be read";
  return "attachment " + owner->substr(0, 200);
}

// Everything that nobody may be given as the next one.
class Obstacles {
 public:
  Obstacles(const AddressOwners& owners, const AddressSource& source) : source_(source) {
    for (const auto& [address, owner] : owners) single_.insert(address);
    for (const auto& range : source.ranges) {
      if (range.gateway) single_.insert(*range.gateway);
    }
    for (const auto& reservation : source.reservations) single_.insert(reservation.address);
  }
  std::optional<IpAddr> operator()(const IpAddr& ip) const {
    for (const auto& prefix : source_.exclude) {
      if (prefix.contains(ip)) return prefix.last();
    }
    if (single_.count(ip) != 0) return ip;
    return std::nullopt;
  }

 private:
  const AddressSource& source_;
  std::set<IpAddr> single_;
};

bool is_excluded(const AddressSource& source, const IpAddr& ip) {
  return std::any_of(source.exclude.begin(), source.exclude.end(),
                     [&](const auto& prefix) { return prefix.contains(ip); });
}

// "3 in use, 1 excluded prefix, 1 reserved, the gateway": what the ranges are full of, each address
// by the first reason.
std::string contents(const AddressOwners& owners, const AddressSource& source) {
  const auto& ranges = source.ranges;
  const auto used = std::count_if(owners.begin(), owners.end(), [&](const auto& entry) {
    return range_of(ranges, entry.first) != nullptr;
  });
  const auto excluded =
      std::count_if(source.exclude.begin(), source.exclude.end(), [&](const auto& prefix) {
        return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
          return range.contains(prefix.network()) || prefix.contains(range.first);
        });
      });
  const auto is_kept = [&](const IpAddr& ip) {
    return range_of(ranges, ip) != nullptr && owners.count(ip) == 0 && !is_excluded(source, ip);
  };
  const auto reserved =
      std::count_if(source.reservations.begin(), source.reservations.end(),
                    [&](const auto& reservation) { return is_kept(reservation.address); });
  std::string out = std::to_string(used) + " in use";
  if (excluded != 0) {
    out += ", " + std::to_string(excluded) + " excluded prefix" + (excluded == 1 ? "" : "es");
  }
  if (reserved != 0) out += ", " + std::to_string(reserved) + " reserved";
  const bool gateway = std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
    return range.gateway && is_kept(*range.gateway);
  });
  return gateway ? out + ", the gateway" : out;
}

tl::unexpected<Error> exhausted(const AddressOwners& owners, const AddressSource& source) {
  return fail(Error{Code::kExhausted,
                    Domain::kNone,
                    0,
                    source.name + " has no free address in " + to_string(source.ranges) + ": " +
                        contents(owners, source),
                    {},
                    Retry::kLater});
}

Status check_requested(const AddressOwners& owners, const AddressSource& source,
                       const AddressWish& wish, const IpAddr& ip) {
  const auto refuse = [&](Code code, const std::string& why) {
    return fail(code, "address " + ip.to_string() + ", asked for by attachment " +
                          wish.owner.substr(0, 200) + ", " + why);
  };
  const auto* reserved = reservation_of(source, ip);
  const bool reserved_for_it = reserved != nullptr && is_for(*reserved, wish);
  const auto* range = range_of(source.ranges, ip);
  if (range == nullptr && !(reserved_for_it && in_a_subnet(source.ranges, ip))) {
    return refuse(Code::kInvalid,
                  "is not in " + source.name + ", which has " + to_string(source.ranges));
  }
  if (range != nullptr && range->gateway == ip) {
    return refuse(Code::kInvalid, "is the gateway of " + source.name);
  }
  if (reserved != nullptr && !reserved_for_it) {
    const auto whom = reserved->mac ? "MAC " + reserved->mac->to_string() : "pod " + reserved->pod;
    return refuse(Code::kInvalid, "is reserved in " + source.name + " for " + whom);
  }
  if (is_excluded(source, ip) && !reserved_for_it) {
    return refuse(Code::kInvalid, "is excluded in " + source.name);
  }
  const auto taken = owners.find(ip);
  if (taken == owners.end()) return {};
  auto refused =
      refuse(Code::kExhausted, "is in use in " + source.name + " by " + holder(taken->second));
  return fail(std::move(refused).value().and_retry(Retry::kLater));
}

// Unset: nothing is reserved for it, or its pod has it all by other interfaces.
Result<std::optional<IpAddr>> reserved_address(const AddressOwners& owners,
                                               const AddressSource& source,
                                               const AddressWish& wish) {
  const auto container = wish.owner.substr(0, wish.owner.find('/') + 1);
  for (const auto& reservation : source.reservations) {
    if (!is_for(reservation, wish) || !in_a_subnet(source.ranges, reservation.address)) continue;
    const auto taken = owners.find(reservation.address);
    if (taken == owners.end()) return reservation.address;
    if (taken->second && taken->second->compare(0, container.size(), container) == 0) continue;
    // A predecessor whose sandbox isn't gone yet. Another address wouldn't be what was promised.
    return fail(Error{Code::kExhausted,
                      Domain::kNone,
                      0,
                      "address " + reservation.address.to_string() + ", reserved in " +
                          source.name + " for attachment " + wish.owner.substr(0, 200) +
                          ", is in use by " + holder(taken->second),
                      {},
                      Retry::kLater});
  }
  return std::nullopt;
}

// What it has of this source.
std::optional<IpAddr> held_address(const AddressOwners& owners, const AddressSource& source,
                                   const AddressWish& wish) {
  for (const auto& [address, owner] : owners) {
    const bool other =
        std::find(wish.chosen.begin(), wish.chosen.end(), address) != wish.chosen.end();
    if (owner != wish.owner || other) continue;
    if (range_of(source.ranges, address) != nullptr) return address;
    const auto* reservation = reservation_of(source, address);
    if (reservation != nullptr && is_for(*reservation, wish) &&
        in_a_subnet(source.ranges, address)) {
      return address;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<IpAddr> choose_address(const LockedAddresses& store, const AddressSource& source,
                              std::size_t set, const AddressWish& wish) {
  const auto& owners = store.owners();
  if (const auto held = held_address(owners, source, wish)) {
    if (!wish.requested || *wish.requested == *held) return *held;
    return fail(Code::kPrecondition, "attachment " + wish.owner.substr(0, 200) + " asks for " +
                                         wish.requested->to_string() + " of " + source.name +
                                         " but has " + held->to_string() + " already");
  }
  if (wish.requested) {
    SLUICE_CHECK_OK(check_requested(owners, source, wish, *wish.requested));
    return *wish.requested;
  }
  SLUICE_TRY(const auto reserved, reserved_address(owners, source, wish));
  if (reserved) return *reserved;
  const Obstacles obstacles(owners, source);
  const auto found = next_free(source.ranges, store.last_given(set), std::cref(obstacles));
  if (!found) return exhausted(owners, source);
  return *found;
}

Status check_room(const AddressOwners& owners, const AddressSource& source) {
  const Obstacles obstacles(owners, source);
  if (next_free(source.ranges, std::nullopt, std::cref(obstacles))) return {};
  return exhausted(owners, source);
}

}  // namespace sluice::cni
