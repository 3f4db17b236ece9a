// SPDX-License-Identifier: Apache-2.0
// sluice-cni with an IPAM plugin of somebody else, that fails or hangs at each verb.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/component/cni/cni_lab.h"
#include "tests/component/cni/fake_ipam.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

struct Lab : CniLab {
  Lab() : ipam(dir + "/plugins") { cni_path = ipam.path(); }
  json config(const std::string& pci, const json& more = json::object()) const {
    auto out = plain(pci, {{"ipam", ipam.config()}});
    out.update(more);
    return out;
  }
  FakeIpam ipam;
};

TEST_CASE("a delegate's address is applied, checked and given back") {
  Lab lab;
  const Pod pod("c1");
  const auto added = lab.add(pod, lab.config(kVf0));
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["ips"] ==
        json{{{"interface", 0}, {"address", "192.0.2.10/24"}, {"gateway", "192.0.2.1"}}});
  CHECK(added.out["routes"] == json{{{"dst", "0.0.0.0/0"}}});
  CHECK(lab.ipam.last_config()["ipam"]["kept"] == "as it is");
  const auto eth0 = pod.link("eth0");
  REQUIRE(eth0);
  CHECK(eth0->mac.to_string() == "02:00:00:00:01:00");  // its own
  const auto addresses = pod.rtnl().addresses(eth0->index).value();
  REQUIRE(addresses.size() == 1);
  CHECK(addresses[0].ip.to_string() == "192.0.2.10");
  bool by_default = false;
  const auto routes = pod.rtnl().routes().value();
  for (const auto& route : routes) {
    by_default |=
        route.destination.length == 0 && route.gateway && route.gateway->to_string() == "192.0.2.1";
  }
  CHECK(by_default);
  const auto with_previous = lab.config(kVf0, {{"prevResult", added.out}});
  CHECK(lab.call("CHECK", pod, with_previous).status == 0);
  CHECK(lab.call("STATUS", pod, lab.config(kVf0)).status == 0);
  CHECK(lab.call("DEL", pod, with_previous).status == 0);
  CHECK(lab.ipam.held().empty());
  CHECK(lab.ipam.calls() ==
        std::vector<std::string>{"ADD c1 eth0", "CHECK c1 eth0", "STATUS  ", "DEL c1 eth0"});
  lab.check_vf_home("vf0");
  lab.check_clean();
  // Never added here, and told all the same.
  CHECK(lab.call("DEL", pod, lab.config(kVf0)).status == 0);
  CHECK(lab.ipam.calls().back() == "DEL c1 eth0");
}

