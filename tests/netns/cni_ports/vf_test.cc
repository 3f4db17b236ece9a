// SPDX-License-Identifier: Apache-2.0
// A VF into a pod, checked there, and back.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "common/nic/baseline.h"
#include "tests/netns/cni_ports/ports_lab.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const MacAddr kPodMac = *MacAddr::parse("02:00:00:00:0a:01");

cni::VfWish full_wish() {
  cni::VfWish wish;
  wish.attributes.vlan = std::uint16_t{100};
  wish.attributes.qos = std::uint8_t{3};
  wish.attributes.trust = true;
  wish.attributes.spoof_check = false;
  wish.attributes.max_rate_mbps = 500U;
  wish.mac = kPodMac;
  wish.mtu = 1400U;
  wish.promiscuous = true;
  return wish;
}

bool mentions(const std::vector<std::string>& all, const std::string& text) {
  return std::any_of(all.begin(), all.end(),
                     [&](const std::string& one) { return one.find(text) != std::string::npos; });
}

// Whether a thread of this process waits for something in a directory (inotify(7)).
bool watches_anything() {
  std::error_code gone;  // other threads open and close theirs
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo", gone)) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with("inotify wd:")) return true;
    }
  }
  return false;
}

bool await_watch() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!watches_anything()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace

TEST_CASE("A VF goes into the pod as it is wanted, and comes back as it was") {
  PortsLab lab;
  TestPod pod;
  const auto before = lab.nic.attributes(kVf);
  const auto record = lab.plan(full_wish(), pod);
  CHECK(record.kind == cni::PortKind::kNetdev);
  CHECK(record.vf->name == "vf0");
  CHECK(record.vf->link_kind == "veth");
  CHECK(record.vf->attributes == before);
  CHECK(nic::BaselineStore::open(lab.place.baseline_dir)->load(lab.vf()));

  REQUIRE_OK(lab.attach(record, pod));
  const auto inside = pod.link("eth0");
  REQUIRE(inside);
  CHECK(inside->mac == kPodMac);
  CHECK(inside->mtu == 1400);
  CHECK(inside->up);
  CHECK(inside->promiscuous);
  CHECK(inside->alias == record.alias());
  const auto during = lab.nic.attributes(kVf);
  CHECK(during.vlan == 100);
  CHECK(during.qos == 3);
  CHECK(during.trust == true);
  CHECK(during.spoof_check == false);
  CHECK(during.max_rate_mbps == 500U);
  CHECK(during.mac == kPodMac);
  CHECK(lab.nic.requests() == 2);  // all attributes, then the MAC
  CHECK(cni::check_vf(lab.nics, record, pod.netns)->empty());

  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
  CHECK(lab.nic.attributes(kVf) == before);
  CHECK_FALSE(pod.link("eth0"));
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
}

TEST_CASE("Nothing is asked of the PF when nothing is asked for") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan({}, pod);
  CHECK(record.mac == record.vf->mac);
  CHECK(record.mtu == 1500);
  REQUIRE_OK(lab.attach(record, pod));
  CHECK(pod.link("eth0")->mac == record.vf->mac);
  REQUIRE_OK(lab.give_back(record, &pod));
  CHECK(lab.nic.requests() == 0);
  lab.check_home();
}

TEST_CASE("An administrative MAC of before is out of the way while the VF's own is set") {
  PortsLab lab;
  auto before = lab.nic.attributes(kVf);
  const auto admin = *MacAddr::parse("02:00:00:00:01:00");
  before.mac = admin;
  lab.nic.set(kVf, before);
  TestPod pod;
  cni::VfWish wish;
  wish.mac = kPodMac;
  const auto record = lab.plan(wish, pod);
  REQUIRE_OK(lab.attach(record, pod));
  REQUIRE_OK(lab.give_back(record, &pod));
  const auto none = MacAddr{}.to_string();
  CHECK(lab.nic.macs() ==
        std::vector<std::string>{none, kPodMac.to_string(), none, admin.to_string()});
  lab.check_home();
}

