// SPDX-License-Identifier: Apache-2.0
// Reads the inventory again and again: on a timer, and sooner when the kernel says that a device or
// a link changed.
//
// Contract: `found` gets a new snapshot after every look. A sysfs root that can't be read is an
// empty inventory and a warning (once for each reason): a node without a NIC, or whose NIC isn't
// there yet, is not a crash loop. Threading: the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/netlink/rtnetlink.h"
#include "common/netlink/uevent.h"
#include "common/nic/inventory.h"
#include "common/os/directory_watch.h"
#include "common/os/event_loop.h"

namespace sluice::broker {

struct Look {
  std::shared_ptr<const nic::Inventory> inventory;
  std::map<std::string, std::string> uplinks;  // netdevs of the node's own traffic -> why
};

class InventoryFeed {
 public:
  struct Settings {
    std::string sysfs_root = "/sys";
    std::string dev_root = "/dev";
    Duration period = std::chrono::seconds(5);
  };
  using Found = std::function<void(Look)>;

  InventoryFeed(os::EventLoop& loop, Settings settings, Found found, Logger log);
  ~InventoryFeed();
  InventoryFeed(const InventoryFeed&) = delete;
  InventoryFeed& operator=(const InventoryFeed&) = delete;

  void look();       // now
  void look_soon();  // once, after whatever is going on has settled
  Duration last_took() const { return last_took_; }

 private:
  Look read();
  std::map<std::string, std::string> read_uplinks(const nic::Inventory& inventory);
  void watch();
  void watch_links();

  os::EventLoop& loop_;
  Settings settings_;
  Found found_;
  Logger log_;
  std::string last_error_, last_uplink_error_;
  std::optional<std::map<std::string, std::string>> uplinks_;  // the last answer
  std::shared_ptr<const nic::Inventory> last_;
  std::chrono::steady_clock::time_point last_look_;
  std::set<std::string> broken_logged_;
  Duration last_took_{};
  std::unique_ptr<os::DirectoryWatch> directory_;
  std::unique_ptr<netlink::UeventListener> uevents_;
  std::optional<netlink::Monitor> links_;
  os::EventLoop::TimerId timer_ = 0;
  os::EventLoop::TimerId soon_ = 0;
  bool soon_set_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::broker
