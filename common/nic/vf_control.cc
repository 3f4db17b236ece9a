// SPDX-License-Identifier: Apache-2.0
#include "common/nic/vf_control.h"

#include <algorithm>
#include <array>

#include "common/api/vf_control.pb.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/frame_socket.h"

namespace sluice::nic {
namespace {

// A real PF: RTM_SETLINK and RTM_GETLINK with IFLA_VFINFO_LIST on its netdev.
class KernelVfControl final : public VfControl {
 public:
  KernelVfControl(netlink::Rtnl rtnl, netlink::IfIndex pf) : rtnl_(std::move(rtnl)), pf_(pf) {}

  Status apply(const Vf& vf, const VfAttributes& wish) override {
    return rtnl_.set_vf_attributes(pf_, vf.index, wish);
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

constexpr std::uint32_t kEtherType8021Q = 0x8100;
constexpr std::array<std::string_view, 3> kLinkStates = {"auto", "enable", "disable"};

Result<api::VfRequest> request_of(const PciAddress& vf, const VfAttributes& wish) {
  const auto unsupported = [&](const char* what) {
    return fail(Code::kUnsupported, std::string("VF ") + vf.to_string() +
                                        " is the simulated NIC's, which has no " + what);
  };
  if (wish.node_guid || wish.port_guid) return unsupported("InfiniBand GUIDs");
  if (wish.vlan_protocol.value_or(kEtherType8021Q) != kEtherType8021Q) {
    return unsupported("VLAN protocol other than 802.1Q");
  }
  api::VfRequest request;
  if (wish.mac) request.set_mac(wish.mac->to_string());
  if (wish.vlan) request.set_vlan(*wish.vlan);
  if (wish.qos) request.set_qos(*wish.qos);
  if (wish.vlan_protocol) request.set_vlan_protocol(*wish.vlan_protocol);
  if (wish.spoof_check) request.set_spoof_check(*wish.spoof_check);
  if (wish.trust) request.set_trust(*wish.trust);
  if (wish.rss_query) request.set_query_rss(*wish.rss_query);
  if (wish.link_state) {
    request.set_link_state(std::string(kLinkStates[static_cast<std::size_t>(*wish.link_state)]));
  }
  if (wish.min_rate_mbps) request.set_min_rate_mbps(*wish.min_rate_mbps);
  if (wish.max_rate_mbps) request.set_max_rate_mbps(*wish.max_rate_mbps);
  return request;
}

template <class T>
Status take_number(bool there, const char* field, std::uint32_t value, std::uint32_t limit,
                   std::optional<T>& into) {
  if (!there) return {};
  if (value > limit) {
    return fail(Code::kInvalid, std::string(field) + " is " + std::to_string(value) +
                                    "; allowed is 0 to " + std::to_string(limit));
  }
  into = static_cast<T>(value);
  return {};
}

Result<netlink::VfLinkState> link_state_of(const std::string& text) {
  const auto* const found = std::find(kLinkStates.begin(), kLinkStates.end(), text);
  if (found != kLinkStates.end()) {
    return static_cast<netlink::VfLinkState>(found - kLinkStates.begin());
  }
  return fail(Code::kInvalid,
              "link_state is '" + text.substr(0, 200) + "'; allowed is auto, enable or disable");
}

Result<VfAttributes> attributes_of(const api::VfResponse& answer) {
  VfAttributes values;
  SLUICE_TRY(values.mac, MacAddr::parse(answer.mac()));
  SLUICE_CHECK_OK(take_number(answer.has_vlan(), "vlan", answer.vlan(), 4095, values.vlan));
  SLUICE_CHECK_OK(take_number(answer.has_qos(), "qos", answer.qos(), 7, values.qos));
  SLUICE_CHECK_OK(take_number(answer.has_vlan_protocol(), "vlan_protocol", answer.vlan_protocol(),
                              0xffff, values.vlan_protocol));
  if (answer.has_spoof_check()) values.spoof_check = answer.spoof_check();
  if (answer.has_trust()) values.trust = answer.trust();
  if (answer.has_query_rss()) values.rss_query = answer.query_rss();
  if (answer.has_link_state()) {
    SLUICE_TRY(values.link_state, link_state_of(answer.link_state()));
  }
  if (answer.has_min_rate_mbps()) values.min_rate_mbps = answer.min_rate_mbps();
  if (answer.has_max_rate_mbps()) values.max_rate_mbps = answer.max_rate_mbps();
  return values;
}

// The simulated NIC: the same questions on its socket.
class SimulatedVfControl final : public VfControl {
 public:
  SimulatedVfControl(std::string socket, std::map<std::uint16_t, PciAddress> vfs)
      : socket_(std::move(socket)), vfs_(std::move(vfs)) {}

  Status apply(const Vf& vf, const VfAttributes& wish) override {
    if (wish == VfAttributes{}) return {};
    SLUICE_TRY(auto request, request_of(vf.address, wish));
    SLUICE_TRY([[maybe_unused]] const auto now,
               ask(vf.address, std::move(request), "set attributes of VF "));
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
    auto attributes = attributes_of(answer);
    if (!attributes) {
      return fail(std::move(attributes).error().with("reading the answer on " + socket_));
    }
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

Status VfControl::set_mac(const Vf& vf, const MacAddr& mac) {
  VfAttributes wish;
  wish.mac = mac;
  return apply(vf, wish);
}

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
