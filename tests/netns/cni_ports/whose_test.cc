// SPDX-License-Identifier: Apache-2.0
// Whose a link is: decoys, links without their marks, and VFs that the host or others have.
#include <doctest/doctest.h>

#include "sriov-cni/ports/pod_side.h"
#include "sriov-cni/ports/veth.h"
#include "tests/netns/cni_ports/ports_lab.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const MacAddr kPodMac = *MacAddr::parse("02:00:00:00:0a:01");

cni::VfWish some_wish() {
  cni::VfWish wish;
  wish.attributes.vlan = std::uint16_t{100};
  wish.mac = kPodMac;
  return wish;
}

void move(TestPod& from, const std::string& name, const TestPod& to) {
  netlink::LinkChange away;
  away.netns_fd = to.netns.fd();
  REQUIRE_OK(from.rtnl.change_link(from.link(name)->index, away));
}

}  // namespace

TEST_CASE("A decoy with the VF's name, MAC and alias is left in the pod, and the VF isn't") {
  PortsLab lab;
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  pod.run({"ip", "link", "set", "eth0", "name", "mine0"});
  pod.run({"ip", "link", "set", "mine0", "alias", ""});
  pod.run({"ip", "link", "add", "eth0", "address", kPodMac.to_string(), "type", "veth", "peer",
           "name", "peer0"});
  pod.run({"ip", "link", "set", "eth0", "alias", record.alias()});
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
  CHECK(pod.link("eth0"));
  CHECK_FALSE(pod.link("mine0"));
}

TEST_CASE("A VF that came back without alias, name and MAC of the pod's is restored") {
  PortsLab lab;
  const auto before = lab.nic.attributes(kVf);
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  pod.run({"ip", "link", "set", "eth0", "address", "02:00:00:00:0f:0f", "name", "mine0"});
  pod.run({"ip", "link", "set", "mine0", "alias", ""});
  lab.kernel_returns(pod, "mine0");
  REQUIRE_OK(lab.give_back(record, nullptr));
  lab.check_home();
  CHECK(lab.nic.attributes(kVf) == before);
}

TEST_CASE("Attributes of a VF that another has, or that is away, stay as they are") {
  PortsLab lab;
  TestPod pod, elsewhere;
  auto record = lab.plan(some_wish(), pod);
  record.vf->link_kind.clear();  // as of hardware
  REQUIRE_OK(lab.attach(record, pod));
  const auto during = lab.nic.attributes(kVf);
  move(pod, "eth0", elsewhere);
  CHECK_FALSE(lab.give_back(record, nullptr));
  CHECK(lab.nic.attributes(kVf) == during);
  lab.kernel_returns(elsewhere, "eth0");
  lab.run({"ip", "link", "set", "eth0", "alias", "sluice:0123456789abcdef"});
  REQUIRE_OK(lab.give_back(record, nullptr));
  CHECK(lab.nic.attributes(kVf) == during);
  CHECK(lab.link("eth0"));
  lab.run({"ip", "link", "set", "eth0", "alias", record.alias()});
  REQUIRE_OK(lab.give_back(record, nullptr));
  CHECK(lab.nic.attributes(kVf).vlan == 0);
  lab.check_home();
}

TEST_CASE("What another boot did to a VF is over") {
  PortsLab lab;
  TestPod pod;
  auto record = lab.plan(some_wish(), pod);
  record.boot = "another";
  auto now = lab.nic.attributes(kVf);
  now.vlan = std::uint16_t{7};
  lab.nic.set(kVf, now);
  lab.run({"ip", "link", "set", "vf0", "mtu", "1480"});
  REQUIRE_OK(lab.give_back(record, nullptr));
  CHECK(lab.nic.attributes(kVf).vlan == 7);
  CHECK(lab.link("vf0")->mtu == 1480);
}

