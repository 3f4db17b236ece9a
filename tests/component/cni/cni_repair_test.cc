// SPDX-License-Identifier: Apache-2.0
// `sluice-cni repair`, and records that can't be read.
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "common/os/files.h"
#include "sriov-cni/journal/record.h"
#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

std::set<std::string> kinds(const Answer& answer) {
  std::set<std::string> out;
  for (const auto& finding : answer.out["findings"]) {
    out.insert(finding["kind"].get<std::string>());
  }
  return out;
}

// As the kernel does it with a physical function when its namespace dies.
void die_with_vf(const CniLab& lab, Pod& pod, const std::string& pci, const std::string& name) {
  netlink::LinkChange move;
  move.netns_fd = lab.node->fd();
  REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, move));
  pod.kill();
  lab.hide_netdev(pci, name);
  lab.show_netdev(pci, "eth0");
}

void damage(const CniLab& lab, const std::string& id) {
  REQUIRE(std::filesystem::exists(lab.record_of(id)));
  std::ofstream(lab.record_of(id)) << "{\"version\": 2, \"rec";
}

bool set_aside(const CniLab& lab, const std::string& id) {
  return !std::filesystem::exists(lab.record_of(id)) &&
         std::filesystem::exists(lab.dir + "/state/damaged/" + cni::id_hash(id) + ".json");
}

TEST_CASE("nothing to repair, beside attachments that live") {
  CniLab lab;
  const Pod vf("c1"), veth("c2");
  REQUIRE(lab.add_vf(vf, kVf0).status == 0);
  REQUIRE(lab.add(veth).status == 0);
  const auto repaired = lab.repair();
  INFO(repaired.out.dump());
  CHECK(repaired.status == 0);
  CHECK(repaired.out["findings"].empty());
  CHECK(vf.link("eth0"));
  CHECK(veth.link("eth0"));
  CHECK(lab.attachments().size() == 2);
}

TEST_CASE("a dead pod's attachment: a dry run says it, a repair undoes it") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  die_with_vf(lab, pod, kVf0, "vf0");
  const auto dry = lab.repair({"--dry-run"});
  CHECK(dry.status == 0);
  CHECK(dry.out["dryRun"] == true);
  CHECK(kinds(dry).contains("attachment"));
  CHECK(lab.attachments().size() == 1);
  CHECK(lab.link("eth0"));
  const auto repaired = lab.repair();
  INFO(repaired.out.dump());
  CHECK(repaired.status == 0);
  REQUIRE(kinds(repaired) == std::set<std::string>{"attachment"});
  CHECK(repaired.out["findings"][0]["done"] == true);
  lab.check_vf_home("vf0");
  lab.check_clean();
  lab.hide_netdev(kVf0, "eth0");
  lab.show_netdev(kVf0, "vf0");
  CHECK(lab.repair().out["findings"].empty());
}

TEST_CASE("an engine that is away hears of a repair at its start") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  pod.kill();
  lab.engine->stop();
  const auto repaired = lab.repair();
  CHECK(repaired.status == 0);
  CHECK(repaired.out["findings"][0]["done"] == true);
  lab.engine->start();
  lab.check_clean();
}

TEST_CASE("a VF that came back under a pod's name, and that no record has") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  die_with_vf(lab, pod, kVf0, "vf0");
  REQUIRE(std::filesystem::remove(lab.record_of("c1/eth0")));
  const auto repaired = lab.repair();
  INFO(repaired.out.dump());
  CHECK(repaired.status == 0);
  CHECK(kinds(repaired) == std::set<std::string>{"address", "vf"});
  const auto vf = lab.link("vf0");
  REQUIRE(vf);
  CHECK(vf->mac.to_string() == "02:00:00:00:01:00");
  CHECK(vf->alias.empty());
  CHECK(lab.addresses().empty());
}

TEST_CASE("an address whose entry can't be read, and one of a living attachment") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  std::ofstream(lab.dir + "/state/ipam/node-a/10.244.1.9") << std::string(5000, 'x');
  std::ofstream(lab.dir + "/state/ipam/node-a/10.244.1.2") << std::string(5000, 'x');
  CHECK(lab.repair().status == 0);
  CHECK(lab.addresses() == std::vector<std::string>{"10.244.1.2"});
}

TEST_CASE("a file for the engine that nobody's attachment left") {
  CniLab lab;
  const Pod before("c0"), pod("c1");
  const json optional = {{"offload", "optional"}};
  REQUIRE(lab.add(before, optional).status == 0);
  lab.engine->stop();
  REQUIRE(lab.add(pod, optional).status == 0);
  CHECK(lab.repair().out["findings"].empty());
  const auto path = lab.dir + "/pending/" + cni::id_hash("c1/eth0");
  const auto stale = lab.dir + "/pending/" + cni::id_hash("c9/eth0");
  std::filesystem::copy_file(path, stale);
  const auto repaired = lab.repair();
  CHECK(kinds(repaired) == std::set<std::string>{"pending file"});
  CHECK(std::filesystem::exists(path));
  CHECK_FALSE(std::filesystem::exists(stale));
}

TEST_CASE("DEL with a record that can't be read: the VF is found by its alias") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  lab.hide_netdev(kVf0, "vf0");  // as sysfs shows it while it is in a pod
  damage(lab, "c1/eth0");
  const auto deleted = lab.del(pod);
  INFO(deleted.out.dump());
  CHECK(deleted.status == 0);
  CHECK(deleted.err.find("can't be read") != std::string::npos);
  CHECK_FALSE(pod.link("eth0"));
  const auto vf = lab.link("vf0");
  REQUIRE(vf);
  CHECK(vf->mac.to_string() == "02:00:00:00:01:00");
  CHECK(vf->alias.empty());
  CHECK(set_aside(lab, "c1/eth0"));
  lab.check_clean();
  CHECK(lab.del(pod).status == 0);
}

