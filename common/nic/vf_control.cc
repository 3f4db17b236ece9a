// SPDX-License-Identifier: Apache-2.0
#include "common/nic/vf_control.h"

#include "common/api/vf_control.pb.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/frame_socket.h"

namespace sluice::nic {
namespace {

// A real PF: RTM_SETLINK and RTM_GETLINK with IFLA_VFINFO_LIST on its netdev.
class KernelVfControl final : public VfControl {
 public:
  KernelVfControl(netlink::Rtnl rtnl, netlink::IfIndex pf) : rtnl_(std::move(rtnl)), pf_(pf) {}

  Status set_mac(const Vf& vf, const MacAddr& mac) override {
    return rtnl_.set_vf_mac(pf_, vf.index, mac);
  }

  Result<VfAttributes> attributes(const Vf& vf) override {
    SLUICE_TRY(const auto all, all_attributes());
    const auto found = all.find(vf.index);
    if (found != all.end()) return found->second;
    return fail(Code::kNotFound, "the kernel says nothing of VF " + std::to_string(vf.index) +
                                     " (" + vf.address.to_string() + ") of link " +
                                     std::to_string(pf_.value));
  }

  Result<std::map<std::uint16_t, VfAttributes>> all_attributes() override {
    return rtnl_.vf_attributes(pf_);
  }

 private:
  netlink::Rtnl rtnl_;
  netlink::IfIndex pf_;
};

// The simulated NIC: the same questions on its socket.
class SimulatedVfControl final : public VfControl {
 public:
  SimulatedVfControl(std::string socket, std::map<std::uint16_t, PciAddress> vfs)
      : socket_(std::move(socket)), vfs_(std::move(vfs)) {}

  Status set_mac(const Vf& vf, const MacAddr& mac) override {
    api::VfRequest request;
    request.set_mac(mac.to_string());
    SLUICE_TRY([[maybe_unused]] const auto now,
               ask(vf.address, std::move(request), "set MAC " + mac.to_string() + " of VF "));
    return {};
  }

  Result<VfAttributes> attributes(const Vf& vf) override { return attributes_at(vf.address); }

  Result<std::map<std::uint16_t, VfAttributes>> all_attributes() override {
    std::map<std::uint16_t, VfAttributes> all;
    for (const auto& [index, address] : vfs_) {
      auto one = attributes_at(address);
      if (one) {
        all.emplace(index, *one);
      } else if (one.error().code == Code::kUnavailable || one.error().code == Code::kTimeout) {
        return fail(std::move(one).error());  // nobody is there: no sense in asking for the others
      }
    }
    return all;
  }

 private:
  Result<VfAttributes> attributes_at(const PciAddress& address) {
    SLUICE_TRY(const auto answer, ask(address, {}, "read the attributes of VF "));
    auto mac = MacAddr::parse(answer.mac());
    if (!mac) return fail(std::move(mac).error().with("reading the answer on " + socket_));
    VfAttributes attributes;
    attributes.mac = *mac;
    return attributes;
  }

  Result<api::VfResponse> ask(const PciAddress& vf, api::VfRequest request,
                              const std::string& what) {
    request.set_pci_address(vf.to_string());
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
    if (response.code().empty()) return response;
    return fail(code_from(response.code()), what + vf.to_string() + ": " + response.message());
  }

  std::string socket_;
  std::map<std::uint16_t, PciAddress> vfs_;
};

}  // namespace

Result<std::unique_ptr<VfControl>> make_vf_control(const Pf& pf, const std::string& socket) {
  if (pf.driver == kSimulatedDriver) {
    if (socket.empty()) {
      return fail(Code::kInvalid, "PF " + pf.address.to_string() +
                                      " is simulated, and its control socket is not known");
    }
    std::map<std::uint16_t, PciAddress> vfs;
    for (const auto& vf : pf.vfs) vfs.emplace(vf.index, vf.address);
    return std::unique_ptr<VfControl>(std::make_unique<SimulatedVfControl>(socket, std::move(vfs)));
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
