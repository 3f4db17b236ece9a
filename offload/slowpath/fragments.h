// SPDX-License-Identifier: Apache-2.0
// Remembers which connection a fragmented packet belongs to, for its fragments without ports.
//
// Contract: fixed size; the oldest of a set makes room. A later fragment that comes before its
// first one isn't kept: the caller drops it, and the sender's next packet goes through.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "offload/slowpath/connection_store.h"
#include "offload/slowpath/packet.h"

namespace sluice::slowpath {

struct FragmentOwner {
  std::uint64_t connection = 0;  // its id: the slot may have been given to another since
  Slot slot = 0;
  Direction direction = Direction::kForward;
};

class FragmentTable {
 public:
  static constexpr Duration kLifetime = std::chrono::seconds(30);

  FragmentTable(const Clock& clock, std::uint64_t seed);

  void remember(const Packet& first, const FragmentOwner& owner);
  std::optional<FragmentOwner> find(const Packet& later) const;

 private:
  static constexpr std::size_t kSets = 256, kWays = 4;
  struct Entry {
    Ipv4 src, dst;
    std::uint16_t identification = 0;
    std::uint8_t proto = 0;
    FragmentOwner owner;  // connection 0: empty
    TimePoint deadline{};
    bool is_of(const Packet& packet) const {
      return owner.connection != 0 && src == packet.src && dst == packet.dst &&
             identification == packet.identification && proto == packet.proto;
    }
  };
  std::size_t set_of(const Packet& packet) const;

  const Clock& clock_;
  std::uint64_t seed_;
  std::vector<Entry> entries_;
};

}  // namespace sluice::slowpath
