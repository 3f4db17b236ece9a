// SPDX-License-Identifier: Apache-2.0
// sluice-cni CHECK: what it notices, and what plugins behind it may have done.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "common/os/files.h"
#include "sriov-cni/journal/record.h"
#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

constexpr int kUnknown = 3, kDiffers = 110;

struct Attached {
  CniLab lab;
  Pod pod{"c1"};
  json config;
  explicit Attached(bool with_vf) {
    if (with_vf) config["deviceID"] = kVf0;
    const auto added = lab.add(pod, config.is_null() ? json::object() : config);
    INFO(added.out.dump());
    REQUIRE(added.status == 0);
    config["prevResult"] = added.out;
  }
  Answer check() const { return lab.call("CHECK", pod, config); }
  void change(const netlink::LinkChange& change) const {
    REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, change));
  }
};

void check_differs(const Attached& attached, const std::string& named) {
  const auto answer = attached.check();
  INFO(answer.out.dump());
  CHECK(answer.out["code"] == kDiffers);
  CHECK(answer.out["msg"].get<std::string>().find(named) != std::string::npos);
}

TEST_CASE("right after ADD all is as it should be, and CHECK changes nothing") {
  for (const bool with_vf : {true, false}) {
    const Attached attached(with_vf);
    const auto answer = attached.check();
    INFO(answer.out.dump());
    CHECK(answer.status == 0);
    CHECK(answer.out.is_null());
    CHECK(attached.check().status == 0);
    CHECK(attached.lab.del(attached.pod).status == 0);
    attached.lab.check_clean();
  }
}

TEST_CASE("what the pod did to its interface is found") {
  for (const bool with_vf : {true, false}) {
    netlink::LinkChange change;
    {
      const Attached attached(with_vf);
      change.up = false;
      attached.change(change);
      check_differs(attached, "eth0");
    }
    {
      const Attached attached(with_vf);
      change = {};
      change.mtu = 1300;
      attached.change(change);
      check_differs(attached, "1300");
    }
    {
      const Attached attached(with_vf);
      change = {};
      change.mac = MacAddr::parse("02:aa:aa:aa:aa:aa").value();
      attached.change(change);
      check_differs(attached, "02:aa:aa:aa:aa:aa");
    }
    {
      const Attached attached(with_vf);
      auto rtnl = attached.pod.rtnl();
      const auto index = attached.pod.link("eth0")->index;
      REQUIRE(rtnl.delete_address(rtnl.addresses(index).value().at(0)));
      check_differs(attached, "10.244.1.2");
    }
    {
      const Attached attached(with_vf);
      REQUIRE(attached.pod.rtnl().delete_link(attached.pod.link("eth0")->index));
      check_differs(attached, "eth0");
    }
  }
}

TEST_CASE("plugins behind may add addresses, and change MAC and MTU where prevResult says so") {
  Attached attached(true);
  auto rtnl = attached.pod.rtnl();
  const auto index = attached.pod.link("eth0")->index;
  REQUIRE(rtnl.add_address({index, Ipv4::parse("192.0.2.9").value(), 32}));
  netlink::LinkChange change;
  change.mtu = 1300;
  change.mac = MacAddr::parse("02:aa:aa:aa:aa:aa").value();
  attached.change(change);
  auto& interface = attached.config["prevResult"]["interfaces"][0];
  interface["mtu"] = 1300;
  interface["mac"] = "02:aa:aa:aa:aa:aa";
  attached.config["prevResult"]["interfaces"].push_back({{"name", "ifb0"}});
  const auto answer = attached.check();
  INFO(answer.out.dump());
  // The PF's administrative MAC is still ours.
  CHECK(answer.status == 0);
}

TEST_CASE("a prevResult that is about something else") {
  Attached attached(true);
  const auto good = attached.config["prevResult"];
  attached.config["prevResult"]["interfaces"][0]["name"] = "net7";
  check_differs(attached, "prevResult");
  attached.config["prevResult"] = good;
  attached.config["prevResult"]["interfaces"][0]["pciID"] = kVf2;
  check_differs(attached, kVf2);
  attached.config["prevResult"] = good;
  attached.config["prevResult"]["ips"][0]["address"] = "10.244.1.9/32";
  check_differs(attached, "10.244.1.9");
  const Pod other("c2");
  attached.config["prevResult"] = good;
  attached.config["prevResult"]["interfaces"][0]["sandbox"] = other.path();
  check_differs(attached, other.path());
  attached.config["prevResult"] = good;
  attached.config["prevResult"]["routes"].push_back(
      {{"dst", "10.9.0.0/16"}, {"gw", "169.254.1.1"}});
  check_differs(attached, "10.9.0.0/16");
  attached.config.erase("prevResult");
  CHECK(attached.check().out["code"] == 7);
  attached.config["prevResult"] = good;
  attached.config["cniVersion"] = "0.3.1";
  CHECK(attached.check().out["code"] == 1);
}

