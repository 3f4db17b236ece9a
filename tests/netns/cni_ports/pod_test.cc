// SPDX-License-Identifier: Apache-2.0
// The pod's own side, and veths.
#include <doctest/doctest.h>
#include <unistd.h>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/journal/journal.h"
#include "sriov-cni/ports/pod_side.h"
#include "sriov-cni/ports/veth.h"
#include "tests/netns/cni_ports/ports_lab.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

cni::CniResult both_families() {
  cni::CniResult out;
  out.addresses.push_back({*IpPrefix::parse("10.244.1.7/32"), *IpAddr::parse("169.254.1.1"), 0});
  out.addresses.push_back({*IpPrefix::parse("fd00:1::7/64"), *IpAddr::parse("fd00:1::1"), 0});
  cni::CniRoute by_default;
  by_default.destination = *IpPrefix::parse("0.0.0.0/0");
  by_default.mtu = 1380U;
  cni::CniRoute to_gateway;
  to_gateway.destination = *IpPrefix::parse("169.254.1.1/32");
  to_gateway.scope = std::uint8_t{253};
  cni::CniRoute other_table;
  other_table.destination = *IpPrefix::parse("fd00:2::/48");
  other_table.table = 77U;
  other_table.priority = 55U;
  out.routes = {by_default, to_gateway, other_table};
  return out;
}

cni::Record veth_record() {
  cni::Record record;
  record.key = {"c1", "eth0"};
  record.veth = cni::veth_name(record.id());
  record.mac = *MacAddr::parse("02:00:00:00:0a:01");
  record.mtu = 1400;
  return record;
}

}  // namespace

TEST_CASE("Addresses and routes of both families are set, and CHECK finds what is missing") {
  PortsLab lab;
  TestPod pod;
  REQUIRE_OK(cni::make_veth(veth_record(), pod.netns));
  const auto wanted = both_families();
  CHECK_FALSE(cni::check_pod(pod.netns, "eth0", wanted)->empty());
  REQUIRE_OK(cni::configure_pod(pod.netns, "eth0", wanted, {}));
  CHECK(cni::check_pod(pod.netns, "eth0", wanted)->empty());
  CHECK(pod.link("lo")->up);
  CHECK(pod.output({"ip", "-6", "address", "show", "dev", "eth0"}).find("fd00:1::7/64") !=
        std::string::npos);
  const auto routes = pod.output({"ip", "route"});
  CHECK(routes.find("default via 169.254.1.1") != std::string::npos);
  CHECK(routes.find("mtu 1380") != std::string::npos);
  CHECK(pod.output({"ip", "-6", "route", "show", "table", "77"}).find("via fd00:1::1") !=
        std::string::npos);
  REQUIRE_OK(cni::configure_pod(pod.netns, "eth0", wanted, {}));  // again: nothing to do

  pod.run({"ip", "address", "del", "fd00:1::7/64", "dev", "eth0"});
  pod.run({"ip", "route", "del", "default"});
  pod.run({"ip", "link", "set", "lo", "down"});
  const auto missing = cni::check_pod(pod.netns, "eth0", wanted);
  REQUIRE_OK(missing);
  CHECK(missing->size() >= 3);
}

TEST_CASE("A route by an address that nobody has is an error that says what was done") {
  PortsLab lab;
  TestPod pod;
  REQUIRE_OK(cni::make_veth(veth_record(), pod.netns));
  cni::CniResult wanted;
  wanted.addresses.push_back({*IpPrefix::parse("10.244.1.7/24"), {}, 0});
  cni::CniRoute route;
  route.destination = *IpPrefix::parse("0.0.0.0/0");
  route.gateway = *IpAddr::parse("192.0.2.1");
  wanted.routes = {route};
  const auto configured = cni::configure_pod(pod.netns, "eth0", wanted, {});
  REQUIRE_FALSE(configured);
  CHECK(configured.error().to_string().find("eth0") != std::string::npos);
}

// As two networks of one pod: each with an address, a gateway and a default route, of both
// families.
cni::CniResult of_network(const char* number) {
  const std::string n = number;
  cni::CniResult out;
  out.addresses.push_back(
      {*IpPrefix::parse("192.0." + n + ".7/24"), *IpAddr::parse("192.0." + n + ".1"), 0});
  out.addresses.push_back(
      {*IpPrefix::parse("fd00:" + n + "::7/64"), *IpAddr::parse("fd00:" + n + "::1"), 0});
  for (const char* all : {"0.0.0.0/0", "::/0"}) {
    out.routes.emplace_back().destination = *IpPrefix::parse(all);
  }
  return out;
}

