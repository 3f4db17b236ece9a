// SPDX-License-Identifier: Apache-2.0
// A host whose VFs are veths, and its pods. While a PortsLab is there, the test's thread is in the
// host's namespace, as the program is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"
#include "sriov-cni/ports/vf.h"
#include "tests/netns/cni_ports/fake_nic.h"
#include "tests/support/fake_sysfs/fake_sysfs.h"
#include "tests/unit/common/temp_dir.h"

#define REQUIRE_OK(expression)                                       \
  do {                                                               \
    const auto& outcome_ = (expression);                             \
    INFO((outcome_ ? std::string() : outcome_.error().to_string())); \
    REQUIRE(outcome_);                                               \
  } while (false)

namespace sluice::testing {

inline constexpr const char* kPf = "0000:3b:00.0";
inline constexpr const char* kVf = "0000:3b:00.2";
inline constexpr const char* kOtherVf = "0000:3b:00.3";

struct TestPod {
  os::NetNs netns = *os::NetNs::create_anonymous();
  netlink::Rtnl rtnl = *netlink::Rtnl::open_in(netns);
  std::optional<netlink::Link> link(const std::string& name);
  void run(const std::vector<std::string>& argv) const;  // a program inside; it must succeed
  std::string output(const std::vector<std::string>& argv) const;
};

class PortsLab {
 public:
  PortsLab();
  ~PortsLab();

  // sysfs as the kernel would have it now: the VFs' netdevs that are here, by their index.
  void refresh();
  std::optional<netlink::Link> link(const std::string& name);
  void run(const std::vector<std::string>& argv) const;
  std::string output(const std::vector<std::string>& argv) const;
  nic::PciAddress vf() const { return *nic::PciAddress::parse(kVf); }

  // What ADD does: find, check, describe, attach.
  cni::Record plan(const cni::VfWish& wish, const TestPod& pod,
                   const std::string& container = "c1");
  Status attach(const cni::Record& record, const TestPod& pod);
  Status give_back(const cni::Record& record, const TestPod* pod);
  // Moved out of the pod as the kernel does it for a namespace that dies.
  void kernel_returns(TestPod& pod, const std::string& name);
  void check_home();  // the VF is as it was made, and unmarked

  test::TempDir dir;
  FakeSysfs sysfs{dir / "machine"};
  FakeNic nic{dir / "vf.sock"};
  cni::NicPlace place;
  cni::Nics nics;

 private:
  os::NetNs before_;
  std::optional<os::NetNs> host_;
  std::optional<cni::FoundVf> found_;
  std::optional<netlink::IfIndex> index_;
  std::string shown_;  // the netdev that sysfs has; empty: none
};

}  // namespace sluice::testing
