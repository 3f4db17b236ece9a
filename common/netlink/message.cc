// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/message.h"

#include <linux/netlink.h>

#include <algorithm>
#include <limits>

namespace sluice::netlink {
namespace {

Error malformed(const char* what) {
  return Error{Code::kInvalid, Domain::kProtocol, 0, what, {}, Retry::kNever};
}

// Where the extack attributes start. An uncapped error repeats the request first.
std::size_t attributes_offset(const Message& message) {
  if (message.type == NLMSG_DONE) return sizeof(int);
  const auto error = read_struct<nlmsgerr>(message.payload);
  if (!error) return message.payload.size();
  if ((message.flags & NLM_F_CAPPED) != 0) return sizeof(nlmsgerr);
  const std::size_t repeated = (std::size_t{error->msg.nlmsg_len} + 3U) & ~std::size_t{3};
  return sizeof(int) + std::max(repeated, sizeof(nlmsghdr));
}

}  // namespace

bool MessageReader::next(Message& message) {
  const auto header = read_struct<nlmsghdr>(rest_);
  if (!header) {
    malformed_ = malformed_ || !rest_.empty();
    return false;
  }
  if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest_.size()) {
    malformed_ = true;
    rest_ = {};
    return false;
  }
  message.type = header->nlmsg_type;
  message.flags = header->nlmsg_flags;
  message.sequence = header->nlmsg_seq;
  message.payload = rest_.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
  const std::size_t aligned = (std::size_t{header->nlmsg_len} + 3U) & ~std::size_t{3};
  rest_ = rest_.subspan(std::min(aligned, rest_.size()));
  return true;
}

Result<Ack> decode_ack(const Message& message) {
  Ack ack;
  const auto number = read_struct<std::int32_t>(message.payload);
  if (!number) {
    // A DONE without a status is an old kernel's success; an ERROR without one is nothing.
    if (message.type == NLMSG_DONE && message.payload.empty()) return ack;
    return fail(malformed("netlink acknowledgement is too short"));
  }
  if (*number > 0 || *number == std::numeric_limits<std::int32_t>::min()) {
    return fail(malformed("netlink acknowledgement holds no negative error number"));
  }
  ack.number = -*number;
  if ((message.flags & NLM_F_ACK_TLVS) == 0) return ack;
  const std::size_t offset = attributes_offset(message);
  if (offset > message.payload.size()) return ack;
  AttributeReader reader(message.payload.subspan(offset));
  for (Attribute attribute; reader.next(attribute);) {
    switch (attribute.type) {
      case NLMSGERR_ATTR_MSG:
        ack.text = attribute.text();
        break;
      case NLMSGERR_ATTR_OFFS:
        ack.offset = attribute.number<std::uint32_t>();
        break;
      case NLMSGERR_ATTR_MISS_TYPE:
        ack.missing = attribute.number<std::uint32_t>();
        break;
      default:
        break;
    }
  }
  return ack;
}

Error ack_error(const Ack& ack, std::string_view what, Bytes request) {
  Error error = errno_error(ack.number, what);
  if (!ack.text.empty()) error.message += ": " + ack.text;
  if (ack.offset) {
    error.message += " (at byte " + std::to_string(*ack.offset);
    if (*ack.offset < request.size()) {
      const auto attribute = read_struct<nlattr>(request.subspan(*ack.offset));
      if (attribute && *ack.offset >= sizeof(nlmsghdr)) {
        error.message += ", attribute " + std::to_string(attribute->nla_type & NLA_TYPE_MASK);
      }
    }
    error.message += ")";
  }
  if (ack.missing) error.message += " (attribute " + std::to_string(*ack.missing) + " is missing)";
  return error;
}

}  // namespace sluice::netlink