TEST_CASE("the same with a veth, and while the engine is away") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  damage(lab, "c1/eth0");
  lab.engine->stop();
  CHECK(lab.del(pod).status == 0);
  lab.engine->start();
  CHECK(set_aside(lab, "c1/eth0"));
  lab.check_clean();
}

TEST_CASE("a damaged record harms no other attachment") {
  CniLab lab;
  const Pod damaged("c1"), other("c2"), third("c3");
  REQUIRE(lab.add_vf(damaged, kVf0).status == 0);
  REQUIRE(lab.add_vf(other, kVf1).status == 0);
  damage(lab, "c1/eth0");
  CHECK(lab.add_vf(third, kVf2).status == 0);
  CHECK(lab.del(other).status == 0);
  CHECK(lab.del(third).status == 0);
  CHECK(damaged.link("eth0"));
}

TEST_CASE("repair and a damaged record: put aside once its VF is back, not while it may live") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  lab.hide_netdev(kVf0, "vf0");  // as sysfs shows it while it is in a pod
  damage(lab, "c1/eth0");
  const auto early = lab.repair();
  INFO(early.out.dump());
  CHECK(early.status == 1);
  CHECK(pod.link("eth0"));
  CHECK_FALSE(set_aside(lab, "c1/eth0"));
  netlink::LinkChange move;
  move.netns_fd = lab.node->fd();
  REQUIRE(pod.rtnl().change_link(pod.link("eth0")->index, move));
  pod.kill();
  lab.show_netdev(kVf0, "eth0");
  const auto repaired = lab.repair();
  INFO(repaired.out.dump());
  CHECK(set_aside(lab, "c1/eth0"));
  REQUIRE(lab.link("vf0"));
  CHECK(lab.link("vf0")->alias.empty());
}

TEST_CASE("repair detaches a damaged record's attachment, and keeps the record while it can't") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  REQUIRE(lab.rtnl().delete_link(lab.link(cni::veth_name("c1/eth0"))->index));
  pod.kill();
  damage(lab, "c1/eth0");
  lab.engine->stop();
  CHECK(lab.repair().status == 1);
  CHECK_FALSE(set_aside(lab, "c1/eth0"));
  CHECK(lab.addresses().size() == 1);
  lab.engine->start();
  const auto repaired = lab.repair();
  INFO(repaired.out.dump());
  CHECK(set_aside(lab, "c1/eth0"));
  CHECK(lab.engine->attachments().empty());
}

TEST_CASE("DEL of a record of the first version asks the configuration's engine") {
  CniLab lab;
  Pod first("c0"), pod("c1"), other("c2");
  REQUIRE(lab.add(first).status == 0);
  const auto version1 = [&](const std::string& id) {
    const json record = {{"version", 1},          {"id", id},
                         {"pod", "shop/c"},       {"netns", "/run/netns/none"},
                         {"netnsInode", 1},       {"pci", ""},
                         {"hostName", "slgone0"}, {"mac", "0a:58:0a:f4:01:63"},
                         {"ip", "10.244.1.99"},   {"node", "n1"},
                         {"portReturned", false}};
    std::ofstream(lab.record_of(id)) << record.dump();
  };
  version1("c1/eth0");
  version1("c2/eth0");
  const auto deleted = lab.del(pod);
  INFO(deleted.out.dump());
  CHECK(deleted.status == 0);
  CHECK_FALSE(std::filesystem::exists(lab.record_of("c1/eth0")));
  const auto repaired = lab.repair();
  INFO(repaired.out.dump());
  CHECK(repaired.status == 0);
  CHECK_FALSE(std::filesystem::exists(lab.record_of("c2/eth0")));
}

TEST_CASE("what is being worked on is left alone") {
  CniLab lab;
  Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  pod.kill();
  const auto lock = os::FileLock::acquire(lab.dir + "/state/locks/attachment-" +
                                          cni::id_hash("c1/eth0").substr(0, 2));
  REQUIRE(lock);
  const auto repaired = lab.repair();
  CHECK(repaired.status == 0);
  CHECK(repaired.out["findings"].empty());
  CHECK(lab.attachments().size() == 1);
}

TEST_CASE("no state directory: an error by its argument, and none is made") {
  CniLab lab;
  for (const bool dry : {true, false}) {
    const auto none =
        lab.repair(dry ? std::vector<std::string>{"--dry-run"} : std::vector<std::string>{});
    INFO(none.err);
    CHECK(none.status == 1);
    CHECK(none.err.find("--state-dir " + lab.dir + "/state") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(lab.dir + "/state"));
  }
  std::filesystem::create_directories(lab.dir + "/state");  // nothing was attached yet
  CHECK(lab.repair({"--dry-run"}).out["findings"].empty());
  CHECK(std::filesystem::is_empty(lab.dir + "/state"));
}

TEST_CASE("wrong arguments") {
  CniLab lab;
  CHECK(lab.repair({"--dryrun"}).status == 2);
  CHECK(lab.repair({"--state-dir"}).status == 2);
  CHECK(lab.repair({"--state-dir", "here"}).status == 2);
}

}  // namespace
}  // namespace sluice::testing
