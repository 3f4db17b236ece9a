// SPDX-License-Identifier: Apache-2.0
// What a configuration of sriov-network-device-plugin selects, case by case: its documented and
// observed behaviour, and where this differs on purpose.
//
// Sources: "README": the peer's README.md, the section named. "observed": its program (v3.6.2, and
// by reading at 40b6f507e), run over a made sysfs tree. "tests": behaviours that its own unit tests
// fix.
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "device-plugin/config/config.h"
#include "device-plugin/pools/assignment.h"
#include "device-plugin/pools/candidate.h"
#include "tests/unit/device-plugin/pools/inventories.h"

namespace sluice::pools {
namespace {

// Pool name -> its devices in order, by short names (see nickname()); "refused" pools have no
// entry.
using Pools = std::map<std::string, std::vector<std::string>>;

struct Row {
  const char* source;
  const char* what;
  std::string config;
  std::function<nic::Inventory()> inventory;
  Pools expected;
  const char* differs = "";  // how the peer answers, and why this doesn't
  Reserved reserved = {};
};

// --- inventories

// p0 (bus 3b, ConnectX, 8 VFs with mlx5_core) and p1 (bus 5e, 4 VFs with vfio-pci).
nic::Inventory two_pfs() {
  nic::Inventory out;
  out.pfs = {make_pf("p0", 0x3b, 8), make_pf("p1", 0x5e, 4, "vfio-pci")};
  return out;
}

nic::Inventory one_pf(std::size_t vfs) {
  nic::Inventory out;
  out.pfs = {make_pf("p0", 0x3b, vfs)};
  return out;
}

nic::Inventory changed(nic::Inventory inventory,
                       const std::function<void(nic::Inventory&)>& change) {
  change(inventory);
  return inventory;
}

// p0 with VFs 0 to 3 on InfiniBand: partition keys 0x8001, 0x0001, 0x7fff then 0x8001, none.
nic::Inventory infiniband() {
  auto out = one_pf(4);
  out.pfs[0].netdev = netdev("p0", 32);
  for (auto& vf : out.pfs[0].vfs) vf.netdev = netdev("ib" + std::to_string(vf.index), 32);
  out.pfs[0].vfs[0].rdma = {rdma_device("mlx5_0", {0x8001})};
  out.pfs[0].vfs[1].rdma = {rdma_device("mlx5_1", {0x0001})};
  out.pfs[0].vfs[2].rdma = {rdma_device("mlx5_2", {0x7fff, 0x8001})};
  return out;
}

// p0 without VFs, with subfunctions 0 to 4; p1 with 7 to 8.
nic::Inventory subfunctions() {
  nic::Inventory out;
  out.pfs = {make_pf("p0", 0x3b, 0), make_pf("p1", 0x5e, 0)};
  for (std::uint32_t i = 0; i < 5; ++i)
    out.pfs[0].sfs.push_back(make_sf(i, "en3bs" + std::to_string(i)));
  for (std::uint32_t i = 7; i < 9; ++i) out.pfs[1].sfs.push_back(make_sf(i));
  return out;
}

nic::Inventory accelerators() {
  auto out = two_pfs();
  out.accelerators = {make_accelerator(0x81), make_accelerator(0x82, "igb_uio")};
  out.accelerators[1].device = 0x0b25;
  out.accelerators[0].acpi_index = "101";
  return out;
}

// "p0v3", "p0", "p0s1" (a subfunction), "a81" (an accelerator).
std::string nickname(const Candidate& candidate) {
  const auto* pf = candidate.pf == nullptr ? nullptr : pf_netdev(*candidate.pf);
  const std::string name = pf == nullptr ? "?" : pf->name;
  switch (candidate.kind) {
    case Candidate::Kind::kPf:
      return name;
    case Candidate::Kind::kVf:
      return name + "v" + std::to_string(*candidate.index);
    case Candidate::Kind::kSf:
      return name + "s" + std::to_string(*candidate.index);
    case Candidate::Kind::kAccelerator:
      return "a" + candidate.id.substr(5, 2);
  }
  return "";
}

// --- configurations

std::string pool(const std::string& name, const std::string& selectors,
                 const std::string& more = "") {
  return R"({"resourceName":")" + name + R"(","selectors":)" + selectors + more + "}";
}

std::string list(std::initializer_list<std::string> pools) {
  std::string out;
  for (const auto& entry : pools) out += (out.empty() ? "" : ",") + entry;
  return R"({"resourceList":[)" + out + "]}";
}

std::string one(const std::string& selectors, const std::string& more = "") {
  return list({pool("a", selectors, more)});
}

const std::string kAux = R"(,"deviceType":"auxNetDevice")";
const std::string kAccelerator = R"(,"deviceType":"accelerator")";

std::vector<std::string> vfs(const std::string& pf, std::initializer_list<int> indexes) {
  std::vector<std::string> out;
  for (const int index : indexes) out.push_back(pf + "v" + std::to_string(index));
  return out;
}

const std::vector<std::string> kAllOfP0 = vfs("p0", {0, 1, 2, 3, 4, 5, 6, 7});
const std::vector<std::string> kAllOfP1 = vfs("p1", {0, 1, 2, 3});

std::vector<std::string> both() {
  auto out = kAllOfP0;
  out.insert(out.end(), kAllOfP1.begin(), kAllOfP1.end());
  return out;
}

// --- the table

std::vector<Row> ids_and_names() {
  return {
      {"README, vendors",
       "one of the list",
       one(R"({"vendors":["8086","15b3"]})"),
       two_pfs,
       {{"a", both()}}},
      {"README, vendors",
       "none of the list",
       one(R"({"vendors":["8086"]})"),
       two_pfs,
       {{"a", {}}},
       "no server: the resource vanishes; here it is registered with 0"},
      {"observed",
       "vendor in upper case",
       one(R"({"vendors":["15B3"]})"),
       two_pfs,
       {{"a", both()}},
       "never matches, without a word; IDs are numbers"},
      {"observed",
       "vendor with 0x",
       one(R"({"vendors":["0x15b3"]})"),
       two_pfs,
       {{"a", both()}},
       "never matches, without a word; IDs are numbers"},
      {"observed",
       "vendor that is no hex number",
       one(R"({"vendors":["mellanox"]})"),
       two_pfs,
       {{"a", {}}}},
      {"observed",
       "a good vendor beside one that is none",
       one(R"({"vendors":["x","15b3"]})"),
       two_pfs,
       {{"a", both()}}},
      {"README, devices",
       "the VFs' own device ID",
       one(R"({"devices":["1018"]})"),
       two_pfs,
       {{"a", both()}}},
      {"README, devices",
       "the PF's device ID",
       one(R"({"devices":["1017"]})"),
       two_pfs,
       {{"a", {}}}},
      {"README, drivers", "exact", one(R"({"drivers":["vfio-pci"]})"), two_pfs, {{"a", kAllOfP1}}},
      {"README, drivers",
       "exact, also in case",
       one(R"({"drivers":["VFIO-PCI"]})"),
       two_pfs,
       {{"a", {}}}},
      {"README, drivers",
       "part of a name is no name",
       one(R"({"drivers":["vfio"]})"),
       two_pfs,
       {{"a", {}}}},
      {"README, pciAddresses",
       "the device's own address",
       one(R"({"pciAddresses":["0000:3b:00.3","0000:5e:00.2"]})"),
       two_pfs,
       {{"a", {"p0v1", "p1v0"}}}},
      {"observed",
       "an address without domain",
       one(R"({"pciAddresses":["3b:00.3"]})"),
       two_pfs,
       {{"a", {"p0v1"}}},
       "never matches, without a word; addresses are numbers"},
      {"observed",
       "an address in upper case",
       one(R"({"pciAddresses":["0000:3B:00.3"]})"),
       two_pfs,
       {{"a", {"p0v1"}}},
       "never matches, without a word; addresses are numbers"},
      {"observed", "no address", one(R"({"pciAddresses":["eth0"]})"), two_pfs, {{"a", {}}}},
      {"README, acpiIndexes",
       "of a VF",
       one(R"({"acpiIndexes":["101","7"]})"),
       [] {
         return changed(two_pfs(), [](auto& nics) {
           nics.pfs[0].vfs[2].acpi_index = "101";
           nics.pfs[0].vfs[3].acpi_index = "10";
         });
       },
       {{"a", {"p0v2"}}}},
  };
}

std::vector<Row> ranges() {
  std::vector<Row> out;
  const auto row = [&](const char* source, const std::string& items, std::vector<std::string> got,
                       const char* differs = "") {
    out.push_back({source,
                   "pfNames",
                   one(R"({"pfNames":)" + items + "}"),
                   two_pfs,
                   {{"a", std::move(got)}},
                   differs});
  };
  row("README, pfNames", R"(["p0"])", kAllOfP0);
  row("README, pfNames", R"(["p1","p0"])", both());
  row("README, pfNames", R"(["p0#0-2"])", vfs("p0", {0, 1, 2}));
  row("README, pfNames", R"(["p0#1","p1#0,3"])", {"p0v1", "p1v0", "p1v3"});
  row("README, pfNames", R"(["p0#0-1,5-7"])", vfs("p0", {0, 1, 5, 6, 7}));
  row("README, pfNames", R"(["p0#0,3-5,7"])", vfs("p0", {0, 3, 4, 5, 7}));
  row("README, pfNames", R"(["p0#6-200"])", vfs("p0", {6, 7}));
  row("tests", R"(["P0#1"])", vfs("p0", {1}));
  row("tests", R"(["p"])", {});
  row("tests", R"(["p00"])", {});
  row("observed", R"(["p0#0-2,x"])", vfs("p0", {0, 1, 2}));
  row("observed", R"(["p0#x,0-2"])", {});
  row("observed", R"(["p0#0, 2"])", vfs("p0", {0}));
  row("observed", R"(["p0# 0"])", {});
  row("observed", R"(["p0#5-3"])", {});
  row("observed", R"(["p0#5-3,1"])", vfs("p0", {1}));
  row("observed", R"(["p0#"])", {});
  row("observed", R"(["p0#,1"])", {});
  row("observed", R"(["p0#1,"])", vfs("p0", {1}));
  row("observed", R"(["p0#1-2-3"])", {});
  row("observed", R"(["p0#1-"])", {});
  row("observed", R"(["p0#-1"])", {});
  row("observed", R"(["p0#0#1"])", {});
  row("observed", R"(["p0#+1"])", vfs("p0", {1}));
  row("observed", R"(["p0#03"])", vfs("p0", {3}));
  row("observed", R"(["p0#+1-+2"])", vfs("p0", {1, 2}));
  row("observed", R"(["p0#0x1"])", {});
  row("observed", R"(["p0#1.0"])", {});
  row("observed", R"(["p0#6-99999999999"])", vfs("p0", {6, 7}));
  row("observed", R"(["p0#99999999999"])", {});
  row("observed", R"(["p0#99999999999999999999,1"])", {});
  row("observed", R"(["p0#0-1","p0#4-5"])", vfs("p0", {0, 1}));
  row("observed", R"(["p0#0-1","P0"])", vfs("p0", {0, 1}));
  row("observed", R"(["p0#0#1","p0"])", {});
  row("observed", R"(["p1","p0#7","p1#0"])", {"p0v7", "p1v0", "p1v1", "p1v2", "p1v3"});
  row("observed", R"([" p0"])", {});
  row("observed", R"([""])", {});
  row("observed", R"(["#1"])", {});
  return out;
}

std::vector<Row> places() {
  const auto no_netdev = [] {
    return changed(two_pfs(), [](auto& nics) { nics.pfs[1].netdev.reset(); });
  };
  const auto switchdev = [] {
    return changed(one_pf(2), [](auto& nics) {
      auto& pf = nics.pfs[0];
      pf.switch_id = "aa";
      auto representor = netdev("p0_r0");
      representor.physical_switch_id = "aa";
      representor.physical_port_name = "pf0vf0";
      auto uplink = netdev("p0");
      uplink.physical_switch_id = "aa";
      uplink.physical_port_name = "p0";
      pf.netdev = representor;
      pf.more_netdevs = {uplink};
    });
  };
  return {
      {"README, rootDevices",
       "all of a PF",
       one(R"({"rootDevices":["0000:5e:00.0"]})"),
       two_pfs,
       {{"a", kAllOfP1}}},
      {"README, rootDevices",
       "ranges",
       one(R"({"rootDevices":["0000:3b:00.0#0-2,5,7"]})"),
       two_pfs,
       {{"a", vfs("p0", {0, 1, 2, 5, 7})}}},
      {"tests",
       "in upper case",
       one(R"({"rootDevices":["0000:3B:00.0#1"]})"),
       two_pfs,
       {{"a", vfs("p0", {1})}}},
      {"observed",
       "without domain",
       one(R"({"rootDevices":["3b:00.0#1"]})"),
       two_pfs,
       {{"a", vfs("p0", {1})}},
       "never matches, without a word; addresses are numbers"},
      {"observed",
       "the second item for a PF",
       one(R"({"rootDevices":["3b:00.0#1","0000:3b:00.0#2"]})"),
       two_pfs,
       {{"a", vfs("p0", {1})}},
       "{2}: there the first is no address; here both name one PF, and the first counts"},
      {"observed",
       "a VF's address is no root device",
       one(R"({"rootDevices":["0000:3b:00.2"]})"),
       two_pfs,
       {{"a", {}}}},
      {"observed",
       "a PF has no root device",
       one(R"({"rootDevices":["0000:3b:00.0"]})"),
       [] { return one_pf(0); },
       {{"a", {}}}},
      {"README, pfNames",
       "a PF without VFs by its name",
       one(R"({"pfNames":["p0"]})"),
       [] { return one_pf(0); },
       {{"a", {"p0"}}}},
      {"observed",
       "a PF has no index",
       one(R"({"pfNames":["p0#0-9"]})"),
       [] { return one_pf(0); },
       {{"a", {}}}},
      {"observed",
       "a PF without netdev has no name",
       one(R"({"pfNames":["p0","p1"]})"),
       no_netdev,
       {{"a", kAllOfP0}}},
      {"observed",
       "but an address",
       one(R"({"rootDevices":["0000:5e:00.0#1"]})"),
       no_netdev,
       {{"a", {"?v1"}}}},
      {"tests",
       "in switchdev mode the uplink representor is the PF's name",
       one(R"({"pfNames":["p0#1"]})"),
       switchdev,
       {{"a", {"p0v1"}}}},
      {"tests",
       "and a VF's representor isn't",
       one(R"({"pfNames":["p0_r0"]})"),
       switchdev,
       {{"a", {}}}},
      {"README",
       "keys are ANDed",
       one(R"({"pfNames":["p0"],"drivers":["mlx5_core"],"pciAddresses":["0000:5e:00.2","0000:3b:00.2"]})"),
       two_pfs,
       {{"a", {"p0v0"}}}},
  };
}

std::vector<Row> links_and_rdma() {
  const auto some_rdma = [] {
    return changed(two_pfs(), [](auto& nics) {
      nics.pfs[0].vfs[1].rdma = {rdma_device("mlx5_1")};
      nics.pfs[1].vfs[2].rdma = {rdma_device("mlx5_2")};
    });
  };
  const auto some_vdpa = [] {
    return changed(one_pf(5), [](auto& nics) {
      auto& list = nics.pfs[0].vfs;
      list[0].vdpa = {{"vdpa0", "vhost_vdpa", "/dev/vhost-vdpa-0"}};
      list[1].vdpa = {{"vdpa1", "virtio_vdpa", ""}};
      list[2].vdpa = {{"vdpa2", "", ""}};
      list[3].vdpa = {{"vdpa3", "virtio_vdpa", ""}, {"vdpa4", "vhost_vdpa", "/dev/vhost-vdpa-1"}};
    });
  };
  const auto mixed = [] {
    auto out = infiniband();
    out.pfs.push_back(make_pf("p1", 0x5e, 1, "vfio-pci"));
    return out;
  };
  return {
      {"README, linkTypes",
       "by the VF's own netdev",
       one(R"({"linkTypes":["infiniband"]})"),
       mixed,
       {{"a", vfs("p0", {0, 1, 2, 3})}}},
      {"README, linkTypes",
       "by the PF's where the VF has none",
       one(R"({"linkTypes":["ether"]})"),
       mixed,
       {{"a", {"p1v0"}}}},
      {"observed",
       "no netdev anywhere",
       one(R"({"linkTypes":["ether"]})"),
       [] { return changed(two_pfs(), [](auto& nics) { nics.pfs[1].netdev.reset(); }); },
       {{"a", kAllOfP0}}},
      {"observed",
       "link types in upper case",
       one(R"({"linkTypes":["Infiniband"]})"),
       mixed,
       {{"a", vfs("p0", {0, 1, 2, 3})}},
       "never matches; there are only two names"},
      {"observed",
       "two link types",
       one(R"({"linkTypes":["ether","infiniband"]})"),
       mixed,
       {{"a", {"p0v0", "p0v1", "p0v2", "p0v3", "p1v0"}}}},
      {"observed", "no such link type", one(R"({"linkTypes":["ethernet"]})"), mixed, {{"a", {}}}},
      {"README, pKeys",
       "index 0 of the table",
       one(R"({"pKeys":["0x8001"]})"),
       infiniband,
       {{"a", {"p0v0"}}}},
      {"README, pKeys",
       "the example 0x1",
       one(R"({"pKeys":["0x1","0xABCD"]})"),
       infiniband,
       {{"a", {"p0v1"}}},
       "never matches (the kernel writes 0x0001); keys are numbers"},
      {"README, pKeys",
       "only InfiniBand has any",
       one(R"({"pKeys":["0x8001"]})"),
       [] {
         return changed(one_pf(1), [](auto& nics) {
           nics.pfs[0].vfs[0].rdma = {rdma_device("mlx5_0", {0x8001})};
         });
       },
       {{"a", {}}}},
      {"README, isRdma",
       "RDMA devices only",
       one(R"({"isRdma":true})"),
       some_rdma,
       {{"a", {"p0v1", "p1v2"}}}},
      {"README, isRdma",
       "false filters nothing",
       one(R"({"isRdma":false})"),
       some_rdma,
       {{"a", both()}}},
      {"README, vdpaType", "vhost", one(R"({"vdpaType":"vhost"})"), some_vdpa, {{"a", {"p0v0"}}}},
      {"README, vdpaType",
       "virtio; the first vDPA device counts",
       one(R"({"vdpaType":"virtio"})"),
       some_vdpa,
       {{"a", {"p0v1", "p0v3"}}}},
      {"observed", "another type", one(R"({"vdpaType":"vhost_vdpa"})"), some_vdpa, {{"a", {}}}},
      {"observed",
       "an empty type filters nothing",
       one(R"({"vdpaType":""})"),
       [] { return one_pf(1); },
       {{"a", {"p0v0"}}}},
      {"README, needVhostNet",
       "is no filter",
       one(R"({"needVhostNet":true})"),
       two_pfs,
       {{"a", both()}}},
      {"README, ddpProfiles",
       "a profile",
       one(R"({"ddpProfiles":["GTPv1-C/U IPv4/IPv6 payload"]})"),
       two_pfs,
       {{"a", {}}},
       "asks devlink or ddptool; here DDP profiles are not read, and it warns"},
      {"observed",
       "isRdma and vdpaType in one selector",
       list({pool("a", R"({"isRdma":true,"vdpaType":"vhost"})"), pool("b", "{}")}),
       some_rdma,
       {{"b", both()}},
       "the process exits; here that pool is refused"},
      {"observed",
       "in two selectors of one pool",
       one(R"([{"isRdma":true},{"vdpaType":"vhost"}])"),
       some_rdma,
       {{"a", {"p0v1", "p1v2"}}}},
  };
}

std::vector<Row> assembly() {
  return {
      {"README, selectors", "an object", one(R"({"pfNames":["p1"]})"), two_pfs, {{"a", kAllOfP1}}},
      {"README, selectors",
       "a list of one",
       one(R"([{"pfNames":["p1"]}])"),
       two_pfs,
       {{"a", kAllOfP1}}},
      {"README, selectors",
       "a list is a union",
       one(R"([{"pfNames":["p1"]},{"pfNames":["p0#0"]},{"pfNames":["p0#0-1"]}])"),
       two_pfs,
       {{"a", {"p0v0", "p0v1", "p1v0", "p1v1", "p1v2", "p1v3"}}},
       "the same devices, in the order of the selectors; here in the order of the NIC"},
      {"observed", "{} is every device of the type", one("{}"), two_pfs, {{"a", both()}}},
      {"observed",
       "empty lists don't filter",
       one(R"({"vendors":[],"pfNames":[]})"),
       two_pfs,
       {{"a", both()}}},
      {"observed",
       "null is as absent",
       one(R"({"vendors":null,"pfNames":["p1"],"isRdma":null})"),
       two_pfs,
       {{"a", kAllOfP1}}},
      {"observed",
       "no selectors",
       list({R"({"resourceName":"a"})", pool("b", "{}")}),
       two_pfs,
       {{"b", both()}},
       "crashes (nil pointer), though the README calls them optional"},
      {"observed",
       "selectors null",
       list({pool("a", "null"), pool("b", "{}")}),
       two_pfs,
       {{"b", both()}},
       "crashes"},
      {"observed",
       "a null in the list",
       list({pool("a", "[null]"), pool("b", "{}")}),
       two_pfs,
       {{"b", both()}},
       "crashes"},
      {"tests",
       "an empty list",
       list({pool("a", "[]"), pool("b", "{}")}),
       two_pfs,
       {{"b", both()}}},
      {"observed",
       "selectors of a wrong type skip their pool",
       list({pool("a", R"("p0")"), pool("b", R"({"drivers":"x"})"), pool("c", R"({"isRdma":1})"),
             pool("d", R"({"vendors":[1]})"), pool("e", "{}")}),
       two_pfs,
       {{"e", both()}}},
      {"tests",
       "the first pool that matches keeps the device",
       list({pool("a", R"({"pfNames":["p0#0-3"]})"), pool("b", R"({"vendors":["15b3"]})")}),
       two_pfs,
       {{"a", vfs("p0", {0, 1, 2, 3})},
        {"b", {"p0v4", "p0v5", "p0v6", "p0v7", "p1v0", "p1v1", "p1v2", "p1v3"}}}},
      {"observed",
       "a pool that another shadows",
       list({pool("a", "{}"), pool("b", "{}")}),
       two_pfs,
       {{"a", both()}, {"b", {}}},
       "the resource of b vanishes; here it is registered with 0, and the overlap is warned of"},
      {"tests",
       "keys in any case",
       one(R"({"PfNames":["p1"],"DRIVERS":["vfio-pci"]})"),
       two_pfs,
       {{"a", kAllOfP1}}},
      {"observed",
       "pool keys in any case",
       R"({"ResourceList":[{"RESOURCENAME":"a","Selectors":{"pfnames":["p1"]}}]})",
       two_pfs,
       {{"a", kAllOfP1}}},
      {"observed",
       "a misspelled selector key",
       list({pool("a", R"({"pfName":["p0"]})"), pool("b", "{}")}),
       two_pfs,
       {{"b", both()}},
       "selects every device; here the pool is refused, with a suggestion"},
      {"observed",
       "a selector of another device type",
       list({pool("a", R"({"pfNames":["p0"]})", kAccelerator), pool("b", "{}")}),
       accelerators,
       {{"b", both()}},
       "selects every accelerator; here the pool is refused"},
      {"observed",
       "an unknown key beside the selectors is ignored",
       one(R"({"pfNames":["p1"]})", R"(,"selctors":1)"),
       two_pfs,
       {{"a", kAllOfP1}}},
      {"observed",
       "an unknown device type",
       list({pool("a", "{}", R"(,"deviceType":"netdevice")"), pool("b", "{}")}),
       two_pfs,
       {{"b", both()}},
       "the process exits; here that pool is refused"},
      {"README, deviceType",
       "netDevice is the default",
       one("{}", R"(,"deviceType":"netDevice")"),
       two_pfs,
       {{"a", both()}}},
      {"README, resourceName",
       "special characters",
       list({pool("junk.net.0", "{}"), pool("sriov-net_0", "{}")}),
       two_pfs,
       {{"sriov-net_0", both()}},
       "the process exits; here that pool is refused"},
      {"README, resourceName",
       "the same name under two prefixes",
       list({pool("a", R"({"pfNames":["p0#0"]})", R"(,"resourcePrefix":"x.io")"),
             pool("a", R"({"pfNames":["p1#0"]})", R"(,"resourcePrefix":"y.io")")}),
       two_pfs,
       {{"x.io/a", {"p0v0"}}, {"y.io/a", {"p1v0"}}}},
  };
}

std::vector<Row> exclusions() {
  const Reserved uplink = {{"p0", "the default route"}, {"0000:3b:00.0", "the default route"}};
  return {
      {"observed",
       "a PF with VFs is left out, one without is given",
       one("{}"),
       [] {
         auto out = two_pfs();
         out.pfs.push_back(make_pf("p2", 0x86, 0));
         return out;
       },
       {{"a",
         [] {
           auto out = both();
           out.push_back("p2");
           return out;
         }()}}},
      {"observed",
       "a function without driver",
       one("{}"),
       [] { return changed(one_pf(3), [](auto& nics) { nics.pfs[0].vfs[1].driver.clear(); }); },
       {{"a", {"p0v0", "p0v2"}}}},
      {"README (meant; broken since 2024)",
       "the node's own uplink is never given",
       one("{}"),
       [] { return one_pf(0); },
       {{"a", {}}},
       "gives it away: its guard looks for a missing destination and gets 0.0.0.0/0",
       uplink},
      {"observed",
       "its VFs are",
       one("{}"),
       [] { return one_pf(2); },
       {{"a", {"p0v0", "p0v1"}}},
       "",
       uplink},
      {"observed",
       "a VF that the node uses",
       one("{}"),
       [] { return one_pf(2); },
       {{"a", {"p0v1"}}},
       "gives it away",
       {{"p0v0", "the default route by way of bond0"}}},
      {"observed",
       "accelerators: neither guard",
       one("{}", kAccelerator),
       accelerators,
       {{"a", {"a81", "a82"}}}},
  };
}

std::vector<Row> other_types() {
  return {
      {"README, auxNetDevice",
       "all subfunctions",
       one(R"({"auxTypes":["sf"]})", kAux),
       subfunctions,
       {{"a", {"p0s0", "p0s1", "p0s2", "p0s3", "p0s4", "p1s7", "p1s8"}}}},
      {"README, auxNetDevice",
       "the index is the sfnum",
       one(R"({"auxTypes":["sf"],"pfNames":["p0#1-3","p1#7"]})", kAux),
       subfunctions,
       {{"a", {"p0s1", "p0s2", "p0s3", "p1s7"}}}},
      {"observed",
       "rootDevices of subfunctions",
       one(R"({"auxTypes":["sf"],"rootDevices":["0000:5e:00.0"]})", kAux),
       subfunctions,
       {{"a", {"p1s7", "p1s8"}}}},
      {"observed",
       "vendors, devices and drivers are the parent's",
       one(R"({"auxTypes":["sf"],"vendors":["15b3"],"devices":["1017"],"drivers":["mlx5_core"]})",
           kAux),
       subfunctions,
       {{"a", {"p0s0", "p0s1", "p0s2", "p0s3", "p0s4", "p1s7", "p1s8"}}}},
      {"observed",
       "the subfunction's own driver",
       one(R"({"auxTypes":["sf"],"pfNames":["p1#8"],"drivers":["mlx5_core.sf"]})", kAux),
       subfunctions,
       {{"a", {"p1s8"}}},
       "never matches; it is as good a name"},
      {"README, linkTypes",
       "of a subfunction, or of its PF",
       one(R"({"auxTypes":["sf"],"linkTypes":["infiniband"]})", kAux),
       [] {
         return changed(subfunctions(), [](auto& nics) {
           nics.pfs[0].sfs[2].netdev = netdev("ib2", 32);
           nics.pfs[1].netdev = netdev("p1", 32);
         });
       },
       {{"a", {"p0s2", "p1s7", "p1s8"}}}},
      {"README, isRdma",
       "of the subfunction itself",
       one(R"({"auxTypes":["sf"],"isRdma":true})", kAux),
       [] {
         return changed(subfunctions(), [](auto& nics) {
           nics.pfs[0].rdma = {rdma_device("mlx5_0")};
           nics.pfs[0].sfs[1].rdma = {rdma_device("mlx5_1")};
         });
       },
       {{"a", {"p0s1"}}}},
      {"observed",
       "a subfunction of the uplink",
       one(R"({"auxTypes":["sf"],"pfNames":["p0#0"]})", kAux),
       subfunctions,
       {{"a", {"p0s0"}}},
       "",
       {{"p0", "the default route"}, {"0000:3b:00.0", "the default route"}}},
      {"tests",
       "auxTypes are required",
       list({pool("a", R"({"pfNames":["p0"]})", kAux), pool("b", R"({"auxTypes":["sf"]})", kAux)}),
       subfunctions,
       {{"b", {"p0s0", "p0s1", "p0s2", "p0s3", "p0s4", "p1s7", "p1s8"}}},
       "the process exits; here that pool is refused"},
      {"tests",
       "in every selector",
       list({pool("a", R"([{"auxTypes":["sf"]},{"auxTypes":[]}])", kAux),
             pool("b", R"({"auxTypes":["sf"],"pfNames":["p0#0"]})", kAux)}),
       subfunctions,
       {{"b", {"p0s0"}}},
       "the process exits; here that pool is refused"},
      {"README, auxTypes",
       "only sf is supported, whatever the example says",
       list({pool("a", R"({"auxTypes":["sf","eth"]})", kAux),
             pool("b", R"({"auxTypes":["sf"],"pfNames":["p0#0"]})", kAux)}),
       subfunctions,
       {{"b", {"p0s0"}}},
       "the process exits; here that pool is refused"},
      {"README, acpiIndexes",
       "not listed for auxNetDevice",
       one(R"({"auxTypes":["sf"],"acpiIndexes":["5"]})", kAux),
       [] { return changed(subfunctions(), [](auto& nics) { nics.pfs[1].acpi_index = "5"; }); },
       {{"a", {"p1s7", "p1s8"}}},
       "accepts and ignores it; here it filters by the parent's"},
      {"observed",
       "netDevice takes no subfunction",
       one(R"({"pfNames":["p0"]})"),
       subfunctions,
       {{"a", {"p0"}}}},
      {"README, accelerator",
       "vendors and devices",
       one(R"({"vendors":["8086"],"devices":["0d90"]})", kAccelerator),
       accelerators,
       {{"a", {"a81"}}}},
      {"README, accelerator",
       "drivers",
       one(R"({"drivers":["igb_uio"]})", kAccelerator),
       accelerators,
       {{"a", {"a82"}}}},
      {"README, accelerator",
       "pciAddresses",
       one(R"({"pciAddresses":["0000:82:00.0","0000:3b:00.2"]})", kAccelerator),
       accelerators,
       {{"a", {"a82"}}}},
      {"README, acpiIndexes",
       "of an accelerator",
       one(R"({"acpiIndexes":["101"]})", kAccelerator),
       accelerators,
       {{"a", {"a81"}}},
       "accepts and ignores it; here it does what the README says"},
      {"observed",
       "an accelerator without driver",
       one("{}", kAccelerator),
       [] {
         return changed(accelerators(), [](auto& nics) { nics.accelerators[0].driver.clear(); });
       },
       {{"a", {"a82"}}}},
      {"observed",
       "netDevice takes no accelerator",
       list({pool("a", "{}"), pool("b", "{}", kAccelerator)}),
       accelerators,
       {{"a", both()}, {"b", {"a81", "a82"}}}},
  };
}

// --- the check

Pools assigned(const config::Config& config, const nic::Inventory& inventory,
               const Reserved& reserved) {
  const auto all = candidates(inventory);
  const auto verdicts = assign(config, all, reserved);
  std::vector<std::string> keys;
  std::map<std::string, int> names;
  for (const auto& entry : config.pools) ++names[entry.name];
  Pools out;
  for (const auto& entry : config.pools) {
    keys.push_back(names[entry.name] > 1 ? entry.resource() : entry.name);
    out[keys.back()];
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (verdicts[i].pool) out[keys[*verdicts[i].pool]].push_back(nickname(all[i]));
  }
  return out;
}

std::string text_of(const Pools& pools) {
  std::string out;
  for (const auto& [name, devices] : pools) {
    out += name + ":";
    for (const auto& device : devices) out += " " + device;
    out += "; ";
  }
  return out;
}

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    INFO(row.source << ", " << row.what << ": " << row.config << " (the peer: " << row.differs
                    << ")");
    const auto config = config::parse_config(row.config);
    REQUIRE(config);
    CHECK(text_of(assigned(*config, row.inventory(), row.reserved)) == text_of(row.expected));
  }
}

TEST_CASE("IDs, drivers, addresses") { check(ids_and_names()); }
TEST_CASE("ranges of functions") { check(ranges()); }
TEST_CASE("PFs by name and by address") { check(places()); }
TEST_CASE("link types, partition keys, RDMA, vDPA") { check(links_and_rdma()); }
TEST_CASE("how pools are put together") { check(assembly()); }
TEST_CASE("what is never given out") { check(exclusions()); }
TEST_CASE("subfunctions and accelerators") { check(other_types()); }

TEST_CASE("resource names that are twice in the list refuse the whole, as in the peer") {
  const auto config =
      config::parse_config(list({pool("a", "{}"), pool("b", "{}"), pool("a", "{}")}));
  REQUIRE_FALSE(config);
  CHECK(config.error().message ==
        "resourceList[0] and resourceList[2] are both intel.com/a; a resource name must be unique");
}

TEST_CASE("topology and additional information") {
  const auto config = config::parse_config(one(
      "{}",
      R"(,"excludeTopology":true,"additionalInfo":{"*":{"token":"t"},"3B:00.2":{"token":"s"}})"));
  REQUIRE(config);
  CHECK(config->pools[0].exclude_topology);
  CHECK(config->pools[0].additional_info ==
        std::map<std::string, std::map<std::string, std::string>>{
            {"*", {{"token", "t"}}}, {"0000:3b:00.2", {{"token", "s"}}}});
}

}  // namespace
}  // namespace sluice::pools
