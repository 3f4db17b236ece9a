// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/pool.h"

#include <doctest/doctest.h>

#include <map>

#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

// Files by path.
class Files {
 public:
  std::map<std::string, std::string> files;
  ReadFile reader() const {
    return [this](const std::string& path) -> Result<std::string> {
      const auto found = files.find(path);
      if (found == files.end()) return fail(Code::kNotFound, path + " is not there");
      return found->second;
    };
  }
};

Result<Pool> parse(const std::string& text, const PoolPlace& place = {"net", "node-a", {}},
                   const Files& files = {}) {
  return parse_pool(text, place, files.reader());
}

std::string ranges_of(const Result<Pool>& pool) {
  if (!pool) return pool.error().to_string();
  std::string out;
  for (const auto& set : pool->sets) {
    out += "[" + to_string(set) + " via ";
    for (const auto& range : set) out += (range.gateway ? range.gateway->to_string() : "-") + " ";
    out.back() = ']';
  }
  return out;
}

// The message names `field`; the code is 7.
void check_refused(const std::string& text, const std::string& field) {
  INFO(text);
  const auto pool = parse(text);
  REQUIRE_FALSE(pool);
  INFO(pool.error().message);
  CHECK(pool.error().message.find(field) != std::string::npos);
  CHECK(cni_code(pool.error()) == kInvalidConfig);
  CHECK(pool.error().message.size() < 1000);
}

TEST_CASE("host-local's shapes and defaults") {
  struct Row {
    const char *ipam, *ranges;
  };
  for (const auto& row :
       {Row{R"({"subnet": "10.1.0.0/24"})", "[10.1.0.1-10.1.0.254 via 10.1.0.1]"},
        Row{R"({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.20", "rangeEnd": "10.1.0.40",
                   "gateway": "10.1.0.254"})",
            "[10.1.0.20-10.1.0.40 via 10.1.0.254]"},
        Row{R"({"ranges": [[{"subnet": "10.1.0.0/28"}, {"subnet": "10.2.0.0/28"}],
                              [{"subnet": "fd00:1::/64", "rangeStart": "fd00:1::10"}]]})",
            "[10.1.0.1-10.1.0.14, 10.2.0.1-10.2.0.14 via 10.1.0.1 10.2.0.1]"
            "[fd00:1::10-fd00:1::ffff:ffff:ffff:ffff via fd00:1::1]"},
        Row{R"({"subnet": "fd00::/64", "ranges": [[{"subnet": "10.1.0.0/28"}]]})",
            "[fd00::1-fd00::ffff:ffff:ffff:ffff via fd00::1][10.1.0.1-10.1.0.14 via 10.1.0.1]"},
        // Network and broadcast drop out.
        Row{R"({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.255"})",
            "[10.1.0.1-10.1.0.254 via 10.1.0.1]"},
        Row{R"({"subnet": "10.1.0.0/31"})", "[10.1.0.0-10.1.0.1 via 10.1.0.0]"},
        Row{R"({"subnet": "10.1.0.7/32"})", "[10.1.0.7 via -]"},
        Row{R"({"subnet": "10.1.0.0/24", "gateway": null})",
            "[10.1.0.1-10.1.0.254 via 10.1.0.1]"}}) {
    INFO(row.ipam);
    CHECK(ranges_of(parse(row.ipam)) == row.ranges);
  }
}

