// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/softnic.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <thread>

#include "common/nic/inventory.h"
#include "common/nic/vf_control.h"
#include "common/os/files.h"
#include "offload/softnic/identity.h"
#include "tests/netns/softnic/test_node.h"

using namespace sluice;
using namespace sluice::softnic;
using namespace sluice::testing;

namespace {

class Sink final : public LegSink {
 public:
  Status attach(std::uint16_t port, std::unique_ptr<legs::Leg> leg) override {
    if (legs.contains(port)) return fail(Code::kExists, "port is taken");
    legs[port] = std::move(leg);
    ++attached;
    return {};
  }
  Status detach(std::uint16_t port) override {
    legs.erase(port);
    return {};
  }
  std::map<std::uint16_t, std::unique_ptr<legs::Leg>> legs;
  int attached = 0;
};

struct Machine {
  TestNode node;
  os::NetNs outside = new_netns();
  std::unique_ptr<os::EventLoop> loop = os::EventLoop::create().value();
  Sink sink;
  std::unique_ptr<SoftNic> nic;

  Machine() {
    node.add_wire("eth0", outside, "wire", "192.0.2.254");
    start(3);
  }
  Options options(std::uint16_t vfs) const {
    return {"eth0", vfs, node.dir() + "/run/netns/rep", node.dir() + "/run", "node-a"};
  }
  void start(std::uint16_t vfs) {
    auto made = SoftNic::create(*loop, options(vfs), sink, Logger());
    REQUIRE_MESSAGE(made, made.error().to_string());
    nic = std::move(*made);
  }
  void kill() {  // what a killed process leaves: everything but its descriptors
    nic.reset();
    sink.legs.clear();
  }
  nic::Inventory inventory() const {
    return nic::read_inventory(os::Root::open(nic->sysfs_root()).value()).value();
  }
  bool await(std::uint16_t vf, VfPlace place) {
    return run_until(*loop, [&] { return nic->vfs()[vf].place == place; });
  }
  void move(const std::string& name, const os::NetNs& to) {
    netlink::LinkChange change;
    change.netns_fd = to.fd();
    REQUIRE(node.rtnl().change_link(node.link(name).index, change));
  }
};

const std::string kMarked = "a frame from the pod reaches the VF's leg";

// From inside of a namespace that holds the netdev.
bool reaches_leg(Machine& machine, const os::NetNs& pod, const std::string& netdev,
                 std::uint16_t port) {
  run_in(pod, "ip link set " + netdev + " up");
  send_raw(pod, netdev, plain_frame(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02"), 0x77));
  return await_frame(*machine.sink.legs.at(port),
                     [](const Bytes& bytes) { return bytes.back() == 0x77; })
      .has_value();
}

}  // namespace

TEST_CASE("the ordinary discovery reads the simulated NIC") {
  Machine machine;
  const auto inventory = machine.inventory();
  CHECK(inventory.broken.empty());
  REQUIRE(inventory.pfs.size() == 1);
  const nic::Pf& pf = inventory.pfs[0];
  CHECK(pf.driver == nic::kSimulatedDriver);
  CHECK(pf.vendor == 0xfffe);
  CHECK(pf.total_vfs == 3);
  CHECK(pf.switch_id == switch_id("node-a", "eth0"));
  CHECK_FALSE(pf.numa_node);
  REQUIRE(pf.netdev);
  CHECK(pf.netdev->name == "eth0");
  CHECK(pf.netdev->if_index == machine.node.link("eth0").index.value);
  REQUIRE(pf.vfs.size() == 3);
  for (std::uint16_t i = 0; i < 3; ++i) {
    const nic::Vf& vf = pf.vfs[i];
    CHECK(vf.index == i);
    CHECK(vf.address == vf_address(i));
    CHECK(vf.driver == nic::kSimulatedDriver);
    REQUIRE(vf.netdev);
    CHECK(vf.netdev->name == "eth0v" + std::to_string(i));
    CHECK(vf.netdev->mac == vf_mac("node-a", i));
    CHECK(vf.netdev->if_index == machine.node.link(vf.netdev->name).index.value);
  }
  std::size_t vf_representors = 0;
  for (const auto& rep : inventory.representors) {
    CHECK(rep.switch_id == pf.switch_id);
    vf_representors += rep.vf ? 1 : 0;
  }
  CHECK(vf_representors == 3);
  CHECK(machine.sink.legs.size() == 4);
  CHECK(machine.nic->uplink_mac() == machine.node.link("eth0").mac);
  CHECK(machine.nic->uplink_mtu() == 1500);

  // Representors: no address of any family, so no stray frames.
  auto rtnl = netlink::Rtnl::open_in(machine.nic->representors()).value();
  CHECK(rtnl.addresses({0})->empty());
  inside(machine.nic->representors(), [] { CHECK(output_of("ip -6 addr show up").empty()); });
}

TEST_CASE("a VF goes to a pod and comes back as it was left there") {
  Machine machine;
  int changes = 0;
  machine.nic->on_change([&] { ++changes; });
  const os::NetNs pod = new_netns();
  machine.move("eth0v1", pod);
  REQUIRE(machine.await(1, VfPlace::kInPod));
  CHECK(changes > 0);
  CHECK(machine.nic->vfs()[1].netdev.empty());
  CHECK(machine.nic->vfs()[0].place == VfPlace::kHere);
  auto inventory = machine.inventory();
  CHECK(inventory.broken.empty());
  CHECK_FALSE(inventory.pfs.at(0).vfs.at(1).netdev);
  CHECK(inventory.pfs.at(0).vfs.at(1).driver == nic::kSimulatedDriver);
  CHECK_MESSAGE(reaches_leg(machine, pod, "eth0v1", kFirstVfPort + 1), kMarked);

  run_in(pod, "ip link set eth0v1 down");
  run_in(pod, "ip link set eth0v1 name left address 02:00:00:00:00:99 mtu 1300");
  const os::NetNs here = os::NetNs::current().value();
  auto pod_rtnl = netlink::Rtnl::open_in(pod).value();
  netlink::LinkChange back;
  back.netns_fd = here.fd();
  REQUIRE(pod_rtnl.change_link(pod_rtnl.link("left")->index, back));
  REQUIRE(machine.await(1, VfPlace::kHere));
  CHECK(machine.nic->vfs()[1].netdev == "left");
  CHECK(machine.nic->vfs()[1].mac == mac("02:00:00:00:00:99"));
  CHECK(machine.node.link("left").mtu == 1300);
  CHECK(machine.inventory().pfs.at(0).vfs.at(1).netdev->name == "left");
  CHECK(machine.sink.attached == 4);  // the leg stayed
}

TEST_CASE("a foreign veth with the same numbers isn't taken for a VF") {
  Machine machine;
  const os::NetNs pod = new_netns(), other = new_netns();
  const os::NetNs here = os::NetNs::current().value();
  auto reps = netlink::Rtnl::open_in(machine.nic->representors()).value();
  const std::uint32_t rep = reps.link("rep0")->index.value;
  machine.move("eth0v0", pod);
  REQUIRE(machine.await(0, VfPlace::kInPod));
  // Its peer has the representor's index, in another namespace.
  run_in(other, "ip link add foreign index " + std::to_string(rep) +
                    " type veth peer name back index 900");
  inside(other, [&] {
    auto rtnl = netlink::Rtnl::open().value();
    netlink::LinkChange change;
    change.netns_fd = here.fd();
    CHECK(rtnl.change_link(rtnl.link("back")->index, change));
  });
  REQUIRE(machine.node.link("back").peer.value == rep);
  run("ip link set eth0v2 mtu 1400");  // something later to wait for
  REQUIRE(run_until(*machine.loop, [&] {
    return os::read_file(machine.nic->sysfs_root() + "/class/net/eth0v2/mtu") == "1400\n";
  }));
  CHECK(machine.nic->vfs()[0].place == VfPlace::kInPod);
}

TEST_CASE("a VF that died with its namespace is made again, the same, and works") {
  Machine machine;
  std::optional<os::NetNs> pod = new_netns();
  machine.move("eth0v2", *pod);
  REQUIRE(machine.await(2, VfPlace::kInPod));
  pod.reset();
  REQUIRE(machine.await(2, VfPlace::kHere));
  const netlink::Link link = machine.node.link("eth0v2");
  CHECK(link.mac == vf_mac("node-a", 2));
  CHECK(link.mtu == 1500);
  CHECK_FALSE(link.up);
  CHECK(machine.sink.attached == 5);
  CHECK(machine.inventory().pfs.at(0).vfs.at(2).netdev->if_index == link.index.value);
  CHECK_MESSAGE(reaches_leg(machine, os::NetNs::current().value(), "eth0v2", kFirstVfPort + 2),
                kMarked);
}

TEST_CASE("a new process takes over what a killed one left") {
  Machine machine;
  const os::NetNs pod = new_netns();
  machine.move("eth0v0", pod);
  REQUIRE(machine.await(0, VfPlace::kInPod));
  const auto index = machine.node.link("eth0v1").index;
  const os::Root held = os::Root::open(machine.nic->sysfs_root()).value();  // a reader's
  machine.kill();
  REQUIRE(os::write_file_atomic(machine.node.dir() + "/run/sysfs/class/net/junk", "left over"));

  SUBCASE("with as many VFs") {
    machine.start(3);
    CHECK(machine.nic->vfs()[0].place == VfPlace::kInPod);
    CHECK(machine.nic->vfs()[1].place == VfPlace::kHere);
    CHECK(machine.node.link("eth0v1").index == index);
    CHECK(machine.sink.legs.size() == 4);
    CHECK_MESSAGE(reaches_leg(machine, pod, "eth0v0", kFirstVfPort), kMarked);
  }
  SUBCASE("with more VFs") {
    machine.start(5);
    CHECK(machine.nic->vfs().size() == 5);
    CHECK(machine.node.link("eth0v1").index == index);
    CHECK(machine.node.link("eth0v4").mac == vf_mac("node-a", 4));
  }
  SUBCASE("with fewer VFs") {
    machine.start(1);
    CHECK(machine.nic->vfs().size() == 1);
    CHECK(machine.nic->vfs()[0].place == VfPlace::kInPod);
    CHECK_FALSE(machine.node.rtnl().link("eth0v1"));
  }
  SUBCASE("half of it gone") {
    run("ip link del eth0v1");
    REQUIRE(os::remove_tree(machine.node.dir() + "/run/sysfs/bus"));
    machine.start(3);
    CHECK(machine.node.link("eth0v1").mac == vf_mac("node-a", 1));
  }
  SUBCASE("the tree's files gone, its directories not") {
    run("find " + machine.node.dir() + "/run/sysfs -not -type d -delete");
    machine.start(3);
  }
  const auto inventory = nic::read_inventory(held).value();  // by the directory it had open
  CHECK(inventory.broken.empty());
  CHECK(inventory.pfs.at(0).vfs.size() == machine.nic->vfs().size());
  CHECK_FALSE(held.exists("class/net/junk"));
}

TEST_CASE("a representor that isn't up, because making it was cut off or by hand, is put right") {
  Machine machine;
  auto reps = netlink::Rtnl::open_in(machine.nic->representors()).value();
  const os::NetNs here = os::NetNs::current().value();
  SUBCASE("found at the start") {
    const os::NetNs rep_netns = os::NetNs::open(machine.options(3).rep_netns_path).value();
    machine.kill();
    run("ip link del eth0v1");
    // As far as a process gets that is killed behind its first request.
    REQUIRE(machine.node.rtnl().add_veth({"eth0v1", vf_mac("node-a", 1), 1500, std::nullopt, false},
                                         {"rep1", std::nullopt, 1500, rep_netns.fd(), false}));
    REQUIRE_FALSE(reps.link("rep1")->up);
    machine.start(3);
    CHECK(reps.link("rep1")->up);
  }
  SUBCASE("while it runs") {
    netlink::LinkChange down;
    down.up = false;
    down.arp = true;
    REQUIRE(reps.change_link(reps.link("rep1")->index, down));
    REQUIRE(run_until(*machine.loop, [&] { return reps.link("rep1")->up; }));
  }
  inside(machine.nic->representors(),
         [] { CHECK(output_of("ip link show dev rep1").find("NOARP") != std::string::npos); });
  CHECK_MESSAGE(reaches_leg(machine, here, "eth0v1", kFirstVfPort + 1), kMarked);
}

TEST_CASE("a change of the uplink's MAC or MTU is told, and the representors follow its MTU") {
  Machine machine;
  auto reps = netlink::Rtnl::open_in(machine.nic->representors()).value();
  const auto& nic = *machine.nic;
  MacAddr told_mac;
  std::uint16_t told_mtu = 0;
  machine.nic->on_change([&] {
    told_mac = nic.uplink_mac();
    told_mtu = nic.uplink_mtu();
  });
  run("ip link set eth0 address 02:00:00:00:ee:01");
  REQUIRE(run_until(*machine.loop, [&] { return told_mac == mac("02:00:00:00:ee:01"); }));
  CHECK(told_mtu == 1500);
  run("ip link set eth0 mtu 9000");
  REQUIRE(run_until(*machine.loop, [&] { return told_mtu == 9000; }));
  CHECK(reps.link("rep0")->mtu == 9000);
  CHECK(reps.link("rep2")->mtu == 9000);
  CHECK(machine.node.link("eth0v0").mtu == 1500);  // whoever has the VF decides

  // A scan for somebody else comes first, and nothing but the uplink's MAC is new.
  const nic::Pf pf = machine.inventory().pfs.at(0);
  run("ip link set eth0 address 02:00:00:00:ee:02");
  std::atomic<bool> done = false;
  std::thread client([&] {
    auto control = nic::make_vf_control(pf, nic.vf_control_socket()).value();
    CHECK(control->set_mac(pf.vfs[0], MacAddr{}));
    done = true;
  });
  CHECK(run_until(*machine.loop,
                  [&] { return done.load() && told_mac == mac("02:00:00:00:ee:02"); }));
  client.join();

  // Missing: nobody is told of an address of zero.
  run("ip link del eth0");
  REQUIRE(run_until(*machine.loop, [&] { return !machine.sink.legs.contains(kUplinkPort); }));
  CHECK(nic.uplink_mac() == mac("02:00:00:00:ee:02"));
  CHECK(nic.uplink_mtu() == 9000);
  machine.node.add_wire("eth0", machine.outside, "wire", "192.0.2.254");
  REQUIRE(run_until(*machine.loop, [&] { return told_mtu == 1500; }));
  CHECK(told_mac == machine.node.link("eth0").mac);
}

TEST_CASE("the administrative MAC is set by the socket, like on a real PF") {
  Machine machine;
  const auto inventory = machine.inventory();
  const nic::Pf& pf = inventory.pfs.at(0);
  const auto set = [&](const nic::Vf& vf, const MacAddr& wanted) {
    auto control = nic::make_vf_control(pf, machine.nic->vf_control_socket()).value();
    Status result;
    std::atomic<bool> done = false;
    std::thread client([&] {
      result = control->set_mac(vf, wanted);
      done = true;
    });
    run_until(*machine.loop, [&] { return done.load(); });
    client.join();
    return result;
  };
  const MacAddr wanted = mac("02:00:00:00:aa:01");
  REQUIRE(set(pf.vfs[0], wanted));
  CHECK(machine.node.link("eth0v0").mac == wanted);
  CHECK(machine.inventory().pfs.at(0).vfs.at(0).netdev->mac == wanted);

  const auto multicast = set(pf.vfs[0], mac("01:00:00:00:00:01"));
  REQUIRE_FALSE(multicast);
  nic::Vf unknown = pf.vfs[0];
  unknown.address.function = 7;
  unknown.address.device = 9;
  const auto missing = set(unknown, wanted);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::kNotFound);

  {
    const os::NetNs pod = new_netns();
    machine.move("eth0v0", pod);
    REQUIRE(machine.await(0, VfPlace::kInPod));
    REQUIRE(set(pf.vfs[0], mac("02:00:00:00:aa:02")));
    auto there = netlink::Rtnl::open_in(pod).value();
    CHECK(there.link("eth0v0")->mac == wanted);  // the VF's own is the VF's
    machine.kill();
    machine.start(3);  // still knows it
  }
  REQUIRE(machine.await(0, VfPlace::kHere));
  CHECK(machine.node.link("eth0v0").mac == mac("02:00:00:00:aa:02"));
  REQUIRE(set(pf.vfs[0], MacAddr{}));
  CHECK(machine.node.link("eth0v0").mac == vf_mac("node-a", 0));
}

TEST_CASE("the uplink's leg sees what the node gets, and destroy leaves nothing") {
  Machine machine;
  send_raw(machine.outside, "wire",
           plain_frame(machine.nic->uplink_mac(), mac("02:00:00:00:00:02"), 8));
  CHECK(await_frame(*machine.sink.legs.at(kUplinkPort),
                    [](const Bytes& bytes) { return bytes.back() == 8; }));
  const os::NetNs pod = new_netns();
  machine.move("eth0v0", pod);
  REQUIRE(machine.nic->destroy());
  CHECK(machine.sink.legs.empty());
  machine.nic.reset();
  const auto links = machine.node.rtnl().links().value();
  CHECK(links.size() == 2);  // lo and the uplink
  CHECK_FALSE(netlink::Rtnl::open_in(pod)->link("eth0v0"));
  CHECK(os::Root::open(machine.node.dir() + "/run")->list(".")->size() == 1);
  CHECK(os::Root::open(machine.node.dir() + "/run")->list("netns")->empty());
}

TEST_CASE("wrong options are refused by name") {
  TestNode node;
  auto loop = os::EventLoop::create().value();
  Sink sink;
  const auto create = [&](const Options& options) {
    return SoftNic::create(*loop, options, sink, Logger());
  };
  const std::string ns = node.dir() + "/r", run_dir = node.dir() + "/run";
  CHECK(create({"eth0", 0, ns, run_dir, "n"}).error().message.find("vfs 0") != std::string::npos);
  CHECK(create({"eth0", 31, ns, run_dir, "n"}).error().code == Code::kInvalid);
  CHECK(create({"a-long-uplink", 11, ns, run_dir, "n"}).error().code == Code::kInvalid);
  CHECK(create({"eth0", 1, ns, run_dir, ""}).error().code == Code::kInvalid);
  CHECK(create({"eth0", 1, ns, run_dir, "n"}).error().code == Code::kNotFound);
}
