// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/health/rdma_events.h"

#include <fcntl.h>
#include <infiniband/verbs.h>

#include <cerrno>
#include <vector>

namespace sluice::health {
namespace {

constexpr int kMaxEventsAtOnce = 256;  // a device that never stops mustn't have the loop for itself

Status make_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail_errno(errno, "make the events' descriptor non-blocking");
  }
  return {};
}

}  // namespace

std::set<std::string> worth_watching(const nic::Inventory& inventory) {
  std::set<std::string> names;
  for (const auto& pf : inventory.pfs) {
    for (const auto& device : pf.rdma) {
      if (names.size() < kMaxWatchedDevices) names.insert(device.name);
    }
  }
  return names;
}

RdmaEvents::RdmaEvents(os::EventLoop& loop, Changed changed, Logger log, Loader loader)
    : loop_(loop), changed_(std::move(changed)), log_(std::move(log)), loader_(std::move(loader)) {}

RdmaEvents::~RdmaEvents() {
  while (!devices_.empty()) close(devices_.begin());
}

std::set<std::string> RdmaEvents::watched() const {
  std::set<std::string> names;
  for (const auto& [name, device] : devices_) names.insert(name);
  return names;
}

void RdmaEvents::watch(const std::set<std::string>& devices) {
  for (auto at = devices_.begin(); at != devices_.end();) {
    const auto next = std::next(at);
    if (devices.count(at->first) == 0) close(at);
    at = next;
  }
  for (auto at = warned_.begin(); at != warned_.end();) {
    at = devices.count(*at) == 0 ? warned_.erase(at) : std::next(at);
  }
  // Each device is a few descriptors and mappings: nobody has this many PFs.
  if (devices.size() > kMaxWatchedDevices) {
    watch({devices.begin(), std::next(devices.begin(), kMaxWatchedDevices)});
    return;
  }
  for (const auto& name : devices) {
    if (devices_.count(name) != 0) continue;
    if (load()) open_missing(devices);
    return;
  }
}

bool RdmaEvents::load() {
  if (verbs_) return true;
  if (load_failed_) return false;
  auto table = loader_();
  if (!table) {
    load_failed_ = true;
    log_.warn("no RDMA events; port states are seen at the next scan", {{"error", table.error()}});
    return false;
  }
  verbs_ = std::make_unique<VerbsTable>(std::move(*table));
  return true;
}

void RdmaEvents::open_missing(const std::set<std::string>& devices) {
  int count = 0;
  ibv_device** list = verbs_->get_device_list(&count);
  if (list == nullptr) {
    warn_once("", errno_error(errno, "list RDMA devices"));
    return;
  }
  for (int i = 0; i < count; ++i) {
    const char* raw = verbs_->get_device_name(list[i]);
    const std::string name = raw == nullptr ? "" : raw;
    if (devices.count(name) == 0 || devices_.count(name) != 0) continue;
    auto device = open(list[i], name);
    if (!device) {
      warn_once(name, device.error());
      continue;
    }
    devices_.emplace(name, *device);
    warned_.erase(name);
    log_.debug("watching an RDMA device", {{"device", name}});
  }
  verbs_->free_device_list(list);
}

Result<RdmaEvents::Device> RdmaEvents::open(ibv_device* device, const std::string& name) {
  ibv_context* context = verbs_->open_device(device);
  if (context == nullptr) return fail_errno(errno, "open RDMA device " + name);
  const int fd = verbs_->async_fd(context);
  auto status = make_nonblocking(fd);
  if (status) status = loop_.watch(fd, [this, name] { readable(name); });
  if (!status) {
    verbs_->close_device(context);
    return fail(std::move(status).error().with("watching RDMA device " + name));
  }
  return Device{context, fd};
}

// False: the device is no more.
bool RdmaEvents::drain(ibv_context* context, bool& hint) {
  for (int n = 0; n < kMaxEventsAtOnce; ++n) {
    ibv_async_event event{};
    errno = 0;
    if (verbs_->get_async_event(context, &event) != 0) return errno == EAGAIN || errno == EINTR;
    const auto type = event.event_type;
    verbs_->ack_async_event(&event);
    switch (type) {
      case IBV_EVENT_PORT_ACTIVE:
      case IBV_EVENT_PORT_ERR:
      case IBV_EVENT_LID_CHANGE:
      case IBV_EVENT_PKEY_CHANGE:
      case IBV_EVENT_SM_CHANGE:
      case IBV_EVENT_CLIENT_REREGISTER:
      case IBV_EVENT_GID_CHANGE:
        hint = true;
        break;
      case IBV_EVENT_DEVICE_FATAL:
        return false;
      default:  // of queues, and there are none here
        break;
    }
  }
  return true;
}

void RdmaEvents::readable(std::string name) {
  const auto at = devices_.find(name);
  if (at == devices_.end()) return;
  bool hint = false;
  if (!drain(at->second.context, hint)) {
    log_.info("an RDMA device ended", {{"device", name}});
    close(at);
    hint = true;
  }
  if (hint) changed_(name);
}

void RdmaEvents::close(std::map<std::string, Device>::iterator at) {
  loop_.unwatch(at->second.fd);
  verbs_->close_device(at->second.context);
  devices_.erase(at);
}

void RdmaEvents::warn_once(const std::string& name, const Error& error) {
  if (!warned_.insert(name).second) return;
  log_.warn("an RDMA device can't be watched", {{"device", name}, {"error", error}});
}

}  // namespace sluice::health
