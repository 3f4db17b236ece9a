// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/plugin_watcher.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <tuple>

#include "common/os/files.h"
#include "device-plugin/kubelet/pluginregistration.grpc.pb.h"
#include "tests/support/standin_kubelet/grpc_help.h"

namespace sluice::standin {
namespace {

constexpr auto kPause = std::chrono::milliseconds(50);

using SocketId = std::tuple<dev_t, ino_t, time_t, long>;

class Watcher final : public PluginWatcher {
 public:
  Watcher(std::string directory, DeviceManager& manager, Manners& manners, Logger log)
      : directory_(std::move(directory)),
        manager_(manager),
        manners_(manners),
        log_(std::move(log)) {
    thread_ = std::thread([this] {
      while (!stop_) {
        look();
        std::this_thread::sleep_for(kPause);
      }
    });
  }
  ~Watcher() override {
    stop_ = true;
    thread_.join();
  }

 private:
  struct Known {
    SocketId id;
    std::string resource;  // empty: not taken
  };

  void look() {
    if (manners_.get() == Manner::kHang) return;
    const auto sockets = find_sockets();
    for (auto known = known_.begin(); known != known_.end();) {
      const auto found = sockets.find(known->first);
      if (found != sockets.end() && found->second == known->second.id) {
        ++known;
        continue;
      }
      // As the kubelet: a socket that was replaced is first forgotten, then found.
      if (!known->second.resource.empty()) manager_.deregistered(known->second.resource);
      known = known_.erase(known);
    }
    for (const auto& [path, id] : sockets) {
      if (known_.contains(path)) continue;
      std::string resource;
      if (take(path, resource)) known_[path] = {id, resource};
    }
  }

  std::map<std::string, SocketId> find_sockets() const {
    std::map<std::string, SocketId> out;
    const auto root = os::Root::open(directory_);
    if (!root) return out;
    const auto names = root->list(".");
    if (!names) return out;
    for (const auto& name : *names) {
      const auto path = directory_ + "/" + name;
      struct stat status {};
      if (name[0] == '.' || ::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        continue;
      }
      out[path] = {status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
    }
    return out;
  }

  // False: nobody answers there; try again.
  bool take(const std::string& path, std::string& resource) {
    const auto stub = pluginregistration::Registration::NewStub(channel_to(path));
    pluginregistration::PluginInfo info;
    grpc::ClientContext ask;
    ask.set_deadline(in_seconds(1));
    const auto asked = stub->GetInfo(&ask, {}, &info);
    if (!asked.ok()) {
      log_.info("no answer to GetInfo", {{"socket", path}, {"error", asked.error_message()}});
      return false;
    }
    const auto why_not = objection(info);
    if (why_not.empty()) {
      resource = info.name();
      manager_.registered(resource, info.endpoint().empty() ? path : info.endpoint());
    }
    pluginregistration::RegistrationStatus status;
    status.set_plugin_registered(why_not.empty());
    status.set_error(why_not);
    pluginregistration::RegistrationStatusResponse response;
    grpc::ClientContext tell;
    tell.set_deadline(in_seconds(5));
    const auto told = stub->NotifyRegistrationStatus(&tell, status, &response);
    if (!told.ok()) {
      log_.info("no answer to Notify", {{"socket", path}, {"error", told.error_message()}});
    }
    return true;
  }

  std::string objection(const pluginregistration::PluginInfo& info) const {
    if (manners_.get() == Manner::kRefuse) return "this kubelet refuses everybody";
    if (info.type() != "DevicePlugin") return "type " + info.type() + " isn't handled here";
    if (info.name().find('/') == std::string::npos) return "name must be PREFIX/NAME";
    const auto& versions = info.supported_versions();
    if (std::find(versions.begin(), versions.end(), "v1beta1") == versions.end()) {
      return "supported_versions must have v1beta1";
    }
    return "";
  }

  std::string directory_;
  DeviceManager& manager_;
  Manners& manners_;
  Logger log_;
  std::map<std::string, Known> known_;  // by path; the thread's
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<PluginWatcher>> PluginWatcher::start(const std::string& directory,
                                                            DeviceManager& manager,
                                                            Manners& manners, Logger log) {
  SLUICE_CHECK_OK(os::make_directories(directory));
  return std::make_unique<Watcher>(directory, manager, manners, std::move(log));
}

}  // namespace sluice::standin
