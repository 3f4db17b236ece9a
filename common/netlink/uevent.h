// SPDX-License-Identifier: Apache-2.0
// The kernel's device events (NETLINK_KOBJECT_UEVENT): what came, went, was bound or changed.
//
// Contract: only what the kernel itself sends to its own group is told. Events are hints: they can
// be lost, which overrun() tells, and in a network namespace that does not belong to the initial
// user namespace the kernel sends those of network devices only; whoever listens reads again now
// and then all the same.
// Threading: the loop's thread, callbacks included. A callback must not destroy its listener.
// Source: lib/kobject_uevent.c; include/uapi/linux/netlink.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/netlink/attributes.h"
#include "common/os/event_loop.h"

namespace sluice::netlink {

struct Uevent {
  std::string action;     // "add", "remove", "change", "bind", "unbind", "move", "online"...
  std::string path;       // below /sys: "/devices/pci0000:00/0000:00:03.0"
  std::string subsystem;  // "pci", "net", "infiniband"
  bool operator==(const Uevent&) const = default;
};

// A datagram: "add@/devices/...", then KEY=value, each with a zero byte behind it. Nothing where it
// isn't one, or says two different things about itself.
std::optional<Uevent> parse_uevent(Bytes datagram);

struct UeventHandlers {
  std::function<void(const Uevent&)> event;
  std::function<void()> overrun;
};

class UeventListener {
 public:
  static Result<std::unique_ptr<UeventListener>> open(os::EventLoop& loop, UeventHandlers handlers);
  virtual ~UeventListener() = default;
};

}  // namespace sluice::netlink
