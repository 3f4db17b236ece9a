// SPDX-License-Identifier: Apache-2.0
// What the CNI asks the offload engine (common/api/offload.proto over a frame socket).
//
// Contract: one call of ours waits EngineTime::kMost for it at most, however many interfaces it is
// about, and asks no more once it has not answered in time.
// Errors: an engine that isn't there (no socket, nobody at it, or gone while it was asked), or that
// doesn't answer in time, is Code::kUnavailable or kTimeout with Retry::kLater (is_away()).
// Whatever else keeps us from asking it is no absence. What it answers is checked before it is
// used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/journal/record.h"

namespace sluice::api {
class Request;
class Response;
}  // namespace sluice::api

namespace sluice::cni {

struct NodeFacts {
  std::string node;
  Prefix4 pod_block;
  Ipv4 gateway;
  std::uint32_t pod_mtu = 0;
  std::string sysfs_root;
  std::string vf_control_socket;  // empty on real hardware
  std::string pending_directory;  // empty: the engine takes nothing in later
  bool operator==(const NodeFacts&) const = default;
};

// What others than the engine say of a node is checked by the same rules.
Status check_facts(const NodeFacts& facts);

struct Attachment {
  std::string id, pod, interface;
  MacAddr mac;
  Ipv4 ip;
  std::string pci;   // a VF's address, or
  std::string veth;  // the host side's name
  std::vector<PortMapping> port_mappings;
};

// Code::kInvalid when it has no IPv4 address, without which the engine can do nothing for it.
Result<Attachment> to_attachment(const Record& record);
std::string attach_request_bytes(const Attachment& attachment);  // a serialized AttachRequest

bool is_away(const Error& error);
// Away, and not only slow: there is nobody that may be doing it.
bool is_gone(const Error& error);

// What one call of ours has left for the engine.
struct EngineTime {
  static constexpr Duration kMost = std::chrono::seconds(20);
  Duration left = kMost;
  bool silent = false;  // it has not answered in time
};

class EngineClient {
 public:
  // `time`: outlives it.
  EngineClient(std::string socket, EngineTime& time) : socket_(std::move(socket)), time_(time) {}

  Result<NodeFacts> node_facts() const;
  Status attach(const Attachment& attachment) const;  // returns when its rules are in place
  Status detach(const std::string& id) const;         // unknown to the engine: success
  // What isn't as it should be; empty: all is.
  Result<std::string> check(const Attachment& attachment) const;

 private:
  Result<api::Response> call(const api::Request& request, Duration deadline) const;
  std::string socket_;
  EngineTime& time_;
};

}  // namespace sluice::cni
