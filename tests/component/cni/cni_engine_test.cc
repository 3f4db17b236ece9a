// SPDX-License-Identifier: Apache-2.0
// sluice-cni and an offload engine that is away: the policies, and what is caught up.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

const json kOptional = {{"offload", "optional"}};

json check_config(const Answer& added, json more = json::object()) {
  more["prevResult"] = added.out;
  return more;
}

TEST_CASE("optional, and no engine was ever there: try again later") {
  CniLab lab;
  lab.engine->stop();
  const Pod pod("c1");
  const auto added = lab.add(pod, kOptional);
  CHECK(added.out["code"] == 11);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_clean();
}

TEST_CASE("required: away is code 11, also when it was there once") {
  CniLab lab;
  const Pod pod("c1"), other("c2");
  REQUIRE(lab.add(pod).status == 0);
  lab.engine->stop();
  CHECK(lab.add(other).out["code"] == 11);
  CHECK_FALSE(other.link("eth0"));
  CHECK(lab.attachments().size() == 1);
}

TEST_CASE("optional, away: attached without offload, taken in when it comes, then as any other") {
  CniLab lab;
  const Pod before("c0"), pod("c1");
  REQUIRE(lab.add(before, kOptional).status == 0);
  lab.engine->stop();
  auto with_ports = kOptional;
  with_ports["runtimeConfig"]["portMappings"] = {
      {{"hostPort", 8080}, {"containerPort", 80}, {"protocol", "tcp"}}};
  with_ports["capabilities"] = {{"portMappings", true}};
  const auto added = lab.add(pod, with_ports);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.err.find("without offload") != std::string::npos);
  CHECK(added.out["ips"][0]["address"] == "10.244.1.3/32");
  CHECK(added.out["interfaces"][1]["mtu"] == 1450);
  CHECK(pod.link("eth0"));
  const auto waiting = lab.engine->pending();
  REQUIRE(waiting.count("c1/eth0") == 1);
  CHECK(waiting.at("c1/eth0").ip == "10.244.1.3");
  CHECK(waiting.at("c1/eth0").mac == "0a:58:0a:f4:01:03");
  CHECK(waiting.at("c1/eth0").ports == std::vector<std::string>{"tcp 8080 -> 80"});

  const auto config = check_config(added, with_ports);
  const auto waits = lab.call("CHECK", pod, config);
  CHECK(waits.out["code"] == 111);
  CHECK(waits.out["msg"].get<std::string>().find("without offload") != std::string::npos);
  const auto status = lab.call("STATUS", pod, kOptional);
  CHECK(status.status == 0);
  CHECK(status.err.find("away") != std::string::npos);

  lab.engine->start();
  lab.engine->take_in();
  CHECK(lab.call("CHECK", pod, config).status == 0);
  CHECK(lab.call("DEL", pod, kOptional).status == 0);
  CHECK(lab.engine->attachments().count("c1/eth0") == 0);
  CHECK(lab.call("DEL", before, kOptional).status == 0);
  lab.check_clean();
}

TEST_CASE("a VF of a NIC that is away with its engine: refused; DEL takes a veth's file back") {
  CniLab lab;
  const Pod before("c0"), pod("c1");
  REQUIRE(lab.add(before, kOptional).status == 0);
  REQUIRE(lab.call("DEL", before, kOptional).status == 0);
  lab.engine->stop();
  auto config = kOptional;
  config["deviceID"] = kVf0;
  // The simulated NIC is the engine's: without it nobody can set a VF's attributes.
  const auto refused = lab.add(pod, config);
  CHECK(refused.out["code"] == 11);
  CHECK(lab.link("vf0"));
  lab.check_clean();
  const auto added = lab.add(pod, kOptional);
  REQUIRE(added.status == 0);
  CHECK(lab.engine->pending().size() == 1);
  CHECK(lab.call("DEL", pod, kOptional).status == 0);
  lab.check_clean();
}

TEST_CASE("a VF without the engine, by what it said before, where its NIC is there") {
  CniLab lab;
  const Pod before("c0"), pod("c1");
  REQUIRE(lab.add(before, kOptional).status == 0);
  REQUIRE(lab.call("DEL", before, kOptional).status == 0);
  lab.engine->stop_beside_nic();
  auto config = kOptional;
  config["deviceID"] = kVf0;
  const auto added = lab.add(pod, config);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  REQUIRE(pod.link("eth0"));
  CHECK(pod.link("eth0")->mac.to_string() == "0a:58:0a:f4:01:03");
  const auto waiting = lab.engine->pending();
  REQUIRE(waiting.count("c1/eth0") == 1);
  CHECK(waiting.at("c1/eth0").pci == kVf0);
  lab.engine->start();
  lab.engine->take_in();
  CHECK(lab.call("CHECK", pod, check_config(added, config)).status == 0);
  CHECK(lab.call("DEL", pod, config).status == 0);
  lab.check_vf_home("vf0");
  lab.check_clean();
}

