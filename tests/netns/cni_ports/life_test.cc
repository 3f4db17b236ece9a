// SPDX-License-Identifier: Apache-2.0
// Whether a pod lives: its path, its processes and mounts, its port.
#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "sriov-cni/journal/journal.h"
#include "sriov-cni/ports/pod_life.h"
#include "sriov-cni/ports/veth.h"
#include "tests/netns/cni_ports/ports_lab.h"

using namespace sluice;
using namespace sluice::testing;
using cni::PodLife;

namespace {

// A namespace with a name, as runtimes make them.
struct NamedPod {
  explicit NamedPod(const test::TempDir& dir)
      : path(dir / "netns-pod"), netns(os::NetNs::create_named(path).value()) {}
  ~NamedPod() { forget(); }
  void forget() const { CHECK(os::NetNs::remove_named(path)); }

  std::string path;
  std::optional<os::NetNs> netns;
};

cni::Record veth_record(const NamedPod& pod) {
  cni::Record record;
  record.key = {"c1", "eth0"};
  record.veth = cni::veth_name(record.id());
  record.netns = pod.path;
  record.netns_inode = pod.netns->inode();
  return record;
}

// A process that does nothing but be in a namespace.
class Sleeper {
 public:
  explicit Sleeper(const os::NetNs& netns) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::setns(netns.fd(), CLONE_NEWNET);
    for (;;) ::pause();
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  bool is_in(const os::NetNs& netns) const {
    const auto now = os::NetNs::open("/proc/" + std::to_string(pid_) + "/ns/net");
    return now && now->inode() == netns.inode();
  }

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("A pod lives as long as its path, a process or a mount has its namespace") {
  PortsLab lab;
  NamedPod pod(lab.dir);
  const auto record = veth_record(pod);
  CHECK(cni::pod_life(record) == PodLife::kAlive);

  auto elsewhere = record;  // the path is gone, the mount isn't
  elsewhere.netns = lab.dir / "none";
  CHECK(cni::pod_life(elsewhere) == PodLife::kAlive);
  {
    const Sleeper process(*pod.netns);
    while (!process.is_in(*pod.netns)) std::this_thread::yield();
    pod.forget();
    CHECK(cni::pod_life(record) == PodLife::kAlive);
  }
  pod.netns.reset();
  CHECK(cni::pod_life(record) == PodLife::kDead);
}

TEST_CASE("A path that can't be looked at says nothing") {
  PortsLab lab;
  NamedPod pod(lab.dir);
  auto record = veth_record(pod);
  pod.forget();
  pod.netns.reset();
  record.netns = lab.dir / "no-such-directory/pod";
  CHECK(cni::pod_life(record) == PodLife::kUnknown);
  const std::string file = lab.dir / "netns-pod";
  std::ofstream(file) << "";  // its mount is gone, or in another mount namespace
  record.netns = file;
  CHECK(cni::pod_life(record) == PodLife::kUnknown);
  record.boot = "another";
  CHECK(cni::pod_life(record) == PodLife::kDead);
}

TEST_CASE("A veth whose other end is in some namespace belongs to a living pod") {
  PortsLab lab;
  NamedPod pod(lab.dir);
  const auto record = veth_record(pod);
  REQUIRE_OK(cni::make_veth(record, *pod.netns));
  pod.forget();  // kept by a descriptor alone, which is looked for nowhere
  CHECK(cni::pod_life(record, Duration::zero()) == PodLife::kAlive);
  pod.netns.reset();
  CHECK(cni::pod_life(record, std::chrono::seconds(30)) == PodLife::kDead);
}

TEST_CASE("A device's VF that isn't back yet may be a living pod's") {
  PortsLab lab;
  NamedPod named(lab.dir);
  TestPod pod;
  auto record = lab.plan({}, pod);
  record.netns = named.path;
  named.forget();
  CHECK(cni::pod_life(record, Duration::zero()) == PodLife::kDead);  // its VF is software
  record.vf->link_kind.clear();                                      // as of hardware
  REQUIRE_OK(lab.attach(record, pod));
  record.netns_inode = named.netns->inode();
  CHECK(cni::pod_life(record, Duration::zero()) == PodLife::kUnknown);
  lab.kernel_returns(pod, "eth0");
  CHECK(cni::pod_life(record, Duration::zero()) == PodLife::kDead);
}
