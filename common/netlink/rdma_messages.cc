// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/rdma_messages.h"

#include <rdma/rdma_netlink.h>

namespace sluice::netlink {
namespace {

MessageWriter request(std::uint16_t command) {
  return {static_cast<std::uint16_t>(RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command)), 0};
}

tl::unexpected<Error> malformed(const char* what) {
  return fail(Error{Code::kInternal,
                    Domain::kProtocol,
                    0,
                    std::string("netlink message about RDMA is malformed: ") + what,
                    {},
                    Retry::kLater});
}

}  // namespace

MessageWriter rdma_mode_request() { return request(RDMA_NLDEV_CMD_SYS_GET); }

MessageWriter rdma_devices_request() { return request(RDMA_NLDEV_CMD_GET); }

MessageWriter rdma_ports_request(std::uint32_t device) {
  auto message = request(RDMA_NLDEV_CMD_PORT_GET);
  message.put_number(RDMA_NLDEV_ATTR_DEV_INDEX, device);
  return message;
}

MessageWriter rdma_move_request(std::uint32_t device, int netns_fd) {
  auto message = request(RDMA_NLDEV_CMD_SET);
  message.put_number(RDMA_NLDEV_ATTR_DEV_INDEX, device);
  message.put_number(RDMA_NLDEV_NET_NS_FD, static_cast<std::uint32_t>(netns_fd));
  return message;
}

MessageWriter rdma_rename_request(std::uint32_t device, const std::string& name) {
  auto message = request(RDMA_NLDEV_CMD_SET);
  message.put_number(RDMA_NLDEV_ATTR_DEV_INDEX, device);
  message.put_text(RDMA_NLDEV_ATTR_DEV_NAME, name);
  return message;
}

Result<RdmaMode> decode_rdma_mode(const Message& message) {
  std::optional<std::uint8_t> shared;
  AttributeReader reader(message.payload);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RDMA_NLDEV_SYS_ATTR_NETNS_MODE) shared = attribute.number<std::uint8_t>();
  }
  if (reader.malformed() || !shared) return malformed("no mode of sharing");
  return *shared != 0 ? RdmaMode::kShared : RdmaMode::kExclusive;
}

Result<RdmaLink> decode_rdma_device(const Message& message) {
  RdmaLink device;
  std::optional<std::uint32_t> index;
  AttributeReader reader(message.payload);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RDMA_NLDEV_ATTR_DEV_INDEX) index = attribute.number<std::uint32_t>();
    if (attribute.type == RDMA_NLDEV_ATTR_DEV_NAME) device.name = attribute.text();
  }
  if (reader.malformed() || !index) return malformed("a device without its index");
  device.index = *index;
  return device;
}

Result<RdmaPort> decode_rdma_port(const Message& message) {
  RdmaPort port;
  std::optional<std::uint32_t> number, netdev;
  AttributeReader reader(message.payload);
  for (Attribute attribute; reader.next(attribute);) {
    if (attribute.type == RDMA_NLDEV_ATTR_PORT_INDEX) number = attribute.number<std::uint32_t>();
    if (attribute.type == RDMA_NLDEV_ATTR_NDEV_INDEX) netdev = attribute.number<std::uint32_t>();
  }
  if (reader.malformed() || !number) return malformed("a port without its number");
  port.number = *number;
  port.netdev.value = netdev.value_or(0);
  return port;
}

}  // namespace sluice::netlink
