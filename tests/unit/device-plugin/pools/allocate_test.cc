// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "device-plugin/pools/allocate.h"

namespace sluice::pools {
namespace {

const std::vector<Device> kDevices = {
    {"0000:3b:00.2", true, "", {}},
    {"0000:3b:00.3", false, "no driver is bound", {}},
    {"0000:3b:00.4", true, "", {}},
    {"0000:3b:00.5", true, "", {}},
};

using Ids = std::vector<std::string>;

TEST_CASE("variables can be read by every shell") {
  CHECK(pool_variable("vf") == "SLUICE_VF_VF");
  CHECK(pool_variable("fast-net.0") == "SLUICE_VF_FAST_NET_0");
  CHECK(resource_variable("sluice.dev/vf") == "PCIDEVICE_SLUICE_DEV_VF");
  CHECK(resource_variable("sluice.dev/fast-net") == "PCIDEVICE_SLUICE_DEV_FAST_NET");
}

TEST_CASE("both variables hold the ids in the order asked for") {
  const auto envs = allocate(kDevices, {"0000:3b:00.4", "0000:3b:00.2"}, "vf", "sluice.dev/vf");
  REQUIRE(envs);
  CHECK(*envs == std::map<std::string, std::string>{
                     {"SLUICE_VF_VF", "0000:3b:00.4,0000:3b:00.2"},
                     {"PCIDEVICE_SLUICE_DEV_VF", "0000:3b:00.4,0000:3b:00.2"}});
}

TEST_CASE("every id that can't be had is named, with the reason") {
  const auto envs =
      allocate(kDevices, {"0000:3b:00.2", "0000:3b:00.3", "nonsense"}, "vf", "sluice.dev/vf");
  REQUIRE_FALSE(envs);
  CHECK(envs.error().code == Code::kInvalid);
  CHECK(envs.error().message ==
        "devices of sluice.dev/vf: 0000:3b:00.3 is unhealthy (no driver is bound); nonsense is "
        "unknown");
}

TEST_CASE("preference: what must be there, then index order, never an error") {
  const Ids all = {"0000:3b:00.5", "0000:3b:00.4", "0000:3b:00.2"};
  CHECK(preferred(kDevices, all, {}, 2) == Ids{"0000:3b:00.2", "0000:3b:00.4"});
  CHECK(preferred(kDevices, all, {"0000:3b:00.5"}, 2) == Ids{"0000:3b:00.5", "0000:3b:00.2"});
  CHECK(preferred(kDevices, all, {}, 0).empty());
  CHECK(preferred(kDevices, {"unknown"}, {}, 2) == Ids{"unknown"});
  CHECK(preferred({}, all, {"x"}, 2) == Ids{"x", "0000:3b:00.5"});
}

}  // namespace
}  // namespace sluice::pools
