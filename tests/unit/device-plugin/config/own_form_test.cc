// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "device-plugin/config/config.h"

namespace sluice::config {
namespace {

std::string pool(const std::string& body) { return R"({"pools":[{"name":"a",)" + body + "}]}"; }

TEST_CASE("everything is an error, and names its place") {
  struct Row {
    std::string text;
    const char* named;
  };
  const std::vector<Row> rows = {
      {R"({"pools":{}})", "pools must be a list"},
      {R"({"pools":null})", "pools must be a list"},
      {R"({"pools":[1]})", "pools[0] must be an object"},
      {R"({"pools":[{}]})", "pools[0].name is missing"},
      {R"({"pools":[{"name":1}]})", "pools[0].name is the number 1"},
      {R"({"pools":[{"name":"-a"}]})", "pools[0].name"},
      {R"({"pools":[{"Name":"a"}]})", "pools[0].name is missing"},
      {R"({"pools":[],"railz":{}})", "railz is unknown, did you mean 'rails'?"},
      {R"({"pools":[{"name":"a"},{"name":"a"}]})",
       "pools[0] and pools[1] are both sluice.dev/a; a resource name must be unique"},
      {R"({"pools":[],"resourcePrefix":"A"})", "resource prefix 'A'"},
      {R"({"pools":[],"plainPorts":5000})",
       "plainPorts is the number 5000; allowed is a whole number"},
      {R"({"pools":[],"plainPorts":-1})", "plainPorts is the number -1"},
      {R"({"pools":[],"plainPorts":1.5})", "plainPorts is the number 1.5"},
      {R"({"pools":[],"rails":[]})", "rails must be an object"},
      {R"({"pools":[],"rails":{"p0":"x"}})", "rails.p0 is the string 'x'"},
      {R"({"pools":[],"rails":{"a very long name":1}})", "neither a PCI address nor"},
      {R"({"pools":[],"hostPorts":["p0"]})", "hostPorts[0]: 'p0' is no PCI address"},
      {R"({"pools":[],"hostPorts":["p0#x"]})", "hostPorts[0]: 'p0#x': 'x' is no number"},
      {pool(R"("selector":{})"), "pools[0].selector is unknown, did you mean 'selectors'?"},
      {pool(R"("prefix":"a_b")"), "resource prefix 'a_b'"},
      {pool(R"("type":"vfs")"),
       "pools[0].type is 'vfs'; allowed: vf, pf, sf, network, accelerator; did you mean 'vf'?"},
      {pool(R"("policy":"pack")"), "did you mean 'packed'?"},
      {pool(R"("offer":"DRA")"), "allowed: both, device-plugin, dra; did you mean 'dra'?"},
      {pool(R"("topology":"no")"),
       "pools[0].topology is the string 'no'; allowed is true or false"},
      {pool(R"("health":true)"), "pools[0].health must be an object"},
      {pool(R"("health":{"carier":true})"),
       "pools[0].health.carier is unknown, did you mean 'carrier'?"},
      {pool(R"("allowReserved":["a b"])"), "pools[0].allowReserved[0]"},
      {pool(R"("selectors":{"pfName":["p0"]})"), "did you mean 'pfNames'?"},
      {pool(R"("selectors":{"PfNames":["p0"]})"),
       "pools[0].selectors.PfNames is unknown, did you mean 'pfNames'?"},
      {pool(R"("selectors":{"drivers":[]})"), "drivers is empty; leave it out"},
      {pool(R"("selectors":{"vendors":["x"]})"), "pools[0].selectors.vendors[0]: 'x' is no PCI ID"},
      {pool(R"("selectors":{"pfNames":["p0#3-1"]})"), "reversed"},
      {pool(R"("selectors":{"pfNames":["p0#0","p0#4"]})"), "second entry"},
      {pool(R"("selectors":{"auxTypes":["sf"]})"), "auxTypes is unknown"},
      {pool(R"("selectors":[])"), "has 0 selectors"},
      {pool(R"("type":"pf","selectors":{"pfNames":["p0#1"]})"), "a PF has no index"},
      {pool(R"("type":"pf","selectors":{"rootDevices":["3b:00.0"]})"), "a PF has no root device"},
      {pool(R"("type":"accelerator","selectors":{"pfNames":["p0"]})"), "pfNames is unknown"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    const auto config = parse_config(row.text);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == Code::kInvalid);
    INFO(config.error().to_string());
    CHECK(config.error().to_string().find(row.named) != std::string::npos);
  }
}

TEST_CASE("everything that can be said") {
  const auto config = parse_config(R"({
    "resourcePrefix": "nic.example.com",
    "pools": [
      {"name": "fast", "type": "network", "topology": false, "policy": "gpu-affine",
       "offer": "device-plugin", "allowReserved": ["3b:00.1", "ens1"],
       "health": {"carrier": false, "rdma": false},
       "additionalInfo": {"3b:00.2": {"k": "v"}},
       "selectors": [{"isRdma": true}, {"pfNames": ["p0#4-7"]}]},
      {"name": "sf", "prefix": "other.dev", "type": "sf", "policy": "rail", "offer": "dra",
       "health": {"enabled": false}}],
    "rails": {"p0": 1, "5E:00.0": 0},
    "hostPorts": ["3b:00.7", "p1#0"],
    "plainPorts": 0})");
  REQUIRE(config);
  CHECK(config->warnings.empty());
  REQUIRE(config->pools.size() == 2);
  const auto& fast = config->pools[0];
  CHECK(fast.resource() == "nic.example.com/fast");
  CHECK(fast.type == DeviceType::kNetwork);
  CHECK(fast.exclude_topology);
  CHECK(fast.policy == Policy::kGpuAffine);
  CHECK(fast.offer == Offer::kDevicePlugin);
  CHECK(fast.allow_reserved == std::vector<std::string>{"0000:3b:00.1", "ens1"});
  CHECK(fast.health == HealthPolicy{true, false, true, false});
  CHECK(fast.additional_info.at("0000:3b:00.2").at("k") == "v");
  CHECK(fast.selectors.size() == 2);
  const auto& sf = config->pools[1];
  CHECK(sf.resource() == "other.dev/sf");
  CHECK(sf.type == DeviceType::kSf);
  CHECK(sf.policy == Policy::kRail);
  CHECK(sf.offer == Offer::kDra);
  CHECK_FALSE(sf.health.enabled);
  CHECK(sf.selectors == std::vector<Selector>{Selector{}});
  CHECK(config->rails == std::map<std::string, std::uint32_t>{{"0000:5e:00.0", 0}, {"p0", 1}});
  CHECK(config->host_ports == std::vector<std::string>{"0000:3b:00.7", "p1#0"});
  CHECK(config->plain_ports == 0);
}

TEST_CASE("the shortest one, and the default") {
  const auto config = parse_config(R"({"pools":[{"name":"vf"}]})");
  REQUIRE(config);
  CHECK(*config == default_config("sluice.dev"));
  CHECK(parse_config(R"({"pools":[{"name":"vf"}]})", "acme.com").value() ==
        default_config("acme.com"));
  const auto none = parse_config(R"({"pools":[]})");
  REQUIRE(none);
  CHECK(none->warnings.size() == 1);
}

TEST_CASE("the samples are good") {
  for (const char* name : {"config.json", "resource-list.json"}) {
    INFO(name);
    std::ifstream file(std::string(SLUICE_SAMPLES) + "/" + name);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto config = parse_config(text);
    REQUIRE(config);
    CHECK(config->pools.size() == 4);
    CHECK(config->refused.empty());
    CHECK(config->warnings.empty());
  }
}

TEST_CASE("names of the choices are those that are read") {
  for (const auto type : {DeviceType::kVf, DeviceType::kPf, DeviceType::kSf, DeviceType::kNetwork,
                          DeviceType::kAccelerator}) {
    CHECK(parse_config(pool(R"("type":")" + std::string(to_string(type)) + "\""))->pools[0].type ==
          type);
  }
  for (const auto policy : {Policy::kPacked, Policy::kSpread, Policy::kRail, Policy::kGpuAffine}) {
    CHECK(parse_config(pool(R"("policy":")" + std::string(to_string(policy)) + "\""))
              ->pools[0]
              .policy == policy);
  }
  for (const auto offer : {Offer::kBoth, Offer::kDevicePlugin, Offer::kDra}) {
    CHECK(
        parse_config(pool(R"("offer":")" + std::string(to_string(offer)) + "\""))->pools[0].offer ==
        offer);
  }
}

}  // namespace
}  // namespace sluice::config
