// SPDX-License-Identifier: Apache-2.0
// sluice-cni as primary network: the pod's devices as the device plugin tells them.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

// The VF that an interface is, "" for a veth, "none" when there is no such interface.
std::string device_of(const CniLab& lab, const Pod& pod, const std::string& interface) {
  if (!pod.link(interface)) return "none";
  const auto attached = lab.engine->attachments();
  const auto found = attached.find(pod.container + "/" + interface);
  return found == attached.end() ? "unknown to the engine" : found->second.pci;
}

void check_all_home(const CniLab& lab) {
  for (const char* name : {"vf0", "vf1", "vf2"}) {
    const auto link = lab.link(name);
    INFO(name);
    REQUIRE(link);
    CHECK(link->alias.empty());
    CHECK(link->mtu == 1500);
  }
  lab.check_clean();
}

void check_default_route(const Pod& pod, const std::string& interface) {
  std::size_t found = 0;
  const auto routes = pod.rtnl().routes().value();
  const auto index = pod.link(interface)->index;
  for (const auto& route : routes) {
    CHECK(route.link == index);  // none of the others has any route
    if (route.destination.length == 0) ++found;
  }
  CHECK(found == 1);
}

TEST_CASE("no device plugin on this node: a veth, or try again when it is required") {
  CniLab lab;
  const Pod pod("c1");
  const auto refused = lab.add(pod, {{"devicePlugin", "required"}});
  CHECK(refused.out["code"] == 11);
  CHECK(refused.out["msg"].get<std::string>().find(lab.plugin->socket()) != std::string::npos);
  lab.check_clean();
  REQUIRE(lab.add(pod).status == 0);
  CHECK(device_of(lab, pod, "eth0").empty());
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("a network of a resource, and the device plugin isn't there: try again, never a veth") {
  CniLab lab;
  const Pod pod("c1");
  const auto refused = lab.add(pod, {{"resourceName", "sluice.dev/vf"}});
  CHECK(refused.out["code"] == 11);
  CHECK(refused.out["msg"].get<std::string>().find("sluice.dev/vf") != std::string::npos);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_clean();
}

TEST_CASE("a pod without devices: a veth") {
  CniLab lab;
  lab.plugin->start();
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  CHECK(lab.plugin->questions() == 1);
  CHECK(device_of(lab, pod, "eth0").empty());
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("one VF: it is eth0, and DEL needs no plugin") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf1}});
  lab.plugin->set_devices("shop/other", {{kVf0}});
  const Pod pod("c1");
  const auto added = lab.add(pod);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["interfaces"][0]["pciID"] == kVf1);
  CHECK(device_of(lab, pod, "eth0") == kVf1);
  CHECK_FALSE(pod.link("net1"));
  CHECK(lab.link("vf0"));
  lab.plugin->stop();
  CHECK(lab.del(pod).status == 0);
  check_all_home(lab);
}

TEST_CASE("a device that the configuration names is not asked for") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf1}});
  const Pod pod("c1");
  REQUIRE(lab.add_vf(pod, kVf0).status == 0);
  CHECK(device_of(lab, pod, "eth0") == kVf0);
  REQUIRE(lab.del(pod).status == 0);
  REQUIRE(lab.add(pod, {{"devicePlugin", "never"}}).status == 0);
  CHECK(device_of(lab, pod, "eth0").empty());
  CHECK(lab.plugin->questions() == 0);
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("three VFs: eth0, net1, net2 in one ADD, each with its address; DEL takes all back") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}, {kVf2}});
  const Pod pod("c1", "", "uid-1");
  const auto added = lab.add(pod);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(device_of(lab, pod, "eth0") == kVf0);
  CHECK(device_of(lab, pod, "net1") == kVf1);
  CHECK(device_of(lab, pod, "net2") == kVf2);
  CHECK(lab.addresses().size() == 3);
  CHECK(lab.attachments().size() == 3);
  REQUIRE(added.out["interfaces"].size() == 3);
  REQUIRE(added.out["ips"].size() == 3);
  CHECK(added.out["ips"][0] ==
        json{{"interface", 0}, {"address", "10.244.1.2/32"}, {"gateway", "169.254.1.1"}});
  CHECK(added.out["ips"][1] == json{{"interface", 1}, {"address", "10.244.1.3/32"}});
  CHECK(added.out["ips"][2] == json{{"interface", 2}, {"address", "10.244.1.4/32"}});
  for (const char* interface : {"eth0", "net1", "net2"}) {
    const auto link = pod.link(interface);
    REQUIRE(link);
    CHECK(link->up);
    CHECK(link->mtu == 1450);
    CHECK(link->mac.to_string() == lab.engine->attachments().at("c1/" + link->name).mac);
    CHECK(pod.rtnl().addresses(link->index).value().size() == 1);
  }
  check_default_route(pod, "eth0");

  lab.plugin->set_mood(FakePlugin::Mood::kHangs);  // it isn't asked again
  const auto asked = lab.plugin->questions();
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.plugin->questions() == asked);
  CHECK_FALSE(pod.link("eth0"));
  CHECK_FALSE(pod.link("net1"));
  CHECK_FALSE(pod.link("net2"));
  check_all_home(lab);
  CHECK(lab.del(pod).status == 0);
}

