// SPDX-License-Identifier: Apache-2.0
// Reads the headers of a frame into the words that tables match on.
#pragma once

#include <cstdint>

#include "offload/eswitch/packet.h"

namespace sluice::eswitch {

// Fills the parsed fields of the packet from data, length and in_port; `meta` becomes its META.
// A header that is cut short, or whose lengths contradict each other, is treated as absent:
// rules that match on its fields don't match, nothing behind it is looked at.
void parse(Packet& packet, std::uint32_t meta = 0);
void parse(Packet* packets, unsigned n);  // a burst, with META 0

}  // namespace sluice::eswitch
