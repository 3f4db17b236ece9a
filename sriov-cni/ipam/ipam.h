// SPDX-License-Identifier: Apache-2.0
// Where an attachment's addresses come from: one interface, three sources.
//
// Contract: the source is a value that can be written down, so that addresses can be given back
// when configuration, engine and pod have gone. add() again for the same owner gives the same
// addresses; del() of what has none is a success, also when the state directory is gone.
// Threading: any number of processes; the built-in ones order themselves by file locks.
// Errors: no address left is Code::kExhausted, Retry::kLater, and names the pool (or block), its
// ranges and how many are in use. A plugin's error object keeps its code, message and details.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/clock.h"
#include "common/base/ip.h"
#include "common/base/result.h"
#include "sriov-cni/config/attachment_key.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/net_config.h"

namespace sluice::cni {

struct IpamSource {
  IpamKind kind = IpamKind::kNone;
  std::string state_dir;  // of the built-in ones: <state_dir>/ipam
  std::string network;    // the configuration's name
  std::string node;       // kNodeBlock: whose block; kPool: this node's name, may be empty
  std::string block;      // kNodeBlock: "10.244.1.0/24"
  std::string gateway;    // kNodeBlock
  // kPool: names of the rail that the device is on, the most telling first: its PF's PCI address,
  // the PF's netdev. Empty: no device.
  std::vector<std::string> rail;
  std::string type;  // kDelegate: the plugin's name; no '/'
  std::string text;  // kPool: the ipam object; kDelegate: the whole configuration, as it came
  std::string plugin_path;  // kDelegate: CNI_PATH
};

// On whose behalf.
struct IpamOwner {
  AttachmentKey key;
  std::string netns;  // may be empty at DEL
  std::string args;   // CNI_ARGS as it came
  std::string pod;    // "<namespace>/<name>"
  std::optional<MacAddr> mac;
  std::vector<IpPrefix> requested;  // addresses that were asked for; each must be given
};

class Ipam {
 public:
  virtual ~Ipam() = default;
  // At least one address; no interfaces. Nothing is left of what failed, but where a plugin was
  // asked: what it has reserved is its to know, so its del() must follow.
  virtual Result<CniResult> add(const IpamOwner& owner) = 0;
  virtual Status del(const IpamOwner& owner) = 0;
  // That the owner has exactly `addresses`.
  virtual Status check(const IpamOwner& owner, const CniResult& previous) = 0;
  // Can an address be had now? (CNI's STATUS.)
  virtual Status status() = 0;
  // Of a plugin only: its GC with the runtime's list, and the built-in ones do nothing here: their
  // addresses go with the attachments (reclaim.h).
  virtual Status gc(const std::vector<AttachmentKey>& valid) = 0;
};

// `deadline`: of one call of a plugin; it is killed then.
Result<std::unique_ptr<Ipam>> make_ipam(const IpamSource& source,
                                        Duration deadline = std::chrono::seconds(50));

// What owner ids have an address of the built-in sources below `state_dir`, with it and its place,
// for whoever looks for addresses without an attachment.
struct HeldAddress {
  AttachmentKey owner;  // empty: its entry can't be read, and keeps the address until it is removed
  std::string address;
  std::string place;  // "node block of node-a", "pool storage, rail 0000:3b:00.0"
  std::string file;   // the entry
};
Result<std::vector<HeldAddress>> held_addresses(const std::string& state_dir);
// All of the owner's, in every built-in source below `state_dir`. None: success.
Status release_everywhere(const std::string& state_dir, const AttachmentKey& owner);

}  // namespace sluice::cni
