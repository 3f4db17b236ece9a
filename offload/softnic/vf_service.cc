// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_service.h"

#include "common/api/vf_control.pb.h"

namespace sluice::softnic {
namespace {

Result<MacAddr> handle(const std::string& request, const VfService::SetMac& set_mac) {
  api::VfRequest message;
  if (!message.ParseFromString(request)) {
    return fail(Code::kInvalid,
                "request of " + std::to_string(request.size()) + " bytes: not a VfRequest");
  }
  SLUICE_TRY(const auto address, nic::PciAddress::parse(message.pci_address()));
  std::optional<MacAddr> mac;
  if (message.has_mac()) {
    SLUICE_TRY(mac, MacAddr::parse(message.mac()));
  }
  return set_mac(address, mac);
}

}  // namespace

std::string answer_vf_request(const std::string& request, const VfService::SetMac& set_mac) {
  api::VfResponse response;
  if (const auto mac = handle(request, set_mac)) {
    response.set_mac(mac->to_string());
  } else {
    response.set_code(std::string(to_string(mac.error().code)));
    response.set_message(mac.error().to_string());
  }
  return response.SerializeAsString();
}

Result<std::unique_ptr<VfService>> VfService::listen(os::EventLoop& loop, const std::string& path,
                                                     SetMac set_mac) {
  auto handler = [set_mac = std::move(set_mac)](const std::string& request,
                                                const os::FrameServer::Reply& reply) {
    reply(answer_vf_request(request, set_mac));
  };
  SLUICE_TRY(auto server, os::FrameServer::listen(loop, path, std::move(handler)));
  return std::unique_ptr<VfService>(new VfService(std::move(server)));
}

}  // namespace sluice::softnic
