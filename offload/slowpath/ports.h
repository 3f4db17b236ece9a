// SPDX-License-Identifier: Apache-2.0
// What the slow path stands on, so that it runs without DPDK, under TSan and in a fuzzer.
#pragma once

#include <cstdint>
#include <span>

#include "offload/model/port.h"

namespace sluice::slowpath {

// Sends whole Ethernet frames by a port's representor: they leave on the other side of that port
// (the VF, the node, the wire). Frames are at most MTU size, with complete checksums.
class PacketPort {
 public:
  virtual ~PacketPort() = default;
  virtual void send(model::PortId port, std::span<const std::uint8_t> frame) = 0;
};

}  // namespace sluice::slowpath
