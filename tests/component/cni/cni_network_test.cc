// SPDX-License-Identifier: Apache-2.0
// sluice-cni and what networks can ask for: no engine, other plugins' configurations, pools,
// chains, device-info files; and a state directory that can't be written.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/callstats/call_stats.h"
#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

TEST_CASE("without an engine: the VF's own MAC and MTU, no address, and nobody is told") {
  CniLab lab;
  const Pod pod("c1");
  const auto added = lab.add(pod, lab.plain(kVf0));
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["interfaces"] == json{{{"name", "eth0"},
                                         {"mac", "02:00:00:00:01:00"},
                                         {"mtu", 1500},
                                         {"sandbox", pod.path()},
                                         {"pciID", kVf0}}});
  CHECK(added.out.value("ips", json::array()).empty());
  CHECK(lab.engine->attachments().empty());
  CHECK(lab.engine->admin_mac(kVf0).empty());
  CHECK(pod.link("eth0")->up);
  CHECK(lab.call("DEL", pod, lab.plain(kVf0)).status == 0);
  CHECK(lab.link("vf0"));
  lab.check_clean();
}

TEST_CASE("MAC, VLAN and MTU as asked for, and back") {
  CniLab lab;
  const Pod pod("c1");
  const auto config = lab.plain(kVf0, {{"vlan", 100}, {"mtu", 1400}, {"mac", "02:12:34:56:78:9a"}});
  const auto added = lab.add(pod, config);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(pod.link("eth0")->mac.to_string() == "02:12:34:56:78:9a");
  CHECK(pod.link("eth0")->mtu == 1400);
  CHECK(lab.engine->admin_mac(kVf0) == "02:12:34:56:78:9a");
  CHECK(lab.engine->vlan(kVf0) == 100);
  CHECK(lab.call("DEL", pod, config).status == 0);
  lab.check_vf_home("vf0");
  CHECK(lab.engine->vlan(kVf0) == 0);
}

TEST_CASE("CNI_ARGS' MAC goes before the configuration's") {
  CniLab lab;
  lab.more_args = ";MAC=02:12:34:56:78:9b";
  const Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  CHECK(pod.link("eth0")->mac.to_string() == "02:12:34:56:78:9b");
  CHECK(lab.engine->attachments().at("c1/eth0").mac == "02:12:34:56:78:9b");
  CHECK(lab.del(pod).status == 0);
  lab.check_vf_home("vf0");
}

TEST_CASE("a network that is about VFs never gives a veth") {
  CniLab lab;
  lab.plugin->start();
  const Pod pod("c1");
  for (const char* type : {"sriov", "ib-sriov", "sluice-cni"}) {
    INFO(type);
    const auto added = lab.add(pod, lab.plain(kVf0, {{"type", type}, {"deviceID", nullptr}}));
    INFO(added.out.dump());
    CHECK(added.out["code"] == 7);
    CHECK(added.out["msg"].get<std::string>().find("deviceID") != std::string::npos);
    CHECK_FALSE(pod.link("eth0"));
    lab.check_clean();
  }
  lab.plugin->set_devices("shop/c1", {{kVf1}});
  REQUIRE(lab.add(pod, lab.plain(kVf0, {{"type", "sriov"}, {"deviceID", nullptr}})).status == 0);
  CHECK_FALSE(lab.link("vf1"));
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.link("vf1"));
}

TEST_CASE("a shape that can't say the result is refused before the VF is touched") {
  CniLab lab;
  const Pod pod("c1");
  const auto added = lab.add(pod, lab.plain(kVf0, {{"cniVersion", "0.2.0"}}));
  CHECK(added.out["code"] == 7);
  CHECK(lab.link("vf0"));
  lab.check_clean();
}

TEST_CASE("a pool of our own, without an engine") {
  CniLab lab;
  const Pod first("c1"), second("c2"), third("c3");
  const json ipam = {
      {"type", "sluice"},
      {"ranges",
       {{{{"subnet", "192.0.2.0/24"}, {"rangeStart", "192.0.2.10"}, {"rangeEnd", "192.0.2.11"}}}}},
      {"routes", {{{"dst", "0.0.0.0/0"}}}}};
  const auto config = [&](const char* vf) { return lab.plain(vf, {{"ipam", ipam}}); };
  const auto added = lab.add(first, config(kVf0));
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["ips"][0]["address"] == "192.0.2.10/24");
  REQUIRE(lab.add(second, config(kVf1)).status == 0);
  const auto full = lab.add(third, config(kVf2));
  CHECK(full.out["code"] == 11);
  CHECK(full.out["msg"].get<std::string>().find("pods") != std::string::npos);
  CHECK(lab.link("vf2"));
  CHECK(lab.call("STATUS", third, config(kVf2)).out["code"] == 50);
  CHECK(lab.pool_addresses().size() >= 2);
  auto with_previous = config(kVf0);
  with_previous["prevResult"] = added.out;
  CHECK(lab.call("CHECK", first, with_previous).status == 0);
  // By the records alone: the configuration no longer says where the addresses were from.
  CHECK(lab.call("DEL", first, lab.plain(kVf0)).status == 0);
  CHECK(lab.call("STATUS", third, config(kVf2)).status == 0);
  REQUIRE(lab.add(third, config(kVf2)).status == 0);
  CHECK(lab.call("DEL", second, config(kVf1)).status == 0);
  CHECK(lab.call("DEL", third, config(kVf2)).status == 0);
  lab.check_clean();
}

