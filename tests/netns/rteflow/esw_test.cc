// SPDX-License-Identifier: Apache-2.0
// Planned rules in the software NIC, by rte_flow, with frames at its ports: what the rule
// interpreter says in the planner's tests must be what a driver does. Legs are in memory.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <deque>

#include "offload/backends/rteflow/backend.h"
#include "offload/backends/rteflow/device.h"
#include "offload/backends/rteflow/eal.h"
#include "offload/legs/memory_leg.h"
#include "offload/planner/plan.h"
#include "offload/pmd/net_esw.h"
#include "tests/unit/offload/planner/node.h"

using namespace sluice;
using namespace sluice::model;
using namespace sluice::rteflow;
using namespace sluice::test;
using Bytes = std::vector<std::uint8_t>;

namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr std::size_t kIp = 14, kUdp = 34, kPayload = 42;

void put16(Bytes& bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, value >> 16U);
  put16(bytes, at + 2, value & 0xffffU);
}
std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24U | std::uint32_t{bytes[at + 1]} << 16U |
         std::uint32_t{bytes[at + 2]} << 8U | bytes[at + 3];
}
MacAddr mac_at(const Bytes& bytes, std::size_t at) {
  MacAddr mac;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 6, mac.bytes.begin());
  return mac;
}

// A UDP frame of `p`, the checksum of its IP header right, its UDP checksum absent.
Bytes frame_of(const Packet& p, std::size_t payload = 20) {
  Bytes f(kPayload + payload, 0x5a);
  std::copy(p.eth_dst.bytes.begin(), p.eth_dst.bytes.end(), f.begin());
  std::copy(p.eth_src.bytes.begin(), p.eth_src.bytes.end(), f.begin() + 6);
  put16(f, 12, 0x0800);
  std::fill(f.begin() + kIp, f.begin() + kPayload, std::uint8_t{0});
  f[kIp] = 0x45;
  put16(f, kIp + 2, static_cast<std::uint32_t>(f.size() - kIp));
  f[kIp + 8] = p.ttl;
  f[kIp + 9] = 17;
  put32(f, kIp + 12, p.ip_src.value);
  put32(f, kIp + 16, p.ip_dst.value);
  std::uint32_t sum = 0;
  for (std::size_t i = kIp; i < kUdp; i += 2) sum += std::uint32_t{f[i]} << 8U | f[i + 1];
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  put16(f, kIp + 10, ~sum & 0xffffU);
  put16(f, kUdp, p.l4_src);
  put16(f, kUdp + 2, p.l4_dst);
  put16(f, kUdp + 4, static_cast<std::uint32_t>(f.size() - kUdp));
  return f;
}

struct Punted {
  PortId port;
  std::uint32_t meta = 0;
  Bytes frame;
};

// The NIC, its wires, and a slow path that only collects.
struct Nic {
  std::unique_ptr<Device> device;
  std::unique_ptr<Backend> backend;
  std::shared_ptr<legs::MemoryWire> uplink, host, vf0, vf1;
  std::deque<Punted> punted;

