// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/rdma_messages.h"

#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

#include <map>

using namespace sluice;
using namespace sluice::netlink;

namespace {

template <class Fill>
auto decoded(Fill fill, auto decode) {
  MessageWriter writer(0, 0);
  fill(writer);
  return decode(Message{0, 0, 0, writer.bytes().subspan(sizeof(nlmsghdr))});
}

std::map<std::uint16_t, std::uint32_t> numbers_in(const MessageWriter& message) {
  std::map<std::uint16_t, std::uint32_t> numbers;
  AttributeReader reader(message.bytes().subspan(sizeof(nlmsghdr)));
  for (Attribute one; reader.next(one);) {
    REQUIRE(one.number<std::uint32_t>());
    numbers[one.type] = *one.number<std::uint32_t>();
  }
  return numbers;
}

}  // namespace

TEST_CASE("Requests are of the device protocol and name what they are about") {
  constexpr int kProtocol = RDMA_NL_NLDEV << 10;
  CHECK(rdma_mode_request().type() == kProtocol + RDMA_NLDEV_CMD_SYS_GET);
  CHECK(rdma_devices_request().type() == kProtocol + RDMA_NLDEV_CMD_GET);
  CHECK(numbers_in(rdma_devices_request()).empty());
  const auto ports = rdma_ports_request(4);
  CHECK(ports.type() == kProtocol + RDMA_NLDEV_CMD_PORT_GET);
  CHECK(numbers_in(ports) ==
        std::map<std::uint16_t, std::uint32_t>{{RDMA_NLDEV_ATTR_DEV_INDEX, 4}});
  const auto move = rdma_move_request(4, 9);
  CHECK(move.type() == kProtocol + RDMA_NLDEV_CMD_SET);
  CHECK(numbers_in(move) == std::map<std::uint16_t, std::uint32_t>{{RDMA_NLDEV_ATTR_DEV_INDEX, 4},
                                                                   {RDMA_NLDEV_NET_NS_FD, 9}});
  const auto rename = rdma_rename_request(4, "mlx5_7");
  CHECK(rename.type() == kProtocol + RDMA_NLDEV_CMD_SET);
  // A device's answer has the same attributes.
  const auto named = decode_rdma_device(Message{0, 0, 0, rename.bytes().subspan(sizeof(nlmsghdr))});
  REQUIRE(named);
  CHECK(named->index == 4);
  CHECK(named->name == "mlx5_7");
}

TEST_CASE("The mode") {
  const auto mode = [](std::uint8_t value) {
    return decoded([&](MessageWriter& w) { w.put_number(RDMA_NLDEV_SYS_ATTR_NETNS_MODE, value); },
                   decode_rdma_mode);
  };
  CHECK(*mode(1) == RdmaMode::kShared);
  CHECK(*mode(0) == RdmaMode::kExclusive);
  CHECK_FALSE(decoded([](MessageWriter&) {}, decode_rdma_mode));
}

TEST_CASE("A device and its ports") {
  const auto device = decoded(
      [](MessageWriter& w) {
        w.put_number(RDMA_NLDEV_ATTR_DEV_INDEX, std::uint32_t{0});
        w.put_text(RDMA_NLDEV_ATTR_DEV_NAME, "mlx5_3");
        w.put_number(RDMA_NLDEV_ATTR_PORT_INDEX, std::uint32_t{2});
      },
      decode_rdma_device);
  REQUIRE(device);
  CHECK(device->index == 0);
  CHECK(device->name == "mlx5_3");
  CHECK(device->ports.empty());
  const auto port = [](std::optional<std::uint32_t> netdev) {
    return *decoded(
        [&](MessageWriter& w) {
          w.put_number(RDMA_NLDEV_ATTR_PORT_INDEX, std::uint32_t{2});
          if (netdev) w.put_number(RDMA_NLDEV_ATTR_NDEV_INDEX, *netdev);
        },
        decode_rdma_port);
  };
  CHECK(port(17).number == 2);
  CHECK(port(17).netdev == IfIndex{17});
  CHECK(port({}).netdev == IfIndex{});
}

TEST_CASE("A device without its index and a port without its number are errors") {
  const auto name_only = [](MessageWriter& w) { w.put_text(RDMA_NLDEV_ATTR_DEV_NAME, "x"); };
  CHECK_FALSE(decoded(name_only, decode_rdma_device));
  CHECK_FALSE(decoded(name_only, decode_rdma_port));
  const auto overrun = [](MessageWriter& w) {
    w.put_number(RDMA_NLDEV_ATTR_DEV_INDEX, std::uint32_t{1});
    w.put_struct(std::uint32_t{0x0001ffff});
  };
  CHECK_FALSE(decoded(overrun, decode_rdma_device));
}
