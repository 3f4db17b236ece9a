// SPDX-License-Identifier: Apache-2.0
// A slow path on node "a" of a three-node cluster, with fakes around it, and hands to send with.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "offload/slowpath/slow_path.h"
#include "tests/support/packet_builder.h"

namespace sluice::slowpath {

// A NIC's connection stage that remembers; levers: refuse_next, hit().
class FakeFlowSink final : public model::FlowSink {
 public:
  Result<model::FlowHandle> install(const model::Rule& rule) override;
  Status remove(model::FlowHandle handle) override;
  Result<model::FlowStats> query(model::FlowHandle handle) override;

  // The installed rule whose ip_src is this; nullptr when there is none.
  const model::Rule* rule_from(Ipv4 src) const;
  void hit(Ipv4 src, std::uint64_t packets);

  std::map<model::FlowHandle, model::Rule> rules;
  int accept_next = -1;  // refuse everything once so many more were accepted; -1: never
  int asked = 0;

 private:
  std::map<model::FlowHandle, model::FlowStats> stats_;
  model::FlowHandle last_ = 0;
};

struct Sent {
  model::PortId port;
  test::Frame frame;
};

class RecordingPort final : public PacketPort {
 public:
  void send(model::PortId port, std::span<const std::uint8_t> frame) override {
    sent.push_back({port, {frame.begin(), frame.end()}});
  }
  std::vector<Sent> sent;
};

// A packet as whoever receives it sees it, and how it got there:
// "vf0", "host", "tunnel 192.168.0.2", "wire".
struct Delivered {
  std::string how;
  test::View packet;
};

// Where a machine is plugged in.
struct Side {
  model::PortId port;
  std::uint32_t meta = 0;
  MacAddr mac;
};

namespace addresses {
inline const Ipv4 kGateway = test::ip("169.254.1.1");
inline const Ipv4 kNodeA = test::ip("192.168.0.1"), kNodeB = test::ip("192.168.0.2");
inline const Ipv4 kNodeC = test::ip("192.168.0.3");
inline const Ipv4 kNode0 = test::ip("10.244.1.1");
inline const Ipv4 kPod1 = test::ip("10.244.1.10");  // vf0
inline const Ipv4 kPod2 = test::ip("10.244.1.11");  // vf1
inline const Ipv4 kPod3 = test::ip("10.244.1.12");  // a veth
inline const Ipv4 kPodB = test::ip("10.244.2.10"), kPodC = test::ip("10.244.3.10");
inline const Ipv4 kOutside = test::ip("203.0.113.5"), kOutside2 = test::ip("203.0.113.6");
inline const Ipv4 kVip = test::ip("10.96.0.10");
inline const MacAddr kGatewayMac = test::mac("02:00:00:00:00:fe");
inline const MacAddr kUplinkMac = test::mac("02:00:00:00:01:01");
inline const MacAddr kNode0Mac = test::mac("02:00:00:00:01:02");
inline const MacAddr kRouterMac = test::mac("02:00:00:00:02:03");
}  // namespace addresses

inline constexpr std::uint16_t kServicePort = 80, kTargetPort = 8080, kNodePort = 30080;
inline constexpr model::PortRange kBlock{50176, 50431};

// The cluster without services: three nodes, three pods, all next hops resolved.
model::Intent cluster();
model::Endpoint endpoint(Ipv4 ip, std::uint16_t port = kTargetPort);
// "shop/web": TCP and UDP 80 with NodePort 30080 at kVip.
model::Service web(std::vector<model::Endpoint> endpoints);

class World {
 public:
  explicit World(model::Intent start = cluster(), Options options = {});

  // Replaces the Intent by a changed copy.
  template <class Change>
  void change(Change change) {
    change(intent);
    apply();
  }
  void apply();
  void serve(std::vector<model::Endpoint> endpoints);

  // Where the owner of an address is plugged in; others come by the wire.
  static Side side_of(Ipv4 ip);
  // What the slow path sends while it handles this frame.
  std::vector<Sent> give(const Side& side, test::Frame frame);
  static Delivered read(const Sent& sent);

  std::vector<Sent> tcp(const Side& from, Ipv4 src, std::uint16_t sport, Ipv4 dst,
                        std::uint16_t dport, std::uint8_t flags, std::string_view payload = "");
  std::vector<Sent> udp(const Side& from, Ipv4 src, std::uint16_t sport, Ipv4 dst,
                        std::uint16_t dport, std::string_view payload = "data");
  // SYN, SYN-ACK, ACK; returns what the endpoint got as its SYN.
  Delivered handshake(const Side& from, Ipv4 src, std::uint16_t sport, Ipv4 dst,
                      std::uint16_t dport);
  std::uint64_t counter(const std::string& name) const { return slow.counters().to_map().at(name); }

  ManualClock clock;
  SeededRng rng{1};
  RecordingPort port;
  FakeFlowSink sink;
  model::Intent intent;
  std::vector<Ipv4> wanted;
  SlowPath slow;
};

}  // namespace sluice::slowpath