TEST_CASE("behind another plugin: its result is passed on, with ours after it") {
  CniLab lab;
  const Pod pod("c1");
  const json previous = {{"cniVersion", "1.1.0"},
                         {"interfaces", {{{"name", "net7"}, {"sandbox", pod.path()}}}},
                         {"ips", {{{"interface", 0}, {"address", "198.51.100.7/24"}}}},
                         {"dns", {{"nameservers", {"198.51.100.1"}}}}};
  const auto added = lab.add(pod, {{"deviceID", kVf0}, {"prevResult", previous}});
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  REQUIRE(added.out["interfaces"].size() == 2);
  CHECK(added.out["interfaces"][0]["name"] == "net7");
  CHECK(added.out["interfaces"][1]["name"] == "eth0");
  REQUIRE(added.out["ips"].size() == 2);
  CHECK(added.out["ips"][0]["address"] == "198.51.100.7/24");
  CHECK(added.out["ips"][0]["interface"] == 0);
  CHECK(added.out["ips"][1]["interface"] == 1);
  CHECK(added.out["dns"]["nameservers"] == json{"198.51.100.1"});
  CHECK(lab.call("CHECK", pod, {{"deviceID", kVf0}, {"prevResult", added.out}}).status == 0);
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("a chain of 1.0.0 passes on all that came before") {
  CniLab lab;
  const Pod pod("c1");
  const json interface = {
      {"name", "net7"}, {"mac", "02:00:00:00:07:07"}, {"mtu", 9000}, {"sandbox", pod.path()}};
  const json routes = {{{"dst", "198.51.0.0/16"}, {"table", 100}},
                       {{"dst", "203.0.113.0/24"}, {"mtu", 1400}, {"priority", 7}}};
  const json previous = {{"cniVersion", "1.0.0"}, {"interfaces", {interface}}, {"routes", routes}};
  const auto config = lab.plain(kVf0, {{"cniVersion", "1.0.0"}, {"prevResult", previous}});
  const auto added = lab.add(pod, config);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["interfaces"][0] == interface);
  CHECK(added.out["routes"] == routes);
  CHECK(lab.call("DEL", pod, config).status == 0);
  lab.check_clean();
}

// An IPAM that gives a default route of both families, as the network of eth0 has them.
json pool_with_default_route(const std::string& number) {
  const auto subnet = [](const std::string& prefix, const std::string& start) {
    return json{{{"subnet", prefix}, {"rangeStart", start}}};
  };
  return {{"type", "sluice"},
          {"ranges",
           {subnet("192.0." + number + ".0/24", "192.0." + number + ".10"),
            subnet("fd00:" + number + "::/64", "fd00:" + number + "::10")}},
          {"routes", {{{"dst", "0.0.0.0/0"}}, {{"dst", "::/0"}}}}};
}

TEST_CASE("a default route beside eth0's: in other plugins' configurations as they add it") {
  CniLab lab;
  const Pod pod("c1");
  const auto config = [&](const char* type, const char* vf, const char* number) {
    return lab.plain(vf, {{"type", type},
                          {"name", std::string("net") + number},
                          {"ipam", pool_with_default_route(number)}});
  };
  const auto as = [&](const char* interface, const char* verb, const json& with) {
    lab.interface = interface;
    return lab.call(verb, pod, with);
  };
  struct Attached {
    const char* interface;
    json config;
  };
  std::vector<Attached> attached;
  const auto add = [&](const char* interface, json with) {
    const auto added = as(interface, "ADD", with);
    INFO(added.out.dump());
    REQUIRE(added.status == 0);
    with["prevResult"] = added.out;
    attached.push_back({interface, std::move(with)});
    for (const auto& one : attached) {
      const auto checked = as(one.interface, "CHECK", one.config);
      INFO(one.interface, checked.out.dump());
      CHECK(checked.status == 0);
    }
  };
  add("eth0", config("sluice-cni", kVf0, "2"));
  const auto refused = as("net1", "ADD", config("sluice-cni", kVf1, "3"));
  CHECK(refused.out["code"] == 101);
  CHECK(refused.out["msg"].get<std::string>().find("eth0") != std::string::npos);
  add("net1", config("sriov", kVf1, "3"));
  add("net2", config("ib-sriov", kVf2, "4"));
  for (const auto& one : attached) {
    CHECK(as(one.interface, "DEL", one.config).status == 0);
  }
  lab.check_clean();
}

