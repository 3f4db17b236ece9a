// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/engine.h"

#include <utility>

namespace sluice::engine {
namespace {

// How long events may gather before they are planned together.
constexpr Duration kGather = std::chrono::milliseconds(5);
constexpr Duration kRetry = std::chrono::seconds(1);
constexpr std::size_t kMaxListedConnections = 100000;

}  // namespace

Engine::Engine(NodeSettings settings, Parts parts, Attachments attachments, Logger log)
    : settings_(std::move(settings)),
      parts_(parts),
      attachments_(std::move(attachments)),
      log_(std::move(log)),
      started_(parts.clock.now()),
      manifest_error_("no manifest has been read yet") {}

void Engine::on_manifest(std::vector<model::Node> nodes, std::vector<model::Service> services) {
  auto old_nodes = std::exchange(nodes_, std::move(nodes));
  auto old_services = std::exchange(services_, std::move(services));
  if (auto applied = rebuild(); !applied) {
    nodes_ = std::move(old_nodes);
    services_ = std::move(old_services);
    on_manifest_error(applied.error());
    return;
  }
  manifest_error_.clear();
  std::vector<Ipv4> others;
  for (const auto& node : nodes_) {
    if (node.name != settings_.node) others.push_back(node.address);
  }
  parts_.next_hops.keep(others);
}

void Engine::on_manifest_error(const Error& error) {
  manifest_error_ = error.to_string();
  log_.error("manifest not taken, the last good one stays in force", {{"error", error}});
}

void Engine::schedule_rebuild() {
  if (std::exchange(rebuild_scheduled_, true)) return;
  parts_.loop.after(kGather, [this] {
    rebuild_scheduled_ = false;
    if (nodes_.empty()) return;
    if (auto applied = rebuild(); !applied) {
      log_.error("plan not applied, trying again", {{"error", applied.error()}});
      parts_.loop.after(kRetry, [this] { schedule_rebuild(); });
    }
  });
}

Status Engine::rebuild(std::function<void()> done) {
  IntentParts parts{nodes_, services_, attachments_.all(), parts_.next_hops.next_hops(),
                    parts_.next_hops.routes()};
  SLUICE_TRY(auto intent, build_intent(settings_, std::move(parts)));
  if (intent_ != nullptr && *intent_ == *intent) {
    if (done) done();
    return {};
  }
  SLUICE_CHECK_OK(parts_.network.update(*intent));
  const auto delta = planner_.update(*intent);
  auto refused = parts_.backend.apply(delta);
  if (!refused) {
    // The planner is ahead of the NIC now, and a backend that is gone doesn't come back: only a
    // fresh start brings the two together again.
    log_.error("the backend is gone, stopping", {{"error", refused.error()}});
    backend_gone_ = true;
    parts_.loop.stop();
    return fail(std::move(refused).error());
  }
  record_refusals(delta, *refused);
  log_.info("program changed", {{"added", delta.added.size()},
                                {"removed", delta.removed.size()},
                                {"changed", delta.changed.size()},
                                {"refused", refused->size()}});
  intent_ = intent;
  parts_.slow_path.with([this, intent, done = std::move(done)](slowpath::SlowPath& path) {
    if (auto taken = path.set_intent(intent); !taken) {
      log_.error("the slow path refused the intent", {{"error", taken.error()}});
    }
    if (done) parts_.loop.post(done);
  });
  return {};
}

void Engine::record_refusals(const model::Delta& delta,
                             const std::vector<model::RuleState>& refused) {
  rules_ += delta.added.size();
  rules_ -= delta.removed.size();
  for (const auto& rule : delta.removed) refused_.erase(rule.key_hash());
  for (const auto& change : delta.changed) refused_.erase(change.after.key_hash());
  for (const auto& state : refused) {
    log_.warn("rule refused by the NIC",
              {{"rule", state.rule.to_string()}, {"reason", state.reason}});
    refused_[state.rule.key_hash()] = state;
  }
}

Result<model::Node> Engine::self() const {
  for (const auto& node : nodes_) {
    if (node.name == settings_.node) return node;
  }
  return fail(Error{Code::kUnavailable, Domain::kConfig, 0,
                    "node '" + settings_.node + "' is not known yet: " + manifest_error_,
                    {}, Retry::kLater});
}

void Engine::attach(const AttachSpec& spec, Answer<model::PortId> answer) {
  auto node = self();
  if (!node) return answer(fail(std::move(node).error()));
  if (spec.pci_address.empty() == spec.veth.empty()) {
    return answer(fail(Code::kInvalid, "exactly one of pci_address and veth must be set"));
  }
  model::Attachment attachment{spec.id,  spec.pod, spec.interface,
                               model::PortId::host(), spec.mac, spec.ip, spec.veth};
  if (!spec.pci_address.empty()) {
    auto port = parts_.devices.port_of(spec.pci_address);
    if (!port) return answer(fail(std::move(port).error()));
    attachment.port = *port;
    attachment.device = spec.pci_address;
  }
  if (auto added = attachments_.add(attachment, *node); !added) {
    return answer(fail(std::move(added).error()));
  }
  // From here on a failure takes the attachment back, so that the caller's retry starts afresh.
  const auto undo = [this, attachment](Error error) {
    if (!attachment.device.empty() && attachment.port.kind == model::PortId::Kind::kHost) {
      (void)parts_.network.remove_pod_port(attachment.device, attachment.mac);
    }
    if (auto removed = attachments_.remove(attachment.id); !removed) {
      log_.error("attachment not taken back", {{"id", attachment.id}, {"error", removed.error()}});
    }
    schedule_rebuild();
    return error;
  };
  if (!spec.veth.empty()) {
    if (auto plugged = parts_.network.add_pod_port(spec.veth, spec.mac); !plugged) {
      return answer(fail(undo(std::move(plugged).error())));
    }
  }
  const auto port = attachment.port;
  auto applied = rebuild([answer, port] { answer(port); });
  if (!applied) return answer(fail(undo(std::move(applied).error())));
  log_.info("attached", {{"id", spec.id}, {"pod", spec.pod}, {"port", port.to_string()},
                         {"ip", spec.ip.to_string()}});
}

void Engine::detach(const std::string& id, Answer<bool> answer) {
  auto removed = attachments_.remove(id);
  if (!removed) {
    if (removed.error().code == Code::kNotFound) return answer(false);
    return answer(fail(std::move(removed).error()));
  }
  if (removed->port.kind == model::PortId::Kind::kHost) {
    if (auto gone = parts_.network.remove_pod_port(removed->device, removed->mac); !gone) {
      log_.warn("pod port not unplugged", {{"veth", removed->device}, {"error", gone.error()}});
    }
  }
  auto applied = rebuild([answer] { answer(true); });
  if (!applied) return answer(fail(std::move(applied).error()));
  log_.info("detached", {{"id", id}, {"pod", removed->pod}});
}

void Engine::status(Answer<EngineStatus> answer) {
  EngineStatus status;
  status.node = settings_.node;
  status.capabilities = parts_.backend.capabilities();
  status.rules = rules_ - refused_.size();
  status.refused = refused_.size();
  status.nodes = nodes_.size();
  status.services = services_.size();
  status.attachments = attachments_.all().size();
  status.manifest_error = manifest_error_;
  status.uptime = parts_.clock.now() - started_;
  parts_.slow_path.with(
      [this, status = std::move(status), answer = std::move(answer)](slowpath::SlowPath& path) mutable {
        status.connections = path.connection_count();
        status.promoted = path.promoted_count();
        status.slow_counters = path.counters().to_map();
        parts_.loop.post([status = std::move(status), answer = std::move(answer)] { answer(status); });
      });
}

void Engine::flows(bool connections_only, Answer<Flows> answer) {
  Flows flows;
  if (!connections_only) {
    auto rules = parts_.backend.dump();
    if (!rules) return answer(fail(std::move(rules).error()));
    flows.rules = std::move(*rules);
  }
  parts_.slow_path.with(
      [this, flows = std::move(flows), answer = std::move(answer)](slowpath::SlowPath& path) mutable {
        flows.connections = path.connections(kMaxListedConnections);
        parts_.loop.post([flows = std::move(flows), answer = std::move(answer)] { answer(flows); });
      });
}

void Engine::demote(std::uint64_t connection, Answer<bool> answer) {
  parts_.slow_path.with([this, connection, answer = std::move(answer)](slowpath::SlowPath& path) {
    const bool existed = path.demote(connection);
    parts_.loop.post([existed, answer] { answer(existed); });
  });
}

}  // namespace sluice::engine
