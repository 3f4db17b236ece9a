// SPDX-License-Identifier: Apache-2.0
// sluice-cni: engines that are away, namespaces that died first, calls that never finished.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/os/files.h"
#include "sriov-cni/journal/record.h"
#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

TEST_CASE("DEL without the engine gives all back; the engine hears of it at its start") {
  CniLab lab;
  const Pod first("c1"), second("c2");
  REQUIRE(lab.add_vf(first, kVf0).status == 0);
  lab.engine->stop();
  CHECK(lab.del(first).status == 0);
  const auto vf = lab.link("vf0");
  REQUIRE(vf);
  CHECK(vf->mac.to_string() == "02:00:00:00:01:00");
  CHECK_FALSE(first.link("eth0"));
  CHECK(lab.addresses().empty());

  // The VF is another pod's by now: a late DEL must not touch it.
  lab.engine->start();
  lab.show_netdev(kVf0, "vf0");
  const auto added = lab.add_vf(second, kVf0);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["ips"][0]["address"] == "10.244.1.3/32");
  CHECK(lab.del(first).status == 0);
  CHECK(lab.engine->attachments().count("c1/eth0") == 0);
  CHECK(lab.engine->attachments().count("c2/eth0") == 1);
  REQUIRE(second.link("eth0"));
  CHECK(second.link("eth0")->mac.to_string() == "0a:58:0a:f4:01:03");
  CHECK(lab.engine->admin_mac(kVf0) == "0a:58:0a:f4:01:03");
  CHECK(lab.addresses() == std::vector<std::string>{"10.244.1.3"});
  CHECK(lab.del(second).status == 0);
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("the namespace died first: nothing to bring back, everything else is given back") {
  CniLab lab;
  for (const bool with_vf : {true, false}) {
    Pod pod(with_vf ? "c1" : "c2");
    REQUIRE((with_vf ? lab.add_vf(pod, kVf0) : lab.add(pod)).status == 0);
    pod.kill();
    // As the runtime does it then: a path that leads nowhere, or none at all.
    CHECK(lab.call("DEL", pod, json::object(), with_vf ? "" : pod.path()).status == 0);
    lab.check_clean();
  }
}

TEST_CASE("a VF that the kernel returned under the pod's name is made what it was") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  // What the kernel does with a physical function when its namespace dies: it comes back as it is.
  netlink::LinkChange move;
  move.netns_fd = lab.node->fd();
  REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, move));
  pod.kill();
  lab.hide_netdev(kVf0, "vf0");
  lab.show_netdev(kVf0, "eth0");
  CHECK(lab.link("eth0")->mac.to_string() == "0a:58:0a:f4:01:02");
  CHECK(lab.call("DEL", pod, json::object(), "").status == 0);
  CHECK_FALSE(lab.link("eth0"));
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("a foreign link of the pod's name on the node is left alone") {
  CniLab lab;
  netlink::VethEnd one, other;
  one.name = "eth0";
  other.name = "foreign";
  REQUIRE(lab.rtnl().add_veth(one, other));
  const auto before = lab.link("eth0");
  Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  CHECK(lab.del(pod).status == 0);
  lab.check_vf_home("vf0");
  REQUIRE(lab.link("eth0"));
  CHECK(lab.link("eth0")->index == before->index);
  CHECK(lab.link("eth0")->mac == before->mac);
}

TEST_CASE("a VF of a living pod isn't taken, of a dead one it is") {
  CniLab lab;
  Pod first("c1");
  const Pod second("c2");
  REQUIRE(lab.add_vf(first, kVf0).status == 0);
  const auto refused = lab.add_vf(second, kVf0);
  CHECK(refused.out["code"] == 11);
  CHECK(refused.out["msg"].get<std::string>().find("still in pod shop/c1") != std::string::npos);
  CHECK(lab.addresses().size() == 1);

  // Its namespace dies, and the simulated NIC makes the VF again; no DEL has come.
  first.kill();
  lab.await_gone("rep0");
  lab.make_vf(0);
  const auto added = lab.add_vf(second, kVf0);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(lab.engine->attachments().count("c1/eth0") == 0);
  CHECK(lab.engine->attachments().count("c2/eth0") == 1);
  CHECK(lab.addresses().size() == 1);
  // The late DEL finds nothing of its own.
  CHECK(lab.call("DEL", first, json::object(), "").status == 0);
  CHECK(second.link("eth0"));
  CHECK(lab.del(second).status == 0);
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("an ADD that was killed half-way is undone by DEL, and by the next ADD") {
  for (const bool by_del : {true, false}) {
    CniLab lab;
    const Pod pod("c1");
    REQUIRE(lab.add_vf(pod, kVf0).status == 0);
    // As if it had died right after the kernel's move: in the pod, but under the host's name.
    const auto path = lab.record_of("c1/eth0");
    auto record = cni::parse_record(os::read_file(path).value()).value();
    record.stage = cni::Stage::kBegun;
    std::ofstream(path) << cni::print_record(record);
    netlink::LinkChange change;
    change.up = false;
    change.name = "vf0";
    change.mac = MacAddr::parse("02:00:00:00:01:00").value();
    change.alias = "";
    REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, change));
    if (by_del) {
      CHECK(lab.del(pod).status == 0);
      CHECK_FALSE(pod.link("vf0"));
      lab.check_vf_home("vf0");
    } else {
      const auto added = lab.add_vf(pod, kVf0);
      INFO(added.out.dump());
      REQUIRE(added.status == 0);
      CHECK(pod.link("eth0"));
      CHECK(lab.addresses().size() == 1);
      CHECK(lab.del(pod).status == 0);
      lab.check_vf_home("vf0");
    }
    lab.check_clean();
  }
}

TEST_CASE("killed before the record: DEL releases the address by its owner") {
  CniLab lab;
  const Pod pod("c1");
  std::filesystem::create_directories(lab.dir + "/state/ipam/node-a");
  std::ofstream(lab.dir + "/state/ipam/node-a/10.244.1.9") << "c1/eth0";
  std::ofstream(lab.dir + "/state/ipam/node-a/10.244.1.10") << "c2/eth0";
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.addresses() == std::vector<std::string>{"10.244.1.10"});
}

}  // namespace
}  // namespace sluice::testing
