// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/forwarder.h"

#include <algorithm>

namespace sluice::slowpath {
namespace {

constexpr std::size_t kOuterHeaders = kEthHeader + 20 + 8 + 8;

// RFC 7348 section 5: a hash of the inner flow, in the dynamic range. Fragments have no ports of
// their own, so all of a fragmented packet goes by its addresses only and stays in order.
std::uint16_t source_port_of(Bytes frame) {
  std::uint64_t hash = 0;
  if (const auto packet = parse_ipv4(frame)) {
    const bool ports = !packet->fragment() && packet->proto != kIpIcmp;
    hash = hash_of(Tuple{packet->src,
                         packet->dst,
                         ports ? packet->src_port : std::uint16_t{0},
                         ports ? packet->dst_port : std::uint16_t{0},
                         packet->proto,
                         {}});
  }
  return static_cast<std::uint16_t>(0xc000U | (hash & 0x3fffU));
}

}  // namespace

std::size_t Forwarder::mtu_of(const Topology& topology, const Path& path) {
  switch (path.kind) {
    case Path::Kind::kTunnel:
      return topology.pod_mtu();
    case Path::Kind::kWire:
      return topology.intent().uplink_mtu;
    default:
      return 0xffff;
  }
}

void Forwarder::forward(const Topology& topology, Packet& packet, const Path& path) {
  decrement_ttl(packet.ip());
  ++counters_.forwarded;
  emit(topology, packet.frame, path);
}

void Forwarder::originate(const Topology& topology, Bytes frame, const Path& path) {
  emit(topology, frame, path);
}

void Forwarder::emit(const Topology& topology, Bytes frame, const Path& path) {
  const model::Intent& intent = topology.intent();
  if (path.kind == Path::Kind::kPort) {
    store_mac(frame, 0, path.mac);
    store_mac(frame, 6, intent.gateway_mac);
    port_.send(path.port, frame);
    return;
  }
  if (path.kind == Path::Kind::kNowhere) {
    ++counters_.unknown_destination;
    return;
  }
  const auto* hop = topology.next_hop(path);
  if (hop == nullptr) {
    hold(frame, path);
    return;
  }
  if (path.kind == Path::Kind::kTunnel) {
    emit_tunnelled(topology, frame, path, *hop);
    return;
  }
  store_mac(frame, 0, hop->mac);
  store_mac(frame, 6, intent.uplink_mac);
  port_.send(model::PortId::uplink(), frame);
}

void Forwarder::emit_tunnelled(const Topology& topology, Bytes frame, const Path& path,
                               const model::NextHop& hop) {
  const model::Intent& intent = topology.intent();
  store_mac(frame, 0, intent.gateway_mac);
  store_mac(frame, 6, intent.gateway_mac);
  scratch_.assign(kOuterHeaders, 0);
  scratch_.insert(scratch_.end(), frame.begin(), frame.end());
  const Bytes outer(scratch_);
  store_mac(outer, 0, hop.mac);
  store_mac(outer, 6, intent.uplink_mac);
  store16(outer, 12, kEtherIpv4);

  const Bytes ip = outer.subspan(kEthHeader, 20);
  ip[0] = 0x45;
  store16(ip, 2, static_cast<std::uint16_t>(scratch_.size() - kEthHeader));
  store16(ip, 6, 0x4000);  // RFC 7348 4.3: tunnel endpoints don't fragment
  ip[8] = 64;
  ip[9] = kIpUdp;
  store32(ip, 12, topology.self().address.value);
  store32(ip, 16, path.outer.value);
  store16(ip, 10, checksum(ip));

  const Bytes udp = outer.subspan(kEthHeader + 20);
  store16(udp, 0, source_port_of(frame));
  store16(udp, 2, intent.vxlan_port);
  store16(udp, 4, static_cast<std::uint16_t>(udp.size()));  // the checksum stays 0: none
  udp[8] = 0x08;                                            // the VNI is valid
  store32(udp, 12, intent.vni << 8U);
  port_.send(model::PortId::uplink(), scratch_);
}

void Forwarder::hold(Bytes frame, const Path& path) {
  const auto waiting = static_cast<std::size_t>(
      std::count_if(pending_.begin(), pending_.end(),
                    [&](const Pending& other) { return other.path.outer == path.outer; }));
  if (pending_.size() >= kMaxPending || waiting >= kMaxPerDestination) {
    ++counters_.next_hop_dropped;
    return;
  }
  ++counters_.waiting_next_hop;
  pending_.push_back({{frame.begin(), frame.end()}, path, clock_.now() + kPatience});
  // Once a destination: the others behind it wait for the same answer.
  if (waiting == 0 && want_) want_(path.outer);
}

void Forwarder::flush_pending(const Topology& topology) {
  std::vector<Pending> waiting;
  waiting.swap(pending_);
  for (auto& held : waiting) {
    if (topology.ready(held.path)) {
      emit(topology, held.frame, held.path);
    } else {
      pending_.push_back(std::move(held));
    }
  }
}

void Forwarder::expire() {
  const TimePoint now = clock_.now();
  counters_.next_hop_dropped +=
      std::erase_if(pending_, [&](const Pending& held) { return held.deadline <= now; });
}

}  // namespace sluice::slowpath
