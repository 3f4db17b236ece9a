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
  // `address`: "<address>:<port>", "" for no server.
  static Result<std::unique_ptr<Observer>> make(os::EventLoop& loop, const std::string& address,
                                                broker::Broker& broker, const Logger& log);
  virtual void watch(const kubelet::Front* kubelet, const dra::Front* dra) = 0;
};

}  // namespace sluice::plugin
