// SPDX-License-Identifier: Apache-2.0
// A frame with room before it, as the switch wants it, and short words for rules.
#pragma once

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "offload/eswitch/parser.h"
#include "offload/eswitch/pipeline.h"
#include "tests/support/packet_builder.h"

namespace sluice::test {

inline constexpr std::uint32_t kRoom = 64;

// Owns the bytes of a Packet.
class Owned {
 public:
  explicit Owned(const Frame& frame, std::uint16_t in_port = 0,
                 const eswitch::Offload& offload = {})
      : bytes_(kRoom + frame.size()) {
    if (!frame.empty()) std::memcpy(bytes_.data() + kRoom, frame.data(), frame.size());
    packet.data = bytes_.data() + kRoom;
    packet.length = static_cast<std::uint32_t>(frame.size());
    packet.headroom = kRoom;
    packet.in_port = in_port;
    packet.offload = offload;
    eswitch::parse(packet);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  Frame frame() const { return Frame(packet.data, packet.data + packet.length); }

  eswitch::Packet packet;

 private:
  std::vector<std::uint8_t> bytes_;
};

inline void run_one(eswitch::Pipeline& pipeline, eswitch::Packet& packet) {
  const eswitch::Pipeline::Burst burst(pipeline);
  pipeline.run(&packet, 1);
}

inline eswitch::Actions output(std::uint16_t port) {
  eswitch::Actions a;
  a.fate = eswitch::Fate::kOutput;
  a.target = port;
  a.count = true;
  return a;
}
inline eswitch::Actions jump(std::uint16_t group) {
  eswitch::Actions a;
  a.fate = eswitch::Fate::kJump;
  a.target = group;
  return a;
}

inline const Eth kEth{mac("02:00:00:00:00:0a"), mac("02:00:00:00:00:0b")};
inline const IpFields kIp{ip("10.0.0.10"), ip("10.0.0.11")};

}  // namespace sluice::test