TEST_CASE("wrong ranges name their field") {
  check_refused(R"({"subnet": "10.1.0.5/24"})",
                "ipam.subnet is '10.1.0.5/24'; allowed is its "
                "network 10.1.0.0/24");
  check_refused(R"({"subnet": 7})", "ipam.subnet is 7");
  check_refused(R"({"rangeStart": "10.1.0.5"})", "ipam.subnet is missing");
  check_refused(R"({"subnet": "0.0.0.0/0"})", "ipam.subnet is '0.0.0.0/0'");
  check_refused(R"({"subnet": "224.0.0.0/8"})", "ipam.subnet");
  check_refused(R"({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"})",
                "ipam.rangeStart is '10.2.0.1'; allowed is an address in the subnet 10.1.0.0/24");
  check_refused(R"({"subnet": "10.1.0.0/24", "rangeEnd": "fd00::1"})", "ipam.rangeEnd");
  check_refused(R"({"subnet": "10.1.0.0/24", "gateway": "10.1.1.1"})",
                "ipam.gateway is '10.1.1.1'");
  check_refused(R"({"subnet": "10.1.0.0/24", "gateway": "x"})", "ipam.gateway is 'x'");
  check_refused(R"({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.8"})",
                "ipam.rangeEnd is '10.1.0.8'; allowed is an address not before rangeStart");
  check_refused(R"({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.255"})",
                "ipam.rangeStart is '10.1.0.255'; allowed is one with a host's address in the "
                "range, of 10.1.0.1-10.1.0.254");
  check_refused(
      R"({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.1", "rangeEnd": "10.1.0.1"})",
      "ipam.gateway is missing; allowed is another one than the range's only address 10.1.0.1");
  check_refused(R"({"ranges": {}})", "ipam.ranges is an object");
  check_refused(R"({"ranges": []})", "ipam.ranges is empty; allowed is a list");
  check_refused(R"({"ranges": [[]]})", "ipam.ranges[0] is a list");
  check_refused(R"({"ranges": [{"subnet": "10.1.0.0/24"}]})", "ipam.ranges[0] is an object");
  check_refused(R"({"ranges": [["10.1.0.0/24"]]})", "ipam.ranges[0][0] is '10.1.0.0/24'");
  check_refused(R"({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]})",
                "ipam.ranges[0][1].subnet is 'fd00::/64'");
  check_refused(R"({"ranges": [[{"subnet": "10.1.0.0/24", "rangestart": "10.1.0.3"}]]})",
                "ipam.ranges[0][0].rangestart is unknown, did you mean 'rangeStart'?");
  check_refused(R"({"ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.4.0/24"}]]})",
                "ipam.ranges: 10.1.4.1-10.1.4.254 overlaps 10.1.0.1-10.1.255.254");
  check_refused(R"({"ranges": [[{"subnet": "10.1.0.0/24"}]], "gateway": "10.1.0.1"})",
                "ipam.subnet is missing");
}

TEST_CASE("the other keys") {
  const auto pool = parse(R"({"type": "sluice", "pool": "storage", "subnet": "10.1.0.0/24",
    "routes": [{"dst": "10.9.0.7/16"}, {"dst": "0.0.0.0/0", "gw": "10.1.0.9", "mtu": 1400,
                "advmss": 1360, "priority": 5, "table": 100, "scope": 253}],
    "exclude": ["10.1.0.7", "10.1.0.128/25"],
    "reservations": [{"address": "10.1.0.200", "pod": "db/db-0"},
                     {"address": "10.1.0.201", "mac": "02:00:00:AA:bb:cc"}],
    "dns": {"nameservers": ["10.1.0.53"], "domain": "d", "search": ["s"], "options": ["o"]},
    "example.com/mine": 1})");
  REQUIRE(pool);
  CHECK(pool->name == "storage");
  CHECK(pool->rail == "-");
  REQUIRE(pool->routes.size() == 2);
  CHECK(pool->routes[0].destination.to_string() == "10.9.0.0/16");
  CHECK_FALSE(pool->routes[0].gateway);
  CHECK(pool->routes[1].gateway->to_string() == "10.1.0.9");
  CHECK(pool->routes[1].mtu == 1400U);
  CHECK(pool->routes[1].advmss == 1360U);
  CHECK(pool->routes[1].priority == 5U);
  CHECK(pool->routes[1].table == 100U);
  CHECK(pool->routes[1].scope == 253);
  REQUIRE(pool->exclude.size() == 2);
  CHECK(pool->exclude[0].to_string() == "10.1.0.7/32");
  REQUIRE(pool->reservations.size() == 2);
  CHECK(pool->reservations[0].pod == "db/db-0");
  CHECK(pool->reservations[1].mac->to_string() == "02:00:00:aa:bb:cc");
  CHECK(pool->dns == CniDns{{"10.1.0.53"}, {"s"}, {"o"}, "d"});
}

