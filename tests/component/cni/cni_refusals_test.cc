// SPDX-License-Identifier: Apache-2.0
// sluice-cni and what can't be had: refused by name before anything is touched, or left out aloud.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/component/cni/cni_lab.h"
#include "tests/component/cni/fake_ipam.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

std::string message_of(const Answer& answer) { return answer.out.value("msg", ""); }

json pool_of(const std::string& subnet, const std::string& route = "") {
  json out = {{"type", "sluice"}, {"ranges", {{{{"subnet", subnet}}}}}};
  if (!route.empty()) out["routes"] = {{{"dst", route}}};
  return out;
}

struct Row {
  json more;
  int code;
  std::vector<const char*> named;
};

void check_refused(const CniLab& lab, const Pod& pod, const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    INFO(row.more.dump());
    const auto added = lab.add(pod, row.more);
    INFO(added.out.dump());
    CHECK(added.status != 0);
    CHECK(added.out["code"] == row.code);
    for (const char* named : row.named) {
      CHECK_MESSAGE(message_of(added).find(named) != std::string::npos, named);
    }
    CHECK_FALSE(pod.link("eth0"));
    lab.check_clean();
  }
}

TEST_CASE("a pod that gets a veth: what only a VF can do is no wish that is lost") {
  CniLab lab;
  const Pod pod("c1");
  check_refused(lab, pod,
                {{{{"runtimeConfig", {{"bandwidth", {{"egressRate", 5000000}}}}}},
                  2,
                  {"bandwidth", "veth", "5 Mbit/s"}},
                 {{{"maxRate", "100Mbit"}}, 2, {"maxRate"}},
                 {{{"runtimeConfig", {{"infinibandGUID", "02:00:00:00:00:aa:bb:cc"}}}},
                  2,
                  {"infinibandGUID"}},
                 {{{"pkey", "0x8001"}}, 7, {"pkey"}},
                 {{{"rdma", "shared"}}, 7, {"rdma", "veth"}},
                 {{{"rdma", "exclusive"}}, 7, {"rdma", "veth"}},
                 {{{"vfioPciMode", true}}, 7, {"vfioPciMode", "veth"}}});
}

