// SPDX-License-Identifier: Apache-2.0
// sluice-cni GC: with the runtime's list, with an empty one, and without.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

json valid(const std::vector<std::string>& containers) {
  auto list = json::array();
  for (const auto& one : containers) list.push_back({{"containerID", one}, {"ifname", "eth0"}});
  return {{"cni.dev/valid-attachments", list}};
}

TEST_CASE("what isn't on the list goes, VFs and veths; what is stays") {
  CniLab lab;
  const Pod keeps("c1"), loses("c2"), veth("c3");
  REQUIRE(lab.add_vf(keeps, kVf0).status == 0);
  REQUIRE(lab.add_vf(loses, kVf1).status == 0);
  REQUIRE(lab.add(veth).status == 0);
  const auto collected = lab.call("GC", keeps, valid({"c1", "unknown"}));
  INFO(collected.out.dump());
  CHECK(collected.status == 0);
  CHECK(collected.out.is_null());
  CHECK(keeps.link("eth0"));
  CHECK_FALSE(loses.link("eth0"));
  CHECK_FALSE(veth.link("eth0"));
  lab.check_vf_home("vf1");
  CHECK(lab.engine->attachments().size() == 1);
  CHECK(lab.addresses().size() == 1);
  CHECK(lab.call("GC", keeps, valid({"c1"})).status == 0);
  CHECK(keeps.link("eth0"));
  CHECK(lab.call("GC", keeps, valid({})).status == 0);
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("without the key only what is dead goes") {
  CniLab lab;
  const Pod alive("c1");
  Pod dead("c2");
  REQUIRE(lab.add(alive).status == 0);
  REQUIRE(lab.add(dead).status == 0);
  dead.kill();
  CHECK(lab.call("GC", alive).status == 0);
  CHECK(alive.link("eth0"));
  CHECK(lab.attachments().size() == 1);
  CHECK(lab.addresses().size() == 1);
  CHECK(lab.engine->attachments().count("c1/eth0") == 1);
}

TEST_CASE("another network's attachments are none of its business") {
  CniLab lab;
  const Pod mine("c1"), other("c2");
  REQUIRE(lab.add(mine).status == 0);
  REQUIRE(lab.add(other, {{"name", "others"}}).status == 0);
  CHECK(lab.call("GC", mine, valid({})).status == 0);
  CHECK_FALSE(mine.link("eth0"));
  CHECK(other.link("eth0"));
  CHECK(lab.attachments().size() == 1);
}

TEST_CASE("all interfaces of an ADD are one attachment to the runtime") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}});
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  CHECK(lab.call("GC", pod, valid({"c1"})).status == 0);
  CHECK(pod.link("eth0"));
  CHECK(pod.link("net1"));
  CHECK(lab.call("GC", pod, valid({})).status == 0);
  lab.check_vf_home("vf0");
  lab.check_vf_home("vf1");
  lab.check_clean();
}

TEST_CASE("addresses without an attachment go, those of attachments stay") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  std::ofstream(lab.dir + "/state/ipam/node-a/10.244.1.9") << "c9/eth0";
  CHECK(lab.call("GC", pod).status == 0);
  CHECK(lab.addresses() == std::vector<std::string>{"10.244.1.2"});
}

TEST_CASE("it goes on behind an error, and tells it") {
  CniLab lab;
  const Pod first("c1"), second("c2");
  REQUIRE(lab.add_vf(first, kVf0).status == 0);
  REQUIRE(lab.add_vf(second, kVf1).status == 0);
  lab.engine->stop();
  // Nor can a withdrawal be left for it.
  std::ofstream(lab.dir + "/pending") << "no directory";
  const auto collected = lab.call("GC", first, valid({}));
  CHECK(collected.status != 0);
  CHECK(collected.out["msg"].get<std::string>().find("c1/eth0") != std::string::npos);
  CHECK(collected.out["msg"].get<std::string>().find("c2/eth0") != std::string::npos);
  CHECK(lab.link("vf0"));
  CHECK(lab.link("vf1"));
  CHECK(lab.addresses().size() == 2);
  std::filesystem::remove(lab.dir + "/pending");
  lab.engine->start();
  CHECK(lab.call("GC", first, valid({})).status == 0);
  lab.check_clean();
}

TEST_CASE("a list that isn't one takes nothing down") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  CHECK(lab.call("GC", pod, {{"cni.dev/valid-attachments", "c1"}}).status != 0);
  CHECK(lab.call("GC", pod, {{"cniVersion", "1.0.0"}}).out["code"] == 1);
  CHECK(pod.link("eth0"));
}

}  // namespace
}  // namespace sluice::testing
