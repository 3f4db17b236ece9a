// SPDX-License-Identifier: Apache-2.0
#include "offload/rpc/server.h"

#include <map>

#include "common/api/offload.pb.h"

namespace sluice::rpc {
namespace {

using Reply = os::FrameServer::Reply;

std::string failure(const Error& error) {
  api::Response response;
  response.mutable_failure()->set_code(std::string(to_string(error.code)));
  response.mutable_failure()->set_message(error.to_string());
  return response.SerializeAsString();
}

std::string join_actions(const std::vector<model::Action>& actions) {
  std::string text;
  for (const auto& action : actions) text += (text.empty() ? "" : ", ") + model::to_string(action);
  return text;
}

class Calls {
 public:
  Calls(engine::Engine& engine, ServerInfo info) : engine_(engine), info_(std::move(info)) {}

  void handle(const std::string& bytes, const Reply& reply) {
    api::Request request;
    if (!request.ParseFromString(bytes)) {
      return reply(failure(Error{Code::kInvalid,
                                 Domain::kProtocol,
                                 0,
                                 "the request is not a sluice.api.Request",
                                 {},
                                 Retry::kNever}));
    }
    switch (request.call_case()) {
      case api::Request::kNodeInfo:
        return node_info(reply);
      case api::Request::kAttach:
        return attach(request.attach(), reply);
      case api::Request::kDetach:
        return detach(request.detach(), reply);
      case api::Request::kStatus:
        return status(reply);
      case api::Request::kListFlows:
        return flows(request.list_flows(), reply);
      case api::Request::kListPorts:
        return ports(reply);
      case api::Request::kDeleteFlow:
        return delete_flow(request.delete_flow(), reply);
      case api::Request::kCheckAttachment:
        return check_attachment(request.check_attachment(), reply);
      case api::Request::CALL_NOT_SET:
        break;
    }
    reply(failure(Error{Code::kUnsupported,
                        Domain::kProtocol,
                        0,
                        "the request has no call that this engine knows",
                        {},
                        Retry::kNever}));
  }

 private:
  void node_info(const Reply& reply) {
    auto self = engine_.self();
    if (!self) return reply(failure(self.error()));
    const auto& settings = engine_.settings();
    api::Response response;
    auto& info = *response.mutable_node_info();
    info.set_node(self->name);
    info.set_pod_cidr(self->pod_cidr.to_string());
    info.set_gateway_ip(settings.gateway_ip.to_string());
    info.set_gateway_mac(settings.gateway_mac.to_string());
    info.set_pod_mtu(settings.uplink_mtu - model::kVxlanOverhead);
    info.set_bridge(info_.bridge);
    info.set_sysfs_root(info_.sysfs_root);
    info.set_vf_control_socket(info_.vf_control_socket);
    info.set_pending_directory(info_.pending_directory);
    reply(response.SerializeAsString());
  }

  void attach(const api::AttachRequest& request, const Reply& reply) {
    const auto spec = engine::read_attach_request(request);
    if (!spec) return reply(failure(spec.error()));
    engine_.attach(*spec, [reply](Result<model::PortId> port) {
      if (!port) return reply(failure(port.error()));
      api::Response response;
      response.mutable_attach()->set_port(port->to_string());
      reply(response.SerializeAsString());
    });
  }

  void check_attachment(const api::CheckAttachmentRequest& request, const Reply& reply) {
    const auto wanted = engine::read_attach_request(request.attachment());
    if (!wanted) return reply(failure(wanted.error()));
    const auto checked = engine_.check(*wanted);
    api::Response response;
    response.mutable_check_attachment()->set_port(checked.port);
    response.mutable_check_attachment()->set_problem(checked.problem);
    reply(response.SerializeAsString());
  }

  void detach(const api::DetachRequest& request, const Reply& reply) {
    engine_.detach(request.id(), [reply](Result<bool> existed) {
      if (!existed) return reply(failure(existed.error()));
      api::Response response;
      response.mutable_detach()->set_existed(*existed);
      reply(response.SerializeAsString());
    });
  }

  void delete_flow(const api::DeleteFlowRequest& request, const Reply& reply) {
    engine_.demote(request.connection(), [reply](Result<bool> existed) {
      if (!existed) return reply(failure(existed.error()));
      api::Response response;
      response.mutable_delete_flow()->set_existed(*existed);
      reply(response.SerializeAsString());
    });
  }

