// SPDX-License-Identifier: Apache-2.0
// sluice-cni: what ADD and DEL do, and what they refuse.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

void check_pod(const Pod& pod, const std::string& ip, const std::string& mac, std::uint32_t mtu) {
  const auto eth0 = pod.link("eth0");
  REQUIRE(eth0);
  CHECK(eth0->mac.to_string() == mac);
  CHECK(eth0->mtu == mtu);
  CHECK(eth0->up);
  CHECK(pod.link("lo")->up);
  auto rtnl = pod.rtnl();
  const auto addresses = rtnl.addresses(eth0->index).value();
  REQUIRE(addresses.size() == 1);
  CHECK(addresses[0].ip.to_string() == ip);
  CHECK(addresses[0].prefix_length == 32);
  bool gateway = false, fallback = false;
  const auto routes = rtnl.routes().value();
  for (const auto& route : routes) {
    if (route.destination.to_string() == "169.254.1.1/32") gateway = !route.gateway;
    if (route.destination.length == 0) {
      fallback = route.gateway && route.gateway->to_string() == "169.254.1.1";
    }
  }
  CHECK(gateway);
  CHECK(fallback);
}

TEST_CASE("a VF into a pod and back") {
  CniLab lab;
  const Pod pod("c1");
  const auto added = lab.add_vf(pod, kVf0);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(
      added.out ==
      json{{"cniVersion", "1.1.0"},
           {"interfaces",
            {{{"name", "eth0"},
              {"mac", "0a:58:0a:f4:01:02"},
              {"mtu", 1450},
              {"sandbox", pod.path()},
              {"pciID", kVf0}}}},
           {"ips", {{{"interface", 0}, {"address", "10.244.1.2/32"}, {"gateway", "169.254.1.1"}}}},
           {"routes",
            {{{"dst", "169.254.1.1/32"}, {"scope", 253}},
             {{"dst", "0.0.0.0/0"}, {"gw", "169.254.1.1"}}}}});
  check_pod(pod, "10.244.1.2", "0a:58:0a:f4:01:02", 1450);
  CHECK_FALSE(lab.link("vf0"));
  CHECK(lab.engine->admin_mac(kVf0) == "0a:58:0a:f4:01:02");
  const auto attached = lab.engine->attachments();
  REQUIRE(attached.count("c1/eth0") == 1);
  const auto& attachment = attached.at("c1/eth0");
  CHECK(attachment.pod == "shop/c1");
  CHECK(attachment.interface == "eth0");
  CHECK(attachment.mac == "0a:58:0a:f4:01:02");
  CHECK(attachment.ip == "10.244.1.2");
  CHECK(attachment.pci == kVf0);
  CHECK(attachment.veth.empty());
  CHECK(lab.addresses() == std::vector<std::string>{"10.244.1.2"});

  const auto deleted = lab.del(pod);
  INFO(deleted.out.dump());
  CHECK(deleted.status == 0);
  CHECK(deleted.out.is_null());
  CHECK_FALSE(pod.link("eth0"));
  lab.check_vf_home("vf0");
  lab.check_clean();
  CHECK(lab.del(pod).status == 0);
  lab.check_vf_home("vf0");
}

TEST_CASE("a VF comes back whatever the pod did to its name, MAC and MTU") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  netlink::LinkChange change;
  change.up = false;
  change.name = "renamed";
  change.mac = MacAddr::parse("02:aa:aa:aa:aa:aa").value();
  change.mtu = 900;
  REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, change));
  CHECK(lab.del(pod).status == 0);
  CHECK_FALSE(pod.link("renamed"));
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("a veth into a pod and back") {
  CniLab lab;
  const Pod pod("c1");
  const auto added = lab.add(pod, {{"mtu", 1400}});
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  REQUIRE(added.out["interfaces"].size() == 2);
  const auto host = added.out["interfaces"][0]["name"].get<std::string>();
  CHECK(host.size() == 13);
  CHECK(host.starts_with("sl"));
  CHECK(added.out["ips"][0]["interface"] == 1);
  check_pod(pod, "10.244.1.2", "0a:58:0a:f4:01:02", 1400);
  const auto outside = lab.link(host);
  REQUIRE(outside);
  CHECK(outside->up);
  CHECK(outside->mtu == 1400);
  CHECK(lab.engine->attachments().at("c1/eth0").veth == host);
  CHECK(lab.engine->attachments().at("c1/eth0").pci.empty());

  CHECK(lab.del(pod).status == 0);
  CHECK_FALSE(lab.link(host));
  CHECK_FALSE(pod.link("eth0"));
  lab.check_clean();
  CHECK(lab.del(pod).status == 0);
}

