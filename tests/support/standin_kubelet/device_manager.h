// SPDX-License-Identifier: Apache-2.0
// A kubelet's device manager as far as plugins can tell: which plugin has which resource, its
// lists, and which pod has which device.
//
// Contract: as the kubelet, a plugin whose stream ended has all its devices unhealthy until it
// registers again and sends a list; who owns what survives that.
// Threading: any thread. One thread a plugin follows its stream.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "tests/support/standin_kubelet/endpoint.h"

namespace sluice::standin {

struct ResourceView {
  std::vector<DeviceView> devices;
  unsigned registrations = 0;
};

// What happened to a resource, in order: "registered", "list", "lost".
struct HistoryEntry {
  std::string event;
  std::size_t devices = 0, healthy = 0;  // after it
};

struct AllocationRequest {
  std::string pod, resource;
  std::string container = "app";
  std::size_t count = 1;
  std::vector<std::string> ids;  // these, whatever their state; empty: `count` of the free ones
};

struct ClaimedDevice {
  std::string claim_namespace, claim;
  std::string driver, pool, device;
};

struct PodView {
  // By container, then resource.
  std::map<std::string, std::map<std::string, std::vector<std::string>>> devices;
  std::vector<ClaimedDevice> claims;
};

class DeviceManager {
 public:
  static std::unique_ptr<DeviceManager> make(Logger log);
  virtual ~DeviceManager() = default;

  virtual void registered(const std::string& resource, const std::string& socket) = 0;
  virtual void deregistered(const std::string& resource) = 0;
  virtual void disconnect_all() = 0;  // what the end of a kubelet does

  virtual std::map<std::string, ResourceView> resources() const = 0;
  virtual std::map<std::string, std::vector<HistoryEntry>> history() const = 0;
  virtual Result<Allocation> allocate(const AllocationRequest& request) = 0;
  virtual void claim(const std::string& pod, std::vector<ClaimedDevice> devices) = 0;
  virtual std::size_t free(const std::string& pod) = 0;  // how many devices it had
  virtual std::map<std::string, PodView> pods() const = 0;
};

}  // namespace sluice::standin
