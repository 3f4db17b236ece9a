// SPDX-License-Identifier: Apache-2.0
// What the slow path says itself: ICMP errors, TCP resets, echo replies; and ICMP errors of others,
// translated together with the packet that they quote.
//
// Contract: never an answer to an error, a later fragment, a RST, a group address or one that is
// no host's; at most `per_second` errors and resets, after a burst of the same number.
// Source of rules that are not ours: RFC 792, 1122 3.2.2, 1191, 1812 4.3.2, 9293 3.5.2.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "offload/slowpath/connection_store.h"
#include "offload/slowpath/forwarder.h"

namespace sluice::slowpath {

inline constexpr std::uint8_t kHostUnreachable = 1, kPortUnreachable = 3, kFragmentationNeeded = 4;

class Answers {
 public:
  Answers(Forwarder& forwarder, const Clock& clock, Counters& counters, std::uint32_t per_second);

  // `back` leads to the packet's sender; `from` is who speaks.
  void unreachable(const Topology& topology, const Packet& packet, const Path& back, Ipv4 from,
                   std::uint8_t code, std::uint16_t mtu = 0);
  void time_exceeded(const Topology& topology, const Packet& packet, const Path& back, Ipv4 from);
  void reset(const Topology& topology, const Packet& packet, const Path& back);
  // Requires: packet is an echo request and no fragment.
  void echo_reply(const Topology& topology, const Packet& packet, const Path& back);

 private:
  bool may_answer(const Packet& packet) const;
  bool take_token();
  void send_error(const Topology& topology, const Packet& packet, const Path& back, Ipv4 from,
                  std::uint8_t type, std::uint8_t code, std::uint16_t mtu);

  Forwarder& forwarder_;
  const Clock& clock_;
  Counters& counters_;
  std::uint64_t per_second_;
  std::uint64_t tokens_;
  TimePoint refilled_;
};

// The connection whose packet this error quotes, and the direction that the error travels in:
// kReply is toward the client. Nothing for an error that belongs to none, or is damaged.
std::optional<Hit> connection_of_error(const ConnectionStore& store, const Packet& error);

// Rewrites the quotation to what its sender had sent, and the outer header to match.
// Requires: connection_of_error() found it.
void translate_error(Packet& error, const Connection& connection, Direction direction);

}  // namespace sluice::slowpath
