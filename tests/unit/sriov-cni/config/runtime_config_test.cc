// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/sriov-cni/config/config_text.h"

namespace sluice::cni {
namespace {

std::string runtime(const std::string& members) { return R"("runtimeConfig":{)" + members + "}"; }

std::string ports(const std::string& list) {
  return config(runtime(R"("portMappings":[)" + list + "]"));
}

TEST_CASE("addresses: runtimeConfig, args, CNI_ARGS, in this order") {
  const auto addresses = [](const std::string& more, const std::string& argument) {
    auto call = call_of(Verb::kAdd);
    call.args_ip = argument;
    const auto out = parse_config(config(more), call);
    REQUIRE(out);
    std::string text;
    for (const auto& address : out->requested_addresses) text += address.to_string() + " ";
    return text;
  };
  const auto first = runtime(R"("ips":["10.0.0.1/24","fd00::1"])");
  const std::string second = R"("args":{"cni":{"ips":["10.0.0.2"]}})";
  const std::string third = "10.0.0.3/24,fd00::3/64";
  CHECK(addresses("", "").empty());
  CHECK(addresses("", third) == "10.0.0.3/24 fd00::3/64 ");
  CHECK(addresses(second, third) == "10.0.0.2/32 ");
  CHECK(addresses(first + "," + second, third) == "10.0.0.1/24 fd00::1/128 ");
  CHECK(addresses(runtime(R"("ips":[])") + "," + second, third) == "10.0.0.2/32 ");
  check_refused(
      {{config(runtime(R"("ips":"10.0.0.1")")), kInvalidConfig, "runtimeConfig.ips is '10.0.0.1'"},
       {config(runtime(R"("ips":["10.0.0.1","x"])")), kInvalidConfig,
        "runtimeConfig.ips[1] is 'x'; allowed is an address"},
       {config(R"("args":{"cni":{"ips":[7]}})"), kInvalidConfig, "args.cni.ips[0] is 7"},
       {sriov(runtime(R"("ips":["10.0.0.1"])")), kUnsupportedField, "no ipam"}},
      call_of(Verb::kAdd));
  for (const auto& argument :
       {std::string("10.0.0.1/33"), std::string("10.0.0.1,,10.0.0.2"), std::string(70, ',')}) {
    auto call = call_of(Verb::kAdd);
    call.args_ip = argument;
    check_refused({{config(""), kInvalidEnvironment, "CNI_ARGS: IP is"}}, call);
  }
}

TEST_CASE("portMappings") {
  const auto out = parsed(ports(R"(
      {"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"192.0.2.1"},
      {"hostPort":53,"containerPort":53,"protocol":"UDP","hostIP":"0.0.0.0"},
      {"hostPort":1,"containerPort":65535})"));
  CHECK(out.port_mappings ==
        std::vector<PortMapping>{{8080, 80, "tcp", IpAddr::parse("192.0.2.1").value()},
                                 {53, 53, "udp", std::nullopt},
                                 {1, 65535, "tcp", std::nullopt}});
  // As containerd writes it.
  CHECK(parsed(ports(R"({"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""})"))
            .port_mappings == std::vector<PortMapping>{{8080, 80, "tcp", std::nullopt}});
  CHECK(parsed(sriov(runtime(R"("portMappings":[])"))).port_mappings.empty());
  const std::string one = R"({"hostPort":1,"containerPort":2})";
  check_refused(
      {{ports("7"), kInvalidConfig, "runtimeConfig.portMappings[0] is 7"},
       {ports(one + R"(,{"hostPort":0,"containerPort":2})"), kInvalidConfig,
        "runtimeConfig.portMappings[1].hostPort is 0"},
       {ports(R"({"containerPort":2})"), kInvalidConfig, "hostPort is missing"},
       {ports(R"({"hostPort":2})"), kInvalidConfig, "containerPort is missing"},
       {ports(R"({"hostPort":2,"containerPort":65536})"), kInvalidConfig, "containerPort is 65536"},
       {ports(R"({"hostPort":2,"containerPort":2,"protocol":"sctp"})"), kUnsupportedField,
        "protocol is \"sctp\"; allowed are tcp, udp"},
       {ports(R"({"hostPort":2,"containerPort":2,"protocol":"icmp"})"), kInvalidConfig, "'icmp'"},
       {ports(R"({"hostPort":2,"containerPort":2,"hostIP":"x"})"), kInvalidConfig, "hostIP is 'x'"},
       {config(runtime(R"("portMappings":{})")), kInvalidConfig, "portMappings is an object"},
       {sriov(runtime(R"("portMappings":[)" + one + "]")), kUnsupportedField, "offload is never"}},
      call_of(Verb::kAdd));
}

TEST_CASE("a host port twice in one call is refused by its index") {
  const auto mapping = [](const std::string& ip, const char* protocol = "tcp", int port = 80) {
    return R"({"hostPort":)" + std::to_string(port) + R"(,"containerPort":1,"protocol":")" +
           protocol + R"(","hostIP":")" + ip + R"("})";
  };
  const auto twice = [&](const std::string& a, const std::string& b) {
    return ports(mapping("", "tcp", 7) + "," + a + "," + b);
  };
  const auto here = mapping("192.0.2.1");
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, std::string>>{{here, here},
                                                        {here, mapping("")},
                                                        {mapping("0.0.0.0"), here},
                                                        {mapping(""), mapping("")}}) {
    check_refused(
        {{twice(a, b), kInvalidConfig, "which portMappings[1] has"},
         {twice(a, b), kInvalidConfig, "runtimeConfig.portMappings[2] is tcp port 80 of"}},
        call_of(Verb::kAdd));
  }
  for (const auto& other : {mapping("192.0.2.2"), mapping("", "udp"), mapping("", "tcp", 81)}) {
    CHECK(parsed(twice(here, other)).port_mappings.size() == 3);
  }
}

