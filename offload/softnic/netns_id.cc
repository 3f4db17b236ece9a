// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/netns_id.h"

#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/os/unique_fd.h"

namespace sluice::softnic {
namespace {

struct Request {
  nlmsghdr header;
  rtgenmsg body;
  std::uint8_t padding[3];
  rtattr attribute;
  std::int32_t fd;
};
static_assert(sizeof(Request) == NLMSG_LENGTH(NLMSG_ALIGN(sizeof(rtgenmsg))) + RTA_LENGTH(4));

std::optional<std::int32_t> find_id(const std::uint8_t* at, std::size_t left) {
  while (left >= sizeof(rtattr)) {
    rtattr attribute{};
    std::memcpy(&attribute, at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > left) return std::nullopt;
    if (attribute.rta_type == NETNSA_NSID && attribute.rta_len == RTA_LENGTH(4)) {
      std::int32_t id = -1;
      std::memcpy(&id, at + sizeof attribute, sizeof id);
      if (id == NETNSA_NSID_NOT_ASSIGNED) return std::nullopt;
      return id;
    }
    const std::size_t step = RTA_ALIGN(attribute.rta_len);
    if (step >= left) break;
    at += step;
    left -= step;
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::int32_t>> netns_id(const os::NetNs& other) {
  const os::UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail_errno(errno, "socket NETLINK_ROUTE");
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETNSID;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.attribute.rta_len = RTA_LENGTH(4);
  request.attribute.rta_type = NETNSA_FD;
  request.fd = other.fd();
  if (::send(socket.get(), &request, sizeof request, 0) < 0)
    return fail_errno(errno, "RTM_GETNSID");
  std::array<std::uint8_t, 1024> answer{};
  const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (got < 0) return fail_errno(errno, "answer to RTM_GETNSID");
  nlmsghdr header{};
  if (static_cast<std::size_t>(got) < sizeof header) return fail_errno(EBADMSG, "RTM_GETNSID");
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type == NLMSG_ERROR) {
    std::int32_t error = -EBADMSG;
    if (static_cast<std::size_t>(got) >= NLMSG_LENGTH(sizeof error)) {
      std::memcpy(&error, answer.data() + NLMSG_HDRLEN, sizeof error);
    }
    return fail_errno(-error, "RTM_GETNSID");
  }
  constexpr std::size_t kAttributes = NLMSG_SPACE(sizeof(rtgenmsg));
  if (static_cast<std::size_t>(got) < kAttributes) return std::optional<std::int32_t>{};
  return find_id(answer.data() + kAttributes, static_cast<std::size_t>(got) - kAttributes);
}

}  // namespace sluice::softnic
