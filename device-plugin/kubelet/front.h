// SPDX-License-Identifier: Apache-2.0
// Keeps every pool served and registered with a kubelet that comes, goes and deletes our sockets.
//
// Contract: level-triggered. Whatever happens (an entry of a directory changes, a registration
// ends, time passes) leads to the same look at the world: is our socket there, does the kubelet
// know of it. Pools may come, change and go at any time without the others noticing; a pool's list
// goes out when it differs from what a stream was sent last. A pool that is removed ends its
// streams and its socket. Failed registrations are tried again, at first soon, then every 10 s. Two
// ways to be known, by mode: kRegister dials <kubelet>/device-plugins/kubelet.sock; kWatcher puts
// sockets into <kubelet>/plugins_registry, where the kubelet finds them. kAuto: the watcher where
// that directory exists. Threading: the loop's thread. Source:
// k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1 and pluginregistration/v1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "device-plugin/allocate/grant.h"
#include "device-plugin/pools/device.h"

namespace sluice::kubelet {

// Who answers the kubelet's questions. Answers come once, now or later, on the loop's thread.
class Allocator {
 public:
  virtual ~Allocator() = default;
  using Granted = std::function<void(Result<allocate::Grant>)>;
  virtual void allocate(const std::string& resource, const std::vector<std::string>& ids,
                        Granted granted) = 0;
  using Chosen = std::function<void(std::vector<std::string>)>;
  virtual void prefer(const std::string& resource, const std::vector<std::string>& available,
                      const std::vector<std::string>& must_include, std::size_t size,
                      Chosen chosen) = 0;
};

// What is counted and timed; called on the loop's thread.
class Observer {
 public:
  virtual ~Observer() = default;
  // `method`: "Allocate", "ListAndWatch", ...; `code`: "ok" or to_string(Code).
  virtual void called(const std::string& resource, std::string_view method, std::string_view code,
                      Duration took) = 0;
  virtual void registered(const std::string& resource) = 0;    // with a kubelet, again too
  virtual void lost_kubelet(const std::string& resource) = 0;  // stream ended, socket gone
};

enum class Mode : std::uint8_t { kAuto, kRegister, kWatcher };

struct ServedPool {
  std::string resource;  // "sluice.dev/vf"
  std::vector<pools::Device> devices;
};

class Front {
 public:
  struct Settings {
    std::string kubelet_dir = "/var/lib/kubelet";
    Mode mode = Mode::kAuto;
    Duration period = std::chrono::seconds(5);  // how often to look without a reason
  };
  static std::unique_ptr<Front> make(os::EventLoop& loop, Settings settings, Allocator& allocator,
                                     Observer& observer, Logger log);
  virtual ~Front() = default;  // ends streams, removes the sockets

  // All pools as they are now. The first call starts serving.
  virtual void publish(std::vector<ServedPool> pools) = 0;

  struct PoolState {
    std::string resource;
    bool registered = false;
    std::size_t streams = 0;
    std::string last_error;
  };
  virtual std::vector<PoolState> states() const = 0;
};

}  // namespace sluice::kubelet
