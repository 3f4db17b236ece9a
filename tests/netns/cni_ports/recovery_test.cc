// SPDX-License-Identifier: Apache-2.0
// VFs that are not where they were left, and those of nobody.
#include <doctest/doctest.h>

#include "common/nic/baseline.h"
#include "tests/netns/cni_ports/ports_lab.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

cni::VfWish some_wish() {
  cni::VfWish wish;
  wish.attributes.vlan = std::uint16_t{100};
  wish.mac = *MacAddr::parse("02:00:00:00:0a:01");
  wish.mtu = 1400U;
  wish.all_multicast = true;
  return wish;
}

}  // namespace

TEST_CASE("A VF that the kernel gave back under the pod's name is restored") {
  PortsLab lab;
  const auto before = lab.nic.attributes(kVf);
  std::optional<cni::Record> record;
  {
    TestPod pod;
    record = lab.plan(some_wish(), pod);
    REQUIRE_OK(lab.attach(*record, pod));
    lab.kernel_returns(pod, "eth0");
  }
  CHECK(lab.link("eth0"));
  REQUIRE_OK(lab.give_back(*record, nullptr));
  lab.check_home();
  CHECK(lab.nic.attributes(kVf) == before);
}

TEST_CASE("A software VF dies with its namespace, and there is nothing to wait for") {
  PortsLab lab;
  std::optional<cni::Record> record;
  {
    TestPod pod;
    record = lab.plan(some_wish(), pod);
    REQUIRE_OK(lab.attach(*record, pod));
    pod.run({"ip", "link", "delete", "eth0"});
  }
  lab.refresh();
  REQUIRE_OK(lab.give_back(*record, nullptr));
  CHECK(lab.nic.attributes(kVf).vlan == 0);
}

TEST_CASE("A device's VF that is nowhere yet is a matter of time") {
  PortsLab lab;
  TestPod pod, elsewhere;
  auto record = lab.plan(some_wish(), pod);
  record.vf->link_kind.clear();  // as of hardware
  REQUIRE_OK(lab.attach(record, pod));
  netlink::LinkChange away;
  away.netns_fd = elsewhere.netns.fd();
  REQUIRE_OK(pod.rtnl.change_link(pod.link("eth0")->index, away));
  const auto returned = lab.give_back(record, &pod);
  REQUIRE_FALSE(returned);
  CHECK(returned.error().code == Code::kUnavailable);
  CHECK(returned.error().retry == Retry::kLater);
  lab.kernel_returns(elsewhere, "eth0");
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
}

TEST_CASE("A NIC that is away has forgotten its attributes: the VF comes back all the same") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  lab.nic.stop();
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
}

TEST_CASE("A VF that its PF has lost has nothing to be given back") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  pod.run({"ip", "link", "delete", "eth0"});
  lab.refresh();
  lab.sysfs.remove_vf(kPf, 0, kVf);
  REQUIRE_OK(lab.give_back(record, &pod));
  CHECK(cni::check_vf(lab.nics, record, pod.netns)->front().find("is gone") != std::string::npos);
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Code::kInvalid);
  CHECK(found.error().message.find(kOtherVf) != std::string::npos);
}

TEST_CASE("A host's name that is another's by now is told, and all the rest is restored") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  lab.run({"ip", "link", "add", "vf0", "type", "veth", "peer", "name", "vf0p"});
  CHECK_FALSE(lab.give_back(record, &pod));
  if (const auto inside = pod.link("eth0")) lab.kernel_returns(pod, "eth0");
  const auto again = lab.give_back(record, &pod);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::kExists);
  CHECK(again.error().retry == Retry::kLater);
  const auto waiting = lab.link("eth0");
  REQUIRE(waiting);
  CHECK(waiting->mac == record.vf->mac);
  CHECK(waiting->mtu == 1500);
  CHECK(waiting->alias == record.alias());
  lab.run({"ip", "link", "delete", "vf0"});
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
}

