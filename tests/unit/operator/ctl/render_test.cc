// SPDX-License-Identifier: Apache-2.0
#include "operator/ctl/render.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "common/api/offload.pb.h"

namespace sluice::ctl {
namespace {

api::FlowList flows() {
  api::FlowList list;
  auto& rule = *list.add_flows();
  rule.set_stage("forward");
  rule.set_priority(20);
  rule.set_match("ip_dst=10.244.1.2/32");
  rule.set_actions("output vf0");
  rule.set_tier("refused");
  rule.set_reason("table full");
  rule.set_packets(18446744073709551615ULL);
  auto& connection = *list.add_connections();
  connection.set_id(17);
  connection.set_proto("tcp");
  connection.set_original("10.244.1.2:40000 -> 10.96.0.10:80");
  connection.set_promoted(true);
  connection.set_hardware_packets_forward(1000);
  return list;
}

TEST_CASE("flows as JSON carry the proto's field names and whole 64-bit counts") {
  const auto json = nlohmann::json::parse(flows_json(flows()));
  CHECK(json["flows"][0]["packets"].get<std::uint64_t>() == 18446744073709551615ULL);
  CHECK(json["flows"][0]["reason"] == "table full");
  CHECK(json["connections"][0]["id"] == 17);
  CHECK(json["connections"][0]["hardware_packets_forward"] == 1000);
}

TEST_CASE("flows as text: one row a rule and a connection, only connections on request") {
  const auto all = flows_text(flows(), false);
  CHECK(all.find("refused (table full)") != std::string::npos);
  CHECK(all.find("10.244.1.2:40000 -> 10.96.0.10:80") != std::string::npos);
  const auto connections = flows_text(flows(), true);
  CHECK(connections.find("ip_dst") == std::string::npos);
}

TEST_CASE("bytes that are no UTF-8 do not end the program") {
  api::PortList list;
  list.add_ports()->set_device("\xff\xfe");
  CHECK(nlohmann::json::parse(ports_json(list))["ports"].size() == 1);
}

TEST_CASE("a manifest that was not taken is shown in the status") {
  api::EngineStatus status;
  status.set_manifest("/etc/sluice/cluster.yaml");
  status.set_manifest_error("Service shop/web: spec.ports[0].prot is unknown");
  CHECK(status_text(status).find("NOT TAKEN: Service shop/web") != std::string::npos);
  CHECK(nlohmann::json::parse(status_json(status))["manifest_error"] ==
        "Service shop/web: spec.ports[0].prot is unknown");
}

}  // namespace
}  // namespace sluice::ctl
