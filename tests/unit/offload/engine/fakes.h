// SPDX-License-Identifier: Apache-2.0
// The engine's world with state and levers: what was installed, plugged in and asked for.
#pragma once

#include <sys/eventfd.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/os/unique_fd.h"
#include "offload/engine/seams.h"
#include "offload/model/flow_backend.h"

namespace sluice::engine {

class FakeBackend final : public model::FlowBackend {
 public:
  model::Capabilities capabilities() const override {
    return {"fake", "fake0", 8, true, true, true};
  }
  Result<std::vector<model::RuleState>> apply(const model::Delta& delta) override {
    if (gone) return fail(Code::kUnavailable, "the NIC is gone");
    std::vector<model::RuleState> refused;
    for (const auto& rule : delta.removed) rules.erase(rule.key_hash());
    for (const auto& change : delta.changed) rules[change.after.key_hash()] = change.after;
    for (const auto& rule : delta.added) {
      if (!refuse_owner.empty() && rule.owner.starts_with(refuse_owner)) {
        refused.push_back({rule, model::Tier::kRefused, "table full", {}});
      } else {
        rules[rule.key_hash()] = rule;
      }
    }
    return refused;
  }
  Result<std::vector<model::RuleState>> dump() override {
    std::vector<model::RuleState> states;
    for (const auto& [key, rule] : rules) states.push_back({rule, model::Tier::kHardware, "", {}});
    return states;
  }
  Result<model::FlowHandle> install(const model::Rule&) override { return ++next_handle; }
  Status remove(model::FlowHandle) override { return {}; }
  Result<model::FlowStats> query(model::FlowHandle) override { return model::FlowStats{}; }

  std::size_t rules_of(const std::string& owner) const {
    std::size_t n = 0;
    for (const auto& [key, rule] : rules) n += rule.owner == owner ? 1 : 0;
    return n;
  }

  std::map<std::uint64_t, model::Rule> rules;
  std::string refuse_owner;  // rules of owners that start so are refused
  bool gone = false;
  model::FlowHandle next_handle = 0;
};

class FakeNetwork final : public NodeNetwork {
 public:
  Status update(const model::Intent& intent) override {
    if (failures > 0) {
      --failures;
      return fail(Code::kUnavailable, "no buffer space");
    }
    last = intent;
    return {};
  }
  Status recheck() override { return {}; }
  Status add_pod_port(const std::string& veth, const MacAddr&) override {
    if (refuse_ports) return fail(Code::kPermission, "bridge says no");
    if (on_add_port) on_add_port();
    ports.insert(veth);
    ++ports_ever;
    return {};
  }
  Status remove_pod_port(const std::string& veth, const MacAddr&) override {
    ports.erase(veth);
    return {};
  }

  model::Intent last;
  std::set<std::string> ports;
  int ports_ever = 0;
  bool refuse_ports = false;
  std::function<void()> on_add_port;  // what happens meanwhile
  int failures = 0;                   // so many updates fail from now on
};

class FakeNextHops final : public NextHopSource {
 public:
  void want(Ipv4 destination) override { wanted.insert(destination); }
  void keep(const std::vector<Ipv4>& destinations) override {
    kept = {destinations.begin(), destinations.end()};
  }
  std::vector<model::NextHop> next_hops() const override { return hops; }
  std::vector<model::OuterRoute> routes() const override { return outer; }

  std::set<Ipv4> wanted, kept;
  std::vector<model::NextHop> hops;
  std::vector<model::OuterRoute> outer;
};

class FakeDevices final : public DeviceDirectory {
 public:
  Result<model::PortId> port_of(const std::string& pci) const override {
    if (pci == "0000:00:01.0") return model::PortId::vf(0);
    if (pci == "0000:00:01.1") return model::PortId::vf(1);
    return fail(Code::kNotFound, "no VF has the address " + pci);
  }
  std::vector<PortView> ports() const override {
    std::vector<PortView> views;
    for (const auto& [port, state] : states) {
      views.emplace_back();
      views.back().port = port;
      views.back().state = state;
    }
    return views;
  }

  std::map<model::PortId, std::string> states{
      {model::PortId::host(), "up"}, {model::PortId::vf(0), "up"}, {model::PortId::vf(1), "up"}};
};

// A NIC that never has a packet for the slow path.
class QuietPackets final : public PacketIo {
 public:
  QuietPackets() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void send(model::PortId, std::span<const std::uint8_t>) override {}
  std::vector<int> wait_fds() const override { return {event_.get()}; }
  std::size_t receive(const Handler&) override { return 0; }
  Status enter_thread() override { return {}; }
  void leave_thread() override {}

 private:
  os::UniqueFd event_;
};

}  // namespace sluice::engine
