// SPDX-License-Identifier: Apache-2.0
#include "common/nic/vf_control.h"

#include "common/api/vf_control.pb.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/frame_socket.h"

namespace sluice::nic {
namespace {

// A real PF: RTM_SETLINK with IFLA_VF_MAC on its netdev.
class KernelVfControl final : public VfControl {
 public:
  KernelVfControl(netlink::Rtnl rtnl, netlink::IfIndex pf) : rtnl_(std::move(rtnl)), pf_(pf) {}

  Status set_mac(const Vf& vf, const MacAddr& mac) override {
    return rtnl_.set_vf_mac(pf_, vf.index, mac);
  }

 private:
  netlink::Rtnl rtnl_;
  netlink::IfIndex pf_;
};

// The simulated NIC: the same question on its socket.
class SimulatedVfControl final : public VfControl {
 public:
  explicit SimulatedVfControl(std::string socket) : socket_(std::move(socket)) {}

  Status set_mac(const Vf& vf, const MacAddr& mac) override {
    api::VfRequest request;
    request.set_pci_address(vf.address.to_string());
    request.set_mac(mac.to_string());
    constexpr Duration kDeadline = std::chrono::seconds(10);
    SLUICE_TRY(const auto answer, os::frame_call(socket_, request.SerializeAsString(), kDeadline));
    api::VfResponse response;
    if (!response.ParseFromString(answer)) {
      return fail(Error{Code::kInternal,
                        Domain::kProtocol,
                        0,
                        "the simulated NIC's answer on " + socket_ + " can't be read",
                        {},
                        Retry::kNever});
    }
    if (response.code().empty()) return {};
    return fail(code_from(response.code()), "set MAC " + mac.to_string() + " of VF " +
                                                vf.address.to_string() + ": " + response.message());
  }

 private:
  std::string socket_;
};

}  // namespace

Result<std::unique_ptr<VfControl>> make_vf_control(const Pf& pf, const std::string& socket) {
  if (pf.driver == kSimulatedDriver) {
    if (socket.empty()) {
      return fail(Code::kInvalid, "PF " + pf.address.to_string() +
                                      " is simulated, and its control socket is not known");
    }
    return std::unique_ptr<VfControl>(std::make_unique<SimulatedVfControl>(socket));
  }
  if (!pf.netdev) {
    return fail(Code::kPrecondition, "PF " + pf.address.to_string() +
                                         " has no netdev to set its VFs by; its driver is '" +
                                         pf.driver + "'");
  }
  SLUICE_TRY(auto rtnl, netlink::Rtnl::open());
  return std::unique_ptr<VfControl>(
      std::make_unique<KernelVfControl>(std::move(rtnl), netlink::IfIndex{pf.netdev->if_index}));
}

}  // namespace sluice::nic
