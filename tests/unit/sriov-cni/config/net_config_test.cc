// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {
namespace {

// The minimal configuration with more members.
std::string config(const std::string& more, const std::string& version = "1.1.0") {
  return R"({"cniVersion":")" + version + R"(","name":"pods","type":"sluice-cni")" +
         (more.empty() ? "" : ",") + more + "}";
}

TEST_CASE("defaults") {
  const auto parsed = parse_config(config(""), Verb::kAdd).value();
  CHECK(parsed.cni_version == "1.1.0");
  CHECK(parsed.engine_socket == "/run/sluice/offload.sock");
  CHECK(parsed.state_dir == "/var/lib/sluice");
  CHECK_FALSE(parsed.device);
  CHECK_FALSE(parsed.mtu);
  CHECK(parsed.device_plugin_socket == "/run/sluice/device-plugin.sock");
  CHECK(parsed.ask_plugin == AskPlugin::kOptional);
  CHECK(parsed.resource.empty());
}

TEST_CASE("what is refused, with which code and what is named") {
  struct Row {
    std::string text;
    int code;
    const char* named;
  };
  const std::vector<Row> rows = {
      {"", kDecodeFailure, "JSON"},
      {"[1]", kDecodeFailure, "JSON"},
      {R"({"name":"pods"})", kIncompatibleVersion, "'0.1.0'"},
      {config("", "0.2.0"), kIncompatibleVersion, "0.3.1, 0.4.0, 1.0.0, 1.1.0"},
      {config("", "1.1"), kIncompatibleVersion, "'1.1'"},
      {R"({"cniVersion":"1.0.0"})", kInvalidConfig, "name"},
      {R"({"cniVersion":"1.0.0","name":"../x"})", kInvalidConfig, "name"},
      {R"({"cniVersion":"1.0.0","name":7})", kInvalidConfig, "name"},
      {config(R"("engineSock":"/x")"), kInvalidConfig, "did you mean 'engineSocket'?"},
      {config(R"("vlan":7)"), kInvalidConfig, "key 'vlan' is unknown"},
      {config(R"("ipam":{"type":"host-local"})"), kInvalidConfig, "ipam"},
      {config(R"("engineSocket":"relative")"), kInvalidConfig, "engineSocket"},
      {config(R"("engineSocket":")" + ("/" + std::string(120, 'x')) + "\""), kInvalidConfig, "107"},
      {config(R"("stateDir":"")"), kInvalidConfig, "stateDir"},
      {config(R"("deviceID":"eth1")"), kInvalidConfig, "deviceID is 'eth1'"},
      {config(R"("deviceID":7)"), kInvalidConfig, "deviceID must be a string"},
      {config(R"("deviceID":"0000:3b:00.2","runtimeConfig":{"deviceID":"0000:3b:00.3"})"),
       kInvalidConfig, "runtimeConfig.deviceID is 0000:3b:00.3"},
      {config(R"("runtimeConfig":{"portMappings":[]})"), kInvalidConfig, "portMappings"},
      {config(R"("runtimeConfig":[])"), kInvalidConfig, "runtimeConfig"},
      {config(R"("devicePlugin":"yes")"), kInvalidConfig, "optional, required, never"},
      {config(R"("devicePlugin":true)"), kInvalidConfig, "devicePlugin must be a string"},
      {config(R"("devicePluginSocket":"x")"), kInvalidConfig, "devicePluginSocket is 'x'"},
      {config(R"("devicePluginSock":"/x")"), kInvalidConfig, "did you mean 'devicePluginSocket'?"},
      {config(R"("resourceName":"vf")"), kInvalidConfig, "resourceName is 'vf'"},
      {config(R"("resourceName":"/vf")"), kInvalidConfig, "resourceName"},
      {config(R"("resourceName":"a/b/c")"), kInvalidConfig, "resourceName"},
      {config(R"("resourceName":"a/)" + std::string(400, 'x') + "\""), kInvalidConfig,
       "resourceName"},
      {config(R"("mtu":100)"), kInvalidConfig, "mtu is 100"},
      {config(R"("mtu":-1)"), kInvalidConfig, "mtu is -1"},
      {config(R"("mtu":"1400")"), kInvalidConfig, "mtu"},
      {config(R"("mtu":70000)"), kInvalidConfig, "mtu is 70000"},
      {config(R"("prevResult":{"cniVersion":"1.1.0"})"), kInvalidConfig, "prevResult"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    const auto parsed = parse_config(row.text, Verb::kAdd);
    REQUIRE_FALSE(parsed);
    INFO(parsed.error().message);
    CHECK(cni_code(parsed.error()) == row.code);
    CHECK(parsed.error().message.find(row.named) != std::string::npos);
  }
}

TEST_CASE("what is accepted") {
  const auto parsed = parse_config(
      config(R"("deviceID":"3B:00.2","pciBusID":"0000:3b:00.2","mtu":1400,"args":{"x":1},
               "runtimeConfig":{"deviceID":"0000:3b:00.2","CNIDeviceInfoFile":"/x"},
               "capabilities":{"deviceID":true},"disableCheck":true,"disableGC":true,"ipam":{},
               "cni.dev/valid-attachments":[],"example.com/color":"red","prevResult":null,
               "devicePlugin":"required","devicePluginSocket":"/tmp/p",
               "resourceName":"sluice.dev/vf","engineSocket":"/tmp/e","stateDir":"/tmp/s")"),
      Verb::kAdd);
  REQUIRE(parsed);
  CHECK(parsed->device == nic::PciAddress{0, 0x3b, 0, 2});
  CHECK(parsed->mtu == 1400);
  CHECK(parsed->engine_socket == "/tmp/e");
  CHECK(parsed->state_dir == "/tmp/s");
  CHECK(parsed->ask_plugin == AskPlugin::kRequired);
  CHECK(parsed->device_plugin_socket == "/tmp/p");
  CHECK(parsed->resource == "sluice.dev/vf");
  CHECK(parse_config(config(R"("devicePlugin":"never")"), Verb::kAdd).value().ask_plugin ==
        AskPlugin::kNever);
  CHECK_FALSE(parse_config(config(R"("mtu":0)"), Verb::kAdd).value().mtu);
}

TEST_CASE("DEL reads only what it needs") {
  CHECK(parse_config(
      config(
          R"("vlan":7,"deviceID":"gone","mtu":1,"devicePluginSocket":7,"prevResult":{"ips":[]})"),
      Verb::kDel));
  CHECK_FALSE(parse_config(config(R"("stateDir":"x")"), Verb::kDel));
}

TEST_CASE("a large configuration is read, a huge one is refused by name") {
  const auto large = config(R"("example.com/big":")" + std::string(1U << 20U, 'x') + "\"");
  CHECK(parse_config(large, Verb::kAdd));
  const auto huge = parse_config(std::string(kMaxConfigBytes + 1, ' '), Verb::kAdd);
  REQUIRE_FALSE(huge);
  CHECK(cni_code(huge.error()) == kDecodeFailure);
}

TEST_CASE("errors are answered in the configuration's version where there is one") {
  CHECK(version_for_errors(config("", "0.4.0")) == "0.4.0");
  CHECK(version_for_errors(config("", "9.9.9")) == "1.1.0");
  CHECK(version_for_errors("not json") == "1.1.0");
}

}  // namespace
}  // namespace sluice::cni
