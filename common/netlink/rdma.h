// SPDX-License-Identifier: Apache-2.0
// RDMA devices by netlink: which there are, in which mode the system shares them, moving one into
// a namespace, and renaming it.
//
// Contract: as Rtnl: one socket in the namespace that it was opened in. In exclusive mode a device
// is seen in its own namespace only; in shared mode in all of them, and can't be moved. A kernel
// without RDMA has no devices and is in shared mode.
// Threading: one thread at a time.
// Source: include/uapi/rdma/rdma_netlink.h (NETLINK_RDMA, RDMA_NL_NLDEV, RDMA_NLDEV_CMD_*);
// drivers/infiniband/core/nldev.c.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"

namespace sluice::netlink {

enum class RdmaMode : std::uint8_t { kShared, kExclusive };

struct RdmaPort {
  std::uint32_t number = 1;
  IfIndex netdev;  // {0}: none, or in another namespace
};

struct RdmaLink {
  std::uint32_t index = 0;  // RDMA_NLDEV_ATTR_DEV_INDEX: the device's identity, wherever it is
  std::string name;
  std::vector<RdmaPort> ports;
};

class Rdma {
 public:
  static Result<Rdma> open();
  static Result<Rdma> open_in(const os::NetNs& netns);
  Rdma(Rdma&&) noexcept;
  Rdma& operator=(Rdma&&) noexcept;
  ~Rdma();

  Result<RdmaMode> mode();
  Result<std::vector<RdmaLink>> devices();
  // From the socket's namespace. Code::kPrecondition in shared mode; Code::kNotFound: no such
  // device there; Code::kUnsupported where the driver can't.
  Status move(std::uint32_t device, const os::NetNs& to);
  // Names are the machine's, not a namespace's: Code::kExists when another device has it, wherever
  // that is. Code::kNotFound: no such device in the socket's namespace.
  Status rename(std::uint32_t device, const std::string& name);

 private:
  struct Impl;
  explicit Rdma(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::netlink
