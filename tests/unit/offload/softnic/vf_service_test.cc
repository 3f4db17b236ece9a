// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_service.h"

#include <doctest/doctest.h>

#include "common/api/vf_control.pb.h"

using namespace sluice;
using namespace sluice::softnic;

namespace {

struct FakeVfs {
  VfSettings settings;
  int calls = 0;
  Result<VfSettings> operator()(const nic::PciAddress& vf, const netlink::VfAttributes& wanted) {
    ++calls;
    if (vf.function != 1) return fail(Code::kPrecondition, "in a pod");
    SLUICE_TRY(settings, changed(settings, wanted));
    return settings;
  }
};

api::VfResponse ask(const std::string& request, FakeVfs& vfs) {
  api::VfResponse response;
  REQUIRE(response.ParseFromString(answer_vf_request(request, std::ref(vfs))));
  return response;
}

std::string request_of(const std::string& address, const char* mac) {
  api::VfRequest request;
  request.set_pci_address(address);
  if (mac != nullptr) request.set_mac(mac);
  return request.SerializeAsString();
}

}  // namespace

TEST_CASE("sets, asks, and answers with the MAC as it is now") {
  FakeVfs vfs;
  const auto set = ask(request_of("0000:5c:00.1", "02:00:00:00:00:01"), vfs);
  CHECK(set.code().empty());
  CHECK(set.mac() == "02:00:00:00:00:01");
  CHECK(ask(request_of("0000:5c:00.1", nullptr), vfs).mac() == "02:00:00:00:00:01");
  CHECK(ask(request_of("0000:5c:00.1", "00:00:00:00:00:00"), vfs).mac() == "00:00:00:00:00:00");
}

TEST_CASE("what is wrong is answered with code and message and changes nothing") {
  FakeVfs vfs;
  for (const std::string& request :
       {std::string("\xff\xff\xff"), std::string(), request_of("junk", "02:00:00:00:00:01"),
        request_of("0000:5c:00.1", "02:00"), request_of("0000:5c:00.1", "")}) {
    const auto response = ask(request, vfs);
    CHECK(response.code() == to_string(Code::kInvalid));
    CHECK_FALSE(response.message().empty());
  }
  CHECK(vfs.calls == 0);
  const auto refused = ask(request_of("0000:5c:00.2", "02:00:00:00:00:01"), vfs);
  CHECK(refused.code() == to_string(Code::kPrecondition));
  CHECK(refused.message() == "in a pod");
  CHECK(vfs.settings == VfSettings{});
}

TEST_CASE("every attribute is set in one request and answered with the others") {
  FakeVfs vfs;
  auto response = ask(request_of("0000:5c:00.1", nullptr), vfs);
  CHECK(response.mac() == "00:00:00:00:00:00");
  CHECK(response.vlan() == 0);
  CHECK(response.qos() == 0);
  CHECK(response.vlan_protocol() == 0x8100);
  CHECK(response.spoof_check());
  CHECK_FALSE(response.trust());
  CHECK_FALSE(response.query_rss());
  CHECK(response.link_state() == "auto");
  CHECK(response.has_min_rate_mbps());
  CHECK(response.has_max_rate_mbps());

  api::VfRequest request;
  request.set_pci_address("0000:5c:00.1");
  request.set_vlan(100);
  request.set_qos(3);
  request.set_vlan_protocol(0x88a8);
  request.set_spoof_check(false);
  request.set_trust(true);
  request.set_query_rss(true);
  request.set_link_state("disable");
  request.set_min_rate_mbps(10);
  request.set_max_rate_mbps(20);
  (void)ask(request.SerializeAsString(), vfs);
  response = ask(request_of("0000:5c:00.1", "02:00:00:00:00:01"), vfs);
  CHECK(response.mac() == "02:00:00:00:00:01");
  CHECK(response.vlan() == 100);
  CHECK(response.qos() == 3);
  CHECK(response.vlan_protocol() == 0x88a8);
  CHECK_FALSE(response.spoof_check());
  CHECK(response.trust());
  CHECK(response.query_rss());
  CHECK(response.link_state() == "disable");
  CHECK(response.min_rate_mbps() == 10);
  CHECK(response.max_rate_mbps() == 20);
}

TEST_CASE("one wrong attribute and none is set") {
  FakeVfs vfs;
  const auto refused = [&](auto spoil, const char* word) {
    api::VfRequest request;
    request.set_pci_address("0000:5c:00.1");
    request.set_mac("02:00:00:00:00:01");
    request.set_trust(true);
    spoil(request);
    const auto response = ask(request.SerializeAsString(), vfs);
    CHECK(response.code() == to_string(Code::kInvalid));
    CHECK(response.message().find(word) != std::string::npos);
    CHECK(vfs.settings == VfSettings{});
  };
  refused([](auto& r) { r.set_vlan(4095); }, "vlan 4095");
  refused([](auto& r) { r.set_vlan(65536 + 5); }, "vlan 65541");
  refused([](auto& r) { r.set_qos(256); }, "qos 256");
  refused([](auto& r) { r.set_vlan_protocol(0x18100); }, "vlan_protocol");
  refused([](auto& r) { r.set_link_state("up"); }, "link_state 'up'");
  refused([](auto& r) { r.set_mac("01:00:00:00:00:01"); }, "unicast");
}