TEST_CASE("What a pod does to its VF is gone when it is back") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan({}, pod);
  REQUIRE_OK(lab.attach(record, pod));
  pod.run({"ip", "link", "set", "eth0", "promisc", "on", "allmulticast", "on", "mtu", "1280"});
  pod.run({"ip", "link", "set", "eth0", "group", "7", "txqueuelen", "77"});
  pod.run({"ip", "link", "set", "eth0", "address", "02:00:00:00:0f:0f"});
  pod.run({"ip", "link", "property", "add", "dev", "eth0", "altname", "vf0"});
  pod.run({"ip", "link", "property", "add", "dev", "eth0", "altname", "another"});
  pod.run({"ip", "link", "set", "eth0", "name", "renamed"});
  pod.run({"tc", "qdisc", "add", "dev", "renamed", "clsact"});
  pod.run({"tc", "qdisc", "add", "dev", "renamed", "root", "pfifo"});
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
  CHECK(lab.link("vf0")->tx_queue_length == record.vf->tx_queue_length);
  CHECK(lab.link("vf0")->qdisc != "pfifo");
  CHECK(lab.output({"tc", "qdisc", "show", "dev", "vf0"}).find("clsact") == std::string::npos);
}

TEST_CASE("An attribute that is refused leaves nothing of those before it") {
  PortsLab lab;
  const auto before = lab.nic.attributes(kVf);
  lab.nic.refuse_trust(true);
  TestPod pod;
  const auto record = lab.plan(full_wish(), pod);
  const auto attached = lab.attach(record, pod);
  REQUIRE_FALSE(attached);
  CHECK(attached.error().message.find("trust") != std::string::npos);
  CHECK(lab.nic.attributes(kVf).vlan == 100);  // not atomic
  REQUIRE_OK(lab.give_back(record, &pod));     // trust is as it was
  CHECK(lab.nic.attributes(kVf) == before);    // and all the others are again
  lab.check_home();
}

TEST_CASE("A name that is taken in the pod leaves both links as they were") {
  PortsLab lab;
  TestPod pod;
  const auto other = *MacAddr::parse("02:00:00:00:0f:01");
  REQUIRE_OK(pod.rtnl.add_veth({"eth0", other, 1300, {}, true}, {"peer", {}, {}, {}, true}));
  const auto foreign = pod.link("eth0")->index;
  const auto record = lab.plan(full_wish(), pod);
  CHECK_FALSE(lab.attach(record, pod));
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
  const auto still = pod.link("eth0");
  REQUIRE(still);
  CHECK(still->index == foreign);
  CHECK(still->mtu == 1300);
  CHECK(still->up);
}

TEST_CASE("CHECK names what isn't as ADD left it") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan(full_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  pod.run({"ip", "link", "set", "eth0", "promisc", "off", "mtu", "1280", "down"});
  auto now = lab.nic.attributes(kVf);
  now.vlan = std::uint16_t{7};
  now.spoof_check = true;
  lab.nic.set(kVf, now);
  const auto found = cni::check_vf(lab.nics, record, pod.netns);
  REQUIRE_OK(found);
  CHECK(mentions(*found, "vlan is 7, not 100"));
  CHECK(mentions(*found, "spoofchk is on, not off"));
  CHECK(mentions(*found, "MTU of eth0 is 1280, not 1400"));
  CHECK(mentions(*found, "eth0 is down"));
  CHECK(mentions(*found, "promisc of eth0 is off"));
  CHECK(found->size() == 5);
  pod.run({"ip", "link", "set", "eth0", "name", "else"});
  CHECK(mentions(*cni::check_vf(lab.nics, record, pod.netns), "'else'"));
  lab.kernel_returns(pod, "else");
  CHECK(mentions(*cni::check_vf(lab.nics, record, pod.netns), "isn't in the pod"));
}

TEST_CASE("A VF for user space is set up on the PF alone, and can't be what it isn't") {
  PortsLab lab;
  TestPod pod;
  const auto other = *nic::PciAddress::parse(kOtherVf);
  const auto found = cni::find_vf(lab.nics, lab.place, other);
  REQUIRE_OK(found);
  CHECK(found->kind == cni::PortKind::kUserSpace);
  CHECK_FALSE(found->link);
  auto wish = full_wish();
  CHECK(cni::check_wish(*found, wish).error().message.find("promisc") == 0);
  wish.promiscuous.reset();
  wish.rdma = cni::RdmaUse::kExclusive;
  CHECK(cni::check_wish(*found, wish).error().message.find("rdma") == 0);
  wish.rdma = cni::RdmaUse::kAuto;
  wish.attributes.port_guid = 1U;
  CHECK(cni::check_wish(*found, wish).error().message.find("guid") == 0);
  wish.attributes.port_guid.reset();
  wish.user_space_only = true;
  REQUIRE_OK(cni::check_wish(*found, wish));
  cni::Record record;
  record.key = {"c1", "net1"};
  cni::describe_vf(*found, wish, record);
  const auto before = lab.nic.attributes(kOtherVf);
  REQUIRE_OK(cni::attach_vf(*found, record, pod.netns));
  CHECK(lab.nic.attributes(kOtherVf).mac == kPodMac);
  CHECK(lab.nic.attributes(kOtherVf).vlan == 100);
  CHECK(cni::check_vf(lab.nics, record, pod.netns)->empty());
  REQUIRE_OK(cni::return_vf(lab.nics, record, &pod.netns));
  CHECK(lab.nic.attributes(kOtherVf) == before);
  CHECK(cni::why_no_interface(lab.place.sysfs_root, kOtherVf)->value() == "its driver is vfio-pci");
  CHECK_FALSE(cni::why_no_interface(lab.place.sysfs_root, kVf)->has_value());
  CHECK(cni::why_no_interface(lab.place.sysfs_root, kPf)->value() == "it is no VF");
}