TEST_CASE("a route that a plugin behind has removed isn't missed, one that is still said is") {
  for (const std::string version : {"0.4.0", "1.1.0"}) {
    INFO(version);
    CniLab lab;
    const Pod pod("c1");
    const auto added = lab.add(pod, {{"cniVersion", version}});
    REQUIRE(added.status == 0);
    auto rtnl = pod.rtnl();
    const auto routes = rtnl.routes().value();
    const auto fallback = std::find_if(routes.begin(), routes.end(), [](const auto& route) {
      return route.destination.length == 0;
    });
    REQUIRE(fallback != routes.end());
    REQUIRE(rtnl.delete_route(*fallback));
    json config = {{"cniVersion", version}, {"prevResult", added.out}};
    const auto missed = lab.call("CHECK", pod, config);
    CHECK(missed.out["code"] == kDiffers);
    CHECK(missed.out["msg"].get<std::string>().find("0.0.0.0/0") != std::string::npos);
    auto& said = config["prevResult"]["routes"];
    said.erase(std::find_if(said.begin(), said.end(),
                            [](const json& route) { return route["dst"] == "0.0.0.0/0"; }));
    const auto answer = lab.call("CHECK", pod, config);
    INFO(answer.out.dump());
    CHECK(answer.status == 0);
  }
}

TEST_CASE("an ADD that never finished") {
  const Attached attached(true);
  const auto path = attached.lab.record_of("c1/eth0");
  auto record = cni::parse_record(os::read_file(path).value()).value();
  record.stage = cni::Stage::kBegun;
  std::ofstream(path) << cni::print_record(record);
  check_differs(attached, "never finished");
  CHECK(attached.lab.del(attached.pod).status == 0);
  attached.lab.check_vf_home("vf0");
}

TEST_CASE("unknown, or in another namespace") {
  const Attached attached(false);
  const Pod other("c2");
  CHECK(attached.lab.call("CHECK", other, attached.config).out["code"] == kUnknown);
  CHECK(attached.lab.call("CHECK", attached.pod, attached.config, other.path()).out["code"] ==
        kDiffers);
}

TEST_CASE("the engine's word counts") {
  const Attached attached(true);
  attached.lab.engine->set_problem("its rules are refused: no room");
  check_differs(attached, "no room");
  attached.lab.engine->set_problem("");
  CHECK(attached.check().status == 0);
  attached.lab.engine->stop();
  CHECK(attached.check().out["code"] == 11);
}

TEST_CASE("the reserved address must still be the attachment's") {
  const Attached attached(false);
  std::ofstream(attached.lab.dir + "/state/ipam/node-a/10.244.1.2") << "somebody/else";
  const auto answer = attached.check();
  INFO(answer.out.dump());
  CHECK(answer.status != 0);
  CHECK(answer.out["msg"].get<std::string>().find("10.244.1.2") != std::string::npos);
}

TEST_CASE("what the PF was told is looked at") {
  CniLab lab;
  const Pod pod("c1");
  const auto config = lab.plain(kVf0, {{"vlan", 100}});
  const auto added = lab.add(pod, config);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(lab.engine->vlan(kVf0) == 100);
  auto with_previous = config;
  with_previous["prevResult"] = added.out;
  CHECK(lab.call("CHECK", pod, with_previous).status == 0);
  lab.engine->set_vlan(kVf0, 7);
  const auto answer = lab.call("CHECK", pod, with_previous);
  CHECK(answer.out["code"] == kDiffers);
  CHECK(answer.out["msg"].get<std::string>().find("vlan") != std::string::npos);
  CHECK(lab.call("DEL", pod, config).status == 0);
  CHECK(lab.engine->vlan(kVf0) == 0);
}

}  // namespace
}  // namespace sluice::testing
