// SPDX-License-Identifier: Apache-2.0
// Keeps every pool served and registered with a kubelet that comes, goes and deletes our sockets.
//
// Contract: level-triggered. Whatever happens (an entry of the directory changes, a registration
// ends, time passes) leads to the same look at the world: is our socket there, is the kubelet's
// socket the one that we registered with. Failed registrations are tried again, at first soon, then
// every 10 s. The directory may be missing at first.
// Threading: the loop's thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "device-plugin/kubelet/plugin_server.h"
#include "device-plugin/kubelet/registration.h"
#include "device-plugin/pools/device.h"
#include "device-plugin/pools/directory_watch.h"

namespace sluice::kubelet {

class PluginManager {
 public:
  // `directory`: the kubelet's device-plugins folder. `period`: how often to look without a reason.
  PluginManager(os::EventLoop& loop, std::string directory, std::vector<PluginName> plugins,
                Duration period, Logger log);
  ~PluginManager();  // removes the sockets
  PluginManager(const PluginManager&) = delete;
  PluginManager& operator=(const PluginManager&) = delete;

  void publish(const std::string& pool, std::vector<pools::Device> devices);
  void start();  // serves and registers from now on; publish() first, or the kubelet sees 0 devices

 private:
  // Which kubelet.sock: a re-created one may get the old inode number, never the old birth time
  // too.
  struct SocketId {
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const SocketId&) const = default;
  };
  struct Plugin {
    PluginName name;
    std::vector<pools::Device> devices;
    std::unique_ptr<PluginServer> server;
    std::unique_ptr<Registration> call;
    std::uint64_t attempt = 0;  // which call is under way; answers to older ones are ignored
    SocketId registered_with;   // all zero: not registered
    Duration delay{};           // of the next attempt after a failure
    bool waiting = false;       // for that delay
    os::EventLoop::TimerId retry_timer = 0;
    bool without_stream = false;  // at the last periodic look
    bool replaced_logged = false;
    std::string last_error;
  };

  void look();
  void periodic_look();
  void watch_directory();
  void keep_served(Plugin& plugin);
  void keep_registered(Plugin& plugin);
  void forget_registration(Plugin& plugin);
  void registered(Plugin& plugin, std::uint64_t attempt, const SocketId& with, Status status);
  SocketId kubelet_socket() const;

  os::EventLoop& loop_;
  std::string directory_;
  Duration period_;
  Logger log_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  std::unique_ptr<pools::DirectoryWatch> watch_;
  os::EventLoop::TimerId timer_ = 0;
  bool started_ = false;
  // Answers come from other threads by post(); one that arrives after our end finds this expired.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::kubelet
