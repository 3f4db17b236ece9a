// SPDX-License-Identifier: Apache-2.0
#include "offload/host/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>
#include <string>

#include "common/netlink/transport.h"

namespace sluice::host {
namespace {

using netlink::Attribute;
using netlink::AttributeReader;
using netlink::Bytes;
using netlink::MessageWriter;

// Bits of CTA_FILTER_ORIG_FLAGS (net/netfilter/nf_internals.h; not in a header for programs).
constexpr std::uint32_t kByIpDst = 1U << 1U, kByProto = 1U << 3U, kByPortDst = 1U << 5U;

constexpr std::uint16_t nested(int type) {
  return static_cast<std::uint16_t>(static_cast<unsigned>(type) | NLA_F_NESTED);
}

MessageWriter message_of(int kind) {
  MessageWriter message(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | kind), 0);
  nfgenmsg header{};
  header.nfgen_family = AF_INET;
  header.version = NFNETLINK_V0;
  message.put_struct(header);
  return message;
}

std::optional<Bytes> find(Bytes attributes, int type) {
  AttributeReader reader(attributes);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == type) return attribute.data;
  }
  return std::nullopt;
}

// Whether an original tuple goes there. The kernel has filtered; one before Linux 5.8 has not.
bool goes_to(Bytes tuple, Ipv4 ip, std::uint16_t port) {
  const auto addresses = find(tuple, CTA_TUPLE_IP);
  const auto proto = find(tuple, CTA_TUPLE_PROTO);
  if (!addresses || !proto) return false;
  const auto to = find(*addresses, CTA_IP_V4_DST);
  const auto number = find(*proto, CTA_PROTO_NUM);
  const auto to_port = find(*proto, CTA_PROTO_DST_PORT);
  return to && Attribute{0, *to}.ipv4() == ip && number &&
         Attribute{0, *number}.number<std::uint8_t>() == IPPROTO_UDP && to_port &&
         Attribute{0, *to_port}.number<std::uint16_t>() == ::htons(port);
}

MessageWriter question(Ipv4 ip, std::uint16_t port) {
  MessageWriter message = message_of(IPCTNL_MSG_CT_GET);
  const auto tuple = message.begin(nested(CTA_TUPLE_ORIG));
  const auto addresses = message.begin(nested(CTA_TUPLE_IP));
  message.put_ipv4(CTA_IP_V4_DST, ip);
  message.end(addresses);
  const auto proto = message.begin(nested(CTA_TUPLE_PROTO));
  message.put_number(CTA_PROTO_NUM, std::uint8_t{IPPROTO_UDP});
  message.put_number(CTA_PROTO_DST_PORT, ::htons(port));
  message.end(proto);
  message.end(tuple);
  const auto filter = message.begin(nested(CTA_FILTER));
  message.put_number(CTA_FILTER_ORIG_FLAGS, kByIpDst | kByProto | kByPortDst);
  message.end(filter);
  return message;
}

// `entry`: the attributes of one. The tuple is always sent along: without, all would be forgotten.
Status forget(netlink::Transport& transport, Bytes tuple, Bytes entry, const std::string& what) {
  MessageWriter message = message_of(IPCTNL_MSG_CT_DELETE);
  message.put(nested(CTA_TUPLE_ORIG), tuple.data(), tuple.size());
  if (const auto zone = find(entry, CTA_ZONE)) message.put(CTA_ZONE, zone->data(), zone->size());
  auto done = transport.request(message, "forget " + what);
  if (!done && done.error().code != Code::kNotFound) return fail(std::move(done).error());
  return {};
}

}  // namespace

Status forget_udp_to(const std::set<std::pair<Ipv4, std::uint16_t>>& destinations) {
  if (destinations.empty()) return {};
  SLUICE_TRY(auto transport, netlink::Transport::open(NETLINK_NETFILTER));
  for (const auto& [ip, port] : destinations) {
    const std::string what = "UDP to " + ip.to_string() + ":" + std::to_string(port);
    MessageWriter ask = question(ip, port);
    SLUICE_TRY(const auto entries, transport.dump(ask, "list " + what));
    for (const auto& entry : entries) {
      const Bytes payload(entry.payload);
      if (payload.size() < sizeof(nfgenmsg)) continue;
      const Bytes attributes = payload.subspan(sizeof(nfgenmsg));
      const auto tuple = find(attributes, CTA_TUPLE_ORIG);
      if (!tuple || !goes_to(*tuple, ip, port)) continue;
      SLUICE_CHECK_OK(forget(transport, *tuple, attributes, what));
    }
  }
  return {};
}

}  // namespace sluice::host
