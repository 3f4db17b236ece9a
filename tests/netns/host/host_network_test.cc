// SPDX-License-Identifier: Apache-2.0
#include "offload/host/host_network.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "common/os/unique_fd.h"
#include "offload/host/sysctl.h"
#include "offload/legs/packet_leg.h"
#include "tests/netns/softnic/test_node.h"

using namespace sluice;
using namespace sluice::host;
using namespace sluice::testing;

namespace {

const MacAddr kGatewayMac = mac("02:00:5e:00:00:01");
const MacAddr kPodMac[2] = {mac("02:00:00:00:0a:0a"), mac("02:00:00:00:0a:0b")};
const MacAddr kBroadcast = mac("ff:ff:ff:ff:ff:ff");
constexpr std::uint16_t kNodePort = 30080, kNoPort = 30081;

std::unique_ptr<legs::Leg> leg_in(const os::NetNs& netns, const std::string& netdev) {
  auto rtnl = netlink::Rtnl::open_in(netns).value();
  auto leg = legs::open_packet_leg(netns, rtnl.link(netdev)->index, {});
  REQUIRE(leg);
  return std::move(*leg);
}

struct Machine {
  TestNode node;
  os::NetNs here = os::NetNs::current().value();
  os::NetNs outside = new_netns(), reps = new_netns();
  os::NetNs pods[2] = {new_netns(), new_netns()};
  model::Intent intent;
  std::unique_ptr<HostNetwork> host;

  Machine() {
    node.add_wire("eth0", outside, "wire", "192.0.2.254");
    run("ip addr add 192.0.2.1/24 dev eth0");
    intent.self = "a";
    intent.gateway_ip = ip("169.254.1.1");
    intent.gateway_mac = kGatewayMac;
    intent.vni = 77;
    intent.masquerade = {61440, 65535};
    intent.nodes = {{"a", ip("192.0.2.1"), Prefix4::parse("10.244.1.0/24").value()},
                    {"b", ip("192.0.2.2"), Prefix4::parse("10.244.2.0/24").value()}};
    model::Service service;
    service.name = "shop/web";
    service.cluster_ip = ip("10.96.0.10");
    service.ports = {{"", model::Proto::kTcp, 80, kNodePort, {}},
                     {"dns", model::Proto::kUdp, 53, kNodePort, {}}};
    intent.services = {service};
    start();
  }
  void start() {
    HostOptions options;
    options.uplink = "eth0";
    options.node = "a";
    auto made = HostNetwork::create(options, reps, Logger());
    REQUIRE_MESSAGE(made, made.error().to_string());
    host = std::move(*made);
    const auto updated = host->update(intent);
    REQUIRE_MESSAGE(updated, updated.error().to_string());
  }
  // As the CNI does: 10.244.1.<10 + i> on a veth whose host side is pod<i>.
  void add_pod(int i) {
    const std::string name = "pod" + std::to_string(i);
    node.add_wire(name, pods[i], "eth0", "10.244.1." + std::to_string(10 + i));
    run_in(pods[i], "ip link set eth0 address " + kPodMac[i].to_string());
    const auto added = host->add_pod_port(name, kPodMac[i]);
    REQUIRE_MESSAGE(added, added.error().to_string());
  }
};

bool is_experimental(const Bytes& frame, std::uint8_t mark) {
  return frame[12] == 0x88 && frame[13] == 0xb5 && frame.back() == mark;
}

// A frame that goes through the same path as those before it; their fate is settled when it is
// seen.
void settle(Machine& machine, legs::Leg& leg, int pod, std::uint8_t mark) {
  send_raw(machine.pods[pod], "eth0", plain_frame(kGatewayMac, kPodMac[pod], mark));
  REQUIRE(await_frame(leg, [&](const Bytes& frame) { return is_experimental(frame, mark); }));
}

int count_experimental(const std::vector<Bytes>& frames, std::uint8_t mark) {
  int count = 0;
  for (const auto& frame : frames) count += is_experimental(frame, mark) ? 1 : 0;
  return count;
}

os::UniqueFd udp_socket(const char* address, std::uint16_t port) {
  os::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &at.sin_addr);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

void send_udp(int fd, const char* address, std::uint16_t port, const char* text) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &to.sin_addr);
  CHECK(::sendto(fd, text, std::strlen(text), 0, reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) == static_cast<ssize_t>(std::strlen(text)));
}

