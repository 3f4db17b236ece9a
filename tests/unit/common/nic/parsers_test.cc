// SPDX-License-Identifier: Apache-2.0
// The parsers of names and attributes, by tables.
#include <doctest/doctest.h>

#include <map>

#include "common/nic/reader.h"
#include "common/nic/sysfs.h"

using namespace sluice;
using namespace sluice::nic;

TEST_CASE("Numbers are decimal or 0x, up to a limit, and nothing else") {
  CHECK(parse_number("32", 0xffff) == 32);
  CHECK(parse_number("0x15b3", 0xffff) == 0x15b3);
  CHECK(parse_number("0xC0FE", 0xffff) == 0xc0fe);
  CHECK(parse_number("65535", 0xffff) == 65535);
  for (const char* text : {"", "0x", "65536", "-1", "+1", " 1", "1 ", "c0fe", "0x10000",
                           "99999999999999999999", "0x-1"}) {
    INFO(text);
    CHECK_FALSE(parse_number(text, 0xffff));
  }
}

TEST_CASE("Numbered names") {
  CHECK(number_behind("virtfn12", "virtfn") == 12);
  CHECK(number_behind("7", "") == 7);
  for (const char* text : {"virtfn", "virtfn-1", "virtfn1x", "Virtfn1", "xvirtfn1", ""}) {
    INFO(text);
    CHECK_FALSE(number_behind(text, "virtfn"));
  }
}

TEST_CASE("Auxiliary devices of type sf") {
  CHECK(parse_sf_name("mlx5_core.sf.4") == 4);
  CHECK(parse_sf_name("driver.sf.123") == 123);
  for (const char* text : {"0000:3b:00.0", "mlx5_core.sf.x", "mlx5_core.sf.-3", "mlx5_core.eth.4",
                           "sf.4", ".sf.4", "a.b.sf.4", "mlx5_core.sf.", "mlx5_core.sf.4.5"}) {
    INFO(text);
    CHECK_FALSE(parse_sf_name(text));
  }
}

TEST_CASE("States and partition keys of RDMA ports") {
  CHECK(parse_rdma_state("4: ACTIVE") == "ACTIVE");
  CHECK(parse_rdma_state("5: LinkUp") == "LinkUp");
  CHECK(parse_rdma_state("DOWN ") == "DOWN");
  CHECK(parse_rdma_state("").empty());
  CHECK(parse_pkey("0x8001") == 0x8001);
  CHECK(parse_pkey("0x0000") == 0);
  CHECK(parse_pkey("32769") == 0x8001);
  CHECK_FALSE(parse_pkey("0x18001"));
  CHECK_FALSE(parse_pkey(""));
}

TEST_CASE("Places in the PCI tree") {
  const auto place = parse_place(
      "../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/0000:3c:04.0/0000:3d:00.1");
  CHECK(place.root == "pci0000:3a");
  REQUIRE(place.path.size() == 3);
  CHECK(place.path[0].to_string() == "0000:3a:00.0");
  CHECK(place.path[2].to_string() == "0000:3c:04.0");
  CHECK(parse_place("../../../devices/pci0000:00/0000:00:03.0").path.empty());
  // A bridge that makes a domain of its own; and a root below a platform device.
  const auto vmd =
      parse_place("../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0");
  CHECK(vmd.root == "pci0000:00");
  CHECK(vmd.path.size() == 2);
  CHECK(parse_place("../devices/platform/soc/pci0002:00/0002:00:00.0/0002:01:00.0").root ==
        "pci0002:00");
  for (const char* text : {"", "/", "devices", "../../../devices/virtual/x", "pci", "pcieport"}) {
    INFO(text);
    CHECK(parse_place(text).root.empty());
    CHECK(parse_place(text).path.empty());
  }
}

TEST_CASE("Port names of an eswitch") {
  const auto vf = parse_port_name("pf1vf12");
  REQUIRE(vf);
  CHECK(vf->pf == 1);
  CHECK(vf->vf == 12);
  CHECK_FALSE(vf->uplink);
  CHECK(parse_port_name("c1pf0vf3")->vf == 3);
  CHECK(parse_port_name("pf0sf88")->sf == 88);
  CHECK(parse_port_name("p0")->uplink);
  CHECK(parse_port_name("p2s1")->uplink);
  CHECK_FALSE(parse_port_name("pf0")->uplink);
  CHECK_FALSE(parse_port_name("pf0")->vf);
  for (const char* text :
       {"", "p", "pf", "pf0vf", "pf0vf3x", "pf0vf99999", "n0", "swp1", "c1", "pf0vf1sf2", "vf3"}) {
    INFO(text);
    CHECK_FALSE(parse_port_name(text));
  }
}

TEST_CASE("A device's directory, by what matters in it") {
  const Entries entries =
      parse_entries({"driver", "mlx5_core.sf.3", "net", "net2", "physfn2", "vdpa0", "vdpa_x",
                     "virtfn1", "virtfn10", "virtfn2", "virtfn70000", "virtio1"});
  CHECK(entries.driver);
  CHECK(entries.net);
  CHECK_FALSE(entries.physfn);
  CHECK_FALSE(entries.sriov);
  CHECK(entries.virtfns == std::vector<std::uint16_t>{1, 2, 10});
  CHECK(entries.vdpa == std::vector<std::string>{"vdpa0"});
  CHECK(entries.virtio == std::vector<std::string>{"virtio1"});
  CHECK(entries.sfs == std::vector<std::string>{"mlx5_core.sf.3"});
}
