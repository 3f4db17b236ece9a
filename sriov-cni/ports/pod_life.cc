// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/pod_life.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <set>
#include <string_view>

#include "common/netlink/link_wait.h"
#include "common/netlink/rtnetlink.h"
#include "common/nic/inventory.h"
#include "common/os/files.h"
#include "common/os/netns.h"
#include "sriov-cni/journal/journal.h"
#include "sriov-cni/ports/own_link.h"

namespace sluice::cni {
namespace {

constexpr std::size_t kMaxProcesses = 65536, kMaxMountTable = std::size_t{16} << 20;

enum class At : std::uint8_t { kThere, kGone, kUnknown };

bool is_absent(int error) { return error == ENOENT || error == ENOTDIR || error == ESRCH; }

bool is_of_process(const std::string& path) { return path.starts_with("/proc/"); }

// What was in a directory that isn't there either may be in the one of another mount namespace; a
// process is the same for all.
bool is_gone(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 || !is_absent(errno)) return false;
  if (is_of_process(path)) return true;
  const auto parent = path.substr(0, path.rfind('/') + 1);
  return !parent.empty() && ::stat(parent.c_str(), &info) == 0;
}

At look_at_path(const Record& record) {
  if (record.netns.empty()) return At::kGone;
  const auto pod = os::NetNs::open(record.netns);
  if (pod) return pod->inode() == record.netns_inode ? At::kThere : At::kGone;
  // A descriptor that is something else by now; a file elsewhere may be what it was mounted on.
  const bool is_other = pod.error().code == Code::kInvalid;
  if (is_other && is_of_process(record.netns)) return At::kGone;
  return is_gone(record.netns) ? At::kGone : At::kUnknown;
}

// A namespace as /proc writes it, "net:[4026531840]". Empty: the process is gone, or has more
// rights than this one. The node's init may be such a one; a pod's processes aren't.
std::string namespace_of(const std::string& process, const char* kind) {
  std::array<char, 64> text{};
  const auto path = "/proc/" + process + "/ns/" + kind;
  const auto length = ::readlink(path.c_str(), text.data(), text.size());
  return length < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(length));
}

// The namespace among all processes and what is mounted where they are.
class Holders {
 public:
  explicit Holders(std::uint64_t inode) : wanted_("net:[" + std::to_string(inode) + "]") {}

  At look() {
    const std::unique_ptr<DIR, int (*)(DIR*)> processes(::opendir("/proc"), ::closedir);
    if (!processes) return At::kUnknown;
    std::size_t seen = 0;
    while (const auto* entry = ::readdir(processes.get())) {
      const std::string name = entry->d_name;
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      if (++seen > kMaxProcesses) return At::kUnknown;
      if (has(name)) return At::kThere;
    }
    return seen > 0 ? At::kGone : At::kUnknown;
  }

 private:
  bool has(const std::string& process) {
    if (namespace_of(process, "net") == wanted_) return true;
    const auto mounts = namespace_of(process, "mnt");
    if (mounts.empty() || !looked_at_.insert(mounts).second) return false;
    const auto table = os::read_file("/proc/" + process + "/mountinfo", kMaxMountTable);
    if (table) return table->find(" " + wanted_ + " ") != std::string::npos;
    looked_at_.erase(mounts);  // another process may still be there to tell
    return false;
  }

  std::string wanted_;
  std::set<std::string> looked_at_;  // mount namespaces
};

// Both ends go with the namespace of either.
PodLife life_by_veth(const Record& record, Duration patience) {
  auto here = netlink::Rtnl::open();
  if (!here) return PodLife::kUnknown;
  const auto outside = here->link(record.veth);
  if (!outside) {
    return outside.error().code == Code::kNotFound ? PodLife::kDead : PodLife::kUnknown;
  }
  if (!outside->peer_netns) return PodLife::kDead;
  const auto current = os::NetNs::current();
  if (!current) return PodLife::kUnknown;
  const auto goes = netlink::wait_link(
      *current, outside->index, [](const netlink::Link&) { return false; }, patience);
  if (goes.error().code == Code::kNotFound) return PodLife::kDead;
  return goes.error().code == Code::kTimeout ? PodLife::kAlive : PodLife::kUnknown;
}

// The kernel returns a device's netdev; of one without a driver, or that is gone, there is none.
PodLife life_by_vf(const Record& record, Duration patience) {
  const auto& home = *record.vf;
  const auto root = os::Root::open(home.sysfs_root);
  if (!root) return PodLife::kUnknown;
  const auto function = "bus/pci/devices/" + home.pci;
  if (!root->exists(function + "/driver")) return PodLife::kDead;
  const auto netdevs = root->list(function + "/net");
  if (netdevs && !netdevs->empty()) return PodLife::kDead;
  const auto current = os::NetNs::current();
  if (!current) return PodLife::kUnknown;
  const auto back = netlink::wait_any_link(
      *current,
      [marks = marks_of(record)](const netlink::Link& link) { return is_own(link, marks); },
      patience);
  return back ? PodLife::kDead : PodLife::kUnknown;
}

PodLife life_by_port(const Record& record, Duration patience) {
  if (record.kind == PortKind::kVeth) return life_by_veth(record, patience);
  const bool comes_back = record.kind == PortKind::kNetdev && record.vf && is_device(*record.vf);
  return comes_back ? life_by_vf(record, patience) : PodLife::kDead;
}

}  // namespace

PodLife pod_life(const Record& record, Duration patience) {
  if (is_of_another_boot(record)) return PodLife::kDead;
  const auto path = look_at_path(record);
  if (path == At::kThere) return PodLife::kAlive;
  const auto holders = Holders(record.netns_inode).look();
  if (holders == At::kThere) return PodLife::kAlive;
  if (path == At::kUnknown || holders == At::kUnknown) return PodLife::kUnknown;
  // With its port back already, there is nothing to be taken from a pod.
  if (record.stage == Stage::kPortReturned) return PodLife::kDead;
  return life_by_port(record, patience);
}

}  // namespace sluice::cni
