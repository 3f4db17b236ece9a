// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/wanted.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice::cni {
namespace {

TEST_CASE("names: the first of the network's resource, the others net1, net2... in their order") {
  const std::vector<ListedDevice> devices = {{"0000:3b:00.2", "a.dev/storage", "", 1},
                                             {"0000:3b:00.3", "a.dev/vf", "", 2},
                                             {"", "", "shop/net", 0},
                                             {"0000:3b:00.4", "a.dev/vf", "", 3}};
  struct Row {
    const char* resource;
    const char* first;
    const char* expected;
  };
  const std::vector<Row> rows = {
      {"", "eth0", "eth0=0000:3b:00.2 net1=0000:3b:00.3 net2=veth net3=0000:3b:00.4"},
      {"a.dev/vf", "eth0", "eth0=0000:3b:00.3 net1=0000:3b:00.2 net2=veth net3=0000:3b:00.4"},
      {"a.dev/gpu", "eth0",
       "eth0=veth net1=0000:3b:00.2 net2=0000:3b:00.3 net3=veth net4=0000:3b:00.4"},
      {"", "net1", "net1=0000:3b:00.2 net2=0000:3b:00.3 net3=veth net4=0000:3b:00.4"},
      {"", "net2", "net2=0000:3b:00.2 net1=0000:3b:00.3 net3=veth net4=0000:3b:00.4"},
  };
  for (const auto& row : rows) {
    std::string text;
    for (const auto& port : name_ports(devices, "now", row.resource, row.first)) {
      text += (text.empty() ? "" : " ") + port.interface + "=" +
              (port.vf ? port.vf->to_string() : "veth");
    }
    INFO(row.resource << " " << row.first);
    CHECK(text == row.expected);
  }
}

TEST_CASE("none: one veth; what the plugin said of a VF goes into its record") {
  const auto none = name_ports({}, "now", "a.dev/vf", "eth0");
  REQUIRE(none.size() == 1);
  CHECK_FALSE(none[0].vf);
  CHECK(none[0].interface == "eth0");
  const auto one = name_ports({{"0000:3b:00.2", "a.dev/vf", "", 7}}, "now", "", "eth0");
  REQUIRE(one.size() == 1);
  CHECK(one[0].given == 7);
  CHECK(one[0].given_by == "now");
}

}  // namespace
}  // namespace sluice::cni
