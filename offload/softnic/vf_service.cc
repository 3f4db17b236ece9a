// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_service.h"

#include <limits>
#include <utility>

#include "common/api/vf_control.pb.h"

namespace sluice::softnic {
namespace {

using netlink::VfLinkState;

constexpr std::pair<VfLinkState, const char*> kLinkStates[] = {{VfLinkState::kAuto, "auto"},
                                                               {VfLinkState::kEnable, "enable"},
                                                               {VfLinkState::kDisable, "disable"}};

Result<VfLinkState> read_link_state(const std::string& text) {
  for (const auto& [state, name] : kLinkStates) {
    if (text == name) return state;
  }
  return fail(Code::kInvalid,
              "link_state '" + text.substr(0, 200) + "': allowed are auto, enable and disable");
}

template <class T>
Result<T> narrow(const char* field, std::uint32_t value) {
  if (value <= std::numeric_limits<T>::max()) return static_cast<T>(value);
  return fail(Code::kInvalid, std::string(field) + " " + std::to_string(value) +
                                  ": allowed is at most " +
                                  std::to_string(std::numeric_limits<T>::max()));
}

Result<netlink::VfAttributes> read(const api::VfRequest& request) {
  netlink::VfAttributes change;
  if (request.has_mac()) {
    SLUICE_TRY(change.mac, MacAddr::parse(request.mac()));
  }
  if (request.has_vlan()) {
    SLUICE_TRY(change.vlan, narrow<std::uint16_t>("vlan", request.vlan()));
  }
  if (request.has_qos()) {
    SLUICE_TRY(change.qos, narrow<std::uint8_t>("qos", request.qos()));
  }
  if (request.has_vlan_protocol()) {
    SLUICE_TRY(change.vlan_protocol,
               narrow<std::uint16_t>("vlan_protocol", request.vlan_protocol()));
  }
  if (request.has_spoof_check()) change.spoof_check = request.spoof_check();
  if (request.has_trust()) change.trust = request.trust();
  if (request.has_query_rss()) change.rss_query = request.query_rss();
  if (request.has_link_state()) {
    SLUICE_TRY(change.link_state, read_link_state(request.link_state()));
  }
  if (request.has_min_rate_mbps()) change.min_rate_mbps = request.min_rate_mbps();
  if (request.has_max_rate_mbps()) change.max_rate_mbps = request.max_rate_mbps();
  return change;
}

void write(const VfSettings& settings, api::VfResponse& response) {
  response.set_mac(settings.mac.to_string());
  response.set_vlan(settings.vlan);
  response.set_qos(settings.qos);
  response.set_vlan_protocol(settings.vlan_protocol);
  response.set_spoof_check(settings.spoof_check);
  response.set_trust(settings.trust);
  response.set_query_rss(settings.query_rss);
  for (const auto& [state, name] : kLinkStates) {
    if (settings.link_state == state) response.set_link_state(name);
  }
  response.set_min_rate_mbps(settings.min_rate_mbps);
  response.set_max_rate_mbps(settings.max_rate_mbps);
}

Result<VfSettings> handle(const std::string& request, const VfService::Change& change) {
  api::VfRequest message;
  if (!message.ParseFromString(request)) {
    return fail(Code::kInvalid,
                "request of " + std::to_string(request.size()) + " bytes: not a VfRequest");
  }
  SLUICE_TRY(const auto address, nic::PciAddress::parse(message.pci_address()));
  SLUICE_TRY(const auto wanted, read(message));
  return change(address, wanted);
}

}  // namespace

std::string answer_vf_request(const std::string& request, const VfService::Change& change) {
  api::VfResponse response;
  if (const auto settings = handle(request, change)) {
    write(*settings, response);
  } else {
    response.set_code(std::string(to_string(settings.error().code)));
    response.set_message(settings.error().to_string());
  }
  return response.SerializeAsString();
}

Result<std::unique_ptr<VfService>> VfService::listen(os::EventLoop& loop, const std::string& path,
                                                     Change change) {
  auto handler = [change = std::move(change)](const std::string& request,
                                              const os::FrameServer::Reply& reply) {
    reply(answer_vf_request(request, change));
  };
  SLUICE_TRY(auto server, os::FrameServer::listen(loop, path, std::move(handler)));
  return std::unique_ptr<VfService>(new VfService(std::move(server)));
}

}  // namespace sluice::softnic
