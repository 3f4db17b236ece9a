// SPDX-License-Identifier: Apache-2.0
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/netlink/decode.h"
#include "common/os/unique_fd.h"

namespace sluice::netlink {
namespace {

Status join(int fd, int group, bool wanted) {
  if (!wanted) return {};
  if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return fail_errno(errno, "join netlink group " + std::to_string(group));
  }
  return {};
}

// A burst (a node's worth of pods) should fit; when it doesn't, overrun() says so.
void enlarge_buffer(int fd) {
  const int size = 4 << 20;
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
}

}  // namespace

struct Monitor::Impl {
  os::UniqueFd fd;
  MonitorHandlers handlers;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(std::size_t{256} << 10U);

  void lost() const {
    if (handlers.overrun) handlers.overrun();
  }
  void handle(Bytes datagram) const;
};

// What can't be read is a lost event: the same remedy.
void Monitor::Impl::handle(Bytes datagram) const {
  bool bad = false;
  MessageReader reader(datagram);
  for (Message message; reader.next(message);) {
    bad = !deliver_event(message, handlers) || bad;
  }
  if (bad || reader.malformed()) lost();
}

Monitor::Monitor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Monitor::Monitor(Monitor&&) noexcept = default;
Monitor& Monitor::operator=(Monitor&&) noexcept = default;
Monitor::~Monitor() = default;

int Monitor::fd() const { return impl_->fd.get(); }

Result<Monitor> Monitor::open(MonitorHandlers handlers) {
  os::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fail_errno(errno, "make a netlink socket");
  enlarge_buffer(fd.get());
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "bind a netlink socket");
  }
  SLUICE_CHECK_OK(join(fd.get(), RTNLGRP_LINK, handlers.link != nullptr));
  SLUICE_CHECK_OK(join(fd.get(), RTNLGRP_NEIGH, handlers.neighbour != nullptr));
  SLUICE_CHECK_OK(join(fd.get(), RTNLGRP_IPV4_ROUTE, handlers.route != nullptr));
  SLUICE_CHECK_OK(join(fd.get(), RTNLGRP_IPV4_IFADDR, handlers.address != nullptr));
  auto impl = std::make_unique<Impl>();
  impl->fd = std::move(fd);
  impl->handlers = std::move(handlers);
  return Monitor(std::move(impl));
}

Result<Monitor> Monitor::open_in(const os::NetNs& netns, MonitorHandlers handlers) {
  std::optional<Monitor> opened;
  const auto status = netns.run_in([&]() -> Status {
    SLUICE_TRY(opened, open(std::move(handlers)));
    return {};
  });
  if (!status) return fail(status.error());
  return std::move(*opened);
}

Status Monitor::dispatch() {
  // Bounded: under a storm the rest of the loop gets its turn; the descriptor stays readable.
  constexpr int kMaxDatagrams = 4096;
  for (int i = 0; i < kMaxDatagrams; ++i) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    auto& buffer = impl_->buffer;
    const auto got = ::recvfrom(impl_->fd.get(), buffer.data(), buffer.size(), MSG_TRUNC,
                                reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got < 0) {
      if (errno == EAGAIN) return {};
      if (errno == EINTR) continue;
      if (errno != ENOBUFS) return fail_errno(errno, "receive netlink events");
      impl_->lost();
      continue;
    }
    if (from.nl_pid != 0) continue;  // another process, not the kernel
    const auto size = static_cast<std::size_t>(got);
    if (size > buffer.size()) {
      impl_->lost();
    } else {
      impl_->handle(Bytes(buffer).first(size));
    }
  }
  return {};
}

}  // namespace sluice::netlink
