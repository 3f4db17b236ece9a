// SPDX-License-Identifier: Apache-2.0
// A vendor-neutral rule: stage, priority, match, actions, and why it is there. The planner makes
// them, the slow path makes one pair a connection, backends translate them.
//
// Semantics that every backend keeps:
//   * A packet starts at kIngress. In a stage the matching rule with the lowest priority number
//     wins; two rules of one stage that overlap with equal priority are the planner's mistake.
//   * Actions run in the order of the vector; exactly one fate (Jump, Output, Punt, Drop) ends it.
//   * Jump goes forward only (to a later stage). No match in a stage: as if Punt.
//   * `meta` is 32 bits that travel with the packet, zero at ingress; Punt delivers it with the
//   packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/addr.h"
#include "offload/model/intent.h"
#include "offload/model/port.h"

namespace sluice::model {

enum class Stage : std::uint8_t {
  kIngress = 0,     // who sent it, may it: anti-spoofing, decapsulation, claims of the uplink
  kConnection = 1,  // exact flows of tracked connections: rewrite, then forward
  kTrap = 2,        // what the slow path must see first: service addresses, unknown replies
  kForward = 3,     // where it goes: MACs, TTL, encapsulation, port
};
inline constexpr int kStages = 4;
std::string_view to_string(Stage stage);

// Values of `meta`. The low 16 bits are a NextHop::id (0: none), the next four the origin.
namespace meta {
inline constexpr std::uint32_t kNextHopMask = 0x0000ffff;
inline constexpr std::uint32_t kOriginMask = 0x000f0000;
inline constexpr std::uint32_t kLocal = 0x00010000;   // from a pod or the node itself
inline constexpr std::uint32_t kTunnel = 0x00020000;  // came in by VXLAN, now decapsulated
inline constexpr std::uint32_t kWire = 0x00030000;    // came in plain on the uplink
}  // namespace meta

template <class T>
struct Masked {
  T value{};
  T mask{};
  auto operator<=>(const Masked&) const = default;
};

inline constexpr std::uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04;  // RFC 9293 3.1

// Everything that is set must hold. Addresses and ports are those of the innermost header that is
// left: before VxlanDecap the outer one. ip_*, proto, whole, l4_*, tcp_flags imply eth_type 0x0800.
// eth_type and all behind it are read behind any VLAN tags; untagged says that there are none.
// l4_* never match a fragment behind the first; tunnel matches outer UDP to vxlan_port with that
// VNI.
struct Match {
  std::optional<PortId> in_port;
  std::optional<std::uint32_t> tunnel_vni;
  std::optional<MacAddr> eth_src;
  std::optional<MacAddr> eth_dst;
  std::optional<std::uint16_t> eth_type;  // host order, e.g. 0x0806
  bool untagged = false;                  // no 802.1Q/802.1ad tag
  std::optional<Prefix4> ip_src;
  std::optional<Prefix4> ip_dst;
  std::optional<Proto> proto;
  bool whole = false;  // neither a first nor a later fragment: IPv4's offset and MF are zero
  std::optional<Masked<std::uint16_t>> l4_src;  // host order
  std::optional<Masked<std::uint16_t>> l4_dst;
  std::optional<std::uint8_t> icmp_type;
  std::optional<Masked<std::uint8_t>> tcp_flags;
  std::optional<Masked<std::uint32_t>> meta;

  auto operator<=>(const Match&) const = default;
  std::string to_string() const;  // "in=vf0 ip_dst=10.0.0.0/24 tcp l4_dst=80"
};

struct SetMeta {
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;
  auto operator<=>(const SetMeta&) const = default;
};
struct VxlanDecap {
  auto operator<=>(const VxlanDecap&) const = default;
};
struct SetEthSrc {
  MacAddr mac;
  auto operator<=>(const SetEthSrc&) const = default;
};
struct SetEthDst {
  MacAddr mac;
  auto operator<=>(const SetEthDst&) const = default;
};
struct SetIpSrc {
  Ipv4 ip;
  auto operator<=>(const SetIpSrc&) const = default;
};
struct SetIpDst {
  Ipv4 ip;
  auto operator<=>(const SetIpDst&) const = default;
};
struct SetL4Src {
  std::uint16_t port = 0;
  auto operator<=>(const SetL4Src&) const = default;
};
struct SetL4Dst {
  std::uint16_t port = 0;
  auto operator<=>(const SetL4Dst&) const = default;
};
// A packet whose TTL would reach zero is punted instead (the slow path answers with ICMP).
struct DecTtl {
  auto operator<=>(const DecTtl&) const = default;
};
struct Count {
  auto operator<=>(const Count&) const = default;
};
// The outer UDP source port is a hash of the inner flow (RFC 7348 section 5), the outer TTL 64.
struct VxlanEncap {
  MacAddr eth_src, eth_dst;
  Ipv4 ip_src, ip_dst;
  std::uint32_t vni = 0;
  std::uint16_t udp_dst = 4789;
  auto operator<=>(const VxlanEncap&) const = default;
};
struct Jump {
  Stage stage = Stage::kForward;
  auto operator<=>(const Jump&) const = default;
};
struct Output {
  PortId port;
  auto operator<=>(const Output&) const = default;
};
struct Punt {
  auto operator<=>(const Punt&) const = default;
};  // to the slow path, on the in-port's representor
struct Drop {
  auto operator<=>(const Drop&) const = default;
};

using Action = std::variant<SetMeta, VxlanDecap, SetEthSrc, SetEthDst, SetIpSrc, SetIpDst, SetL4Src,
                            SetL4Dst, DecTtl, Count, VxlanEncap, Jump, Output, Punt, Drop>;
std::string to_string(const Action& action);

struct Rule {
  Stage stage = Stage::kIngress;
  std::uint16_t priority = 0;  // 0 is looked at first; at most kMaxPriority
  Match match;
  std::vector<Action> actions;
  std::string
      owner;  // the object it was made for: "service/shop/web:80/tcp", "attachment/<id>", "node/b"
  std::string why;  // one clause for a person: "replies of tracked connections to local pods"

  static constexpr std::uint16_t kMaxPriority = 1000;
  std::uint64_t key_hash() const;      // of stage, priority, match: which rule
  std::uint64_t content_hash() const;  // of key and actions: which version of it
  std::string to_string() const;
  auto operator<=>(const Rule&) const = default;
};

}  // namespace sluice::model
