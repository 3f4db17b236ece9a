// SPDX-License-Identifier: Apache-2.0
// What is known of an attachment on disk: enough to undo it without the configuration, the engine
// or the pod's namespace, and to check it.
//
// Contract: a value. Written before the first change (stage kBegun: everything in it may or may not
// have been done), again when ADD has succeeded (kAttached), and removed when nothing is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "sriov-cni/config/attachment_key.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/vf_wish.h"
#include "sriov-cni/ipam/ipam.h"

namespace sluice::cni {

enum class Stage : std::uint8_t {
  kBegun,     // ADD is at work, or died
  kAttached,  // ADD has succeeded
  // The VF or veth is back (the VF may be another pod's); the engine or the address is left to do.
  kPortReturned,
};

enum class PortKind : std::uint8_t {
  kVeth,
  kNetdev,     // a VF's network device, moved into the pod
  kUserSpace,  // a VF bound to vfio or the like: set up from the PF's side, nothing is moved
};

// A VF as it is to be given back.
struct VfHome {
  std::string pci, pf;  // addresses
  std::uint16_t index = 0;
  std::string name;  // on the host; empty: it had no netdev
  MacAddr mac;       // of the netdev; zero: InfiniBand, or none
  std::uint32_t mtu = 0;
  std::uint32_t tx_queue_length = 0;  // 0: not known
  std::vector<std::string> altnames;  // that it had already
  // IFLA_INFO_KIND: a link of a kind is software and dies with its namespace, where a device's
  // comes back (net/core/dev.c, default_device_exit_net()).
  std::string link_kind;
  bool has_parent = false;  // the kernel names its PCI function (IFLA_PARENT_DEV_NAME)
  std::uint32_t link_index = 0, link_peer = 0;  // IFLA_LINK; 0: not known, or none
  std::string alias;                            // of the host's own use
  bool up = false;
  std::string driver;
  netlink::VfAttributes attributes;  // the PF's view
  std::vector<VlanRange> trunk;
  std::string sysfs_root, vf_control_socket;
};

enum class EngineState : std::uint8_t {
  kNone,     // has no part in it
  kTold,     // was told, or may have been
  kPending,  // was away; the request lies in the pending directory, or was taken from there since
};

struct Record {
  AttachmentKey key;
  Stage stage = Stage::kBegun;
  std::string network;            // the configuration's name
  std::string network_reference;  // "<namespace>/<name>" of its object; empty: not said
  std::string pod, pod_uid;       // "<namespace>/<name>"; empty UID: not known
  std::string args;               // CNI_ARGS, for delegates; empty: none, or longer than kMaxArgs
  std::string netns;              // where the runtime said that it is
  std::uint64_t netns_inode = 0;  // of the pod's namespace: its identity, with
  std::string boot;               // the boot's id: inode numbers are given again after it
  // The port.
  PortKind kind = PortKind::kVeth;
  std::string veth;  // the host side's name
  std::optional<VfHome> vf;
  VfWish wish;
  std::vector<std::string> rdma;  // names of the RDMA devices that go along
  MacAddr mac;                    // the pod's interface
  std::uint32_t mtu = 0;
  // Addresses, and what ADD answered for this interface.
  IpamSource ipam;
  CniResult result;
  // The engine.
  EngineState engine = EngineState::kNone;
  std::string engine_socket, pending_directory;
  std::vector<PortMapping> port_mappings;
  std::string device_info_file;  // written by ADD; empty: none
  // One ADD of several interfaces: the first's record names the others, theirs name the first.
  std::vector<std::string> others;  // interfaces
  std::string first;                // interface
  // What the device plugin said of the device: by it a later grant of the same device is known.
  std::uint64_t given = 0;
  std::string given_by;              // the plugin's instance; empty: it wasn't asked
  std::optional<std::string> claim;  // "": by the device plugin API; unset: not known

  std::string id() const { return key.id(); }
  // Put on a link as its alias while it is a pod's: found by it whatever the pod calls it.
  std::string alias() const;
};

inline constexpr std::size_t kMaxArgs = 4096;  // bytes

inline constexpr std::string_view kAliasPrefix = "sluice:";

// 16 hex digits of a stable hash: file names, aliases and the veths' names are made of it.
std::string id_hash(const std::string& id);
std::string veth_name(const std::string& id);  // "sl" and 11 of them

// With a version and a checksum. parse_record() reads records of earlier versions too; a damaged
// one is Code::kInvalid and says what is wrong, one of a later version is Code::kUnsupported.
std::string print_record(const Record& record);
Result<Record> parse_record(std::string_view text);

}  // namespace sluice::cni
