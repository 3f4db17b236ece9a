// SPDX-License-Identifier: Apache-2.0
// The bytes are written by hand here, from the field numbers of Kubernetes' API.
#include "device-plugin/kubelet/messages.h"

#include <doctest/doctest.h>

#include "common/litegrpc/server.h"

namespace sluice::kubelet {
namespace {

using namespace std::string_literals;

// A length-delimited field; short ones only.
std::string field(unsigned number, const std::string& content) {
  REQUIRE(content.size() < 16384);
  std::string out(1, static_cast<char>(number << 3U | 2U));
  if (content.size() < 128) {
    out += static_cast<char>(content.size());
  } else {
    out += static_cast<char>((content.size() & 0x7fU) | 0x80U);
    out += static_cast<char>(content.size() >> 7U);
  }
  return out + content;
}

pools::Device device(const std::string& id, bool healthy, std::optional<int> numa = {}) {
  return {id, healthy, "why", numa};
}

TEST_CASE("what we say of ourselves") {
  CHECK(options_message() == "\x10\x01");
  CHECK(register_request("sluice.dev_vf.sock", "sluice.dev/vf") ==
        field(1, "v1beta1") + field(2, "sluice.dev_vf.sock") + field(3, "sluice.dev/vf") +
            field(4, "\x10\x01"));
  // Without an endpoint (3): the kubelet uses the socket that it found.
  CHECK(plugin_info("sluice.dev/vf") ==
        field(1, "DevicePlugin") + field(2, "sluice.dev/vf") + field(4, "v1beta1"));
}

TEST_CASE("what the kubelet said of us") {
  const auto taken = parse_registration_status("\x08\x01");
  REQUIRE(taken);
  CHECK(taken->registered);
  const auto refused = parse_registration_status(field(2, "no\n" + std::string(300, 'x')));
  REQUIRE(refused);
  CHECK_FALSE(refused->registered);
  CHECK(refused->error == "no?" + std::string(197, 'x') + "...");
  CHECK(parse_registration_status("\xff").error().message ==
        "these bytes are no RegistrationStatus");
}

TEST_CASE("the list: health and NUMA node") {
  const auto list = list_message(
      {device("0000:3b:00.2", true, 0), device("0000:3b:00.3", false, 1), device("sf", true)},
      1000);
  CHECK(list.devices == 3);
  CHECK(list.bytes ==
        field(1, field(1, "0000:3b:00.2") + field(2, "Healthy") + field(3, field(1, ""))) +
            field(1, field(1, "0000:3b:00.3") + field(2, "Unhealthy") +
                         field(3, field(1, "\x08\x01"))) +
            field(1, field(1, "sf") + field(2, "Healthy")));
  CHECK(list_message({}, 0).bytes.empty());
}

TEST_CASE("a list that is too long has whole devices only, up to the last byte") {
  const auto one = field(1, field(1, "a") + field(2, "Healthy"));
  const std::vector<pools::Device> three = {device("a", true), device("a", true),
                                            device("a", true)};
  CHECK(list_message(three, 3 * one.size()).devices == 3);
  const auto cut = list_message(three, 3 * one.size() - 1);
  CHECK(cut.devices == 2);
  CHECK(cut.bytes == one + one);
  // An id so long that its length takes two bytes, twice.
  const auto large = field(1, field(1, std::string(200, 'i')) + field(2, "Healthy"));
  CHECK(list_message({device(std::string(200, 'i'), true)}, large.size()).devices == 1);
  CHECK(list_message({device(std::string(200, 'i'), true)}, large.size() - 1).devices == 0);
}

TEST_CASE("an Allocate for several containers") {
  const auto request = parse_allocate(field(1, field(1, "b") + field(1, "a")) + field(1, "") +
                                      field(1, field(1, "c")));
  REQUIRE(request);
  CHECK(*request == std::vector<Ids>{{"b", "a"}, {}, {"c"}});
  REQUIRE(parse_allocate(""));
  CHECK(parse_allocate("")->empty());
}

TEST_CASE("an Allocate that is refused before anybody is asked") {
  CHECK(parse_allocate("\x0a\x05").error().message == "these bytes are no AllocateRequest");
  CHECK(parse_allocate(field(1, field(1, "a") + field(1, "a"))).error().message ==
        "devices_ids has 'a' twice");
  CHECK(parse_allocate(field(1, field(1, "a")) + field(1, field(1, "a"))).error().message ==
        "devices_ids has 'a' twice");
  std::string containers, devices;
  for (std::size_t i = 0; i <= kMaxContainers; ++i) containers += field(1, "");
  CHECK(parse_allocate(containers).error().message ==
        "container_requests has 65 entries; allowed are 64");
  CHECK(parse_allocate(containers.substr(2)));
  // One container more than 4096 devices: 3 bytes each need a length of three bytes.
  for (std::size_t i = 0; i <= kMaxAllocated; ++i) devices += field(1, "x");
  const auto size = devices.size();
  std::string container = "\x0a";
  container += static_cast<char>((size & 0x7fU) | 0x80U);
  container += static_cast<char>(((size >> 7U) & 0x7fU) | 0x80U);
  container += static_cast<char>(size >> 14U);
  CHECK(parse_allocate(container + devices).error().message ==
        "devices_ids has 4097 entries; allowed are 4096");
  CHECK(parse_allocate(std::string(kMaxRequestBytes + 1, '\0')).error().message ==
        "AllocateRequest has 1048577 bytes; allowed are 1048576");
}

TEST_CASE("a grant on the wire") {
  allocate::Grant grant;
  grant.envs = {{"PCIDEVICE_A", "x"}};
  grant.nodes = {{"/dev/vfio/1", "/dev/vfio/noiommu-1", "rw"}};
  grant.mounts = {{"/in", "/out", true}};
  grant.cdi_devices = {"sluice.dev/vf=a", "sluice.dev/vf=b"};
  CHECK(allocate_answer({grant, {}}) ==
        field(1, field(1, field(1, "PCIDEVICE_A") + field(2, "x")) +
                     field(2, field(1, "/in") + field(2, "/out") + "\x18\x01") +
                     field(3, field(1, "/dev/vfio/1") + field(2, "/dev/vfio/noiommu-1") +
                                  field(3, "rw")) +
                     field(5, field(1, "sluice.dev/vf=a")) +
                     field(5, field(1, "sluice.dev/vf=b"))) +
            field(1, ""));
}

TEST_CASE("preferences") {
  const auto request =
      parse_preferences(field(1, field(1, "a") + field(1, "b") + field(2, "b") + "\x18\x02") +
                        field(1, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  REQUIRE(request);
  REQUIRE(request->size() == 2);
  CHECK((*request)[0].available == Ids{"a", "b"});
  CHECK((*request)[0].must_include == Ids{"b"});
  CHECK((*request)[0].size == 2);
  CHECK((*request)[1].size == 0);  // -1
  CHECK(preferences_answer({{"b", "a"}, {}}) ==
        field(1, field(1, "b") + field(1, "a")) + field(1, ""));
}

TEST_CASE("pods, their devices and claims, whatever else a kubelet says") {
  const auto claim = field(5, field(2, "net") + field(3, "shop") +
                                  field(4, field(1, field(1, "cdi")) + field(2, "sluice.dev") +
                                               field(3, "node-a") + field(4, "vf-2")));
  const auto container = field(3, field(1, "app") +
                                      field(2, field(1, "sluice.dev/vf") + field(2, "a") +
                                                   field(2, "b") + field(3, "topology")) +
                                      field(3, "\x01\x02") + claim);
  const auto other = field(3, field(2, field(1, "sluice.dev/x") + field(2, "c")));
  // Fields of the answer that a later API may have, one of each wire type.
  const auto unknown =
      "\x10\x96\x01"s + "\x19" + std::string(8, 'x') + field(4, "y") + "\x2d" + std::string(4, 'z');
  const auto pods = parse_pod_resources(
      unknown + field(1, field(1, "web-0") + field(2, "shop") + container + other + unknown) +
      unknown + field(1, field(1, "idle")));
  REQUIRE(pods);
  REQUIRE(pods->size() == 2);
  CHECK((*pods)[0] == PodDevices{"shop",
                                 "web-0",
                                 {{"sluice.dev/vf", {"a", "b"}}, {"sluice.dev/x", {"c"}}},
                                 {{"shop", "net", "sluice.dev", "node-a", "vf-2"}}});
  CHECK((*pods)[1] == PodDevices{"", "idle", {}, {}});
}

TEST_CASE("nonsense instead of pods") {
  const std::string no_answer = "the kubelet's answer to List is no ListPodResourcesResponse";
  const auto message = [](const std::string& bytes) {
    const auto pods = parse_pod_resources(bytes);
    return pods ? "" : pods.error().message;
  };
  CHECK(message("\x0a") == no_answer);
  CHECK(message("\x0a\x05"s + "abc") == no_answer);
  CHECK(message("\x0a\xff\xff\xff\xff\x0f") == no_answer);
  CHECK(message("\x0b") == no_answer);  // a group
  CHECK(message("\x12\xff\xff\xff\xff\x07") == no_answer);
  CHECK(message("\x19zz") == no_answer);
  CHECK(message("\x00"s + "abc") == no_answer);
  CHECK(message(field(1, "\x0a\x05")) == "these bytes are no PodResources");
  std::string many;
  for (std::size_t i = 0; i < kMaxPods; ++i) many += field(1, "");
  CHECK(message(many).empty());
  CHECK(message(many + field(1, "")) == "pod_resources has more than 10000 entries");
}

}  // namespace
}  // namespace sluice::kubelet
