// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/engine_client.h"

#include <algorithm>
#include <cerrno>

#include "common/api/offload.pb.h"
#include "common/os/frame_socket.h"

namespace sluice::cni {
namespace {

constexpr Duration kQuestionDeadline = std::chrono::seconds(5);
constexpr std::uint32_t kMinMtu = 576, kMaxMtu = 65535;

// No socket, nobody at it, or gone while it was asked.
bool is_nobody(const Error& error) {
  if (error.domain == Domain::kProtocol) return error.code == Code::kUnavailable;
  return error.domain == Domain::kKernel &&
         (error.native == ENOENT || error.native == ECONNREFUSED || error.native == ECONNRESET ||
          error.native == EPIPE);
}

Error unreached(Error error, const std::string& socket) {
  if (is_nobody(error)) error.code = Code::kUnavailable;
  if (is_nobody(error) || error.code == Code::kTimeout) {
    error.retry = Retry::kLater;
  } else if (error.code == Code::kUnavailable) {  // errno's: short of something ourselves
    error.code = Code::kExhausted;
  }
  return std::move(error).with("asking the offload engine at " + socket);
}

Status check_path(const char* field, const std::string& path, bool may_be_empty) {
  if (path.empty() && may_be_empty) return {};
  if (!path.empty() && path.front() == '/' && path.size() < 1024) return {};
  return fail(Code::kInternal, std::string("the engine's ") + field + " is '" +
                                   path.substr(0, 120) + "', not an absolute path");
}

Result<NodeFacts> to_facts(const api::NodeInfo& info) {
  NodeFacts out;
  out.node = info.node();  // checked where it becomes a file name
  SLUICE_TRY(out.pod_block, Prefix4::parse(info.pod_cidr()));
  SLUICE_TRY(out.gateway, Ipv4::parse(info.gateway_ip()));
  out.pod_mtu = info.pod_mtu();
  out.sysfs_root = info.sysfs_root().empty() ? "/sys" : info.sysfs_root();
  out.vf_control_socket = info.vf_control_socket();
  out.pending_directory = info.pending_directory();
  SLUICE_CHECK_OK(check_facts(out));
  return out;
}

void fill(const Attachment& attachment, api::AttachRequest& out) {
  out.set_id(attachment.id);
  out.set_pod(attachment.pod);
  out.set_interface(attachment.interface);
  out.set_mac(attachment.mac.to_string());
  out.set_ip(attachment.ip.to_string());
  out.set_pci_address(attachment.pci);
  out.set_veth(attachment.veth);
  for (const auto& mapping : attachment.port_mappings) {
    auto& to = *out.add_port_mappings();
    to.set_host_port(mapping.host_port);
    to.set_container_port(mapping.container_port);
    to.set_protocol(mapping.protocol);
    if (mapping.host_ip) to.set_host_ip(mapping.host_ip->to_string());
  }
}

}  // namespace

Status check_facts(const NodeFacts& facts) {
  if (facts.pod_mtu < kMinMtu || facts.pod_mtu > kMaxMtu) {
    return fail(Code::kInternal, "the engine's pod_mtu is " + std::to_string(facts.pod_mtu) +
                                     "; allowed are 576 to 65535");
  }
  SLUICE_CHECK_OK(check_path("sysfs_root", facts.sysfs_root, false));
  SLUICE_CHECK_OK(check_path("vf_control_socket", facts.vf_control_socket, true));
  return check_path("pending_directory", facts.pending_directory, true);
}

Result<Attachment> to_attachment(const Record& record) {
  Attachment out{record.id(), record.pod, record.key.interface, record.mac, {},
                 "",          "",         record.port_mappings};
  (record.vf ? out.pci : out.veth) = record.vf ? record.vf->pci : record.veth;
  for (const auto& address : record.result.addresses) {
    if (const auto ip = address.address.address.v4()) {
      out.ip = *ip;
      return out;
    }
  }
  return fail(Code::kInvalid, "interface " + record.key.interface +
                                  " has no IPv4 address, which the offload engine needs");
}

std::string attach_request_bytes(const Attachment& attachment) {
  api::AttachRequest request;
  fill(attachment, request);
  return request.SerializeAsString();
}

Result<api::Response> EngineClient::call(const api::Request& request, Duration deadline) const {
  if (time_.silent || time_.left <= Duration::zero()) {
    return fail(Error{Code::kTimeout,
                      Domain::kNone,
                      0,
                      "the offload engine at " + socket_ +
                          " isn't asked any more by this call: it " +
                          (time_.silent ? "did not answer in time" : "took too long"),
                      {},
                      Retry::kLater});
  }
  const SteadyClock clock;
  const auto begin = clock.now();
  auto answer =
      os::frame_call(socket_, request.SerializeAsString(), std::min(deadline, time_.left));
  time_.left -= clock.now() - begin;
  if (!answer) {
    auto error = unreached(std::move(answer).error(), socket_);
    time_.silent = error.code == Code::kTimeout;
    return fail(std::move(error));
  }
  api::Response response;
  if (!response.ParseFromString(*answer)) {
    return fail(Code::kInternal, "the offload engine at " + socket_ + " answered no Response");
  }
  if (response.has_failure()) {
    const auto code = code_from(response.failure().code());
    return fail(code,
                "the offload engine refused: " + response.failure().message().substr(0, 2000));
  }
  return response;
}

bool is_away(const Error& error) {
  return error.retry == Retry::kLater &&
         (error.code == Code::kUnavailable || error.code == Code::kTimeout);
}

bool is_gone(const Error& error) { return is_away(error) && error.code == Code::kUnavailable; }

Result<NodeFacts> EngineClient::node_facts() const {
  api::Request request;
  request.mutable_node_info();
  SLUICE_TRY(const auto response, call(request, kQuestionDeadline));
  if (!response.has_node_info()) {
    return fail(Code::kInternal, "the offload engine answered something else than its node");
  }
  auto facts = to_facts(response.node_info());
  if (!facts) return fail(std::move(facts).error().with("reading the engine's NodeInfo"));
  return facts;
}

Status EngineClient::attach(const Attachment& attachment) const {
  api::Request request;
  fill(attachment, *request.mutable_attach());
  SLUICE_TRY(const auto response, call(request, EngineTime::kMost));
  if (response.has_attach()) return {};
  return fail(Code::kInternal, "the offload engine answered something else than an attachment");
}

Status EngineClient::detach(const std::string& id) const {
  api::Request request;
  request.mutable_detach()->set_id(id);
  SLUICE_TRY(const auto response, call(request, EngineTime::kMost));
  if (response.has_detach()) return {};
  return fail(Code::kInternal, "the offload engine answered something else than a detachment");
}

Result<std::string> EngineClient::check(const Attachment& attachment) const {
  api::Request request;
  fill(attachment, *request.mutable_check_attachment()->mutable_attachment());
  SLUICE_TRY(const auto response, call(request, kQuestionDeadline));
  if (!response.has_check_attachment()) {
    return fail(Code::kInternal, "the offload engine answered something else than a check");
  }
  const auto& checked = response.check_attachment();
  if (!checked.problem().empty()) return checked.problem().substr(0, 2000);
  return std::string(checked.port().empty() ? "the attachment is unknown to it" : "");
}

}  // namespace sluice::cni
