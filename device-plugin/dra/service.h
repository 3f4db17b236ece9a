// SPDX-License-Identifier: Apache-2.0
// The two sockets that the kubelet knows us by: registration, and the DRA plugin with its health.
// Internal to device-plugin/dra.
//
// Contract: sockets that somebody removes are made again. The registration's directory is the
// kubelet's: not made, but waited for.
// Threading: the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/litegrpc/server.h"
#include "common/os/event_loop.h"
#include "device-plugin/dra/claims.h"
#include "device-plugin/dra/health_feed.h"

namespace sluice::dra {

std::string plugin_socket(const std::string& kubelet_dir);     // what DRA calls go to
std::string registrar_socket(const std::string& kubelet_dir);  // what the kubelet finds

class Service {
 public:
  struct Hooks {
    std::function<void()> claims_changed;                      // a claim was prepared or unprepared
    std::function<void(bool, const std::string&)> registered;  // what the kubelet thinks of us
  };
  // Errors: a socket that can't be made; its directory can't; somebody else serves it
  // (Code::kExists).
  static Result<std::unique_ptr<Service>> start(os::EventLoop& loop, const std::string& kubelet_dir,
                                                Claims& claims, HealthFeed& health, Hooks hooks,
                                                Logger log,
                                                Duration watch = std::chrono::seconds(5));
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

 private:
  Service(os::EventLoop& loop, std::string kubelet_dir, Claims& claims, HealthFeed& health,
          Hooks hooks, Logger log)
      : loop_(loop),
        kubelet_dir_(std::move(kubelet_dir)),
        claims_(claims),
        health_(health),
        hooks_(std::move(hooks)),
        log_(std::move(log)) {}

  Status listen_plugin();
  bool kubelet_looks() const;  // its directory is there: making it would tell others it looks
  Status listen_registrar();
  void check_sockets();
  litegrpc::Methods plugin_methods();
  litegrpc::Methods registrar_methods();
  void prepare(std::string_view request, litegrpc::Reply reply);
  void unprepare(std::string_view request, const litegrpc::Reply& reply);
  void notified(std::string_view request, const litegrpc::Reply& reply);

  os::EventLoop& loop_;
  const std::string kubelet_dir_;
  Claims& claims_;
  HealthFeed& health_;
  const Hooks hooks_;
  const Logger log_;
  os::EventLoop::TimerId timer_ = 0;
  std::unique_ptr<litegrpc::Server> plugin_, registrar_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::dra
