// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }
IpAddr ip(const char* text) { return IpAddr::parse(text).value(); }

json printed(std::string_view version, const CniResult& result) {
  return json::parse(print_result(version, result).value());
}

// All that 1.1.0 can say.
CniResult full() {
  CniResult out;
  out.interfaces.push_back({"sl01", "0a:00:00:00:00:01", 1450, "", "", ""});
  out.interfaces.push_back({"eth0", "0a:58:0a:f4:01:02", 1400, "/run/netns/x", "", "0000:3b:00.2"});
  out.interfaces.push_back({"vhu0", "", 0, "/run/netns/x", "/run/vhu0.sock", ""});
  out.addresses.push_back({prefix("10.244.1.2/24"), ip("10.244.1.1"), 1});
  out.addresses.push_back({prefix("fd00::2/64"), std::nullopt, 1});
  out.addresses.push_back({prefix("10.244.1.3/32"), std::nullopt, std::nullopt});
  out.routes.push_back({prefix("169.254.1.1/32"), {}, {}, {}, {}, {}, 253});
  out.routes.push_back({prefix("0.0.0.0/0"), ip("169.254.1.1"), 1300, 1260, 7, {}, {}});
  out.routes.push_back({prefix("10.9.0.0/16"), ip("10.244.1.1"), {}, {}, {}, 100, {}});
  out.routes.push_back({prefix("::/0"), ip("fe80::1"), {}, {}, {}, {}, 0});
  out.dns = {{"10.96.0.10"}, {"cluster.local"}, {"ndots:5"}, "example.com"};
  return out;
}

TEST_CASE("1.1.0 says everything, and reads it again") {
  const auto result = full();
  CHECK(printed("1.1.0", result) == json::parse(R"({
    "cniVersion": "1.1.0",
    "interfaces": [
      {"name": "sl01", "mac": "0a:00:00:00:00:01", "mtu": 1450},
      {"name": "eth0", "mac": "0a:58:0a:f4:01:02", "mtu": 1400, "sandbox": "/run/netns/x",
       "pciID": "0000:3b:00.2"},
      {"name": "vhu0", "sandbox": "/run/netns/x", "socketPath": "/run/vhu0.sock"}],
    "ips": [{"interface": 1, "address": "10.244.1.2/24", "gateway": "10.244.1.1"},
            {"interface": 1, "address": "fd00::2/64"},
            {"address": "10.244.1.3/32"}],
    "routes": [{"dst": "169.254.1.1/32", "scope": 253},
               {"dst": "0.0.0.0/0", "gw": "169.254.1.1", "mtu": 1300, "advmss": 1260,
                "priority": 7},
               {"dst": "10.9.0.0/16", "gw": "10.244.1.1", "table": 100},
               {"dst": "::/0", "gw": "fe80::1", "scope": 0}],
    "dns": {"nameservers": ["10.96.0.10"], "domain": "example.com", "search": ["cluster.local"],
            "options": ["ndots:5"]}})"));
  CHECK(parse_result(print_result("1.1.0", result).value(), "1.1.0").value() == result);
}

TEST_CASE("1.0.0 says the same, and a chain loses nothing by it") {
  auto expected = printed("1.1.0", full());
  expected["cniVersion"] = "1.0.0";
  CHECK(printed("1.0.0", full()) == expected);
  CHECK(parse_result(print_result("1.0.0", full()).value(), "1.0.0").value() == full());
  CHECK_FALSE(printed("1.0.0", {}).contains("dns"));
}

TEST_CASE("0.3.0 to 0.4.0 number the family, and always have dns") {
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0"}) {
    INFO(version);
    const auto out = printed(version, full());
    CHECK(out["cniVersion"] == version);
    CHECK(out["ips"][0] == json::parse(R"({"version": "4", "interface": 1,
                             "address": "10.244.1.2/24", "gateway": "10.244.1.1"})"));
    CHECK(out["ips"][1]["version"] == "6");
    CHECK(out["interfaces"][0] == json{{"name", "sl01"}, {"mac", "0a:00:00:00:00:01"}});
    CHECK(out["interfaces"][2] == json{{"name", "vhu0"}, {"sandbox", "/run/netns/x"}});
    CHECK(out["routes"] == printed("1.1.0", full())["routes"]);
    CHECK(printed(version, {}) == json{{"cniVersion", version}, {"dns", json::object()}});
  }
}

