// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/plugin_manager.h"

#include <sys/stat.h>

#include <algorithm>

namespace sluice::kubelet {
namespace {

constexpr auto kRegisterDeadline = std::chrono::seconds(5);
constexpr Duration kFirstDelay = std::chrono::milliseconds(100);
constexpr Duration kLongestDelay = std::chrono::seconds(10);

}  // namespace

PluginManager::PluginManager(os::EventLoop& loop, std::string directory,
                             std::vector<PluginName> plugins, Duration period, Logger log)
    : loop_(loop), directory_(std::move(directory)), period_(period), log_(std::move(log)) {
  for (auto& name : plugins) {
    auto plugin = std::make_unique<Plugin>();
    plugin->name = std::move(name);
    plugins_.push_back(std::move(plugin));
  }
}

PluginManager::~PluginManager() {
  if (started_) loop_.cancel(timer_);
  watch_.reset();
  for (auto& plugin : plugins_) {
    if (plugin->waiting) loop_.cancel(plugin->retry_timer);
    plugin->call.reset();
    plugin->server.reset();
  }
}

void PluginManager::publish(const std::string& pool, std::vector<pools::Device> devices) {
  for (auto& plugin : plugins_) {
    if (plugin->name.pool != pool) continue;
    plugin->devices = std::move(devices);
    if (plugin->server) plugin->server->publish(plugin->devices);
    return;
  }
}

void PluginManager::start() {
  if (started_) return;
  started_ = true;
  timer_ = loop_.every(period_, [this] { periodic_look(); });
  look();
}

void PluginManager::look() {
  watch_directory();
  for (auto& plugin : plugins_) {
    keep_served(*plugin);
    keep_registered(*plugin);
  }
}

// A kubelet that took our registration and then gave up on our stream tells nobody: registered, and
// twice in a row without a stream, means registering again.
void PluginManager::periodic_look() {
  for (auto& plugin : plugins_) {
    const bool idle = plugin->server && plugin->registered_with != SocketId{} && !plugin->call &&
                      plugin->server->streams() == 0;
    if (idle && plugin->without_stream) {
      log_.warn("the kubelet doesn't watch, registering again",
                {{"resource", plugin->name.resource}});
      plugin->registered_with = {};
      plugin->without_stream = false;
    } else {
      plugin->without_stream = idle;
    }
  }
  look();
}

void PluginManager::watch_directory() {
  if (watch_ && watch_->alive()) return;
  watch_.reset();
  auto watch = pools::DirectoryWatch::open(loop_, directory_, [this] { look(); });
  if (watch) watch_ = std::move(*watch);
}

void PluginManager::keep_served(Plugin& plugin) {
  if (plugin.server) {
    const auto state = plugin.server->socket_state();
    if (state == PluginServer::SocketState::kOurs) return;
    if (state == PluginServer::SocketState::kReplaced) {
      // Another process serves this resource. Taking the socket back would begin a fight.
      if (!plugin.replaced_logged) {
        log_.error("another process took over our socket",
                   {{"socket", directory_ + "/" + plugin.name.socket_name()}});
      }
      plugin.replaced_logged = true;
      return;
    }
    log_.info("our socket was removed, serving again", {{"resource", plugin.name.resource}});
    plugin.server.reset();
    forget_registration(plugin);
  }
  plugin.replaced_logged = false;
  auto server = PluginServer::start(directory_, plugin.name, plugin.devices, log_);
  if (!server) {
    const auto text = server.error().to_string();
    if (text != plugin.last_error) {
      log_.warn("can't serve yet", {{"resource", plugin.name.resource}, {"error", text}});
    }
    plugin.last_error = text;
    return;
  }
  plugin.server = std::move(*server);
}

void PluginManager::forget_registration(Plugin& plugin) {
  plugin.call.reset();
  ++plugin.attempt;
  plugin.registered_with = {};
  plugin.without_stream = false;
  plugin.delay = {};
  if (plugin.waiting) loop_.cancel(plugin.retry_timer);
  plugin.waiting = false;
}

void PluginManager::keep_registered(Plugin& plugin) {
  if (!plugin.server || plugin.call || plugin.waiting) return;
  const auto socket = kubelet_socket();
  if (socket == SocketId{} || socket == plugin.registered_with) return;
  const auto attempt = ++plugin.attempt;
  plugin.call = Registration::start(
      directory_ + "/kubelet.sock", plugin.name, kRegisterDeadline,
      [this, &plugin, attempt, socket, &loop = loop_,
       alive = std::weak_ptr<bool>(alive_)](Status status) {
        loop.post([this, &plugin, attempt, socket, alive, status = std::move(status)]() mutable {
          if (!alive.expired()) registered(plugin, attempt, socket, std::move(status));
        });
      });
}

void PluginManager::registered(Plugin& plugin, std::uint64_t attempt, const SocketId& with,
                               Status status) {
  if (attempt != plugin.attempt) return;
  plugin.call.reset();
  if (status) {
    log_.info("registered with the kubelet",
              {{"resource", plugin.name.resource}, {"devices", plugin.devices.size()}});
    plugin.registered_with = with;
    plugin.delay = {};
    plugin.last_error.clear();
    look();  // the kubelet may have been replaced meanwhile
    return;
  }
  const auto text = status.error().to_string();
  if (text != plugin.last_error) {
    log_.warn("registration failed, trying again",
              {{"resource", plugin.name.resource}, {"error", text}});
  }
  plugin.last_error = text;
  plugin.delay =
      plugin.delay == Duration{} ? kFirstDelay : std::min(plugin.delay * 2, kLongestDelay);
  plugin.waiting = true;
  plugin.retry_timer = loop_.after(plugin.delay, [this, &plugin] {
    plugin.waiting = false;
    keep_registered(plugin);
  });
}

PluginManager::SocketId PluginManager::kubelet_socket() const {
  struct stat status {};
  if (::lstat((directory_ + "/kubelet.sock").c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
    return {};
  }
  return {status.st_dev, status.st_ino,
          std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
}

}  // namespace sluice::kubelet