TEST_CASE("The host's alias comes back, and so does up") {
  PortsLab lab;
  lab.run({"ip", "link", "set", "vf0", "alias", "a person's words", "up"});
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  REQUIRE_OK(lab.give_back(record, &pod));
  CHECK(lab.link("vf0")->alias == "a person's words");
  CHECK(lab.link("vf0")->up);

  const auto again = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(again, pod));
  lab.kernel_returns(pod, "eth0");
  lab.run({"ip", "link", "set", "eth0", "up"});
  REQUIRE_OK(lab.give_back(again, nullptr));
  CHECK(lab.link("vf0")->alias == "a person's words");
  CHECK(lab.link("vf0")->up);
}

TEST_CASE("A VF with an address of the host's is refused") {
  PortsLab lab;
  lab.run({"ip", "address", "add", "169.254.7.7/16", "dev", "vf0"});
  REQUIRE_OK(cni::find_vf(lab.nics, lab.place, lab.vf()));
  lab.run({"ip", "address", "add", "192.0.2.7/24", "dev", "vf0"});
  const auto found = cni::find_vf(lab.nics, lab.place, lab.vf());
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Code::kPrecondition);
  CHECK(found.error().message.find("192.0.2.7") != std::string::npos);
}

TEST_CASE("A driver that takes no MAC of zero is told the VF's own") {
  PortsLab lab;
  lab.nic.refuse_zero_mac(true);
  auto before = lab.nic.attributes(kVf);
  TestPod pod;
  const auto record = lab.plan(some_wish(), pod);
  REQUIRE_OK(lab.attach(record, pod));
  REQUIRE_OK(lab.give_back(record, &pod));
  lab.check_home();
  before.mac = record.vf->mac;
  CHECK(lab.nic.attributes(kVf) == before);
  REQUIRE_OK(lab.attach(lab.plan(some_wish(), pod), pod));  // one is in the way
  CHECK(lab.nic.attributes(kVf).mac == kPodMac);
}

TEST_CASE("A link that comes into a pod takes no router advertisements where they are refused") {
  PortsLab lab;
  cni::PodRules refusing;
  refusing.refuse_advertisements = true;
  const auto accept_ra = [](const TestPod& pod, const std::string& of) {
    return pod.output({"cat", "/proc/sys/net/ipv6/conf/" + of + "/accept_ra"});
  };
  TestPod with_vf, with_veth, plain;
  const auto set_default = [](const TestPod& pod, const std::string& value) {
    pod.run({"sh", "-c", "echo " + value + " > /proc/sys/net/ipv6/conf/default/accept_ra"});
  };
  set_default(with_vf, "1");
  set_default(with_veth, "2");
  set_default(plain, "1");

  const auto of_vf = lab.plan({}, with_vf);
  REQUIRE_OK(cni::bring_link_in(with_vf.netns, refusing, [&] {
    CHECK(accept_ra(with_vf, "default") == "0\n");
    return lab.attach(of_vf, with_vf);
  }));
  CHECK(accept_ra(with_vf, "eth0") == "0\n");
  CHECK(accept_ra(with_vf, "default") == "1\n");
  REQUIRE_OK(cni::configure_pod(with_vf.netns, "eth0", {}, refusing));
  CHECK(accept_ra(with_vf, "eth0") == "0\n");
  REQUIRE_OK(lab.give_back(of_vf, &with_vf));

  cni::Record record;
  record.key = {"c2", "eth0"};
  record.veth = cni::veth_name(record.id());
  const auto make = [&] { return cni::make_veth(record, with_veth.netns); };
  REQUIRE_OK(cni::bring_link_in(with_veth.netns, refusing, make));
  CHECK(accept_ra(with_veth, "eth0") == "0\n");
  CHECK(accept_ra(with_veth, "default") == "2\n");
  CHECK_FALSE(cni::bring_link_in(with_veth.netns, refusing, make));  // the name is taken
  CHECK(accept_ra(with_veth, "default") == "2\n");

  const auto of_plain = lab.plan({}, plain);
  REQUIRE_OK(cni::bring_link_in(plain.netns, {}, [&] { return lab.attach(of_plain, plain); }));
  REQUIRE_OK(cni::configure_pod(plain.netns, "eth0", {}, {}));
  CHECK(accept_ra(plain, "eth0") == "1\n");
  CHECK(accept_ra(plain, "default") == "1\n");
}
