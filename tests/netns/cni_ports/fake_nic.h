// SPDX-License-Identifier: Apache-2.0
// A NIC behind the VfControl socket: attributes of its VFs, set in the kernel's order, with levers.
//
// Threading: its own thread serves; all methods from the test's thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/netlink/vf_attributes.h"
#include "common/os/event_loop.h"
#include "common/os/frame_socket.h"

namespace sluice::testing {

class FakeNic {
 public:
  explicit FakeNic(std::string socket);
  ~FakeNic() { stop(); }
  void start();
  void stop();

  netlink::VfAttributes attributes(const std::string& pci) const;
  void set(const std::string& pci, const netlink::VfAttributes& attributes);
  // The driver takes no `trust`; what comes before it in a request stays, as in the kernel.
  void refuse_trust(bool on);
  void refuse_zero_mac(bool on);
  // The administrative MACs that were set, in order.
  std::vector<std::string> macs() const;
  std::size_t requests() const;  // that set something

 private:
  std::string answer(const std::string& text);

  std::string socket_;
  mutable std::mutex mutex_;
  std::map<std::string, netlink::VfAttributes> vfs_;
  std::vector<std::string> macs_;
  std::size_t requests_ = 0;
  bool refuse_trust_ = false, refuse_zero_mac_ = false;
  std::unique_ptr<os::EventLoop> loop_;
  std::unique_ptr<os::FrameServer> server_;
  std::thread thread_;
};

}  // namespace sluice::testing