TEST_CASE("0.1.0 and 0.2.0 have the first address of each family, with its routes") {
  for (const char* version : {"0.1.0", "0.2.0"}) {
    INFO(version);
    auto expected = json::parse(R"({
      "ip4": {"ip": "10.244.1.2/24", "gateway": "10.244.1.1",
              "routes": [{"dst": "169.254.1.1/32", "scope": 253},
                         {"dst": "0.0.0.0/0", "gw": "169.254.1.1", "mtu": 1300, "advmss": 1260,
                          "priority": 7},
                         {"dst": "10.9.0.0/16", "gw": "10.244.1.1", "table": 100}]},
      "ip6": {"ip": "fd00::2/64", "routes": [{"dst": "::/0", "gw": "fe80::1", "scope": 0}]},
      "dns": {"nameservers": ["10.96.0.10"], "domain": "example.com",
              "search": ["cluster.local"], "options": ["ndots:5"]}})");
    expected["cniVersion"] = version;
    CHECK(printed(version, full()) == expected);
  }
  CniResult only_v6;
  only_v6.addresses.push_back({prefix("fd00::2/64"), std::nullopt, std::nullopt});
  only_v6.routes.push_back({prefix("0.0.0.0/0"), ip("10.0.0.1"), {}, {}, {}, {}, {}});
  CHECK(printed("0.2.0", only_v6) ==
        json::parse(R"({"cniVersion": "0.2.0", "ip6": {"ip": "fd00::2/64"}})"));
}

TEST_CASE("what a version can say comes back as it was") {
  auto lists = full();
  for (auto& interface : lists.interfaces) {
    interface.mtu = 0;
    interface.socket_path.clear();
    interface.pci.clear();
  }
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    INFO(version);
    CHECK(parse_result(print_result(version, lists).value(), "0.1.0").value() == lists);
  }
  auto families = lists;
  families.interfaces.clear();
  families.addresses.pop_back();
  for (auto& address : families.addresses) address.interface.reset();
  for (const char* version : {"0.1.0", "0.2.0"}) {
    INFO(version);
    CHECK(parse_result(print_result(version, families).value(), "1.1.0").value() == families);
  }
}

TEST_CASE("the result's own version says its shape, else the caller's") {
  const char* old = R"("ip4": {"ip": "10.0.0.5/24"}})";
  const char* lists = R"("ips": [{"address": "10.0.0.5/24"}]})";
  const auto count = [](const std::string& text, const char* version) {
    return parse_result(text, version).value().addresses.size();
  };
  CHECK(count(R"({"cniVersion": "0.2.0", )" + std::string(old), "1.0.0") == 1);
  CHECK(count(R"({"cniVersion": "", )" + std::string(lists), "0.3.0") == 1);
  CHECK(count("{" + std::string(lists), "1.1.0") == 1);
  CHECK(count("{" + std::string(lists), "0.2.0") == 0);
  CHECK(count("{" + std::string(old), "") == 1);
}

TEST_CASE("others' ways of saying nothing") {
  const auto result = parse_result(R"({"interfaces": null, "dns": {}, "unknown": [1],
      "ips": [{"address": "10.0.0.5/24", "gateway": "", "interface": -1}],
      "routes": [{"dst": "0.0.0.0/0", "gw": null, "mtu": 0, "advmss": 0, "priority": 0}]})",
                                   "1.1.0");
  REQUIRE(result);
  CHECK_FALSE(result->addresses[0].interface);
  CHECK_FALSE(result->addresses[0].gateway);
  CHECK(result->routes[0] == CniRoute{prefix("0.0.0.0/0"), {}, {}, {}, {}, {}, {}});
}

