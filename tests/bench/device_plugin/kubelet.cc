// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/kubelet.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "common/base/log.h"
#include "tests/bench/device_plugin/watcher.h"
#include "tests/support/standin_kubelet/device_manager.h"
#include "tests/support/standin_kubelet/manners.h"
#include "tests/support/standin_kubelet/pod_resources_server.h"
#include "tests/support/standin_kubelet/registrar.h"

namespace sluice::bench {
namespace {

// Notes lists; nobody ever has a device.
class Lists final : public standin::DeviceManager {
 public:
  ~Lists() override { disconnect_all(); }

  void registered(const std::string& resource, const std::string& socket) override {
    auto endpoint =
        standin::Endpoint::connect(socket, resource,
                                   {[this, resource](std::vector<standin::DeviceView> devices) {
                                      listed(resource, std::move(devices));
                                    },
                                    [] {}},
                                   Logger());
    const std::lock_guard lock(mutex_);
    std::swap(endpoints_[resource], endpoint);
    old_.push_back(std::move(endpoint));  // its thread may be waiting for the mutex
  }
  void deregistered(const std::string&) override {}
  void disconnect_all() override {
    std::map<std::string, std::unique_ptr<standin::Endpoint>> endpoints;
    std::vector<std::unique_ptr<standin::Endpoint>> old;
    const std::lock_guard lock(mutex_);
    endpoints.swap(endpoints_);
    old.swap(old_);
  }

  std::map<std::string, standin::ResourceView> resources() const override { return {}; }
  std::map<std::string, std::vector<standin::HistoryEntry>> history() const override { return {}; }
  Result<standin::Allocation> allocate(const standin::AllocationRequest&) override {
    return fail(Code::kUnsupported, "this kubelet has no pods");
  }
  void claim(const std::string&, std::vector<standin::ClaimedDevice>) override {}
  std::size_t free(const std::string&) override { return 0; }
  std::map<std::string, standin::PodView> pods() const override { return {}; }

  std::optional<TimePoint> wait_for_lists(std::size_t resources, Duration limit) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, limit, [&] { return first_.size() >= resources; })) return {};
    TimePoint last{};
    for (const auto& [resource, at] : first_) last = std::max(last, at);
    return last;
  }
  std::map<std::string, std::vector<standin::DeviceView>> lists() const {
    const std::lock_guard lock(mutex_);
    return lists_;
  }
  Result<standin::Endpoint*> endpoint(const std::string& resource) {
    const std::lock_guard lock(mutex_);
    const auto found = endpoints_.find(resource);
    if (found == endpoints_.end()) return fail(Code::kNotFound, "nobody registered " + resource);
    return found->second.get();
  }

 private:
  void listed(const std::string& resource, std::vector<standin::DeviceView> devices) {
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    first_.emplace(resource, now);
    lists_[resource] = std::move(devices);
    changed_.notify_all();
  }

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::map<std::string, TimePoint> first_;
  std::map<std::string, std::vector<standin::DeviceView>> lists_;
  std::map<std::string, std::unique_ptr<standin::Endpoint>> endpoints_;
  std::vector<std::unique_ptr<standin::Endpoint>> old_;
};

class BenchKubelet final : public Kubelet {
 public:
  Status listen(const std::string& directory) {
    SLUICE_TRY(registrar_, standin::Registrar::start(directory + "/device-plugins", lists_,
                                                     manners_, Logger()));
    SLUICE_TRY(pods_,
               standin::PodResourcesServer::start(directory + "/pod-resources", lists_, manners_));
    const auto registry = directory + "/plugins_registry";
    if (::access(registry.c_str(), F_OK) != 0) return {};
    SLUICE_TRY(watcher_, Watcher::start(registry, [this](const auto& resource, const auto& socket) {
                 lists_.registered(resource, socket);
               }));
    return {};
  }

  std::optional<TimePoint> wait_for_lists(std::size_t resources, Duration limit) override {
    return lists_.wait_for_lists(resources, limit);
  }
  std::map<std::string, std::vector<standin::DeviceView>> lists() const override {
    return lists_.lists();
  }
  Result<standin::Endpoint*> endpoint(const std::string& resource) override {
    return lists_.endpoint(resource);
  }

 private:
  standin::Manners manners_;
  Lists lists_;
  std::unique_ptr<standin::Registrar> registrar_;
  std::unique_ptr<standin::PodResourcesServer> pods_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace

Result<std::unique_ptr<Kubelet>> Kubelet::start(const std::string& directory) {
  auto kubelet = std::make_unique<BenchKubelet>();
  SLUICE_CHECK_OK(kubelet->listen(directory));
  return kubelet;
}

}  // namespace sluice::bench
