// SPDX-License-Identifier: Apache-2.0
// Tells the kubelet how our devices are: NodeWatchResources' streams. Internal to
// device-plugin/dra.
//
// Contract: every stream gets all devices when it begins, when anything changes, and again well
// within the time after which the kubelet would call them unknown. A stream that doesn't keep up is
// ended; the kubelet begins another.
// Threading: the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/litegrpc/server.h"
#include "common/os/event_loop.h"
#include "device-plugin/dra/checkpoint.h"
#include "device-plugin/dra/front.h"

namespace sluice::dra {

// By pool and device: "" healthy, otherwise why not.
using HealthTable = std::map<std::pair<std::string, std::string>, std::string>;

// What is offered (to new claims, or held by one), the plain ports, and what prepared claims hold
// though nobody offers it any more.
HealthTable health_table(const std::vector<Offered>& offered, const PreparedClaims& prepared,
                         const std::string& node, std::uint32_t plain_ports);

class HealthFeed {
 public:
  static constexpr Duration kTimeout = std::chrono::seconds(60);
  static constexpr Duration kRepeat = std::chrono::seconds(20);

  // `unix_seconds`: the wall clock.
  HealthFeed(os::EventLoop& loop, std::function<std::int64_t()> unix_seconds,
             Duration repeat = kRepeat);
  HealthFeed(const HealthFeed&) = delete;
  HealthFeed& operator=(const HealthFeed&) = delete;
  ~HealthFeed();

  void add(std::shared_ptr<litegrpc::ServerStream> stream);
  void update(HealthTable table);

 private:
  void send_all();
  std::string message() const;

  os::EventLoop& loop_;
  const std::function<std::int64_t()> unix_seconds_;
  os::EventLoop::TimerId timer_ = 0;
  bool known_ = false;  // before the first update(): nothing is said
  HealthTable table_;
  std::vector<std::shared_ptr<litegrpc::ServerStream>> streams_;
};

}  // namespace sluice::dra
