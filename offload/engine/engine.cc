// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/engine.h"

#include <algorithm>
#include <utility>

#include "offload/engine/host_ports.h"

namespace sluice::engine {
namespace {

constexpr std::size_t kMaxListedConnections = 100000;
constexpr std::size_t kShownText = 200;

std::string text_of(const std::vector<model::HostPort>& ports) {
  std::string text;
  for (const auto& port : ports) {
    text += (text.empty() ? "" : ", ") + port.to_string() + " -> " + std::to_string(port.pod_port);
  }
  if (text.size() > kShownText) text = text.substr(0, kShownText) + "...";
  return text.empty() ? "none" : text;
}

// The first difference, or nothing.
std::string difference(const model::Attachment& known, const AttachSpec& wanted) {
  const auto differs = [](const std::string& what, const std::string& is,
                          const std::string& asked) {
    return what + ": the engine has " + is + ", not " + asked;
  };
  const std::string device = wanted.pci_address.empty() ? wanted.veth : wanted.pci_address;
  if (known.mac != wanted.mac) {
    return differs("MAC differs", known.mac.to_string(), wanted.mac.to_string());
  }
  if (known.ip != wanted.ip)
    return differs("IP differs", known.ip.to_string(), wanted.ip.to_string());
  if (known.device != device) return differs("device differs", known.device, device);
  if (known.host_ports != wanted.host_ports) {
    return differs("port mappings differ", text_of(known.host_ports), text_of(wanted.host_ports));
  }
  return "";
}

}  // namespace

Engine::Engine(NodeSettings settings, Parts parts, Attachments attachments, Logger log)
    : settings_(std::move(settings)),
      parts_(parts),
      attachments_(std::move(attachments)),
      log_(std::move(log)),
      started_(parts.clock.now()),
      manifest_error_("no manifest has been read yet") {
  recheck_timer_ = parts_.loop.every(kRecheck, [this] {
    if (intent_ == nullptr) return;
    if (auto repaired = parts_.network.recheck(); !repaired) {
      log_.warn("the node's kernel side is not as it should be", {{"error", repaired.error()}});
    }
  });
}

Engine::~Engine() {
  parts_.loop.cancel(recheck_timer_);
  if (rebuild_timer_) parts_.loop.cancel(*rebuild_timer_);
}

void Engine::on_manifest(std::vector<model::Node> nodes, std::vector<model::Service> services) {
  auto parts = parts_with(nodes, services);
  if (auto intent = build_intent(settings_, std::move(parts)); !intent) {
    return on_manifest_error(intent.error());
  }
  nodes_ = std::move(nodes);
  services_ = std::move(services);
  manifest_error_.clear();
  std::vector<Ipv4> others;
  for (const auto& node : nodes_) {
    if (node.name != settings_.node) others.push_back(node.address);
  }
  parts_.next_hops.keep(others);
  if (const auto node = self()) {
    for (const auto& taken : node_ports_taken(*node, {attachments_.all(), services_})) {
      log_.warn("a NodePort is not this node's to give", {{"why", taken}});
    }
  }
  rebuild_or_retry();
}

void Engine::on_manifest_error(const Error& error) {
  manifest_error_ = error.to_string();
  log_.error("manifest not taken, the last good one stays in force", {{"error", error}});
}

void Engine::on_uplink_changed(const MacAddr& mac, std::uint16_t mtu) {
  if (settings_.uplink_mac == mac && settings_.uplink_mtu == mtu) return;
  settings_.uplink_mac = mac;
  settings_.uplink_mtu = mtu;
  schedule_rebuild(kGather);
}

void Engine::schedule_rebuild(Duration delay) {
  if (rebuild_timer_) return;
  rebuild_timer_ = parts_.loop.after(delay, [this] {
    rebuild_timer_.reset();
    if (!nodes_.empty()) rebuild_or_retry();
  });
}

void Engine::rebuild_or_retry() {
  if (auto applied = rebuild(); !applied) {
    log_.error("plan not applied, trying again", {{"error", applied.error()}});
    schedule_rebuild(kRetry);
  }
}

IntentParts Engine::parts_with(const std::vector<model::Node>& nodes,
                               const std::vector<model::Service>& services) const {
  return {nodes, services, attachments_.all(), parts_.next_hops.next_hops(),
          parts_.next_hops.routes()};
}

Status Engine::rebuild(std::function<void()> done) {
  SLUICE_TRY(auto intent, build_intent(settings_, parts_with(nodes_, services_)));
  if (intent_ == nullptr || *intent_ != *intent) {
    SLUICE_CHECK_OK(apply(*intent));
    intent_ = intent;
    network_is_stale_ = true;
    parts_.slow_path.with([this, intent](slowpath::SlowPath& path) {
      if (auto taken = path.set_intent(intent); !taken) {
        log_.error("the slow path refused the intent", {{"error", taken.error()}});
      }
    });
  }
  if (network_is_stale_) {
    SLUICE_CHECK_OK(parts_.network.update(*intent_));
    network_is_stale_ = false;
  }
  // Behind the newest Intent, which may still be on its way there.
  if (done) {
    parts_.slow_path.with(
        [this, done = std::move(done)](slowpath::SlowPath&) { parts_.loop.post(done); });
  }
  return {};
}

Status Engine::apply(const model::Intent& intent) {
  const auto delta = planner_.update(intent);
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
  if (!delta.empty()) {
    log_.info("program changed", {{"added", delta.added.size()},
                                  {"removed", delta.removed.size()},
                                  {"changed", delta.changed.size()},
                                  {"refused", refused->size()}});
  }
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
  return fail(Error{Code::kUnavailable,
                    Domain::kConfig,
                    0,
                    "node '" + settings_.node + "' is not known yet: " + manifest_error_,
                    {},
                    Retry::kLater});
}

Result<model::Attachment> Engine::to_attachment(const AttachSpec& spec) const {
  if (spec.pci_address.empty() == spec.veth.empty()) {
    return fail(Code::kInvalid, "exactly one of pci_address and veth must be set");
  }
  for (const auto& own : {settings_.gateway_mac, settings_.node0_mac, settings_.uplink_mac}) {
    if (spec.mac == own) {
      return fail(Code::kInvalid, "mac " + spec.mac.to_string() + " is the node's own");
    }
  }
  model::Attachment attachment{spec.id,  spec.pod, spec.interface, model::PortId::host(),
                               spec.mac, spec.ip,  spec.veth,      spec.host_ports};
  if (!spec.pci_address.empty()) {
    SLUICE_TRY(attachment.port, parts_.devices.port_of(spec.pci_address));
    attachment.device = spec.pci_address;
  }
  return attachment;
}

Status Engine::add(const model::Attachment& attachment, const model::Node& node) {
  if (attachments_.find(attachment.id) == nullptr) {
    SLUICE_CHECK_OK(check_host_ports(attachment, node, settings_, {attachments_.all(), services_}));
  }
  return attachments_.add(attachment, node);
}

Status Engine::plug_in(const model::Attachment& attachment, std::function<void()> done) {
  if (attachment.port.kind == model::PortId::Kind::kHost) {
    SLUICE_CHECK_OK(parts_.network.add_pod_port(attachment.device, attachment.mac));
  }
  return rebuild(std::move(done));
}

void Engine::attach(const AttachSpec& spec, Answer<model::PortId> answer) {
  auto node = self();
  if (!node) return answer(fail(std::move(node).error()));
  auto attachment = to_attachment(spec);
  if (!attachment) return answer(fail(std::move(attachment).error()));
  const bool fresh = attachments_.find(spec.id) == nullptr;
  if (auto added = add(*attachment, *node); !added) {
    return answer(fail(std::move(added).error()));
  }
  const auto port = attachment->port;
  if (auto done = plug_in(*attachment, [answer, port] { answer(port); }); !done) {
    // What this call made it takes back, so that a retry starts afresh; what was there stays.
    if (fresh) (void)unplug(spec.id);
    schedule_rebuild(kRetry);
    return answer(fail(std::move(done).error()));
  }
  log_.info("attached", {{"id", spec.id},
                         {"pod", spec.pod},
                         {"port", port.to_string()},
                         {"ip", spec.ip.to_string()}});
}

Result<model::Attachment> Engine::unplug(const std::string& id) {
  auto removed = attachments_.remove(id);
  if (!removed) {
    if (removed.error().code != Code::kNotFound) {
      log_.error("attachment not removed", {{"id", id}, {"error", removed.error()}});
    }
    return removed;
  }
  if (removed->port.kind == model::PortId::Kind::kHost) {
    if (auto gone = parts_.network.remove_pod_port(removed->device, removed->mac); !gone) {
      log_.warn("pod port not unplugged", {{"veth", removed->device}, {"error", gone.error()}});
    }
  }
  return removed;
}

void Engine::detach(const std::string& id, Answer<bool> answer) {
  const auto removed = unplug(id);
  if (!removed) {
    if (removed.error().code == Code::kNotFound) return answer(false);
    return answer(fail(removed.error()));
  }
  if (auto done = rebuild([answer] { answer(true); }); !done) {
    // The caller's next try would find nothing to detach: what is left is ours to repeat.
    schedule_rebuild(kRetry);
    return answer(fail(std::move(done).error()));
  }
  log_.info("detached", {{"id", id}, {"pod", removed->pod}});
}

std::string Engine::refusals_of(const std::string& owner) const {
  std::size_t count = 0;
  std::string first;
  for (const auto& [key, state] : refused_) {
    if (state.rule.owner != owner) continue;
    if (count++ == 0) first = state.reason + " (" + state.rule.to_string() + ")";
  }
  if (count <= 1) return first;
  return first + " and " + std::to_string(count - 1) + " more";
}

AttachmentCheck Engine::check(const AttachSpec& wanted) const {
  const auto* known = attachments_.find(wanted.id);
  if (known == nullptr) return {"", "unknown"};
  AttachmentCheck result{known->port.to_string(), difference(*known, wanted)};
  if (!result.problem.empty()) return result;
  if (const auto refused = refusals_of("attachment/" + known->id); !refused.empty()) {
    result.problem = "its rules are refused: " + refused;
    return result;
  }
  const auto views = ports();
  const auto view = std::find_if(views.begin(), views.end(),
                                 [&](const PortView& port) { return port.port == known->port; });
  if (view == views.end() || view->state != "up") {
    result.problem = "port is " + (view == views.end() ? "gone" : view->state);
  } else if (network_is_stale_) {
    result.problem = "the node's kernel side is not up to date: see the engine's log";
  }
  return result;
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
  parts_.slow_path.with([this, status = std::move(status),
                         answer = std::move(answer)](slowpath::SlowPath& path) mutable {
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
  parts_.slow_path.with([this, flows = std::move(flows),
                         answer = std::move(answer)](slowpath::SlowPath& path) mutable {
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
