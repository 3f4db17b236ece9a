// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/inventory_feed.h"

#include <algorithm>
#include <utility>

#include "common/nic/uplink.h"
#include "common/os/files.h"

namespace sluice::broker {
namespace {

// A NIC that makes its VFs does so in a burst: look once after it, not once for each.
constexpr auto kSettle = std::chrono::milliseconds(50);
// Whatever happens, the loop has time for its callers.
constexpr auto kLeastPause = std::chrono::milliseconds(500);

bool matters(const netlink::Uevent& event) {
  return event.subsystem == "pci" || event.subsystem == "auxiliary" ||
         event.subsystem == "infiniband" || event.subsystem == "vdpa";
}

}  // namespace

InventoryFeed::InventoryFeed(os::EventLoop& loop, Settings settings, Found found, Logger log)
    : loop_(loop), settings_(std::move(settings)), found_(std::move(found)), log_(std::move(log)) {
  timer_ = loop_.every(settings_.period, [this] { look(); });
}

InventoryFeed::~InventoryFeed() {
  loop_.cancel(timer_);
  if (soon_set_) loop_.cancel(soon_);
  if (links_) loop_.unwatch(links_->fd());
}

void InventoryFeed::look() {
  watch();
  const auto before = std::chrono::steady_clock::now();
  auto look = read();
  last_look_ = std::chrono::steady_clock::now();
  last_took_ = last_look_ - before;
  found_(std::move(look));
}

void InventoryFeed::look_soon() {
  if (soon_set_) return;
  soon_set_ = true;
  const auto since = std::chrono::steady_clock::now() - last_look_;
  const Duration rest = since < kLeastPause ? Duration(kLeastPause - since) : Duration(0);
  soon_ = loop_.after(std::max<Duration>(kSettle, rest), [this] {
    soon_set_ = false;
    look();
  });
}

Look InventoryFeed::read() {
  nic::Inventory inventory;
  std::string error;
  if (auto root = os::Root::open(settings_.sysfs_root); !root) {
    error = root.error().to_string();
  } else if (auto read = nic::read_inventory(*root, {settings_.dev_root}); !read) {
    error = read.error().to_string();
    // Another reason than "not there" passes; until then what was seen last is the better guess.
    if (last_ && read.error().code != Code::kNotFound) inventory = *last_;
  } else {
    inventory = std::move(*read);
  }
  if (error != last_error_) {
    last_error_ = error;
    if (error.empty()) {
      log_.info("the inventory can be read again", {{"root", settings_.sysfs_root}});
    } else {
      log_.warn("no inventory", {{"root", settings_.sysfs_root}, {"error", error}});
    }
  }
  for (const auto& broken : inventory.broken) {
    if (!broken_logged_.insert(broken.device + broken.reason).second) continue;
    log_.warn("device left out", {{"device", broken.device}, {"why", broken.reason}});
  }
  constexpr std::size_t kMany = 1000;
  if (broken_logged_.size() > kMany) broken_logged_.clear();
  Look look;
  look.inventory = std::make_shared<const nic::Inventory>(std::move(inventory));
  last_ = look.inventory;
  look.uplinks = read_uplinks(*look.inventory);
  return look;
}

// Without an answer the last one stays, and before the first nobody's netdev is given out: an
// uplink must not go because of a hiccup.
std::map<std::string, std::string> InventoryFeed::read_uplinks(const nic::Inventory& inventory) {
  auto rtnl = netlink::Rtnl::open();
  auto uplinks = rtnl ? nic::node_uplinks(*rtnl) : Result<nic::Uplinks>(fail(rtnl.error()));
  const std::string error = uplinks ? "" : uplinks.error().to_string();
  if (error != last_uplink_error_) {
    last_uplink_error_ = error;
    if (!error.empty()) log_.warn("the node's uplinks are unknown", {{"error", error}});
  }
  if (uplinks) uplinks_ = std::move(*uplinks);
  if (uplinks_) return *uplinks_;
  std::map<std::string, std::string> all;
  const auto hold = [&](const nic::Function& function) {
    if (function.netdev) all[function.netdev->name] = "the node's default routes can't be read";
  };
  for (const auto& pf : inventory.pfs) {
    hold(pf);
    for (const auto& vf : pf.vfs) hold(vf);
  }
  return all;
}

// Where something can't be watched, or isn't there yet, the timer does the work.
void InventoryFeed::watch() {
  if (!directory_ || !directory_->alive()) {
    directory_.reset();
    // Reports nothing in the kernel's own sysfs; there it is the events that do.
    auto directory = os::DirectoryWatch::open(loop_, settings_.sysfs_root + "/bus/pci/devices",
                                              [this] { look_soon(); });
    if (directory) directory_ = std::move(*directory);
  }
  if (!uevents_) {
    auto uevents = netlink::UeventListener::open(loop_, {[this](const netlink::Uevent& event) {
                                                           if (matters(event)) look_soon();
                                                         },
                                                         [this] { look_soon(); }});
    if (uevents) uevents_ = std::move(*uevents);
  }
  if (!links_) watch_links();
}

void InventoryFeed::watch_links() {
  netlink::MonitorHandlers handlers;
  // Of veths and bridges there are many changes, and none that matters here unless the node's own
  // traffic goes by them.
  handlers.link = [this](const netlink::LinkEvent& event) {
    if (event.link.kind.empty() || (uplinks_ && uplinks_->contains(event.link.name))) look_soon();
  };
  handlers.overrun = [this] { look_soon(); };
  auto links = netlink::Monitor::open(std::move(handlers));
  if (!links) return;
  links_ = std::move(*links);
  const auto watched = loop_.watch(links_->fd(), [this] {
    if (links_->dispatch()) return;
    loop_.unwatch(links_->fd());
    loop_.post([this, alive = std::weak_ptr<bool>(alive_)] {
      if (alive.expired()) return;
      links_.reset();  // opened again with the next look
      look_soon();
    });
  });
  if (!watched) links_.reset();
}

}  // namespace sluice::broker
