// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/own_link.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::cni;

namespace {

const MacAddr kPodMac = *MacAddr::parse("02:00:00:00:0a:01");
const MacAddr kHostMac = *MacAddr::parse("02:00:00:00:01:00");
const MacAddr kOther = *MacAddr::parse("02:00:00:00:0f:0f");

const OwnMarks kMarks{"0000:3b:00.2", "sluice:1", "eth0", "vf0", kPodMac, kHostMac};

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
