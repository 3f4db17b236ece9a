// SPDX-License-Identifier: Apache-2.0
// The engine: brings manifest, attachments and next hops together into an Intent, plans it, and
// keeps backend, slow path and the node's kernel side at that plan.
//
// Contract: attach() answers once the port's rules are in place and the slow path knows the pod.
// A manifest version that can't be taken changes nothing; status() says why until a good one comes.
// Threading: the control thread (the loop's) only. Callbacks are called on it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "offload/engine/attach_spec.h"
#include "offload/engine/attachments.h"
#include "offload/engine/intent_builder.h"
#include "offload/engine/seams.h"
#include "offload/engine/slow_path_thread.h"
#include "offload/model/flow_backend.h"
#include "offload/planner/plan.h"

namespace sluice::engine {

// How an attachment is, compared with how it should be.
struct AttachmentCheck {
  std::string port;     // "vf3"; empty: unknown
  std::string problem;  // empty: as it should be
};

struct EngineStatus {
  std::string node;
  model::Capabilities capabilities;
  std::uint64_t rules = 0, refused = 0;
  std::uint64_t nodes = 0, services = 0, attachments = 0;
  std::uint64_t connections = 0, promoted = 0;
  std::map<std::string, std::uint64_t> slow_counters;
  std::string manifest_error;  // empty: the newest version is in force
  Duration uptime{};
};

struct Flows {
  std::vector<model::RuleState> rules;
  std::vector<slowpath::ConnectionInfo> connections;
};

class Engine {
 public:
  struct Parts {
    os::EventLoop& loop;
    const Clock& clock;
    model::FlowBackend& backend;
    SlowPathThread& slow_path;
    NodeNetwork& network;
    NextHopSource& next_hops;
    DeviceDirectory& devices;
  };

  Engine(NodeSettings settings, Parts parts, Attachments attachments, Logger log);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The nodes and services of a new manifest version, or why it could not be read.
  void on_manifest(std::vector<model::Node> nodes, std::vector<model::Service> services);
  void on_manifest_error(const Error& error);
  void on_next_hops_changed() { schedule_rebuild(kGather); }
  void on_uplink_changed(const MacAddr& mac, std::uint16_t mtu);
  // The slow path wants to reach a destination behind the uplink.
  void want_next_hop(Ipv4 destination) { parts_.next_hops.want(destination); }

  template <class T>
  using Answer = std::function<void(Result<T>)>;
  void attach(const AttachSpec& spec, Answer<model::PortId> answer);
  // false: there was no such attachment, which is success for a caller that cleans up.
  void detach(const std::string& id, Answer<bool> answer);
  AttachmentCheck check(const AttachSpec& wanted) const;
  void status(Answer<EngineStatus> answer);
  void flows(bool connections_only, Answer<Flows> answer);
  void demote(std::uint64_t connection, Answer<bool> answer);
  std::vector<PortView> ports() const { return parts_.devices.ports(); }

  // Unavailable until a first good manifest names this node.
  Result<model::Node> self() const;
  const NodeSettings& settings() const { return settings_; }
  // Why the loop was stopped from inside: the NIC can't be programmed any more.
  bool backend_gone() const { return backend_gone_; }
  const std::vector<model::Attachment>& attachments() const { return attachments_.all(); }

 private:
  // How long events may gather before they are planned together; when what failed is tried again.
  static constexpr Duration kGather = std::chrono::milliseconds(5);
  static constexpr Duration kRetry = std::chrono::seconds(1);
  // How often the node's kernel side is looked over.
  static constexpr Duration kRecheck = std::chrono::seconds(30);

  void schedule_rebuild(Duration delay);
  void rebuild_or_retry();
  // Brings NIC, kernel and slow path to what is wanted now; `done` runs when the slow path has it
  // too. What failed is repeated by the next call.
  Status rebuild(std::function<void()> done = {});
  Status apply(const model::Intent& intent);
  IntentParts parts_with(const std::vector<model::Node>& nodes,
                         const std::vector<model::Service>& services) const;
  Result<model::Attachment> to_attachment(const AttachSpec& spec) const;
  Status add(const model::Attachment& attachment, const model::Node& node);
  std::string refusals_of(const std::string& owner) const;
  Status plug_in(const model::Attachment& attachment, std::function<void()> done);
  Result<model::Attachment> unplug(const std::string& id);
  void record_refusals(const model::Delta& delta, const std::vector<model::RuleState>& refused);

  NodeSettings settings_;
  Parts parts_;
  Attachments attachments_;
  Logger log_;
  TimePoint started_;

  std::vector<model::Node> nodes_;
  std::vector<model::Service> services_;
  std::string manifest_error_;
  std::optional<os::EventLoop::TimerId> rebuild_timer_;
  os::EventLoop::TimerId recheck_timer_ = 0;
  bool network_is_stale_ = false;
  bool backend_gone_ = false;

  planner::Planner planner_;
  model::IntentPtr intent_;
  std::uint64_t rules_ = 0;
  std::map<std::uint64_t, model::RuleState> refused_;  // by key hash
};

}  // namespace sluice::engine