std::uint32_t word(const Bytes& frame, std::size_t at) {
  return std::uint32_t{frame[at]} << 24U | std::uint32_t{frame[at + 1]} << 16U |
         std::uint32_t{frame[at + 2]} << 8U | frame[at + 3];
}
Ipv4 source_of(const Bytes& frame) { return Ipv4{word(frame, 26)}; }
Ipv4 destination_of(const Bytes& frame) { return Ipv4{word(frame, 30)}; }
std::uint16_t udp_port_of(const Bytes& frame) {  // destination
  return static_cast<std::uint16_t>(word(frame, 36) >> 16U);
}
std::uint16_t udp_source_of(const Bytes& frame) {
  return static_cast<std::uint16_t>(word(frame, 34) >> 16U);
}
bool is_udp(const Bytes& frame) { return frame[12] == 8 && frame[13] == 0 && frame[23] == 17; }
MacAddr eth_source_of(const Bytes& frame) {
  MacAddr result;
  std::copy(frame.begin() + 6, frame.begin() + 12, result.bytes.begin());
  return result;
}

}  // namespace

TEST_CASE("between pods the leg is the only way; broadcasts get to it and to nobody else") {
  Machine machine;
  machine.add_pod(0);
  machine.add_pod(1);
  auto leg = leg_in(machine.reps, "host");
  auto other = leg_in(machine.pods[1], "eth0");
  auto node0 = leg_in(machine.here, "node0");

  send_raw(machine.pods[0], "eth0", arp_request(kPodMac[0], ip("10.244.1.10"), ip("169.254.1.1")));
  CHECK(await_frame(*leg, [](const Bytes& frame) {
    return frame[12] == 8 && frame[13] == 6 && eth_source_of(frame) == kPodMac[0];
  }));
  send_raw(machine.pods[0], "eth0", plain_frame(kPodMac[1], kPodMac[0], 1));  // to the other pod
  send_raw(machine.pods[0], "eth0", plain_frame(kBroadcast, kPodMac[0], 1));
  send_raw(machine.pods[0], "eth0", plain_frame(machine.host->node0_mac(), kPodMac[0], 1));
  send_raw(machine.pods[0], "eth0",
           plain_frame(mac("02:00:00:00:0f:0f"), kPodMac[0], 1));  // unknown
  send_raw(machine.pods[0], "eth0", plain_frame(mac("01:00:5e:00:00:fb"), kPodMac[0], 1));
  settle(machine, *leg, 0, 2);
  // Control: what the engine sends does arrive at the pod, after all that.
  Bytes answer = plain_frame(kPodMac[1], kGatewayMac, 3);
  leg->transmit({answer.data(), static_cast<std::uint32_t>(answer.size()), 0, {}});
  leg->flush();
  bool leaked = false;
  CHECK(await_frame(*other, [&](const Bytes& frame) {
    leaked = leaked || is_experimental(frame, 1) || (frame[12] == 8 && frame[13] == 6);
    return is_experimental(frame, 3);
  }));
  CHECK_FALSE(leaked);
  CHECK(count_experimental(drain(*node0), 1) == 0);
}

TEST_CASE("a source MAC that isn't the pod's never reaches the leg") {
  Machine machine;
  machine.add_pod(0);
  machine.add_pod(1);
  auto leg = leg_in(machine.reps, "host");
  for (const MacAddr& stolen :
       {kPodMac[1], kGatewayMac, machine.host->node0_mac(), mac("02:00:00:00:0f:0f")}) {
    send_raw(machine.pods[0], "eth0", plain_frame(kGatewayMac, stolen, 4));
    send_raw(machine.pods[0], "eth0", plain_frame(kBroadcast, stolen, 4));
  }
  send_raw(machine.pods[0], "eth0", plain_frame(kGatewayMac, kPodMac[0], 5));
  bool saw_foreign = false;
  CHECK(await_frame(*leg, [&](const Bytes& frame) {
    saw_foreign = saw_foreign || is_experimental(frame, 4);
    return is_experimental(frame, 5);
  }));
  CHECK_FALSE(saw_foreign);

  // And the other pod's port wasn't stolen by trying.
  Bytes answer = plain_frame(kPodMac[1], kGatewayMac, 6);
  auto other = leg_in(machine.pods[1], "eth0");
  leg->transmit({answer.data(), static_cast<std::uint32_t>(answer.size()), 0, {}});
  leg->flush();
  CHECK(await_frame(*other, [](const Bytes& frame) { return is_experimental(frame, 6); }));
}