TEST_CASE("A default route of a second interface is refused, or added beside the first one's") {
  PortsLab lab;
  TestPod pod;
  REQUIRE_OK(pod.rtnl.add_veth({"eth0", {}, {}, {}, true}, {"peer0", {}, {}, {}, true}));
  REQUIRE_OK(pod.rtnl.add_veth({"net1", {}, {}, {}, true}, {"peer1", {}, {}, {}, true}));
  const auto first = of_network("2"), second = of_network("3");
  cni::PodRules beside;
  beside.routes_beside = true;
  REQUIRE_OK(cni::configure_pod(pod.netns, "eth0", first, {}));
  const auto refused = cni::configure_pod(pod.netns, "net1", second, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kExists);
  CHECK(cni::check_pod(pod.netns, "net1", second)->size() == 2);
  for (int times = 0; times < 2; ++times) {
    REQUIRE_OK(cni::configure_pod(pod.netns, "net1", second, beside));
    CHECK(cni::check_pod(pod.netns, "net1", second)->empty());
    CHECK(cni::check_pod(pod.netns, "eth0", first)->empty());
  }
  const auto v4 = pod.output({"ip", "route", "show", "default"});
  CHECK(v4.find("via 192.0.3.1") < v4.find("via 192.0.2.1"));
  // The other one's is there in our own dialect, too, where both are one multipath route.
  REQUIRE_OK(cni::configure_pod(pod.netns, "eth0", first, {}));
  pod.run({"ip", "link", "del", "net1"});
  CHECK(cni::check_pod(pod.netns, "eth0", first)->empty());
}

TEST_CASE("Whose router it is says what a link takes of others") {
  const auto rules = [](cni::Dialect dialect, cni::EngineState engine, bool addressed,
                        cni::PortKind kind = cni::PortKind::kNetdev) {
    cni::Record record;
    record.kind = kind;
    record.engine = engine;
    if (addressed) record.ipam.kind = cni::IpamKind::kPool;
    return cni::pod_rules(dialect, record);
  };
  using cni::Dialect, cni::EngineState;
  CHECK(rules(Dialect::kSluice, EngineState::kTold, true).refuse_advertisements);
  CHECK(rules(Dialect::kSluice, EngineState::kNone, true).refuse_advertisements);
  CHECK_FALSE(rules(Dialect::kSluice, EngineState::kNone, false).refuse_advertisements);
  CHECK(rules(Dialect::kSriov, EngineState::kPending, true).refuse_advertisements);
  for (const auto dialect : {Dialect::kSriov, Dialect::kIbSriov}) {
    CHECK_FALSE(rules(dialect, EngineState::kNone, true).refuse_advertisements);
    CHECK(rules(dialect, EngineState::kNone, true).routes_beside);
  }
  CHECK_FALSE(rules(Dialect::kSluice, EngineState::kTold, true).routes_beside);
  CHECK_FALSE(rules(Dialect::kSluice, EngineState::kNone, true, cni::PortKind::kUserSpace)
                  .refuse_advertisements);
}

TEST_CASE("A name is taken by a link and by a link's other name") {
  PortsLab lab;
  TestPod pod;
  REQUIRE_OK(cni::check_name_is_free(pod.netns, "eth0"));
  REQUIRE_OK(cni::make_veth(veth_record(), pod.netns));
  const auto taken = cni::check_name_is_free(pod.netns, "eth0");
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == Code::kExists);
  CHECK(cni::cni_code(taken.error()) == cni::kInvalidEnvironment);
  pod.run({"ip", "link", "property", "add", "dev", "eth0", "altname", "net1"});
  CHECK_FALSE(cni::check_name_is_free(pod.netns, "net1"));
  REQUIRE_OK(cni::check_name_is_free(pod.netns, "net2"));
}

TEST_CASE("A veth is made, checked and deleted") {
  PortsLab lab;
  TestPod pod;
  const auto record = veth_record();
  REQUIRE_OK(cni::make_veth(record, pod.netns));
  CHECK(cni::check_veth(record, pod.netns)->empty());
  const auto inside = pod.link("eth0");
  REQUIRE(inside);
  CHECK(inside->mac == record.mac);
  CHECK(inside->mtu == 1400);
  CHECK(lab.link(record.veth)->mtu == 1400);
  pod.run({"ip", "link", "set", "eth0", "mtu", "1280", "down"});
  CHECK(cni::check_veth(record, pod.netns)->size() == 2);
  REQUIRE_OK(cni::delete_veth(record));
  CHECK_FALSE(pod.link("eth0"));
  CHECK(cni::check_veth(record, pod.netns)->size() == 2);
  REQUIRE_OK(cni::delete_veth(record));
  lab.run({"ip", "link", "add", record.veth, "type", "bridge"});
  CHECK(cni::delete_veth(record).error().code == Code::kPrecondition);
  CHECK(lab.link(record.veth));
}

TEST_CASE("A namespace is the attachment's by inode and boot, not by its path") {
  PortsLab lab;
  TestPod pod, other;
  const auto path_of = [](const TestPod& of) {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(of.netns.fd());
  };
  cni::Record record;
  record.netns = path_of(pod);
  record.netns_inode = pod.netns.inode();
  CHECK(cni::living_namespace(record, ""));
  CHECK(cni::living_namespace(record, path_of(other))->inode() == pod.netns.inode());
  record.boot = *cni::boot_id();
  CHECK(cni::living_namespace(record, ""));
  record.boot = "another";
  CHECK_FALSE(cni::living_namespace(record, path_of(pod)));
  record.boot.clear();
  record.netns = path_of(other);
  CHECK_FALSE(cni::living_namespace(record, ""));
  CHECK(cni::living_namespace(record, path_of(pod)));
}
