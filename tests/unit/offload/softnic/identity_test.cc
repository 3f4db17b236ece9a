// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/identity.h"

#include <doctest/doctest.h>

#include <set>

#include "offload/softnic/types.h"

using namespace sluice;
using namespace sluice::softnic;

TEST_CASE("addresses are unicast, locally administered, and all different") {
  std::set<MacAddr> macs;
  std::set<nic::PciAddress> addresses{pf_address()};
  for (const char* node : {"a", "b", ""}) {
    for (std::uint16_t i = 0; i < kMaxVfs; ++i) {
      const MacAddr mac = vf_mac(node, i);
      CHECK((mac.bytes[0] & 3U) == 2);
      CHECK(macs.insert(mac).second);
    }
  }
  for (std::uint16_t i = 0; i < kMaxVfs; ++i) {
    CHECK(vf_address(i).function < 8);
    CHECK(addresses.insert(vf_address(i)).second);
  }
}

TEST_CASE("identities are the same in every release") {
  CHECK(pf_address().to_string() == "0000:5c:00.0");
  CHECK(vf_address(0).to_string() == "0000:5c:00.1");
  CHECK(vf_address(7).to_string() == "0000:5c:01.0");
  CHECK(vf_mac("node-a", 0) == vf_mac("node-a", 0));
  CHECK(switch_id("node-a", "eth0").size() == 16);
  CHECK(switch_id("node-a", "eth0") != switch_id("node-a", "eth1"));
  CHECK(switch_id("node-a", "eth0") != switch_id("node-b", "eth0"));
  CHECK(vf_name("eth0", 12) == "eth0v12");
  CHECK(representor_name(3) == "rep3");
}