TEST_CASE("the network's resource decides which VF is eth0") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices(
      "shop/c1",
      {{kVf0, 1, "sluice.dev/storage"}, {kVf1, 2, "sluice.dev/vf"}, {kVf2, 3, "sluice.dev/vf"}});
  const Pod pod("c1");
  REQUIRE(lab.add(pod, {{"resourceName", "sluice.dev/vf"}}).status == 0);
  CHECK(device_of(lab, pod, "eth0") == kVf1);
  CHECK(device_of(lab, pod, "net1") == kVf0);
  CHECK(device_of(lab, pod, "net2") == kVf2);
  REQUIRE(lab.del(pod).status == 0);
  check_all_home(lab);

  // None of the network's: its interface is a veth, and no VF is lost.
  REQUIRE(lab.add(pod, {{"resourceName", "sluice.dev/other"}}).status == 0);
  CHECK(device_of(lab, pod, "eth0").empty());
  CHECK(device_of(lab, pod, "net1") == kVf0);
  CHECK(device_of(lab, pod, "net3") == kVf2);
  check_default_route(pod, "eth0");
  REQUIRE(lab.del(pod).status == 0);
  check_all_home(lab);
}

TEST_CASE("claims: a VF, and a plain port that is a veth") {
  CniLab lab;
  lab.plugin->start();
  const Pod first("c1"), second("c2"), third("c3");
  lab.plugin->set_devices("shop/c1", {{kVf1, 4, "sluice.dev/vf", "shop/net"}});
  lab.plugin->set_devices("shop/c2", {{"", 0, "", "shop/net2"}});
  lab.plugin->set_devices("shop/c3", {{kVf0, 5}, {"", 0, "", "shop/net3"}});
  REQUIRE(lab.add(first).status == 0);
  CHECK(device_of(lab, first, "eth0") == kVf1);
  REQUIRE(lab.add(second).status == 0);
  CHECK(device_of(lab, second, "eth0").empty());
  const auto both = lab.add(third);
  INFO(both.out.dump());
  REQUIRE(both.status == 0);
  CHECK(device_of(lab, third, "eth0") == kVf0);
  CHECK(device_of(lab, third, "net1").empty());
  CHECK(both.out["interfaces"].size() == 3);  // a veth has two ends
  CHECK(both.out["ips"][1]["interface"] == 2);
  for (const Pod* pod : {&first, &second, &third}) CHECK(lab.del(*pod).status == 0);
  check_all_home(lab);
}

TEST_CASE("what is no interface is left for the container, what is gone is an error") {
  CniLab lab;
  lab.plugin->start();
  lab.sysfs->bind(kVf0, "vfio-pci");
  const Pod pod("c1");
  lab.plugin->set_devices("shop/c1", {{kVf0}, {"mlx5_core.sf.4"}, {kPf}, {kVf1}});
  const auto added = lab.add(pod);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.err.find("vfio-pci") != std::string::npos);
  CHECK(device_of(lab, pod, "eth0") == kVf1);
  CHECK_FALSE(pod.link("net1"));
  CHECK(lab.link("vf0"));
  REQUIRE(lab.del(pod).status == 0);

  lab.plugin->set_devices("shop/c1", {{kVf1}, {"0000:99:00.1"}});
  const auto gone = lab.add(pod);
  CHECK(gone.status != 0);
  CHECK(gone.out["msg"].get<std::string>().find("0000:99:00.1") != std::string::npos);
  lab.sysfs->bind(kVf0, "softvf");
  check_all_home(lab);
}

