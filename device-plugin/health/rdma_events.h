// SPDX-License-Identifier: Apache-2.0
// What libibverbs tells of RDMA devices by itself: ports that come and go, devices that die.
//
// Contract: an event is only a hint to look again, the port states themselves are in the inventory.
// Watched devices are held open, and closed when they are no longer wanted or tell of their end. An
// open device can delay its own unbinding where the driver can't disassociate it, so PFs' devices
// are what to watch (worth_watching()), not those that are given to pods.
// libibverbs is loaded with the first device: a host without RDMA doesn't pay for it.
// Threading: the loop's thread.
// Source: ibv_get_async_event(3), ibv_get_device_list(3).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/event_loop.h"

struct ibv_async_event;
struct ibv_context;
struct ibv_device;

namespace sluice::health {

// The functions of libibverbs that are used here, each as the library has it; `async_fd` is a field
// of its context.
struct VerbsTable {
  std::function<ibv_device**(int*)> get_device_list;
  std::function<void(ibv_device**)> free_device_list;
  std::function<const char*(ibv_device*)> get_device_name;
  std::function<ibv_context*(ibv_device*)> open_device;
  std::function<int(ibv_context*)> close_device;
  std::function<int(ibv_context*)> async_fd;
  std::function<int(ibv_context*, ibv_async_event*)> get_async_event;
  std::function<void(ibv_async_event*)> ack_async_event;
  std::shared_ptr<void> library;  // what the functions are in, as long as anybody has them
};

// Code::kUnavailable where the library isn't installed or isn't what it is taken for.
Result<VerbsTable> load_libibverbs();

inline constexpr std::size_t kMaxWatchedDevices = 64;

// The RDMA devices of PFs, at most kMaxWatchedDevices.
std::set<std::string> worth_watching(const nic::Inventory& inventory);

class RdmaEvents {
 public:
  using Loader = std::function<Result<VerbsTable>()>;
  // "port state of mlx5_0 may have changed"; may call watch().
  using Changed = std::function<void(const std::string& device)>;

  RdmaEvents(os::EventLoop& loop, Changed changed, Logger log, Loader loader = load_libibverbs);
  RdmaEvents(const RdmaEvents&) = delete;
  RdmaEvents& operator=(const RdmaEvents&) = delete;
  ~RdmaEvents();

  // The devices to watch from now on, by name. Ones that can't be opened are logged once and tried
  // again with each call.
  void watch(const std::set<std::string>& devices);
  std::set<std::string> watched() const;

 private:
  struct Device {
    ibv_context* context = nullptr;
    int fd = -1;
  };

  bool load();
  void open_missing(const std::set<std::string>& devices);
  Result<Device> open(ibv_device* device, const std::string& name);
  void readable(std::string name);  // a copy: it outlives the watch that it came from
  bool drain(ibv_context* context, bool& hint);
  void close(std::map<std::string, Device>::iterator at);
  void warn_once(const std::string& name, const Error& error);

  os::EventLoop& loop_;
  Changed changed_;
  Logger log_;
  Loader loader_;
  std::unique_ptr<VerbsTable> verbs_;  // null: not loaded (yet)
  bool load_failed_ = false;
  std::map<std::string, Device> devices_;
  std::set<std::string> warned_;
};

}  // namespace sluice::health
