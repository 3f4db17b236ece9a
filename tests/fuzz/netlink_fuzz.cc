// SPDX-License-Identifier: Apache-2.0
// Whatever bytes come from a netlink socket: cut, acknowledged, decoded, delivered.
// fuzz-deps: sluice_netlink
#include <linux/netlink.h>

#include <cstdlib>

#include "common/netlink/decode.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Reads every byte of every attribute, so that a span out of bounds is seen by the sanitizer.
unsigned touch(Bytes bytes, int depth) {
  unsigned sum = 0;
  AttributeReader reader(bytes);
  for (Attribute attribute; reader.next(attribute);) {
    require(attribute.data.size() <= bytes.size());
    for (const auto byte : attribute.data) sum += byte;
    require(attribute.text().size() <= attribute.data.size());
    if (depth > 0) sum += touch(attribute.data, depth - 1);
  }
  return sum;
}

void check_values(const Message& message) {
  const auto link = decode_link(message);
  if (link && *link) require((*link)->index.value != 0);
  const auto address = decode_address(message);
  if (address && *address) require((*address)->prefix_length <= 32);
  const auto route = decode_route(message);
  if (route && *route) {
    const auto& prefix = (*route)->destination;
    require(prefix.length <= 32 && (prefix.address.value & ~prefix.mask()) == 0);
  }
  const auto hops = decode_ip_routes(message);
  if (hops && *hops) {
    for (const auto& hop : **hops)
      require(hop.destination.length <= hop.destination.address.width());
  }
  (void)decode_lookup(message);
  const auto neighbour = decode_neighbour(message);
  if (neighbour && *neighbour && (*neighbour)->usable()) require(!(*neighbour)->mac.is_zero());
  const auto ack = decode_ack(message);
  if (ack) {
    require(ack->number >= 0);
    require(!ack_error(*ack, "fuzz", message.payload).message.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  unsigned events = 0;
  MonitorHandlers handlers;
  handlers.link = [&](const LinkEvent&) { ++events; };
  handlers.neighbour = [&](const NeighbourEvent&) { ++events; };
  handlers.route = [&](const RouteEvent&) { ++events; };
  handlers.address = [&](const AddressEvent&) { ++events; };
  unsigned messages = 0;
  MessageReader reader(Bytes(data, size));
  for (Message message; reader.next(message);) {
    ++messages;
    require(message.payload.size() <= size);
    volatile const unsigned sum = touch(message.payload, 2);
    (void)sum;
    check_values(message);
    (void)deliver_event(message, handlers);
  }
  require(events <= messages);
  return 0;
}
