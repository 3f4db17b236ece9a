// SPDX-License-Identifier: Apache-2.0
// Turns what happens in the plugin into metrics, and serves them where that is asked for.
//
// Threading: the loop's thread; the server has one of its own and gets finished text.
#pragma once

#include <memory>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "device-plugin/broker/broker.h"
#include "device-plugin/dra/front.h"
#include "device-plugin/kubelet/front.h"

namespace sluice::plugin {

class Observer : public kubelet::Observer {
 public:
  struct Settings {
    std::string address;    // "<address>:<port>", "" for no server
    std::string cni_stats;  // the file that sluice-cni counts in, "" for none
  };
  static Result<std::unique_ptr<Observer>> make(os::EventLoop& loop, const Settings& settings,
                                                broker::Broker& broker, const Logger& log);
  virtual void watch(const kubelet::Front* kubelet, const dra::Front* dra) = 0;
};

}  // namespace sluice::plugin