  std::shared_ptr<legs::MemoryWire> plug(std::uint16_t port) {
    auto wire = legs::MemoryWire::create().value();
    REQUIRE(pmd::attach_leg("net_esw0", port, std::make_unique<legs::MemoryLeg>(wire)));
    return wire;
  }
  void drain() {
    while (device->receive([&](PortId port, std::uint32_t meta, std::span<std::uint8_t> frame) {
      punted.push_back({port, meta, Bytes(frame.begin(), frame.end())});
    }) != 0) {
    }
  }
  // Sleeps on the descriptors as the engine does.
  Punted next_punt() {
    drain();
    while (punted.empty()) {
      const auto fds = device->rx_fds();
      REQUIRE(fds.size() == 1);
      pollfd fd{fds[0], POLLIN, 0};
      REQUIRE(::poll(&fd, 1, 20'000) == 1);
      drain();
    }
    Punted first = std::move(punted.front());
    punted.pop_front();
    return first;
  }
};

void check_ports(const Nic& nic) {
  const auto& ports = nic.device->ports();
  CHECK(ports.device == "net_esw0");
  REQUIRE(ports.ports.size() == 4);
  CHECK(ports.ports[0].first == PortId::uplink());
  CHECK(ports.ports[0].second == ports.proxy);
  for (const PortId port : {PortId::host(), PortId::vf(0), PortId::vf(1)})
    CHECK(ports.ethdev_of(port));
  const auto capabilities = nic.backend->capabilities();
  CHECK(capabilities.vfs == 2);
  CHECK(capabilities.vxlan);
  CHECK(capabilities.rewrite);
  CHECK(capabilities.count);
}

void check_delivery(Nic& nic) {
  Packet p = from_vf_pod("10.244.1.12");
  REQUIRE(nic.vf0->push(frame_of(p)));
  auto out = nic.host->take(kPatience);
  REQUIRE(out);
  CHECK(mac_at(out->bytes, 0) == kVethPodMac);
  CHECK(mac_at(out->bytes, 6) == kGatewayMac);
  CHECK(out->bytes[kIp + 8] == 63);
  // To another node: outer and inner header.
  REQUIRE(nic.vf0->push(frame_of(from_vf_pod("10.244.2.77"))));
  out = nic.uplink->take(kPatience);
  REQUIRE(out);
  const Bytes wire = out->bytes;
  REQUIRE(wire.size() == kPayload + 20 + 50);
  CHECK(mac_at(wire, 0) == kPeerMac);
  CHECK(mac_at(wire, 6) == kUplinkMac);
  CHECK(Ipv4{get32(wire, kIp + 12)} == ip("172.30.0.11"));
  CHECK(Ipv4{get32(wire, kIp + 16)} == ip("172.30.0.12"));
  CHECK((get32(wire, kUdp) & 0xffffU) == 4789);
  CHECK((get32(wire, kPayload + 4) >> 8U) == 4242);
  CHECK(Ipv4{get32(wire, 50 + kIp + 16)} == ip("10.244.2.77"));
  // And back: the same frame, as the other node would send it.
  Bytes back(wire.begin(), wire.begin() + 50);
  const Bytes inner = frame_of([] {
    Packet q = from_tunnel("10.244.2.77", "10.244.1.10");
    q.outer.reset();
    return q;
  }());
  Packet outer;
  outer.eth_src = kPeerMac;
  outer.eth_dst = kUplinkMac;
  outer.ip_src = ip("172.30.0.12");
  outer.ip_dst = ip("172.30.0.11");
  outer.l4_src = 55555;
  outer.l4_dst = 4789;
  back = frame_of(outer, 8 + inner.size());
  std::copy_n(wire.begin() + kPayload, 8, back.begin() + kPayload);
  std::copy(inner.begin(), inner.end(), back.begin() + kPayload + 8);
  REQUIRE(nic.uplink->push(back));
  out = nic.vf0->take(kPatience);
  REQUIRE(out);
  CHECK(out->bytes.size() == inner.size());
  CHECK(mac_at(out->bytes, 0) == kVfPodMac);
}

void check_punts(Nic& nic) {
  Packet spoofed = from_vf_pod("10.96.0.10");
  spoofed.ip_src = ip("10.244.1.12");
  REQUIRE(nic.vf0->push(frame_of(spoofed)));
  const Packet service = from_vf_pod("10.96.0.10");
  const Bytes frame = frame_of(service);
  REQUIRE(nic.vf0->push(frame));
  const Punted punt = nic.next_punt();  // not the spoofed one before it
  CHECK(punt.port == PortId::vf(0));
  CHECK(punt.meta == meta::kLocal);
  CHECK(punt.frame == frame);
  Packet dying = from_vf_pod("10.244.1.12");
  dying.ttl = 1;
  REQUIRE(nic.vf0->push(frame_of(dying)));
  CHECK(nic.next_punt().frame == frame_of(dying));
  // A frame longer than any buffer of the representor's queue.
  Packet large = from_vf_pod("203.0.113.5");
  REQUIRE(nic.vf0->push(frame_of(large, 20'000)));
  CHECK(nic.next_punt().frame == frame_of(large, 20'000));
  // The slow path's own frames leave on the other side of the port.
  REQUIRE(nic.device->send(PortId::vf(1), frame));
  const auto out = nic.vf1->take(kPatience);
  REQUIRE(out);
  CHECK(out->bytes == frame);
  CHECK_FALSE(nic.device->send(PortId::vf(7), frame));
  CHECK_FALSE(nic.device->send(PortId::vf(1), Bytes(10'000, 0)));
}

Rule connection_flow(std::uint16_t client_port) {
  Rule flow;
  flow.stage = Stage::kConnection;
  flow.priority = 10;
  flow.match.proto = Proto::kUdp;
  flow.match.ip_src = Prefix4{ip("10.244.1.10"), 32};
  flow.match.ip_dst = Prefix4{ip("10.96.0.10"), 32};
  flow.match.l4_src = Masked<std::uint16_t>{client_port, 0xffff};
  flow.match.l4_dst = Masked<std::uint16_t>{80, 0xffff};
  flow.actions = {SetIpDst{ip("10.244.1.12")}, SetL4Dst{8080}, Count{}, Jump{Stage::kForward}};
  return flow;
}

void check_connection(Nic& nic) {
  const auto handle = nic.backend->install(connection_flow(41000));
  REQUIRE(handle);
  CHECK(handle.value() != 0U);
  Packet p = from_vf_pod("10.96.0.10");
  p.l4_src = 41000;
  p.l4_dst = 80;
  REQUIRE(nic.vf0->push(frame_of(p)));
  const auto out = nic.host->take(kPatience);
  REQUIRE(out);
  CHECK(Ipv4{get32(out->bytes, kIp + 16)} == ip("10.244.1.12"));
  CHECK((get32(out->bytes, kUdp) & 0xffffU) == 8080);
  const auto stats = nic.backend->query(*handle);
  REQUIRE(stats);
  CHECK(stats->packets == 1);
  CHECK(stats->bytes == kPayload + 20);
  REQUIRE(nic.backend->remove(*handle));
  CHECK_FALSE(nic.backend->remove(*handle));
  CHECK_FALSE(nic.backend->query(*handle));
  REQUIRE(nic.vf0->push(frame_of(p)));
  CHECK(nic.next_punt().frame == frame_of(p));
  // A handle is not reused for the next flow in its slot.
  const auto next = nic.backend->install(connection_flow(41001));
  REQUIRE(next);
  CHECK(*next != *handle);
  CHECK(nic.backend->remove(*next));
}

void check_change(Nic& nic, planner::Planner& planner, Intent intent) {
  intent.attachments[0].port = PortId::vf(1);  // the pod moves
  const Delta delta = planner.update(intent);
  REQUIRE(delta.changed.size() == 1);
  const auto refused = nic.backend->apply(delta);
  REQUIRE(refused);
  CHECK(refused->empty());
  Packet p = from_vf_pod("10.244.1.10");
  p.in_port = PortId::host();
  p.eth_src = kVethPodMac;
  p.ip_src = ip("10.244.1.12");
  REQUIRE(nic.host->push(frame_of(p)));
  CHECK(nic.vf1->take(kPatience));
  const auto dump = nic.backend->dump();
  REQUIRE(dump);
  Program dumped;
  for (const auto& state : *dump) {
    CHECK(state.tier == Tier::kHardware);
    CHECK(state.reason == "");
    dumped.rules.push_back(state.rule);
  }
  std::sort(dumped.rules.begin(), dumped.rules.end());
  CHECK(dumped == planner::plan(intent));
  const auto moved = std::find_if(dump->begin(), dump->end(), [](const RuleState& s) {
    return s.rule.match.ip_dst == Prefix4{ip("10.244.1.10"), 32} && s.rule.stage == Stage::kForward;
  });
  REQUIRE(moved != dump->end());
  CHECK(moved->stats.packets == 1);  // of the new version of the rule
}

}  // namespace

// One case: EAL starts once in this process.
TEST_CASE("planned rules and connections in net_esw") {
  pmd::link_driver();
  const auto started = start_eal({false, {}}, Logger());
  REQUIRE_MESSAGE(started, (started ? "" : started.error().to_string()));
  REQUIRE(add_vdev("net_esw0", "representor=vf[0-1]"));
  ThreadRegistration registration;
  REQUIRE(registration.enter());

  Nic nic;
  auto device = Device::open("net_esw0", Logger());
  REQUIRE_MESSAGE(device, (device ? "" : device.error().to_string()));
  nic.device = *std::move(device);
  nic.uplink = nic.plug(0);
  nic.host = nic.plug(1);
  nic.vf0 = nic.plug(2);
  nic.vf1 = nic.plug(3);
  nic.backend = std::make_unique<Backend>(nic.device->ports(), nic.device->capabilities(),
                                          BackendOptions{}, Logger());
  check_ports(nic);

  // Nothing is planned yet: every packet is a miss.
  REQUIRE(nic.vf0->push(frame_of(from_vf_pod("10.244.1.12"))));
  const Punted miss = nic.next_punt();
  CHECK(miss.port == PortId::vf(0));
  CHECK(miss.meta == 0);

  planner::Planner planner;
  const Intent intent = node_a();
  const auto refused = nic.backend->apply(planner.update(intent));
  REQUIRE(refused);
  for (const auto& state : *refused) MESSAGE(state.rule.to_string() << ": " << state.reason);
  REQUIRE(refused->empty());
  check_delivery(nic);
  check_punts(nic);
  check_connection(nic);
  check_change(nic, planner, intent);

  nic.backend.reset();
  nic.device->close();
  nic.device->close();
  CHECK(nic.device->rx_fds().empty());
  registration.leave();
  (void)remove_vdev("net_esw0");  // its ports are closed already
  stop_eal();
}
