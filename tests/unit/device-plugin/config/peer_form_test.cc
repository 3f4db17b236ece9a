// SPDX-License-Identifier: Apache-2.0
// The peer's form as text: what is read, refused and warned of. What it selects is in
// tests/unit/device-plugin/pools/peer_semantics_test.cc.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "device-plugin/config/config.h"

namespace sluice::config {
namespace {

std::string pool(const std::string& body) { return R"({"resourceList":[{)" + body + "}]}"; }

std::string warnings(const Config& config) {
  std::string out;
  for (const auto& warning : config.warnings) out += warning.where + ": " + warning.what + "\n";
  return out;
}

TEST_CASE("what can't be understood as a whole") {
  struct Row {
    std::string text;
    const char* named;
  };
  const std::vector<Row> rows = {
      {"", "is empty"},
      {" \n", "is empty"},
      {"{", "is not JSON: line 1"},
      {"{\"resourceList\": [\n  {\"resourceName\": \"a\"},\n]}", "line 3, character 1, in ']}'"},
      {"[]", "is a list; allowed is an object"},
      {"null", "is null; allowed is an object"},
      {"{}", "neither pools nor resourceList"},
      {R"({"resource":[]})", "its first key is 'resource'"},
      {R"({"resourceList":{}})", "resourceList is an object; allowed is a list"},
      {R"({"resourceList":[],"pools":[]})", "both"},
      {std::string(kMaxConfigBytes + 1, ' '), "allowed are 1048576"},
  };
  for (const auto& row : rows) {
    INFO(row.text.substr(0, 100));
    const auto config = parse_config(row.text);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == Code::kInvalid);
    INFO(config.error().to_string());
    CHECK(config.error().to_string().find(row.named) != std::string::npos);
  }
  std::string many;
  for (std::size_t i = 0; i <= kMaxPools; ++i) many += (i > 0 ? "," : "") + std::string("{}");
  CHECK_FALSE(parse_config(R"({"resourceList":[)" + many + "]}"));
}

TEST_CASE("an empty list is a configuration without pools") {
  for (const char* text : {R"({"resourceList":[]})", R"({"resourceList":null})"}) {
    const auto config = parse_config(text);
    REQUIRE(config);
    CHECK(config->pools.empty());
    CHECK(warnings(*config) == "resourceList: is empty: no device is offered\n");
  }
}

TEST_CASE("refused pools leave the others alone, and say why") {
  struct Row {
    std::string body;
    const char* resource;
    const char* reason;
  };
  const std::string name = R"("resourceName":"a",)";
  const std::vector<Row> rows = {
      {R"("resourceName":"a")", "intel.com/a", "resourceList[0].selectors is missing or null"},
      {name + R"("selectors":null)", "intel.com/a", "missing or null"},
      {name + R"("selectors":[null])", "intel.com/a",
       "resourceList[0].selectors[0] is null; allowed is an object"},
      {name + R"("selectors":[])", "intel.com/a", "has 0 selectors; allowed are 1 to 64"},
      {name + R"("selectors":{"pfName":[]})", "intel.com/a",
       "resourceList[0].selectors.pfName is unknown, did you mean 'pfNames'?"},
      {name + R"("selectors":[{},{"vendor":["x"]}])", "intel.com/a",
       "resourceList[0].selectors[1].vendor is unknown, did you mean 'vendors'?"},
      {name + R"("selectors":{"drivers":"x"})", "intel.com/a",
       "resourceList[0].selectors.drivers is the string 'x'; allowed is a list of strings"},
      {name + R"("selectors":{"drivers":[{}]})", "intel.com/a",
       "drivers[0] is an object; allowed is a string"},
      {name + R"("selectors":{"isRdma":"true"})", "intel.com/a", "allowed is true or false"},
      {name + R"("selectors":{"isRdma":true,"vdpaType":"vhost"})", "intel.com/a",
       "has both isRdma and vdpaType"},
      {name + R"("selectors":{"auxTypes":["sf"]})", "intel.com/a", "auxTypes is unknown"},
      {name + R"("deviceType":"auxNetDevice","selectors":{})", "intel.com/a",
       "auxTypes is missing; an auxNetDevice needs [\"sf\"]"},
      {name + R"("deviceType":"auxNetDevice","selectors":{"auxTypes":["eth"]})", "intel.com/a",
       "auxTypes[0] is 'eth'; allowed is only 'sf'"},
      {name + R"("deviceType":"auxNetDevice","selectors":{"auxTypes":["sf"],"pciAddresses":[]})",
       "intel.com/a", "pciAddresses is unknown"},
      {name + R"("deviceType":"NetDevice","selectors":{})", "intel.com/a",
       "resourceList[0].deviceType is 'NetDevice'; allowed: netDevice, accelerator, auxNetDevice"},
      {name + R"("excludeTopology":1,"selectors":{})", "intel.com/a",
       "excludeTopology is the number 1"},
      {name + R"("additionalInfo":{"*":{"k":1}},"selectors":{})", "intel.com/a",
       "additionalInfo['*']['k'] is the number 1; allowed is a string"},
      {name + R"("resourcePrefix":"Bad_","selectors":{})", "Bad_/a", "is no DNS name"},
      {name + R"("resourcePrefix":"x.kubernetes.io","selectors":{})", "x.kubernetes.io/a",
       "Kubernetes' own"},
      {R"("resourceName":"junk.net.0","selectors":{})", "intel.com/junk.net.0",
       "must be of letters"},
      {R"("resourceName":"a-","selectors":{})", "intel.com/a-", "the kubelet takes no other"},
      {R"("resourceName":5,"selectors":{})", "resourceList[0]", "resourceName is the number 5"},
      {R"("selectors":{})", "resourceList[0]", "resource name '' must be of letters"},
  };
  for (const auto& row : rows) {
    INFO(row.body);
    auto text = pool(row.body);
    text.insert(text.size() - 2, R"(,{"resourceName":"other","selectors":{"vendors":["8086"]}})");
    const auto config = parse_config(text);
    REQUIRE(config);
    REQUIRE(config->pools.size() == 1);
    CHECK(config->pools[0].name == "other");
    REQUIRE(config->refused.size() == 1);
    CHECK(config->refused[0].resource == row.resource);
    INFO(config->refused[0].reason);
    CHECK(config->refused[0].reason.find(row.reason) != std::string::npos);
  }
  const auto bare = parse_config(R"({"resourceList":[5]})");
  REQUIRE(bare);
  CHECK(bare->refused[0].reason == "resourceList[0] is the number 5; allowed is an object");
}

TEST_CASE("warnings name the place and what is allowed") {
  struct Row {
    std::string body;
    const char* warning;
  };
  const std::string name = R"("resourceName":"a",)";
  const std::vector<Row> rows = {
      {name + R"("selectors":{})", "resourceList[0].selectors: filters nothing"},
      {name + R"("selectors":[{"vendors":["x"]}])",
       "resourceList[0].selectors[0].vendors[0]: 'x' is no PCI ID"},
      {name + R"("selectors":{"pfNames":["p0#0-1","P0#4"]})",
       "selectors.pfNames[1]: 'P0#4' is the second entry for 'p0' and is never looked at"},
      {name + R"("selectors":{"pfNames":["p0#5-3"]})",
       "pfNames[0]: 'p0#5-3': the range '5-3' is reversed"},
      {name + R"("selectors":{"pfNames":["p0#0, 2"]})", "' 2' is no number N or range A-B"},
      {name + R"("selectors":{"pfNames":["p0#1#2"]})", "more than one '#'"},
      {name + R"("selectors":{"pfNames":["a-very-long-name"]})", "is no interface name"},
      {name + R"("selectors":{"rootDevices":["p0"]})", "rootDevices[0]: 'p0' is no PCI address"},
      {name + R"("selectors":{"linkTypes":["ethernet"]})", "did you mean 'ether'?"},
      {name + R"("selectors":{"linkTypes":["ether","infiniband"]})", "names every link type"},
      {name + R"("selectors":{"pKeys":["0x1"],"linkTypes":["ether"]})", "only InfiniBand"},
      {name + R"("selectors":{"vdpaType":"vhots"})", "did you mean 'vhost'?"},
      {name + R"("selectors":{"ddpProfiles":["x"]})", "not read"},
      {name + R"("selectors":{"drivers":["a"],"DRIVERS":["b"]})",
       "selectors.DRIVERS: is given twice"},
      {name + R"("selector":1,"selectors":{})",
       "resourceList[0].selector: is unknown, did you mean 'selectors'?"},
      {name + R"("selectors":[{"vendors":["1","2"]},{"vendors":["2"],"isRdma":true}])",
       "resourceList[0].selectors[1]: is within resourceList[0].selectors[0]"},
      {name +
           R"("selectors":{"vendors":["1"]}},{"resourceName":"b","selectors":{"vendors":["0x1"]})",
       "resourceList[1].selectors: is the same as resourceList[0].selectors, which comes first"},
      {name + R"("selectors":{"vendors":["1"]}},{"resourceName":"A","selectors":{"vendors":["2"]})",
       "resourceList[1]: gives the same environment variable SLUICE_* as resourceList[0]"},
  };
  for (const auto& row : rows) {
    INFO(row.body);
    const auto config = parse_config(pool(row.body));
    REQUIRE(config);
    CHECK(config->refused.empty());
    INFO(warnings(*config));
    CHECK(warnings(*config).find(row.warning) != std::string::npos);
  }
  const auto top = parse_config(R"({"resourcesList":1,"resourceList":[]})");
  CHECK(warnings(*top).find("resourcesList: is unknown, did you mean 'resourceList'?") == 0);
}

TEST_CASE("a good configuration has no warnings, and is read in full") {
  const auto config = parse_config(
      R"({"resourceList":[{"resourceName":"a","resourcePrefix":"acme.com","excludeTopology":true,
          "selectors":[{"vendors":["8086"],"devices":["154C"],"drivers":["iavf"],
                        "pciAddresses":["3b:02.0"],"acpiIndexes":["101"],"pfNames":["ens0#0-3"],
                        "rootDevices":["3b:00.0"],"linkTypes":["ether"],"isRdma":true,
                        "needVhostNet":true}]},
         {"resourceName":"b","deviceType":"auxNetDevice",
          "selectors":{"auxTypes":["sf"],"vdpaTyp":null}}]})");
  REQUIRE(config);
  REQUIRE(config->pools.size() == 1);
  CHECK(config->refused[0].resource == "intel.com/b");
  CHECK(config->warnings.empty());
  const auto& read = config->pools[0];
  CHECK(read.resource() == "acme.com/a");
  CHECK(read.type == DeviceType::kNetwork);
  CHECK(read.exclude_topology);
  CHECK(read.offer == Offer::kBoth);
  Selector wanted;
  wanted.vendors = {0x8086};
  wanted.devices = {0x154c};
  wanted.drivers = {"iavf"};
  wanted.pci_addresses = {{0, 0x3b, 2, 0}};
  wanted.acpi_indexes = {"101"};
  wanted.pf_names = {{"ens0", false, {{0, 3}}}};
  wanted.root_devices = {{"0000:3b:00.0", true, {}}};
  wanted.link_types = {"ether"};
  wanted.is_rdma = true;
  wanted.need_vhost_net = true;
  CHECK(read.selectors == std::vector<Selector>{wanted});
}