TEST_CASE("what is no result: code 6, and which field") {
  const std::string eth0 = R"("interfaces": [{"name": "eth0"}])";
  std::string many = R"({"routes": [)";
  for (int i = 0; i < 257; ++i) many += std::string(i == 0 ? "" : ",") + R"({"dst": "::/0"})";
  struct Row {
    std::string text;
    const char* named;
  };
  const std::vector<Row> rows = {
      {"", "JSON"},
      {"[]", "a list"},
      {std::string(200, '[') + std::string(200, ']'), "JSON"},
      {R"({"cniVersion": 1})", "cniVersion is 1"},
      {R"({"cniVersion": "2.0.0"})", "cniVersion is '2.0.0'"},
      {R"({"ips": {}})", "ips is an object"},
      {R"({"ips": ["10.0.0.1/24"]})", "ips[0] is '10.0.0.1/24'"},
      {R"({"ips": [{}]})", "ips[0].address is missing"},
      {R"({"ips": [{"address": "10.0.0.1"}]})", "ips[0].address is '10.0.0.1'"},
      {R"({"ips": [{"address": "10.0.0.1/24", "gateway": "x"}]})", "ips[0].gateway is 'x'"},
      {R"({"ips": [{"address": "10.0.0.1/24", "interface": 0}]})", "ips[0].interface is 0"},
      {"{" + eth0 + R"(, "ips": [{"address": "10.0.0.1/24", "interface": 1}]})",
       "ips[0].interface is 1; allowed are whole numbers from 0 to 0"},
      {"{" + eth0 + R"(, "ips": [{"address": "10.0.0.1/24", "interface": -2}]})",
       "ips[0].interface is -2"},
      {R"({"interfaces": [{"name": 7}]})", "interfaces[0].name is 7"},
      {R"({"interfaces": [{}, {"mtu": 4294967296}]})", "interfaces[1].mtu is 4294967296"},
      {R"({"interfaces": [{"sandbox": ")" + std::string(4097, 'x') + "\"}]}",
       "interfaces[0].sandbox is 'xxx"},
      {R"({"routes": [{"gw": "10.0.0.1"}]})", "routes[0].dst is missing"},
      {R"({"routes": [{"dst": "10.0.0.0/33"}]})", "routes[0].dst is '10.0.0.0/33'"},
      {R"({"routes": [{"dst": "::/0", "scope": 256}]})", "routes[0].scope is 256"},
      {R"({"routes": [{"dst": "::/0", "table": "main"}]})", "routes[0].table is 'main'"},
      {many + "]}", "routes is a list; allowed is a list of up to 256"},
      {R"({"dns": {"search": "x"}})", "dns.search is 'x'"},
      {R"({"dns": {"options": [7]}})", "dns.options"},
      {R"({"cniVersion": "0.2.0", "ip4": {"gateway": "10.0.0.1"}})", "ip4.ip is missing"},
      {R"({"cniVersion": "0.2.0", "ip4": {"ip": "fd00::1/64"}})", "ip4.ip is 'fd00::1/64'"},
      {R"({"cniVersion": "0.2.0", "ip6": {"ip": "fd00::1/64", "routes": [{}]}})",
       "ip6.routes[0].dst is missing"},
      {std::string(kMaxConfigBytes + 1, ' '), "4 MiB"},
  };
  for (const auto& row : rows) {
    const auto result = parse_result(row.text, "1.1.0");
    INFO(row.text.substr(0, 200));
    REQUIRE_FALSE(result);
    INFO(result.error().message);
    CHECK(cni_code(result.error()) == kDecodeFailure);
    CHECK(result.error().message.find(row.named) != std::string::npos);
    CHECK(result.error().message.size() < 400);
  }
}

TEST_CASE("a version that can't say a result is known before") {
  const auto refused = can_say("0.2.0", {});
  REQUIRE_FALSE(refused);
  CHECK(cni_code(refused.error()) == kInvalidConfig);
  CHECK(refused.error().message.find("'0.2.0'") != std::string::npos);
  CHECK(refused.error().message.find("0.3.0") != std::string::npos);
  CHECK_FALSE(print_result("0.1.0", {}));
  CHECK(can_say("0.3.0", {}));
  CHECK(can_say("0.1.0", full()));
  CHECK(cni_code(can_say("9.0.0", full()).error()) == kIncompatibleVersion);
}

TEST_CASE("a chain: ours behind what came before") {
  CniResult ours;
  ours.interfaces.push_back({"net1", "", 0, "/run/netns/x", "", ""});
  ours.addresses.push_back({prefix("10.5.0.2/24"), std::nullopt, 0});
  ours.addresses.push_back({prefix("10.5.0.3/24"), std::nullopt, std::nullopt});
  ours.routes.push_back({prefix("10.6.0.0/16"), ip("10.5.0.1"), {}, {}, {}, {}, {}});
  const auto before = full();
  auto joined = join(before, ours);
  REQUIRE(joined.interfaces.size() == 4);
  CHECK(joined.interfaces[3].name == "net1");
  REQUIRE(joined.addresses.size() == 5);
  CHECK(joined.addresses[0] == before.addresses[0]);
  CHECK(joined.addresses[3].interface == 3U);
  CHECK_FALSE(joined.addresses[4].interface);
  CHECK(joined.routes.size() == before.routes.size() + 1);
  CHECK(joined.dns == before.dns);
  ours.dns.domain = "ours";
  CHECK(join(before, ours).dns == ours.dns);
  CHECK(join({}, ours) == ours);
}

TEST_CASE("bytes that are no UTF-8 don't keep a result from being printed") {
  CniResult result;
  result.interfaces.push_back({"eth0", "", 0, "/run/\xff", "", ""});
  CHECK(printed("1.0.0", result)["interfaces"][0]["name"] == "eth0");
}

TEST_CASE("VERSION") {
  CHECK(json::parse(print_versions("0.4.0")) ==
        json::parse(R"({"cniVersion": "0.4.0", "supportedVersions":
                        ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]})"));
}

}  // namespace
}  // namespace sluice::cni