  void status(const Reply& reply) {
    engine_.status([info = info_, reply](Result<engine::EngineStatus> got) {
      if (!got) return reply(failure(got.error()));
      api::Response response;
      auto& to = *response.mutable_status();
      to.set_version(info.version);
      to.set_node(got->node);
      to.set_backend(got->capabilities.backend);
      to.set_backend_reason(info.backend_reason);
      to.set_device(got->capabilities.device);
      to.set_vfs(got->capabilities.vfs);
      to.set_rules(got->rules);
      to.set_refused(got->refused);
      to.set_connections(got->connections);
      to.set_promoted(got->promoted);
      to.set_manifest(info.manifest);
      to.set_manifest_error(got->manifest_error);
      to.set_nodes(got->nodes);
      to.set_services(got->services);
      to.set_attachments(got->attachments);
      for (const auto& [name, count] : got->slow_counters) {
        (*to.mutable_slow_counters())[name] = count;
      }
      const auto received = got->slow_counters.find("received");
      to.set_slow_packets(received == got->slow_counters.end() ? 0 : received->second);
      to.set_uptime_seconds(static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::seconds>(got->uptime).count()));
      to.set_dpdk(info.dpdk);
      reply(response.SerializeAsString());
    });
  }

  static void encode(const model::RuleState& from, api::Flow& to) {
    to.set_stage(std::string(model::to_string(from.rule.stage)));
    to.set_priority(from.rule.priority);
    to.set_match(from.rule.match.to_string());
    to.set_actions(join_actions(from.rule.actions));
    to.set_owner(from.rule.owner);
    to.set_why(from.rule.why);
    to.set_tier(std::string(model::to_string(from.tier)));
    to.set_reason(from.reason);
    to.set_packets(from.stats.packets);
    to.set_bytes(from.stats.bytes);
  }

  static void encode(const slowpath::ConnectionInfo& from, api::Connection& to) {
    to.set_id(from.id);
    to.set_proto(from.proto);
    to.set_original(from.original);
    to.set_translated(from.translated);
    to.set_service(from.service);
    to.set_state(from.state);
    to.set_promoted(from.promoted);
    to.set_refusal(from.refusal);
    to.set_hardware_packets_forward(from.hardware_packets[0]);
    to.set_hardware_packets_reply(from.hardware_packets[1]);
    to.set_slow_packets_forward(from.slow_packets[0]);
    to.set_slow_packets_reply(from.slow_packets[1]);
    to.set_hardware_bytes_forward(from.hardware_bytes[0]);
    to.set_hardware_bytes_reply(from.hardware_bytes[1]);
    to.set_idle_ms(from.idle_ms);
  }

  void flows(const api::ListFlowsRequest& request, const Reply& reply) {
    engine_.flows(request.connections_only(), [reply](Result<engine::Flows> got) {
      if (!got) return reply(failure(got.error()));
      api::Response response;
      auto& list = *response.mutable_flows();
      for (const auto& rule : got->rules) encode(rule, *list.add_flows());
      for (const auto& connection : got->connections) encode(connection, *list.add_connections());
      if (response.ByteSizeLong() > os::kMaxFrameBytes) {
        return reply(failure(Error{Code::kExhausted,
                                   Domain::kProtocol,
                                   0,
                                   "the list is larger than a frame may be (" +
                                       std::to_string(os::kMaxFrameBytes >> 20U) +
                                       " MiB); ask for the connections only",
                                   {},
                                   Retry::kNever}));
      }
      reply(response.SerializeAsString());
    });
  }

  void ports(const Reply& reply) {
    std::map<model::PortId, std::string> pods;
    for (const auto& attachment : engine_.attachments()) {
      auto& text = pods[attachment.port];
      text += (text.empty() ? "" : ", ") + attachment.pod + " " + attachment.interface;
    }
    api::Response response;
    auto& list = *response.mutable_ports();
    for (const auto& view : engine_.ports()) {
      auto& to = *list.add_ports();
      to.set_name(view.port.to_string());
      to.set_device(view.device);
      to.set_pod(pods[view.port]);
      to.set_state(view.state);
      to.set_rx_packets(view.rx_packets);
      to.set_rx_bytes(view.rx_bytes);
      to.set_rx_dropped(view.rx_dropped);
      to.set_tx_packets(view.tx_packets);
      to.set_tx_bytes(view.tx_bytes);
      to.set_tx_dropped(view.tx_dropped);
      to.set_slow_packets(view.slow_packets);
      to.set_note(view.note);
    }
    reply(response.SerializeAsString());
  }

  engine::Engine& engine_;
  ServerInfo info_;
};

}  // namespace

Result<std::unique_ptr<os::FrameServer>> serve(os::EventLoop& loop, const std::string& socket,
                                               engine::Engine& engine, ServerInfo info) {
  auto calls = std::make_shared<Calls>(engine, std::move(info));
  return os::FrameServer::listen(
      loop, socket, [calls](std::string request, Reply reply) { calls->handle(request, reply); });
}

}  // namespace sluice::rpc