TEST_CASE("DEL of what was never added is a success, also without an engine or a namespace") {
  CniLab lab;
  const Pod pod("c1");
  CHECK(lab.del(pod).status == 0);
  lab.engine->stop();
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.call("DEL", pod, json::object(), "").status == 0);
  CHECK(lab.call("DEL", pod, json::object(), "/run/netns/none").status == 0);
}

TEST_CASE("the engine refuses: everything is undone, and its words are the error") {
  CniLab lab;
  lab.engine->refuse_attach(true);
  for (const bool with_vf : {true, false}) {
    const Pod pod(with_vf ? "c1" : "c2");
    const auto added = with_vf ? lab.add_vf(pod, kVf0) : lab.add(pod);
    CHECK(added.status != 0);
    CHECK(added.out["code"] == 11);
    CHECK(added.out["cniVersion"] == "1.1.0");
    CHECK(added.out["msg"].get<std::string>().find("no room for its rules") != std::string::npos);
    CHECK_FALSE(pod.link("eth0"));
    if (with_vf) lab.check_vf_home("vf0");
    lab.check_clean();
  }
}

TEST_CASE("a name that is taken: an error, and nothing is touched") {
  CniLab lab;
  const Pod pod("c1");
  netlink::VethEnd one, other;
  one.name = "eth0";
  other.name = "other";
  REQUIRE(pod.rtnl().add_veth(one, other));
  const auto before = pod.link("eth0");
  for (const bool with_vf : {true, false}) {
    const auto added = with_vf ? lab.add_vf(pod, kVf0) : lab.add(pod);
    CHECK(added.status != 0);
    CHECK(added.out["code"] == 4);
    CHECK(added.out["msg"].get<std::string>().find("'eth0' exists in the pod") !=
          std::string::npos);
  }
  CHECK(pod.link("eth0")->index == before->index);
  CHECK(pod.link("eth0")->mac == before->mac);
  CHECK(lab.link("vf0"));
  CHECK(lab.engine->admin_mac(kVf0).empty());
  lab.check_clean();
  // The DEL that follows a failed ADD leaves what isn't ours.
  CHECK(lab.del(pod).status == 0);
  CHECK(pod.link("eth0"));
}

TEST_CASE("a second ADD of the same attachment is refused and harms nothing") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  CHECK(lab.add_vf(pod, kVf0).out["code"] == 4);
  check_pod(pod, "10.244.1.2", "0a:58:0a:f4:01:02", 1450);
  CHECK(lab.engine->attachments().count("c1/eth0") == 1);
  CHECK(lab.del(pod).status == 0);
  lab.check_vf_home("vf0");
}

