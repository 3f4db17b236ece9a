// SPDX-License-Identifier: Apache-2.0
// One pool's device list, and the ListAndWatch streams that follow it.
//
// Contract: a stream gets the list at once, and again when what the kubelet can see of it differs
// from what that stream was sent last. A slow reader misses lists in between, never the newest, and
// at most one list waits for it.
// Threading: the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/litegrpc/server.h"
#include "device-plugin/pools/device.h"

namespace sluice::kubelet {

inline constexpr std::size_t kMaxStreams = 16;  // the kubelet has one

class ListFeed : public std::enable_shared_from_this<ListFeed> {
 public:
  // `ended`: the last stream is gone, and not by drop().
  ListFeed(std::string resource, Logger log, std::function<void()> ended)
      : resource_(std::move(resource)), log_(std::move(log)), ended_(std::move(ended)) {}

  void publish(const std::vector<pools::Device>& devices);
  // False: there are kMaxStreams already; it is finished.
  bool open(std::shared_ptr<litegrpc::ServerStream> stream);
  void drop();  // forgets all streams; their server ends them
  std::size_t streams() const { return streams_.size(); }

 private:
  using Id = std::uint64_t;
  struct Follower {
    std::shared_ptr<litegrpc::ServerStream> stream;
    std::uint64_t sent = 0;  // which version
  };

  void advance(Id id);
  void closed(Id id);

  std::string resource_;
  Logger log_;
  std::function<void()> ended_;
  std::string bytes_;
  std::uint64_t version_ = 1;  // of the list
  Id next_id_ = 1;
  std::map<Id, Follower> streams_;
};

}  // namespace sluice::kubelet