TEST_CASE("a plugin that is there but doesn't say: try again, never a veth instead") {
  CniLab lab;
  const Pod pod("c1");
  struct Row {
    FakePlugin::Mood mood;
    const char* named;
  };
  const std::vector<Row> rows = {{FakePlugin::Mood::kHangs, ""},
                                 {FakePlugin::Mood::kRefuses, "the kubelet is away"},
                                 {FakePlugin::Mood::kBabbles, "DevicesResponse"},
                                 {FakePlugin::Mood::kMisleads, "something else"}};
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}});
  for (const auto& row : rows) {
    lab.plugin->set_mood(row.mood);
    const auto added = lab.add(pod);
    INFO(added.out.dump());
    CHECK(added.status != 0);
    CHECK(added.out["code"] == 11);
    CHECK(added.out["msg"].get<std::string>().find(row.named) != std::string::npos);
    CHECK(added.out["msg"].get<std::string>().find("shop/c1") != std::string::npos);
    CHECK_FALSE(pod.link("eth0"));
    lab.check_clean();
  }
  lab.plugin->stop();
  lab.plugin->leave_closed_socket();
  const auto added = lab.add(pod);
  CHECK(added.out["code"] == 11);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_clean();
  // It came back: the same ADD goes through.
  lab.plugin->set_mood(FakePlugin::Mood::kAnswers);
  lab.plugin->start();
  REQUIRE(lab.add(pod).status == 0);
  CHECK(device_of(lab, pod, "eth0") == kVf0);
  CHECK(lab.del(pod).status == 0);
  check_all_home(lab);
}

TEST_CASE("all or nothing: when a later interface fails, the earlier ones are undone") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}, {kVf2}});
  const Pod pod("c1");
  for (const char* refused : {"eth0", "net1", "net2"}) {
    lab.engine->refuse_attach_of(refused);
    const auto added = lab.add(pod);
    INFO(added.out.dump());
    CHECK(added.status != 0);
    CHECK(added.out["code"] == 11);
    CHECK(added.out["msg"].get<std::string>().find("no room for its rules") != std::string::npos);
    CHECK(added.out["details"].get<std::string>().find(refused) != std::string::npos);
    for (const char* interface : {"eth0", "net1", "net2"}) CHECK_FALSE(pod.link(interface));
    check_all_home(lab);
  }
  lab.engine->refuse_attach_of("");

  // A name that is taken, and a VF that another pod has, are found before anything is begun.
  netlink::VethEnd one, other;
  one.name = "net2";
  other.name = "other";
  REQUIRE(pod.rtnl().add_veth(one, other));
  CHECK(lab.add(pod).out["code"] == 4);
  lab.check_clean();
  REQUIRE(pod.rtnl().delete_link(pod.link("net2")->index));
  const Pod holder("c2");
  REQUIRE(lab.add_vf(holder, kVf2).status == 0);
  const auto taken = lab.add(pod);
  CHECK(taken.out["code"] == 11);
  CHECK(taken.out["msg"].get<std::string>().find("still in pod shop/c2") != std::string::npos);
  CHECK(lab.attachments().size() == 1);
  CHECK(lab.addresses().size() == 1);
  REQUIRE(lab.del(holder).status == 0);
  REQUIRE(lab.add(pod).status == 0);
  CHECK(lab.del(pod).status == 0);
  check_all_home(lab);
}

TEST_CASE("DEL of several without the engine: all is back") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}});
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  lab.engine->stop();
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.link("vf0"));
  CHECK(lab.link("vf1"));
  CHECK(lab.addresses().empty());
  lab.engine->start();
  check_all_home(lab);
}

TEST_CASE("one VF of a dead pod is another's now: the late DEL gives the others back") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}});
  Pod first("c1");
  const Pod second("c2");
  REQUIRE(lab.add(first).status == 0);
  first.kill();
  lab.await_gone("rep0");
  lab.await_gone("rep1");
  lab.make_vf(0);
  lab.make_vf(1);
  lab.plugin->set_devices("shop/c2", {{kVf0}});  // eth0's record goes with it
  REQUIRE(lab.add(second).status == 0);
  CHECK(lab.attachments().size() == 2);
  CHECK(lab.call("DEL", first, json::object(), "").status == 0);
  CHECK(lab.attachments().size() == 1);
  CHECK(lab.addresses().size() == 1);
  CHECK(lab.engine->attachments().size() == 1);
  CHECK(second.link("eth0"));
  CHECK(lab.del(second).status == 0);
  check_all_home(lab);
}

TEST_CASE("killed between two interfaces: DEL undoes what the first one's record names") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}});
  const Pod pod("c1");
  REQUIRE(lab.add(pod).status == 0);
  // As if it had died before net1's record: its address is reserved, nothing else is there.
  REQUIRE(std::filesystem::remove(lab.record_of("c1/net1")));
  CHECK(lab.addresses().size() == 2);
  CHECK(lab.del(pod).status == 0);
  CHECK(lab.addresses().empty());
  CHECK(lab.attachments().empty());
  CHECK(lab.link("vf0"));
}

}  // namespace
}  // namespace sluice::testing
