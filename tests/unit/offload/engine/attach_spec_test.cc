// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/attach_spec.h"

#include <doctest/doctest.h>

#include <functional>

#include "common/api/offload.pb.h"

namespace sluice::engine {
namespace {

api::AttachRequest request() {
  api::AttachRequest r;
  r.set_id("c1/eth0");
  r.set_pod("shop/web-0");
  r.set_interface("eth0");
  r.set_mac("0a:58:0a:f4:01:02");
  r.set_ip("10.244.1.2");
  r.set_veth("sl1");
  return r;
}

void map_port(api::AttachRequest& r, std::uint32_t host, std::uint32_t pod, const char* proto,
              const char* ip = "") {
  auto& mapping = *r.add_port_mappings();
  mapping.set_host_port(host);
  mapping.set_container_port(pod);
  mapping.set_protocol(proto);
  mapping.set_host_ip(ip);
}

TEST_CASE("port mappings are read, sorted, each once") {
  auto r = request();
  map_port(r, 8080, 80, "tcp");
  map_port(r, 53, 5353, "udp", "172.30.0.11");
  map_port(r, 8080, 80, "tcp", "0.0.0.0");  // all addresses, said otherwise
  const auto spec = parse_attach_request(r.SerializeAsString());
  REQUIRE(spec);
  CHECK(spec->id == "c1/eth0");
  CHECK(spec->veth == "sl1");
  CHECK(spec->host_ports ==
        std::vector<model::HostPort>{{model::Proto::kTcp, 8080, 80, {}},
                                     {model::Proto::kUdp, 53, 5353, *Ipv4::parse("172.30.0.11")}});
}

TEST_CASE("what is wrong is named with its value") {
  struct Row {
    const char *field, *value;
    std::function<void(api::AttachRequest&)> spoil;
  };
  const std::string long_text(100000, 'x');
  const Row rows[] = {
      {"host_port", "'0'", [](auto& r) { map_port(r, 0, 80, "tcp"); }},
      {"host_port", "'65536'", [](auto& r) { map_port(r, 65536, 80, "tcp"); }},
      {"container_port", "'0'", [](auto& r) { map_port(r, 80, 0, "tcp"); }},
      {"protocol", "'sctp'", [](auto& r) { map_port(r, 80, 80, "sctp"); }},
      {"host_ip", "'::1'", [](auto& r) { map_port(r, 80, 80, "tcp", "::1"); }},
      {"mac", "0a:58", [](auto& r) { r.set_mac("0a:58"); }},
      {"ip", "10.244.1.300", [](auto& r) { r.set_ip("10.244.1.300"); }},
      {"id", "xxx", [&](auto& r) { r.set_id(long_text); }},
      {"veth", "xxx", [&](auto& r) { r.set_veth(long_text); }},
      {"port_mappings", "1025",
       [](auto& r) {
         for (std::uint32_t i = 1; i <= 1025; ++i) map_port(r, i, i, "tcp");
       }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.field);
    auto r = request();
    row.spoil(r);
    const auto spec = read_attach_request(r);
    REQUIRE_FALSE(spec);
    CHECK(spec.error().code == Code::kInvalid);
    const auto text = spec.error().to_string();
    CHECK(text.find(row.field) != std::string::npos);
    CHECK(text.find(row.value) != std::string::npos);
    CHECK(text.size() < 500);
  }
  CHECK(parse_attach_request("\xff\xff\xff").error().code == Code::kInvalid);
}

}  // namespace
}  // namespace sluice::engine