TEST_CASE("away at DEL: withdrawn, so that no pod waits; the engine detaches it at its start") {
  for (const bool taken_in : {true, false}) {
    CniLab lab;
    const Pod before("c0"), pod("c1"), next("c2");
    REQUIRE(lab.add(before, kOptional).status == 0);
    if (taken_in) {
      lab.engine->stop();
      REQUIRE(lab.add(pod, kOptional).status == 0);
      lab.engine->start();
      lab.engine->take_in();
    } else {
      REQUIRE(lab.add(pod, kOptional).status == 0);
    }
    lab.engine->stop();
    const auto deleted = lab.call("DEL", pod, kOptional);
    INFO(deleted.out.dump());
    CHECK(deleted.status == 0);
    CHECK(deleted.err.find("when it comes back") != std::string::npos);
    CHECK_FALSE(pod.link("eth0"));
    CHECK(lab.addresses().size() == 1);
    CHECK(lab.attachments().size() == 1);
    CHECK(lab.call("DEL", pod, kOptional).status == 0);
    CHECK(lab.engine->attachments().count("c1/eth0") == 1);
    REQUIRE(lab.add(next, kOptional).status == 0);
    lab.engine->start();
    CHECK(lab.engine->attachments().count("c1/eth0") == 0);
    CHECK(lab.call("DEL", next, kOptional).status == 0);
    CHECK(lab.call("DEL", before, kOptional).status == 0);
    lab.check_clean();
  }
}

TEST_CASE("what the engine answered before is another engine's: it isn't used") {
  CniLab lab;
  const Pod before("c0"), pod("c1");
  REQUIRE(lab.add(before, kOptional).status == 0);
  auto config = kOptional;
  config["engineSocket"] = lab.dir + "/other.sock";
  CHECK(lab.add(pod, config).out["code"] == 11);
  CHECK(lab.attachments().size() == 1);
}

TEST_CASE("a refusal is no absence: ADD fails, also when the engine is optional") {
  CniLab lab;
  lab.engine->refuse_attach(true);
  const Pod pod("c1");
  const auto added = lab.add(pod, kOptional);
  CHECK(added.out["msg"].get<std::string>().find("no room for its rules") != std::string::npos);
  CHECK_FALSE(pod.link("eth0"));
  lab.check_clean();
}

TEST_CASE("port mappings reach the engine with the attachment") {
  CniLab lab;
  const Pod pod("c1");
  const json config = {{"capabilities", {{"portMappings", true}}},
                       {"runtimeConfig",
                        {{"portMappings",
                          {{{"hostPort", 8080}, {"containerPort", 80}, {"protocol", "tcp"}},
                           {{"hostPort", 53},
                            {"containerPort", 5353},
                            {"protocol", "udp"},
                            {"hostIP", "192.0.2.7"}}}}}}};
  REQUIRE(lab.add(pod, config).status == 0);
  CHECK(lab.engine->attachments().at("c1/eth0").ports ==
        std::vector<std::string>{"tcp 8080 -> 80", "udp 192.0.2.7:53 -> 5353"});
  CHECK(lab.del(pod).status == 0);
  lab.check_clean();
}

TEST_CASE("STATUS: 50 before anything was there, 51 when a software NIC's engine has gone") {
  CniLab lab;
  const Pod pod("c1");
  lab.engine->stop();
  CHECK(lab.call("STATUS", pod).out["code"] == 50);
  lab.engine->start();
  CHECK(lab.call("STATUS", pod).status == 0);
  REQUIRE(lab.add(pod).status == 0);
  lab.engine->stop();
  const auto gone = lab.call("STATUS", pod);
  CHECK(gone.out["code"] == 51);
  CHECK(gone.out["msg"].get<std::string>().find(lab.engine->socket()) != std::string::npos);
}

TEST_CASE("STATUS: a device plugin that must be there, VFs that must, an address that must") {
  CniLab lab;
  const Pod pod("c1");
  const auto plugin = lab.call("STATUS", pod, {{"devicePlugin", "required"}});
  CHECK(plugin.out["code"] == 50);
  CHECK(plugin.out["msg"].get<std::string>().find(lab.plugin->socket()) != std::string::npos);
  std::filesystem::create_directories(lab.dir + "/empty/bus/pci/devices");
  const auto nics = lab.call("STATUS", pod, lab.plain(kVf0, {{"sysfsRoot", lab.dir + "/empty"}}));
  CHECK(nics.out["code"] == 50);
  CHECK(nics.out["msg"].get<std::string>().find("VF") != std::string::npos);
  lab.engine->set_pod_cidr("10.244.1.0/30");
  REQUIRE(lab.add(pod).status == 0);
  const auto full = lab.call("STATUS", pod);
  CHECK(full.out["code"] == 50);
  CHECK(full.out["msg"].get<std::string>().find("10.244.1.0/30") != std::string::npos);
  CHECK(lab.call("STATUS", pod, {{"cniVersion", "1.0.0"}}).out["code"] == 1);
}

}  // namespace
}  // namespace sluice::testing
