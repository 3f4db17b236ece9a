// SPDX-License-Identifier: Apache-2.0
// What a VF is given back as: as it is where nobody can have left it dirty, else by its baseline.
#include <doctest/doctest.h>

#include "common/nic/baseline.h"
#include "common/os/files.h"
#include "tests/netns/cni_ports/ports_lab.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const MacAddr kPodMac = *MacAddr::parse("02:00:00:00:0a:01");
const MacAddr kHostMac = *MacAddr::parse("02:00:00:00:00:77");
const MacAddr kFirstMac = *MacAddr::parse("02:00:00:00:01:00");

cni::VfWish mac_wish() {
  cni::VfWish wish;
  wish.mac = kPodMac;
  return wish;
}

nic::BaselineStore store(const PortsLab& lab) {
  return *nic::BaselineStore::open(lab.place.baseline_dir);
}

// An attachment that came and went, by which the baseline is taken.
void first_pod(PortsLab& lab) {
  TestPod pod;
  const auto record = lab.plan({}, pod, "first");
  REQUIRE_OK(lab.attach(record, pod));
  REQUIRE_OK(lab.give_back(record, &pod));
}

// As a pod that nobody knows any more left it.
void leave_dirty(PortsLab& lab) {
  TestPod pod;
  const auto record = lab.plan(mac_wish(), pod, "lost");
  REQUIRE_OK(lab.attach(record, pod));
  lab.kernel_returns(pod, "eth0");
}

template <class Change>
void change_baseline(const PortsLab& lab, Change change) {
  auto baseline = store(lab).load(lab.vf());
  REQUIRE_OK(baseline);
  change(*baseline);
  REQUIRE_OK(
      os::write_file_atomic(lab.place.baseline_dir + "/" + kVf + ".json", nic::to_json(*baseline)));
}

}  // namespace

TEST_CASE("What the host made of a clean VF is what a pod gets, and what comes back") {
  PortsLab lab;
  first_pod(lab);
  lab.run({"ip", "link", "set", "vf0", "mtu", "1400", "address", kHostMac.to_string()});
  lab.refresh();
  TestPod pod;
  const auto record = lab.plan({}, pod);
  REQUIRE_OK(lab.attach(record, pod));
  CHECK(pod.link("eth0")->mac == kHostMac);
  CHECK(pod.link("eth0")->mtu == 1400);
  CHECK(lab.nic.requests() == 0);
  pod.run({"ip", "link", "set", "eth0", "mtu", "1280", "address", "02:00:00:00:0f:0f"});
  REQUIRE_OK(lab.give_back(record, &pod));
  const auto home = lab.link("vf0");
  REQUIRE(home);
  CHECK(home->mac == kHostMac);
  CHECK(home->mtu == 1400);
  const auto baseline = store(lab).load(lab.vf());
  REQUIRE_OK(baseline);
  CHECK(baseline->netdev->mtu == 1500);
  CHECK(baseline->netdev->mac == kFirstMac);
}

TEST_CASE("A dirty VF, or one under another name, has its MAC and MTU by its baseline") {
  PortsLab lab;
  first_pod(lab);
  SUBCASE("dirty") { leave_dirty(lab); }
  SUBCASE("another name") { lab.run({"ip", "link", "set", "vf0", "name", "other"}); }
  const std::string name = lab.link("eth0") ? "eth0" : "other";
  lab.run({"ip", "link", "set", name, "mtu", "1400", "address", kHostMac.to_string()});
  lab.refresh();
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_OK(found);
  CHECK(found->home.mac == kFirstMac);
  CHECK(found->home.mtu == 1500);
}

TEST_CASE("What a simulated NIC that was away remembers of a pod is no VF's home") {
  PortsLab lab;
  const auto before = lab.nic.attributes(kVf);
  TestPod first, second;
  auto wish = mac_wish();
  wish.attributes.vlan = std::uint16_t{100};
  const auto lost = lab.plan(wish, first, "first");
  REQUIRE_OK(lab.attach(lost, first));
  lab.nic.stop();
  REQUIRE_OK(lab.give_back(lost, &first));
  lab.nic.start();
  CHECK(lab.nic.attributes(kVf).vlan == 100);
  const auto record = lab.plan(wish, second);
  REQUIRE_OK(lab.attach(record, second));
  REQUIRE_OK(lab.give_back(record, &second));
  CHECK(lab.nic.attributes(kVf) == before);
  lab.check_home();
}

TEST_CASE("An administrative MAC is cleared first whatever a dirty VF's baseline says") {
  PortsLab lab;
  first_pod(lab);
  lab.run({"ip", "link", "set", "vf0", "name", "other"});
  lab.refresh();
  auto now = lab.nic.attributes(kVf);
  now.mac = kHostMac;
  lab.nic.set(kVf, now);
  CHECK(store(lab).load(lab.vf())->attributes.mac == MacAddr{});
  TestPod pod;
  const auto record = lab.plan(mac_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  CHECK(lab.nic.macs() == std::vector<std::string>{MacAddr{}.to_string(), kPodMac.to_string()});
}

TEST_CASE("A VF that was made anew has no baseline of before") {
  PortsLab lab;
  first_pod(lab);
  const auto mark = nic::generation_of(lab.place.sysfs_root, lab.vf());
  CHECK(store(lab).load(lab.vf())->generation == mark);
  bool dirty = false;
  SUBCASE("clean: taken anew") {}
  SUBCASE("dirty: there is none") {
    leave_dirty(lab);
    dirty = true;
  }
  change_baseline(lab, [](nic::Baseline& baseline) {
    baseline.generation = "an earlier boot/7";
    baseline.attributes.vlan = std::uint16_t{9};
  });
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  if (dirty) {
    REQUIRE_FALSE(found);
    CHECK(found.error().code == Code::kPrecondition);
    CHECK_FALSE(cni::restore_stray(lab.nics, lab.place, lab.vf()));
    return;
  }
  REQUIRE_OK(found);
  CHECK(found->home.attributes.vlan == 0);
  CHECK(store(lab).load(lab.vf())->generation == mark);
  CHECK(store(lab).load(lab.vf())->attributes.vlan == 0);
}

TEST_CASE("A baseline without a mark is one of any generation") {
  PortsLab lab;
  first_pod(lab);
  leave_dirty(lab);
  change_baseline(lab, [](nic::Baseline& baseline) { baseline.generation.clear(); });
  REQUIRE_OK(cni::restore_stray(lab.nics, lab.place, lab.vf()));
  lab.refresh();
  lab.check_home();
}

TEST_CASE("A baseline without a netdev says nothing of the one that a pod left dirty") {
  PortsLab lab;
  first_pod(lab);
  leave_dirty(lab);
  change_baseline(lab, [](nic::Baseline& baseline) {
    baseline.driver = "vfio-pci";
    baseline.netdev.reset();
  });
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(found);
  CHECK(found.error().message.find("alias") != std::string::npos);
  REQUIRE(cni::find_strays(lab.nics, lab.place)->size() == 1);
  const auto restored = cni::restore_stray(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(restored);  // software: no driver makes it anew
  CHECK(restored.error().message.find("no netdev") != std::string::npos);
  CHECK(cni::find_strays(lab.nics, lab.place)->size() == 1);
}
