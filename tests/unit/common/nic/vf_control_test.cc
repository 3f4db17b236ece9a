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

// The simulated NIC's side, with one VF and its MAC as state.
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

 private:
  std::string answer(const std::string& bytes) {
    api::VfRequest request;
    api::VfResponse response;
    if (!request.ParseFromString(bytes)) return "\xff\xff";
    if (request.pci_address() == "0000:3b:02.0") {
      if (request.has_mac()) mac = request.mac();
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
