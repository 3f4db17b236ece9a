// SPDX-License-Identifier: Apache-2.0
// Reads the inventory again and again: on a timer, and sooner when a PCI device comes or goes.
//
// Threading: the loop's thread. Errors: a sysfs root that can't be read is an empty inventory and a
// warning (once for each reason), so that a node without a NIC, or with a NIC that isn't there yet,
// is not a crash loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/nic/inventory.h"
#include "common/os/event_loop.h"
#include "device-plugin/pools/directory_watch.h"

namespace sluice::pools {

class Scanner {
 public:
  using Found = std::function<void(const nic::Inventory&)>;

  Scanner(os::EventLoop& loop, std::string sysfs_root, Duration period, Found found, Logger log);
  ~Scanner();
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  void scan();  // now

 private:
  void watch_devices();
  void devices_changed();

  os::EventLoop& loop_;
  std::string sysfs_root_;
  Found found_;
  Logger log_;
  std::string last_error_;
  std::unique_ptr<DirectoryWatch> watch_;
  os::EventLoop::TimerId timer_ = 0;
  os::EventLoop::TimerId soon_ = 0;
  bool soon_set_ = false;
};

}  // namespace sluice::pools