TEST_CASE("router advertisements are refused on our own link, where the engine is its router") {
  CniLab lab;
  const Pod pod("c1");
  const auto accept_ra = [&](const std::string& of) {
    std::string value;
    REQUIRE(pod.netns->run_in([&]() -> Status {
      std::getline(std::ifstream("/proc/sys/net/ipv6/conf/" + of + "/accept_ra"), value);
      return {};
    }));
    return value;
  };
  REQUIRE(pod.netns->run_in([]() -> Status {
    std::ofstream("/proc/sys/net/ipv6/conf/default/accept_ra") << "2";
    return {};
  }));
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  CHECK(accept_ra("eth0") == "0");
  CHECK(accept_ra("default") == "2");
  lab.interface = "net1";
  const auto config = lab.plain(kVf1, {{"type", "sriov"}});
  REQUIRE(lab.add(pod, config).status == 0);
  CHECK(accept_ra("net1") == "2");
  CHECK(lab.call("DEL", pod, config).status == 0);
  lab.interface = "eth0";
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("a device-info file where the runtime wants one") {
  CniLab lab;
  const Pod pod("c1");
  const auto path = lab.dir + "/devinfo/pods-c1_eth0";
  const json config = {{"deviceID", kVf0},
                       {"capabilities", {{"CNIDeviceInfoFile", true}}},
                       {"runtimeConfig", {{"CNIDeviceInfoFile", path}}}};
  REQUIRE(lab.add(pod, config).status == 0);
  CHECK(json::parse(std::ifstream(path), nullptr, false) ==
        json{{"version", "1.1.0"},
             {"type", "pci"},
             {"pci", {{"pci-address", kVf0}, {"pf-pci-address", kPf}}}});
  CHECK(lab.del(pod).status == 0);
  CHECK_FALSE(std::filesystem::exists(path));
  lab.check_clean();

  // One that can't be written: nothing is left of the ADD.
  auto bad = config;
  bad["runtimeConfig"]["CNIDeviceInfoFile"] = lab.dir + "/stats/below-a-file";
  CHECK(lab.add(pod, bad).status != 0);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("a read-only state directory: ADD touches nothing, DEL still gives the VF back") {
  CniLab lab;
  const Pod pod("c1"), attached("c2");
  REQUIRE(lab.add_vf(attached, kVf1).status == 0);
  lab.read_only = true;
  const auto added = lab.add_vf(pod, kVf0);
  INFO(added.out.dump());
  CHECK(added.out["code"] == 5);
  CHECK_FALSE(pod.link("eth0"));
  CHECK(lab.link("vf0"));
  CHECK(lab.engine->admin_mac(kVf0).empty());
  CHECK(lab.engine->attachments().size() == 1);
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.call("STATUS", pod).out["code"] == 50);
  CHECK(lab.del(attached).status != 0);  // the address can't be released
  lab.check_vf_home("vf1");
  lab.read_only = false;
  CHECK(lab.del(attached).status == 0);
  lab.check_clean();
}

TEST_CASE("thirty pods at once come and go, and nothing is left") {
  CniLab lab;
  std::vector<std::unique_ptr<Pod>> pods;
  for (int i = 0; i < 30; ++i) pods.push_back(std::make_unique<Pod>("c" + std::to_string(i)));
  std::vector<Answer> answers(pods.size());
  const auto at_once = [&](const char* verb) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < pods.size(); ++i) {
      threads.emplace_back([&, i] { answers[i] = lab.call(verb, *pods[i]); });
    }
    for (auto& thread : threads) thread.join();
  };
  at_once("ADD");
  std::set<std::string> addresses;
  for (const auto& answer : answers) {
    INFO(answer.out.dump());
    REQUIRE(answer.status == 0);
    addresses.insert(answer.out["ips"][0]["address"].get<std::string>());
  }
  CHECK(addresses.size() == pods.size());
  at_once("DEL");
  for (const auto& answer : answers) CHECK(answer.status == 0);
  lab.check_clean();
}

TEST_CASE("a call is one line with its trace, and counted") {
  CniLab lab;
  lab.trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const Pod pod("c1");
  const auto added = lab.add(pod);
  REQUIRE(added.status == 0);
  CHECK(added.err.find("0af7651916cd43dd8448eb211c80319c") != std::string::npos);
  const auto refused = lab.add(pod);
  CHECK(refused.out["code"] == 4);
  CHECK(lab.del(pod).status == 0);
  const auto counted = callstats::read_snapshot(lab.dir + "/stats").value();
  const auto add = static_cast<std::size_t>(callstats::Verb::kAdd);
  CHECK(counted.steps[add][static_cast<std::size_t>(callstats::Step::kTotal)].total() == 2);
  CHECK(counted.steps[add][static_cast<std::size_t>(callstats::Step::kJournal)].total() == 1);
  REQUIRE(counted.codes[add].size() == 2);
  CHECK(counted.codes[add][0].code + counted.codes[add][1].code == 4);

  const auto log = lab.dir + "/cni.log";
  REQUIRE(lab.add(pod, {{"logFile", log}}).status == 0);
  std::ifstream file(log);
  std::string line;
  std::getline(file, line);
  CHECK(line.find("call done") != std::string::npos);
}

}  // namespace
}  // namespace sluice::testing
