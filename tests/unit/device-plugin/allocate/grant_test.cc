// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "device-plugin/allocate/grant.h"

namespace sluice::allocate {
namespace {

config::PoolConfig pool(const std::string& prefix, const std::string& name) {
  config::PoolConfig out;
  out.prefix = prefix;
  out.name = name;
  return out;
}

Access vfio(const std::string& id, const std::string& group) {
  return {id,
          {{"generic", {{"deviceID", id}}},
           {"vfio", {{"mount", "/dev/vfio/vfio"}, {"dev-mount", "/dev/vfio/" + group}}}},
          {{"/dev/vfio/vfio", "/dev/vfio/vfio", "rw"},
           {"/dev/vfio/" + group, "/dev/vfio/" + group, "rw"}}};
}

TEST_CASE("The whole answer: ids in the order asked for, INFO sorted, each host path once") {
  const auto answer = grant(pool("intel.com", "sriov_net.a"),
                            {vfio("0000:3b:00.4", "21"), vfio("0000:3b:00.2", "20")}, std::nullopt);
  CHECK(answer.envs == std::map<std::string, std::string>{
                           {"PCIDEVICE_INTEL_COM_SRIOV_NET_A", "0000:3b:00.4,0000:3b:00.2"},
                           {"PCIDEVICE_INTEL_COM_SRIOV_NET_A_INFO",
                            R"({"0000:3b:00.2":{"generic":{"deviceID":"0000:3b:00.2"},)"
                            R"("vfio":{"dev-mount":"/dev/vfio/20","mount":"/dev/vfio/vfio"}},)"
                            R"("0000:3b:00.4":{"generic":{"deviceID":"0000:3b:00.4"},)"
                            R"("vfio":{"dev-mount":"/dev/vfio/21","mount":"/dev/vfio/vfio"}}})"},
                           {"SLUICE_VF_SRIOV_NET_A", "0000:3b:00.4,0000:3b:00.2"}});
  CHECK(answer.nodes == std::vector<DeviceNode>{{"/dev/vfio/vfio", "/dev/vfio/vfio", "rw"},
                                                {"/dev/vfio/21", "/dev/vfio/21", "rw"},
                                                {"/dev/vfio/20", "/dev/vfio/20", "rw"}});
  CHECK(answer.mounts.empty());
  CHECK(answer.cdi_devices.empty());
}

TEST_CASE("A '-' stays in the peer's name, and there is a second one for shells") {
  const auto answer = grant(pool("my-corp.com", "sriov-net"), {{"x", {}, {}}}, std::nullopt);
  std::string names;
  for (const auto& [name, value] : answer.envs) names += name + " ";
  CHECK(names ==
        "PCIDEVICE_MY-CORP_COM_SRIOV-NET PCIDEVICE_MY-CORP_COM_SRIOV-NET_INFO "
        "PCIDEVICE_MY_CORP_COM_SRIOV_NET PCIDEVICE_MY_CORP_COM_SRIOV_NET_INFO "
        "SLUICE_VF_SRIOV_NET ");
  CHECK(answer.envs.at("PCIDEVICE_MY_CORP_COM_SRIOV_NET") == "x");
}

TEST_CASE("With CDI the nodes are left to the named devices") {
  const auto answer =
      grant(pool("sluice.dev", "vf"), {vfio("0000:3b:00.4", "21"), vfio("0000:3b:00.2", "20")},
            std::string("sluice.dev/vf"));
  CHECK(answer.nodes.empty());
  CHECK(answer.cdi_devices ==
        std::vector<std::string>{"sluice.dev/vf=0000:3b:00.4", "sluice.dev/vf=0000:3b:00.2"});
  CHECK(answer.envs.at("PCIDEVICE_SLUICE_DEV_VF") == "0000:3b:00.4,0000:3b:00.2");
}

TEST_CASE("No device: the variables are there and empty") {
  const auto answer = grant(pool("sluice.dev", "vf"), {}, std::nullopt);
  CHECK(answer.envs == std::map<std::string, std::string>{{"PCIDEVICE_SLUICE_DEV_VF", ""},
                                                          {"PCIDEVICE_SLUICE_DEV_VF_INFO", "{}"},
                                                          {"SLUICE_VF_VF", ""}});
}

TEST_CASE("additionalInfo in no known encoding is still JSON") {
  Access access{"x", {{"extra", {{"key", "a\xff\"b"}}}}, {}};
  const auto answer = grant(pool("sluice.dev", "vf"), {access}, std::nullopt);
  CHECK(answer.envs.at("PCIDEVICE_SLUICE_DEV_VF_INFO") ==
        "{\"x\":{\"extra\":{\"key\":\"a\xef\xbf\xbd\\\"b\"}}}");
}

TEST_CASE("Variables of ours can be read by every shell") {
  CHECK(pool_variable("vf") == "SLUICE_VF_VF");
  CHECK(pool_variable("fast-net.0") == "SLUICE_VF_FAST_NET_0");
}

}  // namespace
}  // namespace sluice::allocate
