// SPDX-License-Identifier: Apache-2.0
// One tracked connection: fixed size, no pointers, so that a table of them can live in a file.
//
// Contract: `original` is the first packet as its sender sent it, `reply` an answer as its sender
// sends it. What leaves forward carries reversed(reply), what leaves backward reversed(original).
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>

#include "common/base/addr.h"
#include "common/base/hash.h"

namespace sluice::slowpath {

// An ICMP echo has its identifier as the port of the side that asks, and 0 as the other's.
struct Tuple {
  Ipv4 src, dst;
  std::uint16_t src_port = 0, dst_port = 0;
  std::uint8_t proto = 0;
  std::uint8_t reserved[3] = {};

  bool operator==(const Tuple& other) const {
    return src == other.src && dst == other.dst && src_port == other.src_port &&
           dst_port == other.dst_port && proto == other.proto;
  }
};

constexpr Tuple reversed(const Tuple& t) {
  return Tuple{t.dst, t.src, t.dst_port, t.src_port, t.proto, {}};
}

// The same on every node and in every release when the seed is: backend choice depends on it.
constexpr std::uint64_t hash_of(const Tuple& t, std::uint64_t seed = 0) {
  const std::uint64_t addresses = static_cast<std::uint64_t>(t.src.value) << 32U | t.dst.value;
  const std::uint64_t rest = static_cast<std::uint64_t>(t.src_port) << 32U |
                             static_cast<std::uint64_t>(t.dst_port) << 16U | t.proto;
  return hash_combine(hash_combine(seed, addresses), rest);
}

enum class Direction : std::uint8_t { kForward = 0, kReply = 1 };

// Where a packet came from, as the ingress rules found.
enum class Origin : std::uint8_t { kLocal = 1, kTunnel = 2, kWire = 3 };

enum class Kind : std::uint8_t {
  kService,  // to a cluster IP or NodePort, sent on to an endpoint
  kDirect,   // to an endpoint's own address, tracked so that its answers are told from a service's
  kMasquerade,  // from a local pod to an address outside the cluster
  kInbound,     // plain from the wire to a local pod, met at its SYN-ACK: answered in kind
};

enum class State : std::uint8_t {
  kNew,  // no answer yet (TCP: no complete handshake)
  kEstablished,
  kClosing,  // TCP: one FIN
  kClosed,   // TCP: both FINs or a RST; goes soon
};

struct Connection {
  // Bits of `flags`.
  static constexpr std::uint8_t kSynAckSeen = 0x01;
  static constexpr std::uint8_t kPickedUp = 0x02;  // met in the middle: there was no SYN to see
  static constexpr std::uint8_t kFinForward = 0x04;
  static constexpr std::uint8_t kFinReply = 0x08;
  static constexpr std::uint8_t kReset = 0x10;
  static constexpr std::uint8_t kNeverPromote = 0x20;  // somebody asked, or it has fragments

  std::uint64_t id = 0;
  Tuple original;
  Tuple reply;
  std::int64_t last_seen = 0;     // nanoseconds of the monotonic clock
  std::uint64_t service_key = 0;  // ServiceIndex::key_of(), 0 for none
  // Indexed by Direction.
  std::uint64_t slow_packets[2] = {};
  std::uint64_t hardware_packets[2] = {};  // of flows that are gone again; live ones come on top
  std::uint64_t hardware_bytes[2] = {};
  Kind kind = Kind::kDirect;
  State state = State::kNew;
  Origin origin = Origin::kLocal;  // of the client
  std::uint8_t flags = 0;
  std::uint32_t reserved = 0;

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  bool translated() const { return !(reply == reversed(original)); }
};

static_assert(std::is_trivially_copyable_v<Connection>, "entries are copied as bytes");
static_assert(std::is_standard_layout_v<Connection>, "entries have one layout on every build");
static_assert(sizeof(Connection) <= 192, "a connection must fit three cache lines");
static_assert(sizeof(Tuple) == 16, "a tuple has no hidden padding");

}  // namespace sluice::slowpath
