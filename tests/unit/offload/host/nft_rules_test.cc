// SPDX-License-Identifier: Apache-2.0
#include "offload/host/nft_rules.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::host;

namespace {
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("only TCP and UDP NodePorts are claimed") {
  model::Intent intent;
  model::Service service;
  service.ports = {{"", model::Proto::kTcp, 80, 30080, {}},
                   {"", model::Proto::kTcp, 81, 0, {}},
                   {"", model::Proto::kIcmp, 0, 30090, {}},
                   {"", model::Proto::kUdp, 53, 30053, {}}};
  intent.services = {service, service};
  CHECK(node_ports_of(intent) ==
        NodePorts{{model::Proto::kTcp, 30080}, {model::Proto::kUdp, 30053}});
}

TEST_CASE("each script replaces its own table and no other") {
  Claims claims{"eth0", Ipv4{0xc0000201}, {Ipv4{0x0af40100}, 24}, 77, 4789, {61440, 65535}, {}};
  NodeSteering steering{
      "node0", Ipv4{0xc0000201}, Ipv4{0x0af40101}, Ipv4{0xa9fe0101}, {{model::Proto::kTcp, 30080}},
      {}};
  CHECK(
      claims_script(claims).starts_with("add table netdev sluice-claims\ndelete table netdev "
                                        "sluice-claims\ntable netdev sluice-claims {"));
  CHECK(steering_script(steering).starts_with(
      "add table ip sluice-node\ndelete table ip sluice-node\n"));
  CHECK(has(claims_script(claims), "ip daddr 10.244.1.0/24 counter drop"));
  CHECK(has(claims_script(claims), "@th,96,24 77 "));
  CHECK(has(claims_script(claims), "th dport 61440-65535 "));
  CHECK_FALSE(has(claims_script(claims), "elements"));  // an empty list is a syntax error
  CHECK(has(steering_script(steering), "elements = { tcp . 30080 }"));
  CHECK(has(steering_script(steering), "dnat to 169.254.1.1"));
  CHECK(has(steering_script(steering), "oifname \"node0\" counter snat to 10.244.1.1"));
  CHECK(has(bridge_script({"a", "b"}), "elements = { \"a\", \"b\" }"));
  CHECK_FALSE(has(bridge_script({}), "elements"));
}

TEST_CASE("hostPorts are claimed at the node's own address and steered to the pod") {
  model::Intent intent;
  intent.self = "a";
  intent.nodes = {{"a", Ipv4{0xc0000201}, {Ipv4{0x0af40100}, 24}}};
  model::Attachment pod;
  pod.ip = Ipv4{0x0af40102};
  pod.host_ports = {{model::Proto::kTcp, 8080, 80, {}},
                    {model::Proto::kUdp, 53, 5353, Ipv4{0x7f000001}},
                    {model::Proto::kTcp, 81, 80, Ipv4{0x0af40101}}};
  intent.attachments = {pod};
  CHECK(claimed_ports_of(intent) == NodePorts{{model::Proto::kTcp, 8080}});
  CHECK(node_ports_of(intent).empty());
  const HostPorts ports = host_ports_of(intent);
  CHECK(ports.size() == 5);

  const std::string script =
      steering_script({"node0", Ipv4{0xc0000201}, Ipv4{0x0af40101}, Ipv4{0xa9fe0101}, {}, ports});
  for (const char* element :
       {"192.0.2.1 . tcp . 8080 : 10.244.1.2 . 80", "10.244.1.1 . tcp . 8080 : 10.244.1.2 . 80",
        "127.0.0.1 . tcp . 8080 : 10.244.1.2 . 80", "127.0.0.1 . udp . 53 : 10.244.1.2 . 5353",
        "10.244.1.1 . tcp . 81 : 10.244.1.2 . 80"}) {
    CAPTURE(element);
    CHECK(has(script, element));
  }
}

TEST_CASE("UDP that leads elsewhere than before is told from what stays") {
  using model::Proto;
  const Ipv4 own{1}, pod{2}, other{3};
  const HostPorts before = {{{own, Proto::kUdp, 1}, {pod, 53}},
                            {{own, Proto::kUdp, 2}, {pod, 53}},
                            {{own, Proto::kUdp, 3}, {pod, 53}},
                            {{own, Proto::kTcp, 4}, {pod, 53}}};
  const HostPorts after = {{{own, Proto::kUdp, 1}, {pod, 53}},
                           {{own, Proto::kUdp, 2}, {other, 53}},
                           {{own, Proto::kUdp, 5}, {pod, 53}}};
  const std::set<std::pair<Ipv4, std::uint16_t>> changed = {{own, 2}, {own, 3}, {own, 5}};
  CHECK(changed_udp(before, after) == changed);
  CHECK(changed_udp(after, after).empty());
}

TEST_CASE("names that could break out of a script are refused") {
  for (const char* name : {"eth0", "veth.1_a-B", "abcdefghijklmno"}) {
    CHECK(check_netdev_name("port", name));
  }
  for (const char* name :
       {"", "abcdefghijklmnop", "a b", "a\"b", "a;b", "a/b", "..", ".", "a\nb", "a}"}) {
    CAPTURE(name);
    const auto checked = check_netdev_name("port", name);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message.starts_with("port "));
  }
}
