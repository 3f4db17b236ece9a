// SPDX-License-Identifier: Apache-2.0
#include "common/nic/vf_control.h"

#include <doctest/doctest.h>

#include <map>
#include <thread>

#include "common/api/vf_control.pb.h"
#include "common/os/frame_socket.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::nic;

namespace {

// The simulated NIC's side, with one VF and what is set on it as state.
class FakeNic {
 public:
  explicit FakeNic(const std::string& path) : loop_(*os::EventLoop::create()) {
    auto server = os::FrameServer::listen(
        *loop_, path, [this](std::string bytes, auto reply) { reply(answer(bytes)); });
    REQUIRE(server);
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~FakeNic() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
  }

  std::string mac = "00:00:00:00:00:00";
  api::VfRequest set;  // all that was ever set, the MAC besides
  int requests = 0;
  std::string link_state;  // answered instead of what was set

 private:
  std::string answer(const std::string& bytes) {
    api::VfRequest request;
    api::VfResponse response;
    ++requests;
    if (!request.ParseFromString(bytes)) return "\xff\xff";
    if (request.pci_address() == "0000:3b:02.0") {
      if (request.has_mac()) mac = request.mac();
      set.MergeFrom(request);
      // The two messages have the same fields, from the VLAN on under other numbers.
      if (set.has_vlan()) response.set_vlan(set.vlan());
      if (set.has_qos()) response.set_qos(set.qos());
      if (set.has_vlan_protocol()) response.set_vlan_protocol(set.vlan_protocol());
      if (set.has_spoof_check()) response.set_spoof_check(set.spoof_check());
      if (set.has_trust()) response.set_trust(set.trust());
      if (set.has_query_rss()) response.set_query_rss(set.query_rss());
      if (set.has_link_state()) response.set_link_state(set.link_state());
      if (!link_state.empty()) response.set_link_state(link_state);
      if (set.has_min_rate_mbps()) response.set_min_rate_mbps(set.min_rate_mbps());
      if (set.has_max_rate_mbps()) response.set_max_rate_mbps(set.max_rate_mbps());
      response.set_mac(mac);
    } else if (request.pci_address() == "0000:3b:02.7") {
      return "\xff\xff";
    } else {
      response.set_code("not-found");
      response.set_message("no such VF");
    }
    return response.SerializeAsString();
  }

  std::unique_ptr<os::EventLoop> loop_;
  std::unique_ptr<os::FrameServer> server_;
  std::thread thread_;
};

Pf pf_of(std::string_view driver) {
  Pf pf;
  pf.address = *PciAddress::parse("0000:3b:00.0");
  pf.driver = driver;
  return pf;
}

Vf vf_at(const char* address) {
  Vf vf;
  vf.address = *PciAddress::parse(address);
  return vf;
}

}  // namespace

TEST_CASE("The simulated NIC's socket takes the MAC") {
  const test::TempDir dir;
  FakeNic nic(dir / "vf");
  const auto control = make_vf_control(pf_of(kSimulatedDriver), dir / "vf");
  REQUIRE(control);
  CHECK((*control)->set_mac(vf_at("0000:3b:02.0"), *MacAddr::parse("02:00:00:00:00:07")));
  const auto refused = (*control)->set_mac(vf_at("0000:3b:02.1"), MacAddr{});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kNotFound);
  CHECK(refused.error().message.find("0000:3b:02.1: no such VF") != std::string::npos);
  CHECK((*control)->set_mac(vf_at("0000:3b:02.7"), MacAddr{}).error().domain == Domain::kProtocol);
  nic.stop();
  CHECK(nic.mac == "02:00:00:00:00:07");
}

TEST_CASE("The simulated NIC's socket tells the MAC, of one VF and of all that it has") {
  const test::TempDir dir;
  FakeNic nic(dir / "vf");
  Pf pf = pf_of(kSimulatedDriver);
  const char* const addresses[] = {"0000:3b:02.1", "0000:3b:02.0", "0000:3b:02.7"};
  for (std::uint16_t i = 0; i < 3; ++i) {
    pf.vfs.push_back(vf_at(addresses[i]));
    pf.vfs.back().index = i;
  }
  const auto control = make_vf_control(pf, dir / "vf");
  REQUIRE(control);
  const MacAddr mac = *MacAddr::parse("02:00:00:00:00:07");
  REQUIRE((*control)->set_mac(pf.vfs[1], mac));
  const auto one = (*control)->attributes(pf.vfs[1]);
  REQUIRE(one);
  CHECK(one->mac == mac);
  CHECK_FALSE(one->vlan);
  CHECK_FALSE(one->trust);
  CHECK((*control)->attributes(pf.vfs[0]).error().code == Code::kNotFound);
  const auto all = (*control)->all_attributes();
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  CHECK(all->at(1).mac == mac);
  nic.stop();
}