TEST_CASE("what is refused of them") {
  const auto with = [](const std::string& more) {
    return R"({"subnet": "10.1.0.0/24", )" + more + "}";
  };
  check_refused(with(R"("pool": "../x")"), "pool name '../x'");
  check_refused(with(R"("pool": "10.0.0.1")"), "pool name '10.0.0.1' is an IP address");
  check_refused(with(R"("pool": 3)"), "ipam.pool is 3");
  check_refused(with(R"("route": [])"), "ipam.route is unknown, did you mean 'routes'?");
  check_refused(with(R"("routes": [{"gw": "10.1.0.1"}])"), "ipam.routes[0].dst is missing");
  check_refused(with(R"("routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}])"), "ipam.routes[0].gw");
  check_refused(with(R"("routes": [{"dst": "0.0.0.0/0", "mtu": -1}])"), "ipam.routes[0].mtu is -1");
  check_refused(with(R"("routes": [{"dst": "0.0.0.0/0", "scope": 256}])"),
                "ipam.routes[0].scope is 256; allowed are whole numbers from 0 to 255");
  check_refused(with(R"("exclude": ["10.1.0.300"])"), "ipam.exclude[0] is '10.1.0.300'");
  check_refused(with(R"("reservations": [{"pod": "a/b"}])"), "ipam.reservations[0].address");
  check_refused(with(R"("reservations": [{"address": "10.1.0.9"}])"),
                "allowed is either pod or mac");
  check_refused(with(R"("reservations": [{"address": "10.1.0.9", "pod": "b"}])"),
                "ipam.reservations[0].pod is 'b'");
  check_refused(with(R"("reservations": [{"address": "10.1.0.9", "mac": "x"}])"),
                "ipam.reservations[0].mac is 'x'");
  for (const auto* ip : {"10.1.0.0", "10.1.0.255", "10.1.0.1", "10.2.0.9"}) {
    check_refused(
        with(R"("reservations": [{"address": ")" + std::string(ip) + R"(", "pod": "a/b"}])"),
        std::string("ipam.reservations: ") + ip + " is not allowed");
  }
  check_refused(with(R"("reservations": [{"address": "10.1.0.9", "pod": "a/b"},
                                         {"address": "10.1.0.9", "pod": "a/c"}])"),
                "10.1.0.9 is reserved twice");
  check_refused(with(R"("dns": {"nameservers": [1]})"), "ipam.dns.nameservers[0] is 1");
  check_refused(with(R"("blocksFile": "/x")"), "ipam.blocksFile");
  check_refused(with(R"("nodes": {})"), "one of ranges, nodes and rails");
  CHECK(cni_code(parse("{").error()) == kDecodeFailure);
}

constexpr const char* kByNode = R"({"pool": "p", "exclude": ["10.0.0.9"],
  "reservations": [{"address": "10.1.0.7", "pod": "a/b"}, {"address": "10.2.0.1", "pod": "a/c"}],
  "routes": [{"dst": "10.0.0.0/8"}],
  "nodes": {
    "node-a": {"exclude": ["10.1.0.9"], "ranges": [[{"subnet": "10.1.0.0/28"}]]},
    "node-b": {"rails": {"3b:00.0": {"subnet": "10.2.0.0/28", "routes": []},
                         "p1": {"subnet": "10.3.0.0/28"}}}}})";

TEST_CASE("blocks by node, and by rail below it") {
  const auto a = parse(kByNode);
  CHECK(ranges_of(a) == "[10.1.0.1-10.1.0.14 via 10.1.0.1]");
  CHECK(a->exclude.size() == 2);
  CHECK(a->routes.size() == 1);
  CHECK(a->rail == "-");

  const auto b = parse(kByNode, {"net", "node-b", {"0000:3b:00.0", "p0"}});
  CHECK(ranges_of(b) == "[10.2.0.1-10.2.0.14 via 10.2.0.1]");
  CHECK(b->rail == "0000:3b:00.0");
  CHECK(b->routes.empty());
  // Reserved from further out, but here it is the gateway.
  REQUIRE(b->reservations.size() == 1);
  CHECK(b->reservations[0].pod == "a/b");
  const auto by_name = parse(kByNode, {"net", "node-b", {"0000:5e:00.0", "p1"}});
  CHECK(ranges_of(by_name) == "[10.3.0.1-10.3.0.14 via 10.3.0.1]");
  CHECK(by_name->rail == "p1");
}

TEST_CASE("a node or a rail without a block is named with the pool") {
  const auto no_node = parse(kByNode, {"net", "node-c", {}});
  REQUIRE_FALSE(no_node);
  CHECK(no_node.error().message == "pool p has no block for node node-c in ipam.nodes");
  CHECK(parse(kByNode, {"net", "", {}}).error().message.find("name isn't known") !=
        std::string::npos);
  CHECK(parse(kByNode, {"net", "node-b", {"0000:af:00.1", "p7"}}).error().message ==
        "pool p has no block for rail 0000:af:00.1, p7 of node node-b in ipam.nodes.node-b.rails");
  CHECK(
      parse(kByNode, {"net", "node-b", {}}).error().message.find("an interface without a device") !=
      std::string::npos);
}

