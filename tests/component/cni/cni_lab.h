// SPDX-License-Identifier: Apache-2.0
// A node and its pods as network namespaces, three VFs as veth pairs, and sluice-cni run among
// them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/netlink/rtnetlink.h"
#include "common/os/netns.h"
#include "common/os/process.h"
#include "tests/component/cni/fake_engine.h"
#include "tests/component/cni/fake_plugin.h"
#include "tests/component/device_plugin/fake_sysfs.h"

namespace sluice::testing {

inline constexpr const char* kPf = "0000:3b:00.0";
inline constexpr const char* kVf0 = "0000:3b:00.2";
inline constexpr const char* kVf1 = "0000:3b:00.3";
inline constexpr const char* kVf2 = "0000:3b:00.4";

struct Pod {
  // `name`: in namespace "shop"; the container's when it is empty. `uid`: empty: not said.
  explicit Pod(std::string container, std::string name = "", std::string uid = "");
  std::string container, name, uid;
  std::optional<os::NetNs> netns;
  std::string path() const;  // of the namespace; of nothing once it is killed
  void kill() { netns.reset(); }
  netlink::Rtnl rtnl() const;
  std::optional<netlink::Link> link(const std::string& name) const;
};

struct Answer {
  int status = 0;
  nlohmann::json out;  // null when nothing was printed
  std::string err;
};

class CniLab {
 public:
  CniLab();
  ~CniLab();

  // `more` goes over the lab's configuration; null takes a key away.
  Answer call(const std::string& verb, const Pod& pod,
              nlohmann::json more = nlohmann::json::object(),
              const std::string& netns = "as the pod's") const;
  Answer add(const Pod& pod, nlohmann::json more = nlohmann::json::object()) const;
  Answer add_vf(const Pod& pod, const std::string& pci) const {
    return add(pod, {{"deviceID", pci}});
  }
  Answer del(const Pod& pod) const { return call("DEL", pod); }
  // The configuration of a network without the engine, whose VF is `pci`; `more` goes over it.
  nlohmann::json plain(const std::string& pci,
                       const nlohmann::json& more = nlohmann::json::object()) const;

  // Makes VF `index` (vf0 to vf2: name, MAC 02:00:00:00:01:0<index>, MTU 1500) and shows it in
  // sysfs.
  void make_vf(unsigned index);
  // What sysfs says of the VF's netdev, from the node's links; unset: not there.
  void show_netdev(const std::string& pci, const std::string& name) const;
  void hide_netdev(const std::string& pci, const std::string& name) const {
    sysfs->remove_netdev(pci, name);
  }

  netlink::Rtnl rtnl() const;
  std::optional<netlink::Link> link(const std::string& name) const;
  // Until the node doesn't have it any more: a killed pod's VF takes its representor with it.
  void await_gone(const std::string& name) const;
  // `sluice-cni repair` with these arguments, and where the lab's things are. out: its --json.
  Answer repair(std::vector<std::string> arguments = {}) const;
  std::vector<std::string> addresses() const;    // reserved, as the store has them
  std::vector<std::string> attachments() const;  // the records' files
  // The pool's addresses, of the network "pods" without rails.
  std::vector<std::string> pool_addresses() const;
  // True when the VF is on the node as it was made, and nothing of an attachment is left.
  void check_clean() const;
  void check_vf_home(const std::string& name) const;

  std::string record_of(const std::string& id) const;  // its path

  std::string dir;
  std::string cni_path = "/nonexistent";  // CNI_PATH
  std::string interface = "eth0";         // CNI_IFNAME
  std::string more_args;                  // CNI_ARGS, beside the pod's; begins with ';'
  std::string trace_parent;
  bool read_only = false;  // the program sees the state directory read-only
  std::optional<os::NetNs> node;
  std::unique_ptr<FakeSysfs> sysfs;
  std::unique_ptr<FakeEngine> engine;
  std::unique_ptr<FakePlugin> plugin;  // not started: a node without one

 private:
  Answer run(std::vector<std::string> argv, const std::string& input,
             const std::vector<std::string>& arguments = {}) const;
};

}  // namespace sluice::testing