TEST_CASE("nothing gets up to the bridge itself") {
  Machine machine;
  machine.add_pod(0);
  auto leg = leg_in(machine.reps, "host");
  auto bridge = leg_in(machine.here, "sluice0");
  const MacAddr own = machine.node.link("sluice0").mac;
  const auto send_all = [&](std::uint8_t mark) {
    send_raw(machine.pods[0], "eth0", plain_frame(own, kPodMac[0], mark));
    send_raw(machine.pods[0], "eth0", plain_frame(kBroadcast, kPodMac[0], mark));
    Bytes frame = plain_frame(own, kGatewayMac, mark);
    leg->transmit({frame.data(), static_cast<std::uint32_t>(frame.size()), 0, {}});
    leg->flush();
    settle(machine, *leg, 0, static_cast<std::uint8_t>(mark + 1));
  };
  send_all(10);
  CHECK(count_experimental(drain(*bridge), 10) == 0);
  run("nft delete table bridge sluice-bridge");  // control: it is the filter that does it
  send_all(20);
  CHECK(count_experimental(drain(*bridge), 20) >= 2);
}

TEST_CASE("a removed pod's port is out of the bridge, gone ones are no error") {
  Machine machine;
  machine.add_pod(0);
  auto leg = leg_in(machine.reps, "host");
  settle(machine, *leg, 0, 1);
  REQUIRE(machine.host->add_pod_port("pod0", kPodMac[0]));  // again
  settle(machine, *leg, 0, 2);
  REQUIRE(machine.host->remove_pod_port("pod0", kPodMac[0]));
  CHECK(machine.node.link("pod0").master.value == 0);
  CHECK(machine.host->remove_pod_port("pod0", kPodMac[0]));
  run("ip link del pod0");
  CHECK(machine.host->remove_pod_port("pod0", kPodMac[0]));
  CHECK(output_of("nft list set bridge sluice-bridge ports").find("pod0") == std::string::npos);

  CHECK_FALSE(machine.host->add_pod_port("pod0; flush", kPodMac[0]));
  CHECK_FALSE(machine.host->add_pod_port("eth7", kPodMac[0]));
  CHECK_FALSE(machine.host->add_pod_port("sluice0", kPodMac[0]));
  CHECK_FALSE(machine.host->add_pod_port("node0", kPodMac[0]));
  CHECK_FALSE(machine.host->remove_pod_port("node0p", kPodMac[0]));
}