TEST_CASE("What another attachment or the host has is left alone") {
  PortsLab lab;
  TestPod first, second;
  const auto old = lab.plan(some_wish(), first, "old");
  REQUIRE_OK(lab.attach(old, first));
  REQUIRE_OK(lab.give_back(old, &first));
  const auto next = lab.plan({}, second, "next");
  REQUIRE_OK(lab.attach(next, second));
  REQUIRE_OK(lab.give_back(old, &first));  // a late DEL
  CHECK(second.link("eth0")->alias == next.alias());
  lab.kernel_returns(second, "eth0");
  REQUIRE_OK(lab.give_back(old, nullptr));
  CHECK(lab.link("eth0")->alias == next.alias());
  REQUIRE_OK(lab.give_back(next, nullptr));
  lab.check_home();
  lab.run({"ip", "link", "add", "br0", "type", "bridge"});
  lab.run({"ip", "link", "set", "vf0", "mtu", "1480", "master", "br0"});
  REQUIRE_OK(lab.give_back(old, nullptr));
  CHECK(lab.link("vf0")->mtu == 1480);
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Code::kPrecondition);
}

TEST_CASE("A VF in another pod is a matter of time, and never a baseline") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  const auto away = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(away);
  CHECK(away.error().retry == Retry::kLater);

  lab.kernel_returns(pod, "eth0");
  const auto dirty = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_OK(dirty);  // by its baseline
  CHECK(dirty->home.name == "vf0");
  CHECK(dirty->home.mac == record.vf->mac);
  CHECK(dirty->home.mtu == 1500);
  REQUIRE_OK(nic::BaselineStore::open(lab.place.baseline_dir)->remove(lab.vf()));
  const auto unknown = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Code::kPrecondition);
  CHECK_FALSE(nic::BaselineStore::open(lab.place.baseline_dir)->load(lab.vf()));
}

TEST_CASE("A dirty VF goes clean into the next pod") {
  PortsLab lab;
  TestPod first, second;
  const auto lost = lab.plan(some_wish(), first, "lost");
  REQUIRE_OK(lab.attach(lost, first));
  lab.kernel_returns(first, "eth0");
  const auto record = lab.plan({}, second);
  REQUIRE_OK(lab.attach(record, second));
  const auto inside = second.link("eth0");
  REQUIRE(inside);
  CHECK_FALSE(inside->all_multicast);
  CHECK(inside->mtu == 1500);
  CHECK(inside->mac == record.vf->mac);
  REQUIRE_OK(lab.give_back(record, &second));
  lab.check_home();
}

TEST_CASE("Strays are found and restored by their baseline alone") {
  PortsLab lab;
  const auto before = lab.nic.attributes(kVf);
  CHECK(cni::find_strays(lab.nics, lab.place)->empty());
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  CHECK(cni::find_strays(lab.nics, lab.place)->empty());  // it is where it belongs
  lab.kernel_returns(pod, "eth0");
  const auto strays = cni::find_strays(lab.nics, lab.place);
  REQUIRE_OK(strays);
  REQUIRE(strays->size() == 1);
  CHECK(strays->front().vf == lab.vf());
  CHECK(strays->front().differences.size() == 5);  // alias, name, MAC, MTU, all multicast
  REQUIRE_OK(cni::restore_stray(lab.nics, lab.place, lab.vf()));
  lab.refresh();
  lab.check_home();
  CHECK(lab.nic.attributes(kVf) == before);
  CHECK(cni::find_strays(lab.nics, lab.place)->empty());
}

TEST_CASE("A VF whose record can't be read is found by its alias and comes back") {
  PortsLab lab;
  const auto before = lab.nic.attributes(kVf);
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  const auto alias = record.alias();
  CHECK_FALSE(cni::find_by_alias(lab.nics, lab.place, alias, &pod.netns)->has_value());
  REQUIRE_OK(lab.attach(record, pod));
  const auto inside = cni::find_by_alias(lab.nics, lab.place, alias, &pod.netns);
  REQUIRE_OK(inside);
  CHECK(*inside == lab.vf());
  REQUIRE_OK(cni::return_by_baseline(lab.nics, lab.place, lab.vf(), alias, &pod.netns));
  lab.refresh();
  lab.check_home();
  CHECK(lab.nic.attributes(kVf) == before);

  const auto again = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(again, pod));
  lab.kernel_returns(pod, "eth0");
  CHECK(*cni::find_by_alias(lab.nics, lab.place, alias, nullptr) == lab.vf());
}
