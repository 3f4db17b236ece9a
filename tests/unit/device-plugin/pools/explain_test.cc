// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "device-plugin/pools/explain.h"
#include "tests/unit/device-plugin/pools/inventories.h"

namespace sluice::pools {
namespace {

std::string explained(const std::string& config, const nic::Inventory& nics,
                      const Reserved& reserved = {}) {
  return explain(config::parse_config(config).value(), nics, reserved);
}

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("pools, devices and everything that is wrong") {
  nic::Inventory nics;
  nics.pfs = {make_pf("p0", 0x3b, 8)};
  nics.broken = {{"0000:5e:00.0", "vendor\nholds 'x'"}};
  const auto text = explained(
      R"({"resourceList":[
        {"resourceName":"a","selectors":{"pfNames":["p0#0-6"]}},
        {"resourceName":"typo","selectors":{"pfName":["p0"]}},
        {"resourceName":"far","selectors":[{"vendors":["8086"],"pfNames":["p1"]},{"pfNames":["p1"]}]},
        {"resourceName":"late","selectors":{"pfNames":["p0#1-2"]}},
        {"resourceName":"acc","deviceType":"accelerator","selectors":{"vendors":["8O86"]}}]})",
      nics);
  INFO(text);
  CHECK(has(text,
            "refused: intel.com/typo: resourceList[1].selectors.pfName is unknown, did you "
            "mean 'pfNames'? (allowed: vendors, devices, drivers, pciAddresses, acpiIndexes, "
            "pfNames, rootDevices, linkTypes, ddpProfiles, pKeys, isRdma, needVhostNet, "
            "vdpaType)"));
  CHECK(has(text,
            "warning: resourceList[4].selectors.vendors[0]: '8O86' is no PCI ID, which has 1 "
            "to 4 hex digits, such as 15b3; no device has that"));
  CHECK(has(text, "pool intel.com/a (type network, 1 selector): 7 devices"));
  CHECK(
      has(text, "  0000:3b:00.2 0000:3b:00.3 0000:3b:00.4 0000:3b:00.5 0000:3b:00.6 0000:3b:00.7"));
  CHECK(has(text, "  0000:3b:01.0"));
  CHECK(has(text, "pool intel.com/far (type network, 2 selectors): 0 devices"));
  CHECK(has(text,
            "  nearest: 0000:3b:00.2 (VF 0 of p0, 15b3:1018, mlx5_core): pfNames wants p1; it "
            "is VF 0 of p0"));
  CHECK(has(text,
            "  nearest: 0000:3b:00.3 (VF 1 of p0, 15b3:1018, mlx5_core): taken by intel.com/a"));
  CHECK(has(text, "  no device of its type is on this node"));
  CHECK(has(text, "9 devices"));
  CHECK(has(text, "  0000:3b:00.0 (PF p0, 15b3:1017, mlx5_core): in no pool"));
  CHECK(has(text, "    not intel.com/a: has 8 VFs; a PF is given out only while it has none"));
  CHECK(has(text, "  0000:3b:00.3 (VF 1 of p0, 15b3:1018, mlx5_core): intel.com/a"));
  CHECK(has(text, "    not intel.com/late: intel.com/a comes first"));
  CHECK(has(text, "unreadable: 0000:5e:00.0: vendor?holds 'x'"));
}

TEST_CASE("the nearest miss counts what bars a device, too") {
  nic::Inventory nics;
  nics.pfs = {make_pf("p0", 0x3b, 2)};
  nics.pfs[0].vfs[1].driver.clear();
  const auto text = explained(R"({"pools":[{"name":"a","selectors":{"drivers":["iavf"]}},
                                           {"name":"b","selectors":{"pfNames":["p0#1"]}}]})",
                              nics, {{"p0v0", "the default route"}});
  INFO(text);
  CHECK(
      has(text, "  nearest: 0000:3b:00.3 (VF 1 of p0, 15b3:1018, no driver): no driver is bound"));
  CHECK(has(text,
            "  nearest: 0000:3b:00.2 (VF 0 of p0, 15b3:1018, mlx5_core): is reserved: the "
            "default route; drivers wants iavf; it has mlx5_core"));
}

TEST_CASE("nothing configured, nothing there") {
  CHECK(explained(R"({"resourceList":[]})", {}) ==
        "warning: resourceList: is empty: no device is offered\n\n\n0 devices\n");
}

}  // namespace
}  // namespace sluice::pools