TEST_CASE("dns goes into the result, the pod's before the network's") {
  const std::string own = R"("dns":{"nameservers":["10.0.0.1"],"search":["a"],"options":["x"]})";
  CHECK(parsed(sriov(own)).dns == CniDns{{"10.0.0.1"}, {"a"}, {"x"}, ""});
  const auto pod = runtime(R"("dns":{"servers":["10.0.0.2"],"searches":["b"],"options":["y"]})");
  CHECK(parsed(sriov(own + "," + pod)).dns == CniDns{{"10.0.0.2"}, {"b"}, {"y"}, ""});
  CHECK(parsed(sriov(own + "," + runtime(R"("dns":{})"))).dns.search.front() == "a");
  check_refused({{sriov(runtime(R"("dns":{"servers":"x"})")), kInvalidConfig,
                  "runtimeConfig.dns.servers is 'x'"}},
                call_of(Verb::kAdd));
}

TEST_CASE("a capability that nothing acts on is refused by name and value") {
  check_refused(
      {{config(runtime(R"("aliases":["a"])")), kUnsupportedField,
        "runtimeConfig.aliases is [\"a\"]; allowed are deviceID"},
       {config(runtime(R"("ipRanges":[[{"subnet":"10.0.0.0/24"}]])")), kUnsupportedField,
        "runtimeConfig.ipRanges is [[{"},
       {config(runtime(R"("cgroupPath":"/x")")), kUnsupportedField, "runtimeConfig.cgroupPath"},
       {config(runtime(R"("strange":1)")), kUnsupportedField, "runtimeConfig.strange is 1"},
       {sriov(runtime(R"("aliases":["a"])")), kUnsupportedField, "runtimeConfig.aliases"},
       {config(runtime(R"("CNIDeviceInfoFile":"x")")), kInvalidConfig,
        "runtimeConfig.CNIDeviceInfoFile is 'x'"}},
      call_of(Verb::kAdd));
  CHECK(parsed(config(runtime(R"("aliases":[],"ipRanges":null,"example.com/x":1)"))).device ==
        std::nullopt);
  CHECK(parsed(sriov(runtime(R"("strange":1)"))).device);
  CHECK(parsed(sriov(R"("ipam":{"type":"host-local"},)" +
                     runtime(R"("ipRanges":[[{"subnet":"10.0.0.0/24"}]])")))
            .ipam == IpamKind::kDelegate);
}

}  // namespace
}  // namespace sluice::cni
