// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/scanner.h"

namespace sluice::pools {
namespace {

// A NIC that makes its VFs does so in a burst: look once after it, not once for each.
constexpr auto kSettle = std::chrono::milliseconds(50);

}  // namespace

Scanner::Scanner(os::EventLoop& loop, std::string sysfs_root, Duration period, Found found,
                 Logger log)
    : loop_(loop),
      sysfs_root_(std::move(sysfs_root)),
      found_(std::move(found)),
      log_(std::move(log)) {
  timer_ = loop_.every(period, [this] { scan(); });
}

Scanner::~Scanner() {
  loop_.cancel(timer_);
  if (soon_set_) loop_.cancel(soon_);
}

void Scanner::scan() {
  watch_devices();
  nic::Inventory inventory;
  std::string error;
  if (auto root = os::Root::open(sysfs_root_); !root) {
    error = root.error().to_string();
  } else if (auto read = nic::read_inventory(*root); !read) {
    error = read.error().to_string();
  } else {
    inventory = std::move(*read);
  }
  if (error != last_error_) {
    last_error_ = error;
    if (error.empty()) {
      log_.info("the inventory can be read again", {{"root", sysfs_root_}});
    } else {
      log_.warn("no inventory", {{"root", sysfs_root_}, {"error", error}});
    }
  }
  found_(inventory);
}

void Scanner::watch_devices() {
  if (watch_ && watch_->alive()) return;
  watch_.reset();
  // In the kernel's own sysfs inotify reports nothing and the timer does the work; where there is
  // no such directory yet, the next scan tries again.
  auto watch =
      DirectoryWatch::open(loop_, sysfs_root_ + "/bus/pci/devices", [this] { devices_changed(); });
  if (watch) watch_ = std::move(*watch);
}

void Scanner::devices_changed() {
  if (soon_set_) return;
  soon_set_ = true;
  soon_ = loop_.after(kSettle, [this] {
    soon_set_ = false;
    scan();
  });
}

}  // namespace sluice::pools