TEST_CASE("a delegate that asks through the interface finds it in the pod, at ADD and at DEL") {
  Lab lab;
  const Pod pod("c1");
  const auto config = lab.config(kVf0, {{"ipam", lab.ipam.dhcp_config()}});
  const auto added = lab.add(pod, config);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  const auto eth0 = pod.link("eth0");
  REQUIRE(eth0);
  CHECK(pod.rtnl().addresses(eth0->index).value().size() == 1);
  CHECK(lab.call("DEL", pod, config).status == 0);
  CHECK(lab.ipam.calls() == std::vector<std::string>{"ADD c1 eth0", "ADD asks through eth0",
                                                     "DEL c1 eth0", "DEL asks through eth0"});
  CHECK(lab.ipam.held().empty());
  lab.check_vf_home("vf0");
  // It refuses: the port that it was to ask through goes back.
  lab.ipam.set_mode("ADD", "fail");
  lab.show_netdev(kVf0, "vf0");
  CHECK(lab.add(pod, config).out["code"] == 123);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE(
    "behind the engine a delegate is asked before there is a port: the MAC is its address's") {
  Lab lab;
  const Pod pod("c1");
  lab.engine->set_pod_cidr("192.0.2.0/24");
  auto config = json{{"deviceID", kVf0}, {"ipam", lab.ipam.config()}};
  const auto added = lab.add(pod, config);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(pod.link("eth0")->mac.to_string() == "0a:58:c0:00:02:0a");
  CHECK(lab.call("DEL", pod, config).status == 0);
  lab.check_vf_home("vf0");
  lab.ipam.set_mode("ADD", "fail");
  lab.show_netdev(kVf0, "vf0");
  CHECK(lab.add(pod, config).out["code"] == 123);
  CHECK(lab.ipam.held().empty());
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("a delegate's DEL by GC, repair or another pod's ADD has ADD's CNI_ARGS and CNI_NETNS") {
  const std::string args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u1";
  for (const std::string by : {"GC", "repair", "ADD"}) {
    INFO(by);
    Lab lab;
    Pod pod("c1", "web", "u1");
    const Pod next("c2");
    REQUIRE(lab.add(pod, lab.config(kVf0)).status == 0);
    const auto netns = pod.path();
    if (by == "GC") {
      const auto none = lab.config(kVf1, {{"cni.dev/valid-attachments", json::array()}});
      CHECK(lab.call("GC", next, none).status == 0);
      CHECK(lab.ipam.netns_of("DEL c1 eth0") == netns);
    } else {
      pod.kill();
      if (by == "repair") {
        CHECK(lab.repair({"--vf-control-socket", lab.dir + "/vf.sock"}).status == 0);
      } else {  // the software VF died with its namespace, so this only takes the claim back
        lab.add(next, lab.config(kVf0));
      }
      // Another namespace may have its path by now; that one is nobody's to touch.
      const auto said = lab.ipam.netns_of("DEL c1 eth0");
      CHECK((said.empty() || said == netns));
    }
    CHECK(lab.ipam.args_of("DEL c1 eth0") == args);
    CHECK(lab.ipam.held().empty());
  }
}

TEST_CASE("an ADD that the delegate refuses leaves nothing, and its error is passed on") {
  struct Row {
    const char* mode;
    int code;
    const char* named;
  };
  for (const auto& row : {Row{"fail", 123, "out of order"}, Row{"zero", 0, "address"}}) {
    INFO(row.mode);
    Lab lab;
    lab.ipam.set_mode("ADD", row.mode);
    const Pod pod("c1");
    const auto added = lab.add(pod, lab.config(kVf0));
    INFO(added.out.dump());
    REQUIRE(added.status != 0);
    if (row.code != 0) CHECK(added.out["code"] == row.code);
    CHECK(added.out["msg"].get<std::string>().find(row.named) != std::string::npos);
    CHECK(lab.ipam.held().empty());
    CHECK_FALSE(pod.link("eth0"));
    CHECK(lab.link("vf0"));
    lab.check_clean();
  }
}

TEST_CASE("a delegate that isn't there is said before the VF is touched") {
  Lab lab;
  lab.cni_path = "/nonexistent";
  const Pod pod("c1");
  const auto added = lab.add(pod, lab.config(kVf0));
  CHECK(added.status != 0);
  CHECK(added.out["msg"].get<std::string>().find("fake-ipam") != std::string::npos);
  CHECK(lab.link("vf0"));
  lab.check_clean();
}

TEST_CASE("an attachment that fails behind IPAM gives the address back") {
  Lab lab;
  lab.engine->refuse_vlan(true);
  const Pod pod("c1");
  const auto added = lab.add(pod, lab.config(kVf0, {{"vlan", 100}}));
  INFO(added.out.dump());
  CHECK(added.status != 0);
  CHECK(added.out["msg"].get<std::string>().find("no VLANs here") != std::string::npos);
  CHECK(lab.ipam.held().empty());
  CHECK(lab.link("vf0"));
  lab.check_clean();
}

TEST_CASE("DEL with a failing delegate: the VF is back, the error told, the next DEL ends it") {
  Lab lab;
  const Pod pod("c1"), next("c2");
  REQUIRE(lab.add(pod, lab.config(kVf0)).status == 0);
  lab.ipam.set_mode("DEL", "fail");
  const auto deleted = lab.call("DEL", pod, lab.config(kVf0));
  CHECK(deleted.status != 0);
  CHECK(deleted.out["code"] == 123);
  lab.check_vf_home("vf0");
  CHECK(lab.attachments().size() == 1);
  // Another pod has the VF before the old DEL is through: it isn't touched.
  lab.show_netdev(kVf0, "vf0");
  REQUIRE(lab.add(next, lab.config(kVf0)).status == 0);
  lab.ipam.set_mode("DEL", "");
  CHECK(lab.call("DEL", pod, lab.config(kVf0)).status == 0);
  CHECK(next.link("eth0"));
  CHECK(lab.ipam.held() == std::vector<std::string>{"c2-eth0"});
  CHECK(lab.call("DEL", next, lab.config(kVf0)).status == 0);
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("CHECK and STATUS tell what the delegate says") {
  Lab lab;
  const Pod pod("c1");
  const auto added = lab.add(pod, lab.config(kVf0));
  REQUIRE(added.status == 0);
  lab.ipam.set_mode("CHECK", "fail");
  lab.ipam.set_mode("STATUS", "fail");
  const auto checked = lab.call("CHECK", pod, lab.config(kVf0, {{"prevResult", added.out}}));
  CHECK(checked.out["code"] == 123);
  const auto status = lab.call("STATUS", pod, lab.config(kVf1));
  CHECK(status.out["code"] == 50);
  CHECK(status.out["msg"].get<std::string>().find("out of order") != std::string::npos);
  CHECK(lab.call("DEL", pod, lab.config(kVf0)).status == 0);
  lab.check_clean();
}

TEST_CASE("GC is forwarded with what is valid; its failure is told at the end") {
  Lab lab;
  Pod dead("c1");
  const Pod alive("c2");
  REQUIRE(lab.add(dead, lab.config(kVf0)).status == 0);
  REQUIRE(lab.add(alive, lab.config(kVf1)).status == 0);
  dead.kill();
  const auto list = json{{"containerID", "c2"}, {"ifname", "eth0"}};
  lab.ipam.set_mode("GC", "fail");
  const auto failed =
      lab.call("GC", alive, lab.config(kVf0, {{"cni.dev/valid-attachments", {list}}}));
  CHECK(failed.status != 0);
  CHECK(failed.out["msg"].get<std::string>().find("out of order") != std::string::npos);
  CHECK(lab.attachments().size() == 1);  // the rest was done
  lab.ipam.set_mode("GC", "");
  // Without a list the delegate is told what is recorded.
  CHECK(lab.call("GC", alive, lab.config(kVf0)).status == 0);
  CHECK(lab.ipam.held() == std::vector<std::string>{"c2-eth0"});
  CHECK(alive.link("eth0"));
  CHECK(lab.call("GC", alive, lab.config(kVf0, {{"cni.dev/valid-attachments", json::array()}}))
            .status == 0);
  CHECK(lab.ipam.held().empty());
  CHECK_FALSE(alive.link("eth0"));
  lab.check_clean();
}

TEST_CASE("a delegate that hangs: each call ends by itself, and the VF is where it belongs") {
  Lab lab;
  const Pod adding("c1"), deleting("c2"), checking("c3");
  REQUIRE(lab.add(deleting, lab.config(kVf1)).status == 0);
  const auto checked_result = lab.add(checking, lab.config(kVf2));
  REQUIRE(checked_result.status == 0);
  for (const char* verb : {"ADD", "DEL", "CHECK", "STATUS", "GC"}) lab.ipam.set_mode(verb, "hang");
  Answer added, deleted, checked, status, collected;
  std::vector<std::thread> threads;
  threads.emplace_back([&] { added = lab.add(adding, lab.config(kVf0)); });
  threads.emplace_back([&] { deleted = lab.call("DEL", deleting, lab.config(kVf1)); });
  threads.emplace_back([&] {
    checked = lab.call("CHECK", checking, lab.config(kVf2, {{"prevResult", checked_result.out}}));
  });
  threads.emplace_back([&] { status = lab.call("STATUS", adding, lab.config(kVf0)); });
  threads.emplace_back([&] {
    const auto valid = json{{{"containerID", "c1"}, {"ifname", "eth0"}},
                            {{"containerID", "c2"}, {"ifname", "eth0"}},
                            {{"containerID", "c3"}, {"ifname", "eth0"}}};
    collected = lab.call("GC", adding, lab.config(kVf0, {{"cni.dev/valid-attachments", valid}}));
  });
  for (auto& thread : threads) thread.join();
  CHECK(added.status != 0);
  CHECK_FALSE(adding.link("eth0"));
  CHECK(lab.link("vf0"));
  CHECK(deleted.status != 0);
  CHECK(lab.link("vf1"));  // at once, whatever IPAM does
  CHECK(checked.status != 0);
  CHECK(checking.link("eth0"));
  CHECK(status.out["code"] == 50);
  CHECK(collected.status != 0);
  CHECK(collected.out["code"] == 11);
  for (const char* verb : {"ADD", "DEL", "CHECK", "STATUS", "GC"}) lab.ipam.set_mode(verb, "");
  for (const Pod* pod : {&adding, &deleting, &checking}) {
    CHECK(lab.call("DEL", *pod, lab.config(kVf0)).status == 0);
  }
  CHECK(lab.ipam.held().empty());
  lab.check_clean();
}

}  // namespace
}  // namespace sluice::testing
