// SPDX-License-Identifier: Apache-2.0
#include "tests/netns/cni_ports/ports_lab.h"

#include <doctest/doctest.h>
#include <sched.h>

#include "common/os/process.h"

namespace sluice::testing {
namespace {

const MacAddr kMac = *MacAddr::parse("02:00:00:00:01:00");

std::optional<netlink::Link> link_of(netlink::Rtnl& rtnl, const std::string& name) {
  auto link = rtnl.link(name);
  if (link) return std::move(*link);
  REQUIRE(link.error().code == Code::kNotFound);
  return std::nullopt;
}

}  // namespace

std::optional<netlink::Link> TestPod::link(const std::string& name) { return link_of(rtnl, name); }

std::string TestPod::output(const std::vector<std::string>& argv) const {
  std::string out, err;
  int status = -1;
  REQUIRE_OK(netns.run_in([&]() -> Status {
    SLUICE_TRY(const auto exit, os::run_program(argv, ""));
    out = exit.out;
    err = exit.err;
    status = exit.status;
    return {};
  }));
  INFO(argv.front() << ": " << err);
  REQUIRE(status == 0);
  return out;
}

void TestPod::run(const std::vector<std::string>& argv) const { output(argv); }

PortsLab::PortsLab() : before_(*os::NetNs::current()) {
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  host_ = *os::NetNs::current();
  auto rtnl = *netlink::Rtnl::open();
  REQUIRE_OK(rtnl.add_veth({"vf0", kMac, 1500, {}, false}, {"rep0", {}, 1500, {}, true}));
  index_ = rtnl.link("vf0")->index;
  sysfs.add_pf(kPf, "sluice_softnic", "");
  sysfs.add_vf(kPf, 0, kVf, "sluice_softnic_vf");
  sysfs.add_vf(kPf, 1, kOtherVf, "vfio-pci");
  place = {sysfs.path(), dir / "vf.sock", dir / "baselines"};
  refresh();
}

PortsLab::~PortsLab() { ::setns(before_.fd(), CLONE_NEWNET); }

void PortsLab::refresh() {
  auto rtnl = *netlink::Rtnl::open();
  if (!shown_.empty()) sysfs.remove_netdev(shown_);
  shown_.clear();
  const auto now = rtnl.link(*index_);
  if (!now) return;
  shown_ = now->name;
  NetdevSpec spec;
  spec.mac = now->mac.to_string();
  spec.if_index = now->index.value;
  spec.mtu = now->mtu;
  sysfs.add_netdev(kVf, now->name, spec);
}

std::optional<netlink::Link> PortsLab::link(const std::string& name) {
  auto rtnl = *netlink::Rtnl::open();
  return link_of(rtnl, name);
}

std::string PortsLab::output(const std::vector<std::string>& argv) const {
  const auto exit = os::run_program(argv, "");
  REQUIRE_OK(exit);
  INFO(argv.front() << ": " << exit->err);
  REQUIRE(exit->status == 0);
  return exit->out;
}

void PortsLab::run(const std::vector<std::string>& argv) const { output(argv); }

cni::Record PortsLab::plan(const cni::VfWish& wish, const TestPod& pod,
                           const std::string& container) {
  auto found = cni::find_vf(nics, place, vf());
  REQUIRE_OK(found);
  REQUIRE_OK(cni::check_wish(*found, wish));
  cni::Record record;
  record.key = {container, "eth0"};
  record.netns = "the pod's";
  record.netns_inode = pod.netns.inode();
  cni::describe_vf(*found, wish, record);
  found_ = std::move(*found);
  return record;
}

Status PortsLab::attach(const cni::Record& record, const TestPod& pod) {
  auto attached = cni::attach_vf(*found_, record, pod.netns);
  refresh();
  return attached;
}

Status PortsLab::give_back(const cni::Record& record, const TestPod* pod) {
  auto returned = cni::return_vf(nics, record, pod == nullptr ? nullptr : &pod->netns,
                                 std::chrono::milliseconds(50));
  refresh();
  return returned;
}

void PortsLab::kernel_returns(TestPod& pod, const std::string& name) {
  const auto link = pod.link(name);
  REQUIRE(link);
  netlink::LinkChange change;
  change.netns_fd = host_->fd();
  REQUIRE_OK(pod.rtnl.change_link(link->index, change));
  refresh();
}

void PortsLab::check_home() {
  const auto home = link("vf0");
  REQUIRE(home);
  CHECK(home->mac == kMac);
  CHECK(home->mtu == 1500);
  CHECK(home->alias.empty());
  CHECK(home->altnames.empty());
  CHECK_FALSE(home->up);
  CHECK_FALSE(home->promiscuous);
  CHECK_FALSE(home->all_multicast);
  CHECK(home->group == 0);
}

}  // namespace sluice::testing