TEST_CASE("All that is set goes to the simulated NIC in one request, and comes back") {
  const test::TempDir dir;
  FakeNic nic(dir / "vf");
  const auto control = make_vf_control(pf_of(kSimulatedDriver), dir / "vf");
  REQUIRE(control);
  const Vf vf = vf_at("0000:3b:02.0");
  VfAttributes wish;
  wish.mac = *MacAddr::parse("02:00:00:00:00:07");
  wish.vlan = 100;
  wish.qos = 3;
  wish.vlan_protocol = 0x8100;
  wish.spoof_check = false;
  wish.trust = true;
  wish.rss_query = false;
  wish.link_state = netlink::VfLinkState::kDisable;
  wish.min_rate_mbps = 0;
  wish.max_rate_mbps = 1000;
  REQUIRE((*control)->apply(vf, wish));
  const auto now = (*control)->attributes(vf);
  REQUIRE(now);
  CHECK(*now == wish);
  VfAttributes only_trust;
  only_trust.trust = false;
  REQUIRE((*control)->apply(vf, only_trust));
  wish.trust = false;
  CHECK(*(*control)->attributes(vf) == wish);
  CHECK((*control)->apply(vf, {}));
  nic.stop();
  CHECK(nic.requests == 4);
}

TEST_CASE("What the simulated NIC doesn't have is refused before it is asked") {
  const test::TempDir dir;
  FakeNic nic(dir / "vf");
  const auto control = make_vf_control(pf_of(kSimulatedDriver), dir / "vf");
  REQUIRE(control);
  VfAttributes wish;
  wish.trust = true;
  SUBCASE("node GUID") { wish.node_guid = 1; }
  SUBCASE("port GUID") { wish.port_guid = 1; }
  SUBCASE("802.1ad") {
    wish.vlan = 1;
    wish.vlan_protocol = 0x88a8;
  }
  CHECK((*control)->apply(vf_at("0000:3b:02.0"), wish).error().code == Code::kUnsupported);
  nic.stop();
  CHECK(nic.requests == 0);
}

TEST_CASE("An answer that no NIC can give is an error") {
  const test::TempDir dir;
  FakeNic nic(dir / "vf");
  SUBCASE("vlan") { nic.set.set_vlan(4096); }
  SUBCASE("qos") { nic.set.set_qos(8); }
  SUBCASE("vlan_protocol") { nic.set.set_vlan_protocol(0x10000); }
  SUBCASE("link_state") { nic.link_state = "up"; }
  SUBCASE("mac") { nic.mac = "02"; }
  const auto control = make_vf_control(pf_of(kSimulatedDriver), dir / "vf");
  REQUIRE(control);
  CHECK((*control)->attributes(vf_at("0000:3b:02.0")).error().code == Code::kInvalid);
  nic.stop();
}

TEST_CASE("A simulated NIC that is away is unavailable") {
  const test::TempDir dir;
  const auto control = make_vf_control(pf_of(kSimulatedDriver), dir / "vf");
  REQUIRE(control);
  const auto status = (*control)->set_mac(vf_at("0000:3b:02.0"), MacAddr{});
  CHECK(status.error().code == Code::kUnavailable);
  Pf pf = pf_of(kSimulatedDriver);
  pf.vfs.push_back(vf_at("0000:3b:02.0"));
  CHECK((*make_vf_control(pf, dir / "vf"))->all_attributes().error().code == Code::kUnavailable);
}

TEST_CASE("What can't be controlled is said when it is made") {
  CHECK(make_vf_control(pf_of(kSimulatedDriver), "").error().code == Code::kInvalid);
  const auto without_netdev = make_vf_control(pf_of("vfio-pci"), "");
  REQUIRE_FALSE(without_netdev);
  CHECK(without_netdev.error().code == Code::kPrecondition);
  CHECK(without_netdev.error().message.find("vfio-pci") != std::string::npos);
}