TEST_CASE(
    "of a network for VFs and veths, a veth has no spoofchk, trust and the like: a line says so") {
  CniLab lab;
  const Pod pod("c1");
  const json keys = {{"spoofchk", "on"}, {"trust", "off"}, {"promisc", "on"},
                     {"allmulti", "on"}, {"minRate", 10},  {"link_state", "auto"},
                     {"maxRate", 0},     {"rdma", "auto"}};
  const auto added = lab.add(pod, keys);
  INFO(added.err);
  REQUIRE(added.status == 0);
  CHECK(added.err.find("spoofchk, trust, link_state, minRate, promisc, allmulti") !=
        std::string::npos);
  CHECK_FALSE(pod.link("eth0")->promiscuous);
  CHECK(lab.del(pod).status == 0);
  const auto plain = lab.add(pod);
  REQUIRE(plain.status == 0);
  CHECK(plain.err.find("gets a veth") == std::string::npos);
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("VLANs and the offload engine: not together, in STATUS either") {
  CniLab lab;
  const Pod pod("c1");
  check_refused(lab, pod,
                {{{{"deviceID", kVf0}, {"vlan", 100}}, 2, {"vlan", "100", "never"}},
                 {{{"deviceID", kVf0}, {"trunk", {"100-110"}}}, 2, {"trunk", "never"}},
                 {{{"deviceID", kVf0}, {"vlan", 100}, {"offload", "optional"}}, 2, {"vlan"}}});
  CHECK(lab.call("STATUS", pod, {{"vlan", 100}}).out["code"] == 2);
  lab.check_vf_home("vf0");
  const json none = {{"deviceID", kVf0}, {"vlan", 0}};
  REQUIRE(lab.add(pod, none).status == 0);
  CHECK(lab.call("DEL", pod, none).status == 0);
  lab.check_vf_home("vf0");
}

TEST_CASE("a pool that the engine has no use for") {
  CniLab lab;
  const Pod pod("c1");
  check_refused(lab, pod,
                {{{{"ipam", pool_of("fd00:1::/64")}}, 7, {"ipam", "pods", "IPv4"}},
                 {{{"ipam", pool_of("10.50.0.0/24")}}, 7, {"10.50.0.1", "10.244.1.0/24"}},
                 {{{"ipam", pool_of("10.244.0.0/16")}}, 7, {"10.244.1.0/24"}}});
  CHECK(lab.pool_addresses().empty());
  REQUIRE(lab.add(pod, {{"ipam", pool_of("10.244.1.128/25")}}).status == 0);
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE(
    "an IPAM plugin that isn't there: ADD says it, DEL of what was never added goes through") {
  CniLab lab;
  const FakeIpam ipam(lab.dir + "/plugins");
  const Pod pod("c1");
  const auto config = lab.plain(kVf0, {{"ipam", ipam.config()}});
  check_refused(lab, pod, {{config, 7, {"ipam.type", "fake-ipam", "CNI_PATH", "/nonexistent"}}});
  CHECK(lab.add(pod, config).out.value("details", "").find("fake-ipam") == std::string::npos);
  const auto deleted = lab.call("DEL", pod, config);
  CHECK(deleted.status == 0);
  CHECK(deleted.err.find("fake-ipam") != std::string::npos);
  // Whose address it has given is another matter.
  lab.cni_path = ipam.path();
  REQUIRE(lab.add(pod, config).status == 0);
  ipam.remove();
  CHECK(lab.call("DEL", pod, config).out["code"] == 102);
  CHECK(lab.attachments().size() == 1);
}

TEST_CASE("two interfaces of a pod want the default route: the second is refused by name") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add(pod, lab.plain(kVf0, {{"ipam", pool_of("10.50.0.0/24", "0.0.0.0/0")}})).status ==
          0);
  lab.interface = "net1";
  auto second =
      lab.plain(kVf1, {{"name", "other"}, {"ipam", pool_of("10.51.0.0/24", "0.0.0.0/0")}});
  const auto refused = lab.add(pod, second);
  INFO(refused.out.dump());
  CHECK(refused.out["code"] == 101);
  CHECK(message_of(refused).find("0.0.0.0/0") != std::string::npos);
  CHECK(message_of(refused).find("on link eth0 via 10.50.0.1") != std::string::npos);
  CHECK_FALSE(pod.link("net1"));
  lab.check_vf_home("vf1");
  CHECK(lab.attachments().size() == 1);
  second["ipam"] = pool_of("10.51.0.0/24", "10.0.0.0/8");
  REQUIRE(lab.add(pod, second).status == 0);
}

TEST_CASE("a second interface of the engine's network: its default route is refused, not put off") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  lab.interface = "net1";
  const auto refused = lab.add_vf(pod, kVf1);
  INFO(refused.out.dump());
  CHECK(refused.out["code"] == 101);
  CHECK(message_of(refused).find("0.0.0.0/0") != std::string::npos);
  CHECK(message_of(refused).find("eth0") != std::string::npos);
  CHECK_FALSE(pod.link("net1"));
  CHECK(pod.link("eth0"));
  CHECK(lab.addresses().size() == 1);
}

TEST_CASE("STATUS of a network of VFs alone: 50 when none is free, which a primary network isn't") {
  CniLab lab;
  const Pod first("c1"), second("c2");
  const auto status = [&](const json& more) { return lab.call("STATUS", first, more); };
  const auto plain = lab.plain(kVf0, {{"deviceID", nullptr}});
  REQUIRE(lab.add(first, lab.plain(kVf0)).status == 0);
  lab.hide_netdev(kVf0, "vf0");
  REQUIRE(lab.add(second, lab.plain(kVf1)).status == 0);
  CHECK(status(plain).status == 0);
  lab.hide_netdev(kVf2, "vf2");
  const auto none = status(plain);
  INFO(none.out.dump());
  CHECK(none.out["code"] == 50);
  CHECK(message_of(none).find("of the 3 below") != std::string::npos);
  CHECK(message_of(none).find("2 are in use") != std::string::npos);
  auto other = plain;
  other["type"] = "sriov";
  CHECK(status(other).out["code"] == 50);
  CHECK(status(json::object()).status == 0);  // of the node's own
  lab.sysfs->bind(kVf2, "vfio-pci");
  CHECK(status(plain).status == 0);
}

TEST_CASE("STATUS: what is wrong and where are told apart") {
  CniLab lab;
  const Pod pod("c1");
  lab.engine->stop();
  const auto away = lab.call("STATUS", pod);
  INFO(away.out.dump());
  CHECK(away.out["code"] == 50);
  CHECK(message_of(away).find("while ") == std::string::npos);
}

}  // namespace
}  // namespace sluice::testing
