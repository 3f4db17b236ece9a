// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/device_manager.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace sluice::standin {
namespace {

struct Owner {
  std::string pod, container;
};

struct Entry {
  std::shared_ptr<Endpoint> endpoint;
  std::uint64_t generation = 0;  // of the endpoint: what an older one says is ignored
  std::vector<DeviceView> devices;
  std::map<std::string, Owner> owners;  // by device
  std::vector<HistoryEntry> history;
  unsigned registrations = 0;

  void note(const char* event) {
    const auto healthy = std::count_if(devices.begin(), devices.end(),
                                       [](const DeviceView& device) { return device.healthy; });
    history.push_back({event, devices.size(), static_cast<std::size_t>(healthy)});
  }
  void lose() {
    for (auto& device : devices) device.healthy = false;
    note("lost");
  }
  std::vector<DeviceView> with_pods() const {
    auto out = devices;
    for (auto& device : out) {
      const auto owner = owners.find(device.id);
      if (owner != owners.end()) device.pod = owner->second.pod;
    }
    return out;
  }
};

// An endpoint is always destroyed without the mutex (declared before the lock), because its thread
// may be waiting for it.
class Manager final : public DeviceManager {
 public:
  explicit Manager(Logger log) : log_(std::move(log)) {}
  ~Manager() override { disconnect_all(); }

  void registered(const std::string& resource, const std::string& socket) override {
    log_.info("registered", {{"resource", resource}, {"socket", socket}});
    std::shared_ptr<Endpoint> old;
    std::uint64_t generation = 0;
    {
      const std::lock_guard lock(mutex_);
      auto& entry = entries_[resource];
      ++entry.registrations;
      generation = ++entry.generation;
      old = std::move(entry.endpoint);
      entry.note("registered");
    }
    old.reset();
    std::shared_ptr<Endpoint> endpoint =
        Endpoint::connect(socket, resource,
                          {[this, resource, generation](std::vector<DeviceView> devices) {
                             listed(resource, generation, std::move(devices));
                           },
                           [this, resource, generation] { ended(resource, generation); }},
                          log_);
    const std::lock_guard lock(mutex_);
    auto& entry = entries_[resource];
    if (entry.generation == generation) std::swap(entry.endpoint, endpoint);
  }

  void deregistered(const std::string& resource) override {
    std::shared_ptr<Endpoint> old;
    const std::lock_guard lock(mutex_);
    take_away(entries_[resource], old);
  }

  void disconnect_all() override {
    std::vector<std::shared_ptr<Endpoint>> old;
    const std::lock_guard lock(mutex_);
    for (auto& [resource, entry] : entries_) take_away(entry, old.emplace_back());
  }

  std::map<std::string, ResourceView> resources() const override {
    const std::lock_guard lock(mutex_);
    std::map<std::string, ResourceView> out;
    for (const auto& [resource, entry] : entries_) {
      out[resource] = {entry.with_pods(), entry.registrations};
    }
    return out;
  }

  std::map<std::string, std::vector<HistoryEntry>> history() const override {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::vector<HistoryEntry>> out;
    for (const auto& [resource, entry] : entries_) out[resource] = entry.history;
    return out;
  }

  // One admission at a time, but without the mutex while the plugin thinks: it may ask us meanwhile
  // which pod has what.
  Result<Allocation> allocate(const AllocationRequest& request) override {
    const std::lock_guard admission(admission_);
    std::shared_ptr<Endpoint> endpoint;
    SLUICE_TRY(const auto free, free_devices(request, endpoint));
    auto ids = request.ids;
    if (ids.empty()) {
      SLUICE_TRY(ids, endpoint->choose(free, request.count));
    }
    SLUICE_TRY(auto allocation, endpoint->allocate(ids));
    const std::lock_guard lock(mutex_);
    auto& owners = entries_[request.resource].owners;
    for (const auto& id : allocation.devices) owners[id] = {request.pod, request.container};
    return allocation;
  }

  void claim(const std::string& pod, std::vector<ClaimedDevice> devices) override {
    const std::lock_guard lock(mutex_);
    claims_[pod] = std::move(devices);
  }

  std::size_t free(const std::string& pod) override {
    const std::lock_guard lock(mutex_);
    claims_.erase(pod);
    std::size_t count = 0;
    for (auto& [resource, entry] : entries_) {
      count +=
          std::erase_if(entry.owners, [&](const auto& owner) { return owner.second.pod == pod; });
    }
    return count;
  }

  std::map<std::string, PodView> pods() const override {
    const std::lock_guard lock(mutex_);
    std::map<std::string, PodView> out;
    for (const auto& [resource, entry] : entries_) {
      for (const auto& [id, owner] : entry.owners) {
        out[owner.pod].devices[owner.container][resource].push_back(id);
      }
    }
    for (const auto& [pod, claims] : claims_) out[pod].claims = claims;
    return out;
  }

 private:
  static void take_away(Entry& entry, std::shared_ptr<Endpoint>& old) {
    if (!entry.endpoint) return;
    ++entry.generation;
    old = std::move(entry.endpoint);
    entry.lose();
  }

  void listed(const std::string& resource, std::uint64_t generation,
              std::vector<DeviceView> devices) {
    const std::lock_guard lock(mutex_);
    auto& entry = entries_[resource];
    if (entry.generation != generation) return;
    entry.devices = std::move(devices);
    entry.note("list");
  }

  void ended(const std::string& resource, std::uint64_t generation) {
    const std::lock_guard lock(mutex_);
    auto& entry = entries_[resource];
    if (entry.generation == generation) entry.lose();
  }

  Result<std::vector<std::string>> free_devices(const AllocationRequest& request,
                                                std::shared_ptr<Endpoint>& endpoint) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(request.resource);
    const auto wants =
        request.pod + " wants " + std::to_string(request.count) + " of " + request.resource + ", ";
    if (found == entries_.end() || !found->second.endpoint) {
      return fail(Code::kNotFound, wants + "which nobody registered");
    }
    endpoint = found->second.endpoint;
    const auto devices = found->second.with_pods();
    std::vector<std::string> free;
    for (const auto& device : devices) {
      if (device.healthy && device.pod.empty()) free.push_back(device.id);
    }
    if (request.ids.empty() && (request.count == 0 || free.size() < request.count)) {
      return fail(Code::kExhausted, wants + std::to_string(free.size()) + " of " +
                                        std::to_string(devices.size()) + " are free");
    }
    return free;
  }

  Logger log_;
  std::mutex admission_;
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::vector<ClaimedDevice>> claims_;  // by pod
};

}  // namespace

std::unique_ptr<DeviceManager> DeviceManager::make(Logger log) {
  return std::make_unique<Manager>(std::move(log));
}

}  // namespace sluice::standin
