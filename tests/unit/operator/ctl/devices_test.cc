// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include <nlohmann/json.hpp>

#include "common/api/devices.pb.h"
#include "operator/ctl/client.h"
#include "operator/ctl/render.h"

namespace sluice::ctl {
namespace {

api::DeviceList list() {
  api::DeviceList out;
  auto& pool = *out.add_pools();
  pool.set_resource("sluice.dev/vf");
  pool.set_type("vf");
  pool.set_policy("packed");
  pool.set_offer("both");
  pool.set_state("active");
  auto& used = *pool.add_devices();
  used.set_id("0000:3b:00.2");
  used.set_state("used");
  used.set_holder("shop/web-0");
  used.set_front("device-plugin");
  used.set_numa_node(0);
  used.set_pf("p0");
  used.set_driver("mlx5_core");
  auto& broken = *pool.add_devices();
  broken.set_id("0000:3b:00.3");
  broken.set_state("unhealthy");
  broken.set_reason("PF p0 has no carrier");
  pool.add_devices()->set_state("free");
  auto& refused = *out.add_pools();
  refused.set_resource("sluice.dev/rdma");
  refused.set_state("refused");
  refused.set_reason("selectors: key 'pfName' is unknown, did you mean 'pfNames'?");
  auto& note = *out.add_notes();
  note.set_name("kubelet sluice.dev/vf");
  note.set_value("registered, 1 stream");
  return out;
}

// The line that has `word`.
std::string line_of(const std::string& text, const std::string& word) {
  const auto at = text.find(word);
  REQUIRE(at != std::string::npos);
  const auto begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

TEST_CASE("devices as text: pools, devices and notes, a row each") {
  const auto text = devices_text(list());
  const auto used = line_of(text, "0000:3b:00.2");
  CHECK(used.find("shop/web-0 (device-plugin)") != std::string::npos);
  CHECK(used.find("mlx5_core") != std::string::npos);
  CHECK(line_of(text, "0000:3b:00.3").find("PF p0 has no carrier") != std::string::npos);
  CHECK(line_of(text, "packed").find("1     3") != std::string::npos);  // free, devices
  CHECK(line_of(text, "sluice.dev/rdma").find("did you mean") != std::string::npos);
  CHECK(line_of(text, "kubelet ").find("registered, 1 stream") != std::string::npos);
  CHECK(devices_text({}).find("RESOURCE") == 0);
}

TEST_CASE("devices as JSON carry the proto's field names; an unknown NUMA node is null") {
  const auto json = nlohmann::json::parse(devices_json(list()));
  const auto& devices = json["pools"][0]["devices"];
  CHECK(devices[0]["holder"] == "shop/web-0");
  CHECK(devices[0]["numa_node"] == 0);
  CHECK(devices[1]["numa_node"].is_null());
  CHECK(devices[1]["reason"] == "PF p0 has no carrier");
  CHECK(json["pools"][1]["state"] == "refused");
  CHECK(json["notes"][0]["value"] == "registered, 1 stream");
}

TEST_CASE("nobody there: the message says which program is asked for") {
  const auto answer = call_devices("/nowhere/x.sock", {});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().message.find("sluice-device-plugin") != std::string::npos);
}

}  // namespace
}  // namespace sluice::ctl