TEST_CASE("the default prefix is the peer's, or the caller's") {
  const auto text = pool(R"("resourceName":"a","selectors":{})");
  CHECK(parse_config(text)->pools[0].resource() == "intel.com/a");
  CHECK(parse_config(text, "acme.com")->pools[0].resource() == "acme.com/a");
  CHECK(parse_config(text, "acme_com")->refused.size() == 1);
}

TEST_CASE("hostile sizes") {
  std::string drivers = "\"d\"";
  for (int i = 0; i < 2000; ++i) drivers += ",\"d\"";
  const auto long_list =
      parse_config(pool(R"("resourceName":"a","selectors":{"drivers":[)" + drivers + "]}"));
  CHECK(long_list->refused[0].reason.find("has 2001 entries; allowed are 1024") !=
        std::string::npos);
  std::string keys;
  for (int i = 0; i < 1000; ++i) keys += "\"k" + std::to_string(i) + "\":1,";
  const auto many_keys = parse_config(pool(keys + R"("resourceName":"a","selectors":{})"));
  CHECK(many_keys->warnings.size() <= 204);
  const auto info =
      parse_config(pool(R"("resourceName":"a","selectors":{},"additionalInfo":{"*":{"k":")" +
                        std::string(70000, 'x') + "\"}}"));
  CHECK(info->refused[0].reason.find("allowed are 65536") != std::string::npos);
  const auto long_name =
      parse_config(pool(R"("resourceName":")" + std::string(5000, 'x') + R"(","selectors":{})"));
  CHECK(long_name->refused[0].reason.size() < 400);
  CHECK(long_name->refused[0].resource.size() < 300);
  CHECK_FALSE(parse_config(std::string(500000, '[')));
  CHECK_FALSE(parse_config(R"({"resourceList":)" + std::string(500000, '[') +
                           std::string(500000, ']') + "}")
                  ->refused.empty());
}

}  // namespace
}  // namespace sluice::config
