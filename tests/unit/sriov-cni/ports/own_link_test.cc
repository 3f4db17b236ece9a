// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/own_link.h"

#include <doctest/doctest.h>

#include "sriov-cni/ports/vf_home.h"

using namespace sluice;
using namespace sluice::cni;

namespace {

const MacAddr kPodMac = *MacAddr::parse("02:00:00:00:0a:01");
const MacAddr kHostMac = *MacAddr::parse("02:00:00:00:01:00");
const MacAddr kOther = *MacAddr::parse("02:00:00:00:0f:0f");

const OwnMarks kMarks{"0000:3b:00.2", "sluice:1", "eth0", "vf0", kPodMac,
                      kHostMac,       false,      "",     {},    {}};

netlink::Link link(const std::string& name, const MacAddr& mac, const std::string& alias = "",
                   const std::string& parent = "") {
  netlink::Link out;
  out.name = name;
  out.mac = mac;
  out.alias = alias;
  out.parent = parent;
  return out;
}

}  // namespace

TEST_CASE("The PCI function decides where the kernel tells it") {
  CHECK(is_own(link("renamed", kOther, "", "0000:3b:00.2"), kMarks));
  CHECK_FALSE(is_own(link("eth0", kPodMac, "sluice:1", "0000:3b:00.3"), kMarks));
}

TEST_CASE("Else the alias does, and else name and MAC together") {
  CHECK(is_own(link("renamed", kOther, "sluice:1"), kMarks));
  CHECK_FALSE(is_own(link("eth0", kPodMac, "sluice:2"), kMarks));
  CHECK(is_own(link("eth0", kPodMac), kMarks));
  CHECK(is_own(link("vf0", kHostMac, "a person's words"), kMarks));
  CHECK(is_own(link("vf0", kPodMac), kMarks));
  CHECK_FALSE(is_own(link("eth0", kOther), kMarks));
  CHECK_FALSE(is_own(link("net1", kPodMac), kMarks));
  CHECK_FALSE(is_own(link("", MacAddr{}), OwnMarks{}));
}

TEST_CASE("What the kernel names is the VF alone, whatever marks a pod gives to other links") {
  auto marks = kMarks;
  marks.by_parent = true;
  CHECK_FALSE(is_own(link("eth0", kPodMac, "sluice:1"), marks));  // a decoy of software
  CHECK(is_own(link("mine0", kOther, "", "0000:3b:00.2"), marks));
}

TEST_CASE("Of software the kind and the other end must be as noted, and a mark too") {
  auto marks = kMarks;
  marks.kind = "veth";
  marks.index = {7};
  marks.peer = {9};
  auto decoy = link("eth0", kPodMac, "sluice:1");
  CHECK_FALSE(is_own(decoy, marks));
  decoy.kind = "veth";
  decoy.peer = {10};
  CHECK_FALSE(is_own(decoy, marks));
  auto vf = link("mine0", kOther);
  vf.kind = "veth";
  vf.peer = {9};
  CHECK_FALSE(is_own(vf, marks));
  vf.index = {7};
  CHECK(is_own(vf, marks));
  vf.alias = "sluice:2";
  CHECK_FALSE(is_own(vf, marks));
}

TEST_CASE("A VF without its marks is left over, unless it is in use") {
  auto vf = link("mine0", kOther, "", "0000:3b:00.2");
  CHECK(is_left_over(vf, kMarks));
  vf.master = {3};
  CHECK_FALSE(is_left_over(vf, kMarks));
  vf.master = {};
  vf.alias = "sluice:2";
  CHECK_FALSE(is_left_over(vf, kMarks));
  CHECK_FALSE(is_left_over(link("mine0", kOther), kMarks));
}

TEST_CASE("A stray without its mark is one that nobody uses or knows by its name and MAC") {
  nic::Baseline baseline;
  baseline.vf = *nic::PciAddress::parse("0000:3b:00.2");
  baseline.netdev = nic::Baseline::Interface{"vf0", kHostMac, 1500};
  const std::set<std::string> names = {"vf0", "vf1"};
  const auto stray = link("mine0", kOther, "", "0000:3b:00.2");
  CHECK(seems_left_over(stray, baseline, names));
  auto used = stray;
  used.up = true;
  CHECK_FALSE(seems_left_over(used, baseline, names));
  used = stray;
  used.master = {3};
  CHECK_FALSE(seems_left_over(used, baseline, names));
  used = stray;
  used.alias = "a person's words";
  CHECK_FALSE(seems_left_over(used, baseline, names));
  CHECK_FALSE(seems_left_over(link("vf1", kOther, "", "0000:3b:00.2"), baseline, names));
  CHECK_FALSE(seems_left_over(link("mine0", kHostMac, "", "0000:3b:00.2"), baseline, names));
  CHECK_FALSE(seems_left_over(link("mine0", kOther), baseline, names));
}
