// SPDX-License-Identifier: Apache-2.0
// Messages about RDMA devices, both ways: pure functions of bytes. Internal to common/netlink and
// its tests.
//
// Contract: an answer without what it must say (a device's index, a port's number) is an Error.
// Source: include/uapi/rdma/rdma_netlink.h.
#pragma once

#include "common/netlink/message.h"
#include "common/netlink/rdma.h"

namespace sluice::netlink {

MessageWriter rdma_mode_request();
MessageWriter rdma_devices_request();                    // a dump
MessageWriter rdma_ports_request(std::uint32_t device);  // a dump
MessageWriter rdma_move_request(std::uint32_t device, int netns_fd);
MessageWriter rdma_rename_request(std::uint32_t device, const std::string& name);

Result<RdmaMode> decode_rdma_mode(const Message& message);
Result<RdmaLink> decode_rdma_device(const Message& message);  // without its ports
Result<RdmaPort> decode_rdma_port(const Message& message);

}  // namespace sluice::netlink