TEST_CASE("What a VF can't have is said before it is touched") {
  PortsLab lab;
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_OK(found);
  cni::VfWish wish;
  wish.user_space_only = true;
  CHECK(cni::check_wish(*found, wish).error().message.find("vfioPciMode") == 0);
  wish = {};
  wish.trunk = {{100, 110}};
  CHECK(cni::check_wish(*found, wish).error().to_string().find("trunk") != std::string::npos);
  wish = {};
  wish.pkey = std::uint16_t{0x8001};
  CHECK(cni::check_wish(*found, wish).error().message.find("isn't InfiniBand") !=
        std::string::npos);
  wish = {};
  wish.rdma = cni::RdmaUse::kShared;
  CHECK(cni::check_wish(*found, wish).error().message.find("has 0 RDMA devices") !=
        std::string::npos);
  CHECK(lab.nic.requests() == 0);
}

TEST_CASE("A simulated NIC's tree that lags behind its links is waited for, as long as is said") {
  PortsLab lab;
  const auto here = lab.link("vf0");
  REQUIRE(here);
  NetdevSpec now, before;
  now.mac = before.mac = here->mac.to_string();
  now.if_index = here->index.value;
  before.if_index = now.if_index + 1000;
  const auto find = [&](Duration patience) {
    return cni::find_vf(lab.nics, lab.place, lab.vf(), patience);
  };
  const auto change_while_looked_for = [&](const std::function<void()>& change) {
    REQUIRE_FALSE(watches_anything());
    bool watched = false;
    std::thread program([&] {
      watched = await_watch();
      change();
    });
    const auto found = find(std::chrono::minutes(1));
    program.join();
    CHECK(watched);
    REQUIRE_OK(found);
    CHECK(found->link->index == here->index);
  };
  lab.sysfs.remove_netdev("vf0");
  const auto missing = find(std::chrono::milliseconds(1));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().retry == Retry::kLater);
  change_while_looked_for([&] { lab.sysfs.add_netdev(kVf, "vf0", now); });

  lab.sysfs.remove_netdev("vf0");
  lab.sysfs.add_netdev(kVf, "vf0", before);
  CHECK_FALSE(find(Duration::zero()));
  change_while_looked_for(
      [&] { lab.sysfs.set_netdev("vf0", "ifindex", std::to_string(now.if_index)); });
}

TEST_CASE("A shared system can't give a pod an RDMA device of its own, and the other way") {
  PortsLab lab;
  auto found = *cni::find_vf(lab.nics, lab.place, lab.vf());
  found.rdma = {{3, "rxe0", {}}};
  cni::VfWish wish;
  wish.rdma = cni::RdmaUse::kExclusive;
  found.rdma_mode = netlink::RdmaMode::kShared;
  CHECK(cni::check_wish(found, wish).error().message.find("netns_mode=0") != std::string::npos);
  found.rdma_mode = netlink::RdmaMode::kExclusive;
  REQUIRE_OK(cni::check_wish(found, wish));
  wish.rdma = cni::RdmaUse::kShared;
  CHECK_FALSE(cni::check_wish(found, wish));
  cni::Record record;
  wish.rdma = cni::RdmaUse::kAuto;
  cni::describe_vf(found, wish, record);
  CHECK(record.rdma == std::vector<std::string>{"rxe0"});
  found.rdma_mode = netlink::RdmaMode::kShared;
  cni::describe_vf(found, wish, record);
  CHECK(record.rdma.empty());
}