TEST_CASE("a second ADD is refused too when the living pod has renamed its interface") {
  CniLab lab;
  for (const bool with_vf : {true, false}) {
    const Pod pod(with_vf ? "c1" : "c2");
    REQUIRE((with_vf ? lab.add_vf(pod, kVf0) : lab.add(pod)).status == 0);
    netlink::LinkChange change;
    change.name = "renamed";
    REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, change));
    const auto again = with_vf ? lab.add_vf(pod, kVf0) : lab.add(pod);
    INFO(again.out.dump());
    CHECK(again.out["code"] == 4);
    const auto said = again.out["msg"].get<std::string>();
    CHECK(said.find(pod.container + "/eth0") != std::string::npos);
    CHECK(said.find("DEL") != std::string::npos);
    const auto link = pod.link("renamed");
    REQUIRE(link);
    CHECK(link->up);
    CHECK(pod.rtnl().addresses(link->index).value().size() == 1);
    CHECK(lab.engine->attachments().count(pod.container + "/eth0") == 1);
    CHECK(lab.del(pod).status == 0);
  }
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("what ADD refuses before it touches anything") {
  CniLab lab;
  const Pod pod("c1");
  struct Row {
    json more;
    int code;
    const char* named;
  };
  const std::vector<Row> rows = {
      {{{"cniVersion", "0.9.0"}}, 1, "0.9.0"},
      {{{"enginSocket", "/x"}}, 7, "engineSocket"},
      {{{"deviceID", "0000:99:00.1"}}, 7, "0000:3b:00.2, 0000:3b:00.3"},
      {{{"mtu", 1451}}, 7, "1450"},
      {{{"engineSocket", "/nowhere/sock"}}, 11, ""},
  };
  for (const auto& row : rows) {
    INFO(row.more.dump());
    const auto added = lab.add(pod, row.more);
    INFO(added.out.dump());
    CHECK(added.status != 0);
    CHECK(added.out["code"] == row.code);
    CHECK(added.out["msg"].get<std::string>().find(row.named) != std::string::npos);
  }
  CHECK(lab.call("ADD", pod, json::object(), "/run/netns/none").out["code"] == 4);
  // A path that means the node's own namespace, which is where the plugin runs.
  CHECK(lab.call("ADD", pod, json::object(), "/proc/thread-self/ns/net").out["code"] == 4);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_clean();
}

TEST_CASE("VERSION needs nothing") {
  CniLab lab;
  const auto answer = lab.call("VERSION", Pod("c1"));
  CHECK(answer.status == 0);
  CHECK(answer.out["supportedVersions"] ==
        json{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"});
}

TEST_CASE("every version answers in its own shape") {
  CniLab lab;
  for (const std::string version :
       {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    INFO(version);
    const Pod pod("c-" + version);
    const auto added = lab.add(pod, {{"cniVersion", version}});
    INFO(added.out.dump());
    REQUIRE(added.status == 0);
    CHECK(added.out["cniVersion"] == version);
    const bool oldest = version < "0.3.0";
    CHECK(added.out.contains("ip4") == oldest);
    CHECK(added.out.contains("interfaces") == !oldest);
    if (!oldest) CHECK(added.out["ips"][0].contains("version") == (version < "1.0.0"));
    CHECK(lab.call("DEL", pod, {{"cniVersion", version}}).status == 0);
  }
  lab.check_clean();
}

TEST_CASE("a block without a free address: code 11, the block is named, nothing is left") {
  CniLab lab;
  lab.engine->set_pod_cidr("10.244.1.0/30");
  const Pod first("c1"), second("c2");
  REQUIRE(lab.add(first).status == 0);
  const auto added = lab.add_vf(second, kVf0);
  CHECK(added.out["code"] == 11);
  CHECK(added.out["msg"].get<std::string>().find("10.244.1.0/30") != std::string::npos);
  CHECK(lab.link("vf0"));
  CHECK(lab.attachments().size() == 1);
  REQUIRE(lab.del(first).status == 0);
  CHECK(lab.add_vf(second, kVf0).status == 0);
}

TEST_CASE("ten pods at once have ten addresses, and two want the same VF") {
  CniLab lab;
  std::vector<std::unique_ptr<Pod>> pods;
  for (int i = 0; i < 12; ++i) pods.push_back(std::make_unique<Pod>("c" + std::to_string(i)));
  std::vector<Answer> answers(pods.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < pods.size(); ++i) {
    threads.emplace_back(
        [&, i] { answers[i] = i < 10 ? lab.add(*pods[i]) : lab.add_vf(*pods[i], kVf1); });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> addresses;
  std::size_t added = 0;
  for (const auto& answer : answers) {
    if (answer.status != 0) continue;
    ++added;
    addresses.insert(answer.out["ips"][0]["address"].get<std::string>());
  }
  CHECK(added == 11);
  CHECK(addresses.size() == 11);
  const auto& loser = answers[10].status != 0 ? answers[10] : answers[11];
  CHECK(loser.out["code"] == 11);
  CHECK(loser.out["msg"].get<std::string>().find("is still in pod shop/c1") != std::string::npos);
  for (const auto& pod : pods) CHECK(lab.del(*pod).status == 0);
  lab.check_vf_home("vf1");
  lab.check_clean();
}

}  // namespace
}  // namespace sluice::testing
