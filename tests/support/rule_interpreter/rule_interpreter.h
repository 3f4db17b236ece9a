// SPDX-License-Identifier: Apache-2.0
// Runs one packet through a Program, by reading the rules one after the other: what rule.h says, in
// the simplest way, so that tests can ask for behaviour instead of comparing rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "offload/model/program.h"

namespace sluice::test {

// A packet by its fields; with `outer` it is the inner one of a VXLAN packet.
struct Packet {
  model::PortId in_port;
  MacAddr eth_src, eth_dst;
  std::uint16_t eth_type = 0x0800;
  bool tagged = false;  // has a VLAN tag; the other fields are those behind it
  Ipv4 ip_src, ip_dst;
  std::uint8_t ttl = 64;
  model::Proto proto = model::Proto::kTcp;
  std::uint16_t l4_src = 0, l4_dst = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t tcp_flags = 0;
  bool first_fragment = false;
  bool later_fragment = false;  // not the first: it has no L4 header
  std::uint32_t meta = 0;

  struct Outer {
    MacAddr eth_src, eth_dst;
    Ipv4 ip_src, ip_dst;
    std::uint32_t vni = 0;
    std::uint16_t udp_dst = 4789;
    bool tagged = false;
    bool operator==(const Outer&) const = default;
  };
  std::optional<Outer> outer;
};

struct Verdict {
  enum class Fate { kOutput, kPunt, kDrop };
  Fate fate = Fate::kPunt;
  model::PortId port;             // of kOutput
  Packet packet;                  // as it left
  std::vector<model::Rule> path;  // the rules that matched, in order
};

// `program` plus `flows`, rules of connections. A mistake of the program (two matching rules of
// equal priority and different actions, a jump backward, no fate) is put into `mistake`.
Verdict run(const model::Program& program, Packet packet, std::string& mistake,
            const std::vector<model::Rule>& flows = {});

}  // namespace sluice::test
