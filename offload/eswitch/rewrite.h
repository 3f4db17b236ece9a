// SPDX-License-Identifier: Apache-2.0
// Runs a rule's Program on a packet: bytes, checksums, and the parsed key along with them.
#pragma once

#include <cstdint>

#include "offload/eswitch/actions.h"
#include "offload/eswitch/packet.h"

namespace sluice::eswitch {

// Everything but count and encapsulation. False: the packet can't go on, `verdict` says what
// becomes of it (TTL used up, or nothing to decapsulate: punt).
bool rewrite(Packet& packet, const Program& program);

// Takes the outer headers off and parses again. False when there is no whole VXLAN packet.
bool decapsulate(Packet& packet);

// Puts the tunnel's headers before the frame; its checksums must be complete and it must have
// Encap::kLength bytes of headroom (else false). `ip_id` is the outer header's.
bool encapsulate(Packet& packet, const Encap& encap, std::uint16_t source_port,
                 std::uint16_t ip_id);

// The outer UDP source port for the packet's inner flow, 49152 to 65535 (RFC 7348 section 5).
std::uint16_t tunnel_source_port(const Packet& packet);

}  // namespace sluice::eswitch