TEST_CASE("the uplink's tap sees what is claimed, the kernel doesn't") {
  Machine machine;
  auto tap = leg_in(machine.here, "eth0");
  const MacAddr uplink = machine.node.link("eth0").mac;
  const MacAddr router = mac("02:00:00:00:00:fe");
  const auto send = [&](Ipv4 to, std::uint16_t port, const Bytes& payload) {
    send_raw(machine.outside, "wire",
             udp_frame(uplink, router, ip("192.0.2.254"), to, 4000, port, payload));
  };
  run("ip addr add 10.244.1.200/32 dev lo");  // so that the kernel would take it
  auto node_port = udp_socket("192.0.2.1", kNodePort), no_port = udp_socket("192.0.2.1", kNoPort);
  auto masquerade = udp_socket("192.0.2.1", 61440), vxlan = udp_socket("192.0.2.1", 4789);
  auto pod_block = udp_socket("10.244.1.200", 5000);
  const Bytes ours{8, 0, 0, 0, 0, 0, 77, 0, 'x'}, theirs{8, 0, 0, 0, 0, 0, 78, 0, 'y'};
  send(ip("192.0.2.1"), kNodePort, {'a'});
  send(ip("192.0.2.1"), 61440, {'b'});
  send(ip("10.244.1.200"), 5000, {'c'});
  send(ip("192.0.2.1"), 4789, ours);
  send(ip("192.0.2.1"), 4789, theirs);
  send(ip("192.0.2.1"), kNoPort, {'e'});

  std::vector<std::uint16_t> seen;
  CHECK(await_frame(*tap, [&](const Bytes& frame) {
    if (is_udp(frame)) seen.push_back(udp_port_of(frame));
    return is_udp(frame) && udp_port_of(frame) == kNoPort;
  }));
  CHECK(seen == std::vector<std::uint16_t>{kNodePort, 61440, 5000, 4789, 4789, kNoPort});
  const auto gets = [](const os::UniqueFd& fd, int wait) {
    pollfd poll_fd{fd.get(), POLLIN, 0};
    return ::poll(&poll_fd, 1, wait) == 1;
  };
  CHECK(gets(no_port, 10'000));
  CHECK(gets(vxlan, 10'000));
  char first[16] = {};
  CHECK(::recv(vxlan.get(), first, sizeof first, MSG_DONTWAIT) == 9);
  CHECK(first[8] == 'y');  // another network's VNI is the kernel's
  CHECK_FALSE(gets(vxlan, 0));
  CHECK_FALSE(gets(node_port, 0));
  CHECK_FALSE(gets(masquerade, 0));
  CHECK_FALSE(gets(pod_block, 0));
}

TEST_CASE("the node's own NodePort connections leave by node0 to the gateway and are answered") {
  Machine machine;
  auto leg = leg_in(machine.reps, "host");
  struct Case {
    const char* from;
    const char* to;
    const char* source_on_leg;
  };
  for (const Case& c :
       {Case{"127.0.0.1", "127.0.0.1", "10.244.1.1"}, Case{"192.0.2.1", "192.0.2.1", "192.0.2.1"},
        Case{"0.0.0.0", "192.0.2.1", "192.0.2.1"}}) {
    CAPTURE(c.to);
    CAPTURE(c.from);
    auto client = udp_socket(c.from, 0);
    send_udp(client.get(), c.to, kNodePort, "hello");
    const auto frame =
        await_frame(*leg, [](const Bytes& f) { return is_udp(f) && udp_port_of(f) == kNodePort; });
    REQUIRE(frame);
    CHECK(destination_of(*frame) == ip("169.254.1.1"));
    CHECK(source_of(*frame) == ip(c.source_on_leg));
    CHECK(eth_source_of(*frame) == machine.host->node0_mac());
    Bytes answer = udp_frame(machine.host->node0_mac(), kGatewayMac, ip("169.254.1.1"),
                             source_of(*frame), kNodePort, udp_source_of(*frame), {'o', 'k'});
    leg->transmit({answer.data(), static_cast<std::uint32_t>(answer.size()), 0, {}});
    leg->flush();
    pollfd poll_fd{client.get(), POLLIN, 0};
    CHECK(::poll(&poll_fd, 1, 10'000) == 1);
    char text[8] = {};
    sockaddr_in from{};
    socklen_t length = sizeof from;
    CHECK(::recvfrom(client.get(), text, sizeof text, MSG_DONTWAIT,
                     reinterpret_cast<sockaddr*>(&from), &length) == 2);
    CHECK(from.sin_addr.s_addr == htonl(ip(c.to).value));  // as if nothing had been translated
  }
  // Other ports of the node stay on lo.
  auto server = udp_socket("192.0.2.1", kNoPort), client = udp_socket("192.0.2.1", 0);
  send_udp(client.get(), "192.0.2.1", kNoPort, "local");
  pollfd poll_fd{server.get(), POLLIN, 0};
  CHECK(::poll(&poll_fd, 1, 10'000) == 1);
}

TEST_CASE("routes, addresses and tables follow the intent") {
  Machine machine;
  auto leg = leg_in(machine.reps, "host");
  auto client = udp_socket("0.0.0.0", 0);
  for (const char* to : {"10.244.1.10", "10.244.2.10", "10.96.0.10"}) {
    CAPTURE(to);
    send_udp(client.get(), to, 99, "x");
    const auto frame =
        await_frame(*leg, [&](const Bytes& f) { return is_udp(f) && destination_of(f) == ip(to); });
    REQUIRE(frame);
    CHECK(source_of(*frame) == ip("10.244.1.1"));
  }
  CHECK(machine.node.link("node0").mtu == 1450);
  CHECK(read_sysctl("ipv4/ip_local_reserved_ports").value() == "61440-65535");

  machine.intent.nodes.push_back({"c", ip("192.0.2.3"), Prefix4::parse("10.244.3.0/24").value()});
  machine.intent.nodes.erase(machine.intent.nodes.begin() + 1);
  machine.intent.services[0].cluster_ip = ip("10.96.0.11");
  machine.intent.services[0].ports[0].node_port = kNoPort;
  machine.intent.uplink_mtu = 1400;
  REQUIRE(machine.host->update(machine.intent));
  const std::string routes = output_of("ip route show dev node0");
  CHECK(routes.find("10.244.2.0/24") == std::string::npos);
  CHECK(routes.find("10.96.0.10 ") == std::string::npos);
  CHECK(routes.find("10.244.3.0/24 via 169.254.1.1") != std::string::npos);
  CHECK(routes.find("10.96.0.11 via 169.254.1.1") != std::string::npos);
  CHECK(machine.node.link("node0").mtu == 1350);
  CHECK(output_of("nft list table netdev sluice-claims").find("tcp . 30081") != std::string::npos);
  CHECK(output_of("nft list table ip sluice-node").find("tcp . 30080") == std::string::npos);

  machine.intent.self = "nobody";
  CHECK_FALSE(machine.host->update(machine.intent));
}

TEST_CASE("recheck makes good what the kernel or people took away, and touches nothing else") {
  Machine machine;
  machine.add_pod(0);
  auto leg = leg_in(machine.reps, "host");
  // Sends until it arrives: the bridge takes a while to see that a port is up again.
  const auto works = [&] {
    auto client = udp_socket("0.0.0.0", 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(99);
    ::inet_pton(AF_INET, "10.96.0.10", &to.sin_addr);
    for (int i = 0; i < 100; ++i) {
      (void)::sendto(client.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      const auto is_ours = [](const Bytes& f) {
        return is_udp(f) && udp_port_of(f) == 99 && source_of(f) == ip("10.244.1.1");
      };
      if (await_frame(*leg, is_ours, std::chrono::milliseconds(100))) return true;
    }
    return false;
  };
  const auto recheck = [&] {
    const auto done = machine.host->recheck();
    REQUIRE_MESSAGE(done, done.error().to_string());
  };
  const auto state = [] {
    return output_of("ip route show dev node0") +
           output_of("ip neigh show dev node0 nud permanent") +
           output_of("ip -4 addr show dev node0") +
           output_of("bridge fdb show br sluice0 dev sluice-leg") +
           output_of("nft -s list table bridge sluice-bridge") +
           output_of("nft -s list table netdev sluice-claims") +
           output_of("nft -s list table ip sluice-node");
  };
  REQUIRE(works());
  const std::string before = state();
  SUBCASE("node0 down and up") {
    run("ip link set node0 down");
    run("ip link set node0 up");
    REQUIRE_FALSE(output_of("ip route show dev node0").find("10.96.0.10") != std::string::npos);
  }
  SUBCASE("node0 down") { run("ip link set node0 down"); }
  SUBCASE("the bridge and its leg down") {
    run("ip link set sluice0 down");
    run("ip link set sluice-leg down");
  }
  SUBCASE("the leg out of the bridge") { run("ip link set sluice-leg nomaster"); }
  SUBCASE("node0's port out of the bridge") { run("ip link set node0p nomaster"); }
  SUBCASE("no address") { run("ip addr flush dev node0"); }
  SUBCASE("no gateway") { run("ip neigh flush dev node0 nud permanent"); }
  SUBCASE("another MTU, a foreign route") {
    run("ip link set node0 mtu 1200");
    run("ip route add 10.250.9.0/24 via 169.254.1.1 dev node0 onlink");
  }
  SUBCASE("no forwarding entry") {
    run("bridge fdb del " + kGatewayMac.to_string() + " dev sluice-leg master");
  }
  SUBCASE("no tables") { run("nft flush ruleset"); }
  SUBCASE("no chain: before Linux 6.16 the uplink takes it along when it goes") {
    run("nft delete chain netdev sluice-claims ingress");
  }
  SUBCASE("no reserved ports") { REQUIRE(write_sysctl("ipv4/ip_local_reserved_ports", "\n")); }
  recheck();
  CHECK(works());
  CHECK(state() == before);
  CHECK(machine.node.link("node0").mtu == 1450);
  CHECK(read_sysctl("ipv4/ip_local_reserved_ports").value() == "61440-65535");
  settle(machine, *leg, 0, 9);

  int events = 0;
  netlink::MonitorHandlers handlers;
  handlers.route = [&](const netlink::RouteEvent&) { ++events; };
  handlers.address = [&](const netlink::AddressEvent&) { ++events; };
  auto monitor = netlink::Monitor::open(std::move(handlers)).value();
  recheck();
  REQUIRE(monitor.dispatch());
  CHECK(events == 0);
  CHECK(state() == before);

  machine.intent.services.clear();
  REQUIRE(machine.host->update(machine.intent));  // updates go on from there
  CHECK(output_of("ip route show dev node0").find("10.96.0.10") == std::string::npos);
}

TEST_CASE("recheck before the first update does nothing, without a netdev it says so") {
  Machine machine;
  HostOptions options;
  options.uplink = "eth0";
  options.node = "a";
  CHECK(HostNetwork::create(options, machine.reps, Logger()).value()->recheck());
  run("ip link del node0");
  const auto done = machine.host->recheck();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Code::kNotFound);
}

TEST_CASE("what a killed process left is adopted, whole or half") {
  Machine machine;
  machine.add_pod(0);
  const auto bridge = machine.node.link("sluice0").index, node0 = machine.node.link("node0").index;
  machine.host.reset();
  SUBCASE("whole") {
    machine.start();
    CHECK(machine.node.link("node0").index == node0);
  }
  SUBCASE("without node0") { run("ip link del node0"); }
  SUBCASE("without the leg") { run("ip link del sluice-leg"); }
  SUBCASE("without tables") { run("nft flush ruleset"); }
  SUBCASE("with a route and an address of another configuration") {
    run("ip addr add 10.250.0.1/32 dev node0");
    run("ip route add 10.250.9.0/24 via 169.254.1.1 dev node0 onlink");
  }
  if (!machine.host) machine.start();
  CHECK(machine.node.link("sluice0").index == bridge);
  auto leg = leg_in(machine.reps, "host");
  settle(machine, *leg, 0, 1);  // the pod that was there still works
  auto client = udp_socket("0.0.0.0", 0);
  send_udp(client.get(), "10.96.0.10", 99, "x");
  CHECK(await_frame(*leg, [](const Bytes& frame) {
    return is_udp(frame) && source_of(frame) == ip("10.244.1.1");
  }));
  CHECK(output_of("ip route show dev node0").find("10.250") == std::string::npos);
  CHECK(output_of("ip addr show dev node0").find("10.250") == std::string::npos);
  CHECK(output_of("nft list set bridge sluice-bridge ports").find("pod0") != std::string::npos);
}

TEST_CASE("a foreign netdev with one of the names is left alone") {
  TestNode node;
  const os::NetNs reps = new_netns();
  node.add_wire("eth0", new_netns(), "wire", "192.0.2.254");
  run("ip link add sluice0 type veth peer name other");
  HostOptions options;
  options.uplink = "eth0";
  options.node = "a";
  const auto made = HostNetwork::create(options, reps, Logger());
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Code::kPrecondition);
  CHECK(node.link("sluice0").kind == "veth");
}

TEST_CASE("destroy leaves nothing") {
  Machine machine;
  const std::string before = "8080";
  REQUIRE(write_sysctl("ipv4/ip_local_reserved_ports", before + ",61440-65535\n"));
  machine.add_pod(0);
  REQUIRE(machine.host->destroy());
  CHECK(output_of("nft list ruleset").empty());
  CHECK(read_sysctl("ipv4/ip_local_reserved_ports").value() == before);
  for (const char* name : {"sluice0", "sluice-leg", "node0", "node0p"}) {
    CHECK_FALSE(machine.node.rtnl().link(name));
  }
  auto reps = netlink::Rtnl::open_in(machine.reps).value();
  CHECK(reps.links()->size() == 1);
  CHECK(machine.node.link("pod0").master.value == 0);
  CHECK(output_of("ip route show").find("10.") == std::string::npos);
  CHECK(machine.host->destroy());  // again: nothing to do
}
