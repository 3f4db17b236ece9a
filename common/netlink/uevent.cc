// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/uevent.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "common/os/unique_fd.h"

namespace sluice::netlink {
namespace {

constexpr std::uint32_t kKernelGroup = 1;   // udev forwards what it has seen in group 2
constexpr std::size_t kMaxDatagram = 8192;  // UEVENT_BUFFER_SIZE is 2 KiB, and the header
constexpr std::size_t kMaxPath = 4096, kMaxWord = 255;

class Listener final : public UeventListener {
 public:
  Listener(os::EventLoop& loop, os::UniqueFd fd, UeventHandlers handlers)
      : loop_(loop), fd_(std::move(fd)), handlers_(std::move(handlers)) {}
  ~Listener() override { loop_.unwatch(fd_.get()); }
  Status start() {
    return loop_.watch(fd_.get(), [this] { receive(); });
  }

 private:
  void receive();
  void lost() const {
    if (handlers_.overrun) handlers_.overrun();
  }

  os::EventLoop& loop_;
  os::UniqueFd fd_;
  UeventHandlers handlers_;
  std::array<std::uint8_t, kMaxDatagram> buffer_{};
};

void Listener::receive() {
  // Bounded: under a storm the rest of the loop gets its turn; the descriptor stays readable.
  constexpr int kMaxDatagrams = 1024;
  for (int i = 0; i < kMaxDatagrams; ++i) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const auto got = ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                                reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != ENOBUFS) return;  // EAGAIN: all read
      lost();
      continue;
    }
    if (from.nl_pid != 0 || from.nl_groups != kKernelGroup) continue;  // not the kernel's
    const auto size = static_cast<std::size_t>(got);
    if (size > buffer_.size()) {
      lost();
      continue;
    }
    const auto event = parse_uevent(Bytes(buffer_).first(size));
    if (event && handlers_.event) handlers_.event(*event);
  }
}

// The part up to the next zero byte, which goes too.
std::string_view take_part(std::string_view& rest) {
  const auto end = rest.find('\0');
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

}  // namespace

std::optional<Uevent> parse_uevent(Bytes datagram) {
  std::string_view rest(reinterpret_cast<const char*>(datagram.data()), datagram.size());
  const std::string_view summary = take_part(rest);
  const auto at = summary.find('@');
  if (at == std::string_view::npos || at == 0 || at > kMaxWord) return std::nullopt;
  Uevent event;
  event.action = summary.substr(0, at);
  event.path = summary.substr(at + 1);
  if (event.path.empty() || event.path.front() != '/' || event.path.size() > kMaxPath) {
    return std::nullopt;
  }
  while (!rest.empty()) {
    const std::string_view part = take_part(rest);
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = part.substr(0, equals), value = part.substr(equals + 1);
    if (key == "SUBSYSTEM" && value.size() <= kMaxWord) event.subsystem = value;
    if (key == "ACTION" && value != event.action) return std::nullopt;
    if (key == "DEVPATH" && value != event.path) return std::nullopt;
  }
  return event;
}

Result<std::unique_ptr<UeventListener>> UeventListener::open(os::EventLoop& loop,
                                                             UeventHandlers handlers) {
  os::UniqueFd fd(
      ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) return fail_errno(errno, "make a socket for device events");
  // 256 VFs that come at once are about 1000 events of 500 bytes.
  const int size = 2 << 20;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "bind a socket for device events");
  }
  auto listener = std::make_unique<Listener>(loop, std::move(fd), std::move(handlers));
  SLUICE_CHECK_OK(listener->start());
  return std::unique_ptr<UeventListener>(std::move(listener));
}

}  // namespace sluice::netlink
