// SPDX-License-Identifier: Apache-2.0
// Keeps one pool served on its socket and known to the kubelet.
//
// Contract: look() compares the world with the wish and does what is missing; it may be called at
// any time and any number of times, but never from within a method of the pool's own server.
// - Another process that serves our socket is left alone; we try again at every look.
// - Before a kubelet that still may have our old stream hears of a new socket, the old stream ends
//   and kSettle passes: a kubelet that handles the two in the other order drops the new one.
// Threading: the loop's thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/litegrpc/call.h"
#include "common/litegrpc/server.h"
#include "common/os/event_loop.h"
#include "device-plugin/kubelet/front.h"
#include "device-plugin/kubelet/pool_service.h"

namespace sluice::kubelet {

// Where sockets are, and how the kubelet comes to know of them.
struct Place {
  bool watcher = false;
  std::string directory;
  bool operator==(const Place&) const = default;
};

class PoolKeeper {
 public:
  PoolKeeper(os::EventLoop& loop, const std::string& resource, Allocator& allocator,
             Observer& observer, const Logger& log);
  ~PoolKeeper();  // ends streams, removes the socket
  PoolKeeper(const PoolKeeper&) = delete;
  PoolKeeper& operator=(const PoolKeeper&) = delete;

  void publish(const std::vector<pools::Device>& devices) { service_.publish(devices); }
  void look(const Place& place);
  void periodic_look(const Place& place);
  std::size_t streams() const { return service_.streams(); }
  Front::PoolState state() const;

 private:
  // Which kubelet.sock: a re-created one may get the old inode number, never the old time of birth
  // too.
  struct SocketId {
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const SocketId&) const = default;
  };

  void keep_served();
  void listen();
  void stop_serving();
  void keep_registered();
  void start_registration(const SocketId& kubelet);
  void answered(const SocketId& kubelet, TimePoint start, Status status);
  void contacted();
  void notified(const RegistrationStatus& status);
  void streams_ended();
  void lost();
  void failed(const char* what, const std::string& why);
  void wait(Duration delay, void (PoolKeeper::*then)());
  void stop_waiting();
  void register_anew();
  void serve_anew();
  SocketId kubelet_socket() const;

  os::EventLoop& loop_;
  std::string resource_, socket_name_;
  Observer& observer_;
  Logger log_;
  SteadyClock clock_;
  PoolService service_;
  Place place_;
  std::unique_ptr<litegrpc::Server> server_;
  std::unique_ptr<litegrpc::Call> call_;
  bool calling_ = false;
  bool known_ = false;      // the kubelet took us, and nothing says that it forgot
  bool contacted_ = false;  // it took us or asked who we are, since this socket is there
  SocketId registered_with_, tried_with_;  // all zero: none
  Duration delay_{};                       // of the next attempt after a failure
  Duration loss_delay_{};                  // of the next registration after a stream has ended
  unsigned idle_looks_ = 0;
  bool waiting_ = false;
  os::EventLoop::TimerId timer_ = 0;
  bool replaced_said_ = false;
  std::string last_error_;
};

}  // namespace sluice::kubelet
