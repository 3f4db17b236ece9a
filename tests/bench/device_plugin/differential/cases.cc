// SPDX-License-Identifier: Apache-2.0
// The configurations. Each selector, alone and with others; the grammar of ranges; pools that
// overlap; device types; what is wrong. The machine is zoo.h's.
#include "tests/bench/device_plugin/differential/cases.h"

#include <initializer_list>

namespace sluice::bench {
namespace {

std::string pool(const std::string& name, const std::string& selectors,
                 const std::string& more = "") {
  return R"({"resourceName": ")" + name + R"(", "selectors": )" + selectors + more + "}";
}

std::string list(std::initializer_list<std::string> pools) {
  std::string out;
  for (const auto& entry : pools) out += (out.empty() ? "" : ",\n  ") + entry;
  return R"({"resourceList": [)" + out + "]}\n";
}

std::string one(const std::string& selectors, const std::string& more = "") {
  return list({pool("a", selectors, more)});
}

const std::string kAux = R"(, "deviceType": "auxNetDevice")";
const std::string kAccelerator = R"(, "deviceType": "accelerator")";
const std::string kAll = R"({"pfNames": ["p0"]})";

void add_ids(std::vector<Case>& cases) {
  cases.insert(cases.end(),
               {{"vendors", one(R"({"vendors": ["15b3"]})")},
                {"vendors: none of the list", one(R"({"vendors": ["10df"]})")},
                {"vendors: upper case", one(R"({"vendors": ["15B3"]})")},
                {"vendors: 0x", one(R"({"vendors": ["0x15b3"]})")},
                {"vendors: no number", one(R"({"vendors": ["mellanox"]})")},
                {"devices", one(R"({"devices": ["101e", "1593"]})")},
                {"devices: of a PF that has VFs", one(R"({"devices": ["101d", "1592"]})")},
                {"drivers", one(R"({"drivers": ["vfio-pci"]})")},
                {"drivers: two", one(R"({"drivers": ["igb_uio", "mlx5_core"]})")},
                {"drivers: case counts", one(R"({"drivers": ["VFIO-PCI"]})")},
                {"pciAddresses", one(R"({"pciAddresses": ["0000:3b:02.1", "0000:5e:02.0"]})")},
                {"pciAddresses: short", one(R"({"pciAddresses": ["3b:02.1"]})")},
                {"pciAddresses: no driver", one(R"({"pciAddresses": ["0000:5e:02.3"]})")},
                {"pciAddresses: a PF that has VFs", one(R"({"pciAddresses": ["0000:3b:00.0"]})")},
                {"pciAddresses: the node's uplink", one(R"({"pciAddresses": ["0000:82:00.0"]})")},
                {"acpiIndexes", one(R"({"acpiIndexes": ["101"]})")}});
}

void add_ranges(std::vector<Case>& cases) {
  for (const std::string items : {R"(["p0"])",
                                  R"(["p2"])",
                                  R"(["p1","p0"])",
                                  R"(["p0#0-2"])",
                                  R"(["p0#1","p1#0,4"])",
                                  R"(["p0#0,3-5,7"])",
                                  R"(["p0#6-200"])",
                                  R"(["P0#1"])",
                                  R"(["p"])",
                                  R"(["p0#0-2,x"])",
                                  R"(["p0#x,0-2"])",
                                  R"(["p0#0, 2"])",
                                  R"(["p0#5-3,1"])",
                                  R"(["p0#"])",
                                  R"(["p0#1-2-3"])",
                                  R"(["p0#-1"])",
                                  R"(["p0#0#1"])",
                                  R"(["p0#+1,03"])",
                                  R"(["p0#0-1","p0#4"])",
                                  R"(["p2#0"])"}) {
    cases.push_back({"pfNames: " + items, one(R"({"pfNames": )" + items + "}")});
  }
  for (const std::string items :
       {R"(["0000:5e:00.0"])", R"(["0000:3b:00.0#0-2,5"])", R"(["0000:3B:00.0#1"])",
        R"(["3b:00.0#1"])", R"(["0000:81:00.0"])"}) {
    cases.push_back({"rootDevices: " + items, one(R"({"rootDevices": )" + items + "}")});
  }
}

void add_links(std::vector<Case>& cases) {
  cases.insert(
      cases.end(),
      {{"linkTypes", one(R"({"pfNames": ["p0","p1"], "linkTypes": ["ether"]})")},
       {"linkTypes: none such", one(R"({"linkTypes": ["infiniband"]})")},
       {"linkTypes: two", one(R"({"pfNames": ["p0"], "linkTypes": ["ether", "infiniband"]})")},
       {"linkTypes: case", one(R"({"pfNames": ["p0"], "linkTypes": ["Ether"]})")},
       {"ddpProfiles",
        one(R"({"pfNames": ["p1"], "ddpProfiles": ["GTPv1-C/U IPv4/IPv6 payload"]})")},
       {"pKeys: not infiniband", one(R"({"pKeys": ["0xffff"]})")},
       {"isRdma", one(R"({"isRdma": true})")},
       {"isRdma: false is no filter", one(R"({"pfNames": ["p0"], "isRdma": false})")},
       {"isRdma: devices that have none", one(R"({"pfNames": ["p1"], "isRdma": true})")},
       {"needVhostNet", one(R"({"pfNames": ["p0#4-5"], "needVhostNet": true})")},
       {"vdpaType: no vDPA device", one(R"({"vdpaType": "vhost"})")},
       {"vdpaType with isRdma", one(R"({"vdpaType": "vhost", "isRdma": true})")},
       {"all keys", one(R"({"vendors": ["15b3"], "devices": ["101e"], "drivers": ["mlx5_core"],
            "pciAddresses": ["0000:3b:02.1", "0000:3b:02.3"], "pfNames": ["p0#0-2"],
            "rootDevices": ["0000:3b:00.0"], "linkTypes": ["ether"], "isRdma": true})")}});
}

void add_devices(std::vector<Case>& cases) {
  cases.insert(
      cases.end(),
      {{"vfio", one(R"({"pfNames": ["p1#0"]})")},
       {"vfio without IOMMU", one(R"({"pfNames": ["p1#1"]})")},
       {"uio", one(R"({"pfNames": ["p1#2"]})")},
       {"no NUMA node", one(R"({"pfNames": ["p1#4"]})")},
       {"accelerator", one("{}", kAccelerator)},
       {"accelerator: drivers", one(R"({"drivers": ["igb_uio"]})", kAccelerator)},
       {"accelerator: pciAddresses", one(R"({"pciAddresses": ["0000:b1:00.0"]})", kAccelerator)},
       {"accelerator: acpiIndexes", one(R"({"acpiIndexes": ["7"]})", kAccelerator)},
       {"auxNetDevice", one(R"({"auxTypes": ["sf"]})", kAux)},
       {"auxNetDevice: pfNames", one(R"({"auxTypes": ["sf"], "pfNames": ["p0#13"]})", kAux)},
       {"auxNetDevice: rootDevices",
        one(R"({"auxTypes": ["sf"], "rootDevices": ["0000:3b:00.0#10-12"]})", kAux)},
       {"auxNetDevice: linkTypes",
        one(R"({"auxTypes": ["sf"], "linkTypes": ["ether"], "needVhostNet": true})", kAux)},
       {"auxNetDevice: no auxTypes", one("{}", kAux)},
       {"auxNetDevice: another type", one(R"({"auxTypes": ["eth"]})", kAux)}});
}

void add_pools(std::vector<Case>& cases) {
  cases.insert(
      cases.end(),
      {{"everything", one("{}")},
       {"pools that overlap",
        list({pool("a", R"({"pfNames": ["p0#0-3"]})"), pool("b", R"({"pfNames": ["p0#2-5"]})"),
              pool("c", R"({"vendors": ["15b3"]})")})},
       {"a pool in the shadow of another", list({pool("a", kAll), pool("b", kAll)})},
       {"a list of selectors",
        one(R"([{"pfNames": ["p0#5"]}, {"drivers": ["igb_uio"]}, {"pfNames": ["p0#4-5"]}])")},
       {"each selector has its own wishes",
        one(R"([{"pfNames": ["p0#1"], "isRdma": true}, {"pfNames": ["p0#2"]},
               {"pfNames": ["p0#4"], "needVhostNet": true}])")},
       {"excludeTopology", one(R"({"pfNames": ["p1#0"]})", R"(, "excludeTopology": true)")},
       {"additionalInfo",
        one(R"({"pfNames": ["p0#4-5"]})",
            R"(, "additionalInfo": {"*": {"rail": "3", "site": "x"}, "0000:3b:02.5": {"rail": "4"}})")},
       {"resourcePrefix",
        list({pool("a", R"({"pfNames": ["p0#4"]})"),
              pool("a", R"({"pfNames": ["p0#5"]})", R"(, "resourcePrefix": "example.com")")})},
       {"a name with a hyphen", list({pool("net-1_x", R"({"pfNames": ["p0#4"]})")})},
       {"keys in any case", R"({"ResourceList": [{"resourcename": "a", "SELECTORS":
            {"PfNames": ["p0#4"]}, "excludetopology": true}]})"}});
}

void add_mistakes(std::vector<Case>& cases) {
  const auto good = pool("good", R"({"pfNames": ["p0#7"]})");
  cases.insert(
      cases.end(),
      {{"an unknown key of a selector",
        list({pool("a", R"({"pfName": ["p0"], "vendors": ["15b3"]})"),
              pool("b", R"({"pfNames": ["p1#0"]})")})},
       {"an unknown key of a pool",
        list({pool("a", R"({"pfNames": ["p0#4"]})", R"(, "comment": "x")")})},
       {"no selectors", R"({"resourceList": [{"resourceName": "a"}]})"},
       {"a selector of the wrong type", list({pool("a", R"({"vendors": "15b3"})"), good})},
       {"a resource twice", list({good, good})},
       {"an unknown device type", list({pool("a", "{}", R"(, "deviceType": "gpu")"), good})},
       {"a name that is none", list({pool("junk.net.0", kAll), good})},
       {"no pools", R"({"resourceList": []})"},
       {"no JSON", "resourceList:\n"}});
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  add_ids(cases);
  add_ranges(cases);
  add_links(cases);
  add_devices(cases);
  add_pools(cases);
  add_mistakes(cases);
  return cases;
}

}  // namespace sluice::bench