TEST_CASE("rails outside of nodes, with one for all others") {
  const std::string text = R"({"rails": {
    "p0": {"nodes": {"node-a": {"subnet": "10.1.0.0/28"}}},
    "*": {"subnet": "10.9.0.0/28"}}})";
  CHECK(ranges_of(parse(text, {"net", "node-a", {"0000:3b:00.0", "p0"}})) ==
        "[10.1.0.1-10.1.0.14 via 10.1.0.1]");
  const auto other = parse(text, {"net", "node-a", {"0000:5e:00.0", "p1"}});
  CHECK(ranges_of(other) == "[10.9.0.1-10.9.0.14 via 10.9.0.1]");
  CHECK(other->rail == "-");
  CHECK(ranges_of(parse(text, {"net", "node-a", {}})) == "[10.9.0.1-10.9.0.14 via 10.9.0.1]");
}

TEST_CASE("nesting and rails' names that are refused") {
  check_refused(R"({"nodes": {"node-a": {"nodes": {"node-a": {"subnet": "10.1.0.0/28"}}}}})",
                "ipam.nodes.node-a.nodes is an object");
  check_refused(R"({"nodes": {"node-a": []}})", "ipam.nodes.node-a is a list");
  check_refused(R"({"nodes": {"node-a": {"blocksFile": "/x"}}})", "blocksFile is unknown");
  check_refused(R"({"nodes": {"node-a": {}}})",
                "ipam.nodes.node-a.ranges is missing; allowed is one of");
  for (const auto* rail : {"-", "", "a/b", "..", "a b"}) {
    check_refused(R"({"rails": {")" + std::string(rail) + R"(": {"subnet": "10.1.0.0/28"}}})",
                  "ipam.rails: key '" + std::string(rail) + "'");
  }
  check_refused(R"({"rails": {"3b:00.0": {}, "0000:3B:00.0": {}}})", "once, a PF's PCI address");
}

TEST_CASE("the blocks' file") {
  Files files;
  files.files["/etc/sluice/ipam/p.json"] =
      R"({"nodes": {"node-a": {"subnet": "10.1.0.0/28"}}, "dns": {"domain": "of-file"}})";
  files.files["/x/y.json"] = R"({"subnet": "10.2.0.0/28"})";
  files.files["/x/bad.json"] = R"({"subnet": "10.2.0.0/28")";
  files.files["/x/more.json"] = R"({"subnet": "10.2.0.0/28", "blocksFile": "/x/y.json"})";
  const PoolPlace place{"p", "node-a", {}};
  const auto by_default = parse("{}", place, files);
  CHECK(ranges_of(by_default) == "[10.1.0.1-10.1.0.14 via 10.1.0.1]");
  CHECK(by_default->dns.domain == "of-file");
  CHECK(ranges_of(parse(R"({"blocksFile": "/x/y.json"})", place, files)) ==
        "[10.2.0.1-10.2.0.14 via 10.2.0.1]");
  CHECK(parse("{}", {"p", "node-b", {}}, files).error().message ==
        "/etc/sluice/ipam/p.json: pool p has no block for node node-b in nodes");
  CHECK(parse("{}", {"q", "node-a", {}}, files).error().message.find("/etc/sluice/ipam/q.json") !=
        std::string::npos);
  CHECK(parse(R"({"blocksFile": "/x/bad.json"})", place, files).error().message ==
        "/x/bad.json is not JSON");
  CHECK_FALSE(parse(R"({"blocksFile": "/x/more.json"})", place, files));
  CHECK_FALSE(parse(R"({"blocksFile": "x/y.json"})", place, files));
}

TEST_CASE("the name is known also where the rest is wrong") {
  CHECK(pool_name(R"({"pool": "p", "ranges": 7, "what": 1})", "net").value() == "p");
  CHECK(pool_name("{}", "net").value() == "net");
  CHECK_FALSE(pool_name("{", "net"));
  CHECK_FALSE(pool_name(R"({"pool": "a/b"})", "net"));
}

}  // namespace
}  // namespace sluice::cni
