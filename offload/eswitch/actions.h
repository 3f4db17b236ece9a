// SPDX-License-Identifier: Apache-2.0
// What a rule does to a packet, and the compact form of it that tables keep.
//
// Contract: actions run in the order count, decapsulate, set fields and META, decrement TTL,
// encapsulate, fate. A field set that the packet has no place for (a port on ICMP) is skipped.
// A packet whose TTL is 0 or 1 where it would be decremented is punted, unchanged by that rule.
// Sources: RFC 1624 (checksums), RFC 7348 (VXLAN), RFC 1812 5.3.1 (TTL).
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "offload/eswitch/packet.h"

namespace sluice::eswitch {

inline constexpr std::uint16_t kGroups = 16;
inline constexpr std::uint16_t kMaxPorts = 64;
inline constexpr std::uint16_t kMaxPriority = 65535;
inline constexpr std::uint16_t kInPort = 0xff;  // Fate::kPunt: the representor of the in-port

enum class Fate : std::uint8_t { kPunt, kDrop, kOutput, kJump };

struct Tunnel {
  MacAddr eth_src, eth_dst;
  Ipv4 ip_src, ip_dst;
  std::uint32_t vni = 0;
  std::uint16_t udp_dst = 4789;
  std::uint8_t ttl = 64, tos = 0;
  bool operator==(const Tunnel&) const = default;
};

struct Actions {
  bool count = false;
  bool decap = false;
  std::optional<MacAddr> eth_src, eth_dst;
  std::optional<std::uint32_t> ip_src, ip_dst;  // host order
  std::optional<std::uint16_t> l4_src, l4_dst;
  std::uint32_t meta = 0, meta_mask = 0;  // bits of the mask are set to those of meta
  bool dec_ttl = false;
  std::optional<Tunnel> encap;
  Fate fate = Fate::kPunt;
  std::uint16_t target = kInPort;  // kOutput, kPunt: port; kJump: group
};

// The bytes that go before an inner frame, ready but for lengths, IP id, checksum and source port.
struct alignas(64) Encap {
  static constexpr std::uint32_t kLength = 50;  // Ethernet 14, IPv4 20, UDP 8, VXLAN 8
  std::uint8_t header[kLength];
};
Encap make_encap(const Tunnel& tunnel);

// The same actions in 40 bytes; network order where the wire has it.
struct Program {
  enum Flag : std::uint16_t {
    kCount = 1,
    kDecap = 2,
    kEthSrc = 4,
    kEthDst = 8,
    kIpSrc = 16,
    kIpDst = 32,
    kL4Src = 64,
    kL4Dst = 128,
    kMeta = 256,
    kDecTtl = 512,
    kEncap = 1024,
  };
  static constexpr std::uint16_t kIpRewrites = kIpSrc | kIpDst | kL4Src | kL4Dst | kDecTtl;
  static constexpr std::uint16_t kRewrites = kEthSrc | kEthDst | kIpRewrites;
  std::uint16_t flags = 0;
  Fate fate = Fate::kPunt;
  std::uint8_t target = 0;
  std::uint16_t l4_src = 0, l4_dst = 0;
  std::uint32_t ip_src = 0, ip_dst = 0;
  std::uint8_t eth_src[6] = {}, eth_dst[6] = {};
  std::uint32_t meta = 0, meta_mask = 0;
  std::uint32_t encap = 0;  // index of the Encap
};
static_assert(sizeof(Program) == 40);

// Errors: kInvalid for a jump that goes nowhere forward, a port or group out of range, a VNI of
// more than 24 bits. `group` is the rule's own.
Result<Program> compile(const Actions& actions, std::uint16_t group);

}  // namespace sluice::eswitch
