// SPDX-License-Identifier: Apache-2.0
// The configuration file, read again whenever it changes.
//
// Contract: `changed` gets every configuration that can be understood and differs from the last
// one. A file that is missing or wrong changes nothing: what was last understood stays, and state()
// says why. Works with a mounted ConfigMap, whose files change by a link being replaced. Threading:
// the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/os/directory_watch.h"
#include "common/os/event_loop.h"
#include "device-plugin/config/config.h"

namespace sluice::broker {

class ConfigFeed {
 public:
  using Changed = std::function<void(config::Config)>;

  // `path`: "" for none, then the default configuration is the only one.
  ConfigFeed(os::EventLoop& loop, std::string path, std::optional<std::string> default_prefix,
             Duration period, Changed changed, Logger log);
  ~ConfigFeed();
  ConfigFeed(const ConfigFeed&) = delete;
  ConfigFeed& operator=(const ConfigFeed&) = delete;

  // The first look; an unreadable configuration means no pools, until it is mended.
  void start();

  struct State {
    std::string error;  // "" when the file as it is now is in force
    std::uint64_t taken = 0, refused = 0;
  };
  const State& state() const { return state_; }

 private:
  void look();
  Result<config::Config> read() const;
  void take(config::Config config);
  void watch();

  os::EventLoop& loop_;
  std::string path_;
  std::optional<std::string> default_prefix_;
  Changed changed_;
  Logger log_;
  State state_;
  std::optional<config::Config> current_;
  std::unique_ptr<os::DirectoryWatch> directory_;
  os::EventLoop::TimerId timer_ = 0;
  os::EventLoop::TimerId soon_ = 0;
  bool soon_set_ = false;
};

}  // namespace sluice::broker
