// SPDX-License-Identifier: Apache-2.0
// The offload engine's and the simulated NIC's sockets, with state and levers instead of a NIC.
//
// Threading: its own thread serves; all methods from the test's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/os/event_loop.h"
#include "common/os/frame_socket.h"

namespace sluice::testing {

struct Attached {
  std::string pod, interface, mac, ip, pci, veth;
  std::vector<std::string> ports;  // "tcp 8080 -> 80", "udp 10.0.0.1:53 -> 53"
};

class FakeEngine {
 public:
  FakeEngine(std::string directory, std::string sysfs_root);
  ~FakeEngine();

  void start();  // detaches first what was withdrawn while it was away
  void stop();   // keeps what it knows; what the NIC's VFs were told goes
  // Only the engine goes: the NIC is somebody else's, as hardware is.
  void stop_beside_nic();

  std::string socket() const { return directory_ + "/offload.sock"; }
  void set_pod_cidr(const std::string& cidr);
  void refuse_attach(bool on);  // it does attach, and then says that it couldn't
  void refuse_attach_of(const std::string& interface);  // the same for one interface; "": none
  void set_problem(const std::string& problem);  // what it answers to CheckAttachment; "": none
  std::map<std::string, Attached> attachments() const;
  // What the CNI has left for it, by the files' names; take_in() attaches them as a start would.
  std::map<std::string, Attached> pending() const;
  void take_in();
  std::string admin_mac(const std::string& pci) const;  // "" when never set
  std::uint32_t vlan(const std::string& pci) const;
  void set_vlan(const std::string& pci, std::uint32_t vlan);  // somebody else's doing
  // The VF's socket refuses a request that sets a VLAN.
  void refuse_vlan(bool on);

 private:
  void apply_withdrawals();
  std::string answer(const std::string& request);
  std::string answer_vf(const std::string& request);
  std::string pending_directory() const { return directory_ + "/pending"; }

  std::string directory_, sysfs_root_;
  mutable std::mutex mutex_;
  std::string pod_cidr_ = "10.244.1.0/24";
  bool refuse_attach_ = false;
  std::string refused_interface_, problem_;
  bool refuse_vlan_ = false;
  std::map<std::string, Attached> attachments_;
  std::map<std::string, std::string> admin_macs_;
  std::map<std::string, std::uint32_t> vlans_;
  std::unique_ptr<os::EventLoop> loop_;
  std::unique_ptr<os::FrameServer> server_, vf_server_;
  std::thread thread_;
};

}  // namespace sluice::testing
