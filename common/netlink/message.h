// SPDX-License-Identifier: Apache-2.0
// Netlink messages: cutting a datagram into them, and reading acknowledgements with their extack.
// Pure functions of bytes.
//
// Source: include/uapi/linux/netlink.h (struct nlmsghdr, nlmsgerr, NLMSGERR_ATTR_*).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/netlink/attributes.h"

namespace sluice::netlink {

struct Message {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  Bytes payload;  // behind the header, in the datagram it was cut from
};

class MessageReader {
 public:
  explicit MessageReader(Bytes datagram) : rest_(datagram) {}
  // False at the end, and at the first message whose length is impossible.
  bool next(Message& message);
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// NLMSG_ERROR (also the positive acknowledgement) or NLMSG_DONE.
struct Ack {
  int number = 0;                        // a positive errno; 0: done
  std::string text;                      // NLMSGERR_ATTR_MSG
  std::optional<std::uint32_t> offset;   // NLMSGERR_ATTR_OFFS: of the attribute in the request
  std::optional<std::uint32_t> missing;  // NLMSGERR_ATTR_MISS_TYPE
};

Result<Ack> decode_ack(const Message& message);

// `what` names the operation and its object; `request` finds out which attribute `offset` means.
Error ack_error(const Ack& ack, std::string_view what, Bytes request);

}  // namespace sluice::netlink
