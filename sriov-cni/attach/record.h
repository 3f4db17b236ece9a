// SPDX-License-Identifier: Apache-2.0
// What is known of an attachment on disk: enough to undo it without the configuration, the engine
// or the pod's namespace.
//
// Contract: written before anything is moved, replaced atomically, removed last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"

namespace sluice::cni {

struct Record {
  std::string id;  // "<container id>/<interface>"
  std::string interface, pod;
  std::string netns;  // path and inode of the pod's namespace
  std::uint64_t netns_inode = 0;
  std::string node;  // whose block the address is of
  MacAddr mac;
  Ipv4 ip;
  std::string pci;        // a VF's address; empty: a veth
  std::string host_name;  // the VF's name on the host, or the host side's of the veth
  MacAddr host_mac;       // a VF's own, to be restored
  std::uint32_t host_mtu = 0;
  std::string sysfs_root, vf_control_socket;
  // The VF or veth is back; only the engine and the address are left. The VF may be another pod's.
  bool port_returned = false;
  // What came later; a record without them is of an older version, and fine.
  std::string pod_uid;  // empty: not known
  // One ADD of several interfaces: the first's record names the others, theirs name the first.
  std::vector<std::string> others;  // ids
  std::string first;                // id
  // What the device plugin said of the device: by it a later grant of the same device is known.
  std::uint64_t given = 0;
  std::string given_by;              // the plugin's instance; empty: it wasn't asked
  std::optional<std::string> claim;  // "": by the device plugin API; unset: of an older version

  // Put on a VF as its alias while it is a pod's: found by it whatever the pod calls it.
  std::string alias() const;
};

// 16 hex digits of a stable hash: file names, aliases and the veths' names are made of it.
std::string id_hash(const std::string& id);
std::string veth_name(const std::string& id);  // "sl" and 11 of them

// Whose a VF was last, kept after the record has gone: a new pod of the same name may still be told
// that the VF is its.
struct LastUse {
  std::string pod, pod_uid;
  std::uint64_t given = 0;
  std::string given_by;
  std::optional<std::string> claim;  // as in Record
  std::uint64_t ended = 0;           // Unix seconds; 0: of an older version
};

// Of the node's clock: an end has to be known over a restart of the node too.
std::uint64_t unix_seconds();

class RecordStore {
 public:
  static Result<RecordStore> open(const std::string& state_dir);  // made when missing

  Result<std::optional<Record>> load(const std::string& id) const;
  Result<std::vector<Record>> load_all() const;  // unreadable ones are left out
  Status save(const Record& record) const;
  Status remove(const std::string& id) const;  // gone: success

  // For VFs that the device plugin gave; does nothing for others. One file a VF. `ended`: when the
  // VF came back, or was first seen without its sandbox.
  Status remember(const Record& record, std::uint64_t ended) const;
  std::optional<LastUse> last_use(const nic::PciAddress& vf) const;  // unreadable: unset

 private:
  explicit RecordStore(const std::string& state_dir)
      : directory_(state_dir + "/attachments"), devices_(state_dir + "/devices") {}
  std::string path_of(const std::string& id) const;
  std::string directory_, devices_;
};

}  // namespace sluice::cni
