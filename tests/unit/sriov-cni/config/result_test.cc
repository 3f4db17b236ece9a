// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/result.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

AddResult vf_result() {
  AddResult out;
  out.interfaces.push_back(
      {"eth0", MacAddr::parse("0a:58:0a:f4:01:02").value(), 1400, "/run/netns/x", "0000:3b:00.2"});
  out.address = Ipv4::parse("10.244.1.2").value();
  out.gateway = Ipv4::parse("169.254.1.1").value();
  return out;
}

TEST_CASE("1.1.0 says everything") {
  CHECK(json::parse(result_json("1.1.0", vf_result())) == json::parse(R"({
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "mac": "0a:58:0a:f4:01:02", "mtu": 1400,
                    "sandbox": "/run/netns/x", "pciID": "0000:3b:00.2"}],
    "ips": [{"interface": 0, "address": "10.244.1.2/32", "gateway": "169.254.1.1"}],
    "routes": [{"dst": "169.254.1.1/32", "scope": 253},
               {"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]})"));
}

TEST_CASE("1.0.0 has neither mtu, pciID nor scope") {
  CHECK(json::parse(result_json("1.0.0", vf_result())) == json::parse(R"({
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "mac": "0a:58:0a:f4:01:02", "sandbox": "/run/netns/x"}],
    "ips": [{"interface": 0, "address": "10.244.1.2/32", "gateway": "169.254.1.1"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]})"));
}

TEST_CASE("0.3.1 and 0.4.0 have a version in ips, and always dns") {
  for (const char* version : {"0.3.1", "0.4.0"}) {
    auto expected = json::parse(R"({
      "interfaces": [{"name": "eth0", "mac": "0a:58:0a:f4:01:02", "sandbox": "/run/netns/x"}],
      "ips": [{"version": "4", "interface": 0, "address": "10.244.1.2/32",
               "gateway": "169.254.1.1"}],
      "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}],
      "dns": {}})");
    expected["cniVersion"] = version;
    CHECK(json::parse(result_json(version, vf_result())) == expected);
  }
}

TEST_CASE("a veth's two ends: the address belongs to the pod's") {
  auto result = vf_result();
  result.interfaces.insert(result.interfaces.begin(), {"sl0123456789a", {}, 1400, "", ""});
  result.interfaces[1].pci.clear();
  result.pod_interface = 1;
  const auto out = json::parse(result_json("1.1.0", result));
  CHECK(out["interfaces"][0] == json{{"name", "sl0123456789a"}, {"mtu", 1400}});
  CHECK_FALSE(out["interfaces"][1].contains("pciID"));
  CHECK(out["ips"][0]["interface"] == 1);
}

TEST_CASE("several interfaces: each its address, gateway and routes only with the first") {
  auto result = vf_result();
  result.interfaces.push_back({"net1", {}, 1400, "/run/netns/x", "0000:3b:00.3"});
  result.more.push_back({1, Ipv4::parse("10.244.1.3").value()});
  for (const char* version : {"0.4.0", "1.0.0", "1.1.0"}) {
    const auto out = json::parse(result_json(version, result));
    REQUIRE(out["ips"].size() == 2);
    CHECK(out["ips"][0]["gateway"] == "169.254.1.1");
    CHECK(out["ips"][1]["interface"] == 1);
    CHECK(out["ips"][1]["address"] == "10.244.1.3/32");
    CHECK_FALSE(out["ips"][1].contains("gateway"));
    CHECK(out["ips"][1].contains("version") == (version[0] == '0'));
  }
}

TEST_CASE("VERSION") {
  CHECK(json::parse(version_json()) ==
        json{{"cniVersion", "1.1.0"}, {"supportedVersions", {"0.3.1", "0.4.0", "1.0.0", "1.1.0"}}});
}

}  // namespace
}  // namespace sluice::cni
