// SPDX-License-Identifier: Apache-2.0
// What a pod can leave on its link, and taking it away again.
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/netlink/transport.h"
#include "common/os/unique_fd.h"
#include "tests/netns/common/space.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

// "return XDP_PASS"
os::UniqueFd load_xdp_program() {
  bpf_insn program[2] = {};
  program[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  program[0].imm = XDP_PASS;
  program[1].code = BPF_JMP | BPF_EXIT;
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_XDP;
  attributes.insn_cnt = 2;
  attributes.insns = reinterpret_cast<std::uintptr_t>(program);
  attributes.license = reinterpret_cast<std::uintptr_t>("GPL");
  return os::UniqueFd(
      static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
}

Status attach(VethSpace& space, int program, std::uint32_t mode) {
  return space.netns.run_in([&]() -> Status {
    SLUICE_TRY(auto transport, Transport::open(NETLINK_ROUTE));
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(space.a.value);
    MessageWriter message(RTM_SETLINK, 0);
    message.put_struct(header);
    const auto xdp = message.begin(IFLA_XDP | NLA_F_NESTED);
    message.put_number(IFLA_XDP_FD, std::int32_t{program});
    message.put_number(IFLA_XDP_FLAGS, mode);
    message.end(xdp);
    SLUICE_TRY([[maybe_unused]] const auto replies, transport.request(message, "attach"));
    return {};
  });
}

}  // namespace

TEST_CASE("Flags, group and queue length are set in one request, and read back") {
  VethSpace space;
  LinkChange change;
  change.promiscuous = true;
  change.all_multicast = true;
  change.group = 77;
  change.tx_queue_length = 321;
  REQUIRE_OK(space.rtnl.change_link(space.a, change));
  auto link = *space.rtnl.link(space.a);
  CHECK(link.promiscuous);
  CHECK(link.promiscuity == 1);
  CHECK(link.all_multicast);
  CHECK(link.group == 77);
  CHECK(link.tx_queue_length == 321);
  CHECK(link.up);  // as it was
  CHECK(link.type == 1);
  CHECK(link.parent.empty());
  change = {};
  change.promiscuous = false;
  change.group = 0;
  REQUIRE_OK(space.rtnl.change_link(space.a, change));
  link = *space.rtnl.link(space.a);
  CHECK_FALSE(link.promiscuous);
  CHECK(link.all_multicast);
  CHECK(link.group == 0);
  CHECK(link.tx_queue_length == 321);
}

TEST_CASE("A bridge makes its port promiscuous, which isn't user space's flag") {
  VethSpace space;
  REQUIRE_OK(space.rtnl.add_bridge("slbr", {}));
  LinkChange change;
  change.master = space.rtnl.link("slbr")->index;
  REQUIRE_OK(space.rtnl.change_link(space.a, change));
  CHECK(space.rtnl.link(space.a)->promiscuity == 1);
  CHECK_FALSE(space.rtnl.link(space.a)->promiscuous);
}

TEST_CASE("Alternative names are read, deleted, and gone when they are gone") {
  VethSpace space;
  for (const char* name : {"one", "a-name-of-more-than-fifteen-bytes", "three"}) {
    space.run({"ip", "link", "property", "add", "dev", "sla", "altname", name});
  }
  auto names = space.rtnl.link(space.a)->altnames;
  CHECK(names.size() == 3);
  CHECK(space.rtnl.link("one")->index == space.a);
  // One that is gone doesn't keep those behind it.
  REQUIRE_OK(
      space.rtnl.delete_altnames(space.a, {"one", "never", "a-name-of-more-than-fifteen-bytes"}));
  CHECK(space.rtnl.link(space.a)->altnames == std::vector<std::string>{"three"});
  REQUIRE_OK(space.rtnl.delete_altnames(space.a, {}));
  CHECK(space.rtnl.delete_altnames(space.a, {std::string(128, 'x')}).error().code ==
        Code::kInvalid);
  CHECK(space.rtnl.delete_altnames(space.a, {""}).error().code == Code::kInvalid);
  CHECK(space.rtnl.delete_altnames({space.b.value + 1000}, {"three"}).error().code ==
        Code::kNotFound);
}

TEST_CASE("Another link's alternative name stays") {
  VethSpace space;
  space.run({"ip", "link", "property", "add", "dev", "slb", "altname", "other"});
  CHECK_FALSE(space.rtnl.delete_altnames(space.a, {"other"}));
  CHECK(space.rtnl.link(space.b)->altnames == std::vector<std::string>{"other"});
}

TEST_CASE("Qdiscs that were configured go away, ingress and root") {
  VethSpace space;
  const std::string before = space.output_of({"tc", "qdisc", "show", "dev", "sla"});
  const std::string kind = space.rtnl.link(space.a)->qdisc;
  REQUIRE_OK(space.rtnl.reset_qdiscs(space.a));  // none
  const std::vector<std::string> root = {"tc",   "qdisc", "add",   "dev", "sla",     "root", "tbf",
                                         "rate", "1mbit", "burst", "10k", "latency", "10ms"};
  for (const char* ingress : {"clsact", "ingress"}) {
    INFO(ingress);
    space.run(root);
    space.run({"tc", "qdisc", "add", "dev", "sla", ingress});
    CHECK(space.rtnl.link(space.a)->qdisc == "tbf");
    REQUIRE_OK(space.rtnl.reset_qdiscs(space.a));
    CHECK(space.output_of({"tc", "qdisc", "show", "dev", "sla"}) == before);
    CHECK(space.rtnl.link(space.a)->qdisc == kind);
  }
  CHECK(space.rtnl.reset_qdiscs({space.b.value + 1000}).error().code == Code::kNotFound);
}

TEST_CASE("An XDP program is seen and detached, native and generic") {
  const auto program = load_xdp_program();
  REQUIRE(program);
  VethSpace space;
  CHECK_FALSE(space.rtnl.link(space.a)->xdp);
  LinkChange change;
  change.detach_xdp = true;
  change.group = 5;
  REQUIRE_OK(space.rtnl.change_link(space.a, change));  // none
  for (const std::uint32_t mode : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
    INFO(mode);
    REQUIRE_OK(attach(space, program.get(), mode));
    CHECK(space.rtnl.link(space.a)->xdp);
    REQUIRE_OK(space.rtnl.change_link(space.a, change));
    CHECK_FALSE(space.rtnl.link(space.a)->xdp);
  }
  CHECK(space.rtnl.link(space.a)->group == 5);
}

TEST_CASE("All of a VF's attributes go to a PF only, and the kernel says so") {
  VethSpace space;
  VfAttributes wish;
  CHECK(space.rtnl.set_vf_attributes(space.a, 3, wish));  // nothing to set
  wish.vlan = 100;
  wish.trust = true;
  const auto status = space.rtnl.set_vf_attributes(space.a, 3, wish);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Code::kUnsupported);
  CHECK(status.error().message.find("of VF 3 on link") != std::string::npos);
  // Each by itself: the kernel takes its form, and misses only the PF.
  const auto alone = [&](auto set) {
    VfAttributes one;
    set(one);
    const auto refused = space.rtnl.set_vf_attributes(space.a, 3, one);
    REQUIRE_FALSE(refused);
    INFO(refused.error().message);
    CHECK(refused.error().code == Code::kUnsupported);
  };
  alone([](auto& w) { w.mac = MacAddr{{2, 0, 0, 0, 0, 1}}; });
  alone([](auto& w) { w.vlan = 100; });
  alone([](auto& w) {
    w.vlan = 100;
    w.vlan_protocol = 0x88a8;
  });
  alone([](auto& w) { w.max_rate_mbps = 100; });
  alone([](auto& w) { w.spoof_check = true; });
  alone([](auto& w) { w.link_state = VfLinkState::kEnable; });
  alone([](auto& w) { w.rss_query = true; });
  alone([](auto& w) { w.trust = true; });
  alone([](auto& w) { w.node_guid = 1; });
  alone([](auto& w) { w.port_guid = 1; });
  wish.vlan = 5000;
  CHECK(space.rtnl.set_vf_attributes(space.a, 3, wish).error().domain == Domain::kNone);
}
