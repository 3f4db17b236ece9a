// SPDX-License-Identifier: Apache-2.0
// The ethdev ports of one eswitch: found, started, and the way of packets to and from the slow
// path.
//
// Contract: ports are known by switch domain and representor only. receive() lends each frame to
// the callback, which may change its bytes; when it returns 0, everything is handled and the
// descriptors of rx_fds() will wake up a sleeper. send() leaves on the other side of the port.
// Threading: open() and close() from one thread; receive() and send() from one other, registered
// with DPDK (ThreadRegistration) and done before close().
// Errors: domain kDpdk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "offload/backends/rteflow/translate.h"
#include "offload/model/flow_backend.h"

namespace sluice::rteflow {

class Device {
 public:
  using Handler =
      std::function<void(model::PortId port, std::uint32_t meta, std::span<std::uint8_t> frame)>;

  // `proxy` names the ethdev of the uplink (or any port of the eswitch: its transfer proxy is
  // taken).
  static Result<std::unique_ptr<Device>> open(const std::string& proxy, Logger log);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const EthPorts& ports() const;
  model::Capabilities capabilities()
      const;  // device and vfs; what rules can do is the Backend's to probe
  std::vector<int> rx_fds() const;
  std::size_t receive(const Handler& handler);
  Status send(model::PortId port, std::span<const std::uint8_t> frame);
  // Of every port: what leaves by one is cut to it, what the slow path gets too.
  Status set_mtu(std::uint16_t mtu);
  void close();  // stops and closes all ports; twice is harmless

 private:
  struct State;
  explicit Device(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sluice::rteflow
