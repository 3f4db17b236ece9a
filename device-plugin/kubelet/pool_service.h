// SPDX-License-Identifier: Apache-2.0
// One pool's answers to the kubelet: the methods of its socket.
//
// Contract: Allocate for several containers is all or nothing to the kubelet; a container that asks
// for nothing gets nothing. GetPreferredAllocation is never an error: what can't be understood has
// an empty answer, and the kubelet chooses for itself.
// The Observer hears of each call: of ListAndWatch when its first list went out.
// Threading: the loop's thread. Answers of the Allocator that come after destruction go nowhere.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/litegrpc/server.h"
#include "device-plugin/kubelet/front.h"
#include "device-plugin/kubelet/list_feed.h"
#include "device-plugin/kubelet/messages.h"

namespace sluice::kubelet {

class PoolService {
 public:
  struct Events {
    std::function<void()> contacted;                          // the kubelet asked who we are
    std::function<void(const RegistrationStatus&)> notified;  // and told what came of it
    std::function<void()> streams_ended;
  };
  PoolService(std::string resource, Allocator& allocator, Observer& observer, Logger log,
              Events events);
  ~PoolService();
  PoolService(const PoolService&) = delete;
  PoolService& operator=(const PoolService&) = delete;

  // `watcher`: with the plugin watcher's methods. May be asked for again and again, for one server
  // after the other.
  litegrpc::Methods methods(bool watcher) const;
  void publish(const std::vector<pools::Device>& devices);
  std::size_t streams() const;
  void drop_streams();

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::kubelet
