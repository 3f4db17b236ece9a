// SPDX-License-Identifier: Apache-2.0
// What a VF was like before any pod had it, so that it can be given back like that.
//
// Contract: one small JSON file a VF, "<directory>/<PCI address>.json". The first look counts: it
// is kept as long as the VF is the same one (its address, vendor and device, its PF's address, and
// its generation), until remove(). A VF that is in a pod now is not recorded. A file that can't be
// read counts as none and is replaced; one of a later version of this format is kept and is an
// Error.
// VFs lose their attributes when they are made anew and with a reboot: by their generation a
// baseline of before is known as another VF's. Call remove() when a VF is gone all the same, and
// let the directory be one that a reboot empties.
// Threading: any thread; two stores of one directory don't harm each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "common/netlink/vf_attributes.h"
#include "common/nic/inventory.h"

namespace sluice::nic {

using VfAttributes = netlink::VfAttributes;

struct Baseline {
  PciAddress vf, pf;
  std::uint16_t index = 0;  // of the VF
  std::uint16_t vendor = 0, device = 0;
  std::string driver;      // "" unbound
  std::string generation;  // of generation_of(); "": any
  struct Interface {
    std::string name;
    MacAddr mac;            // zero: InfiniBand
    std::uint32_t mtu = 0;  // 0: unknown
    bool operator==(const Interface&) const = default;
  };
  std::optional<Interface> netdev;
  VfAttributes attributes;
  bool operator==(const Baseline&) const = default;
};

std::string to_json(const Baseline& baseline);
Result<Baseline> parse_baseline(std::string_view json);

// Which making of a function this is: the boot, and the inode number of its directory in sysfs,
// which is made anew with it and then has another one (fs/kernfs/dir.c, __kernfs_new_node()). ""
// when it can't be told. On file systems that give numbers again (a tree of plain files) two
// makings can look the same.
std::string generation_of(const std::string& sysfs_root, const PciAddress& function);
// False when both are known and not the same.
bool same_generation(std::string_view a, std::string_view b);

// In a pod: its driver makes a netdev, and there is none.
bool seems_in_pod(const Vf& vf);

class BaselineStore {
 public:
  enum class Outcome : std::uint8_t { kRecorded, kKept, kInPod };

  // Makes the directory when it is missing.
  static Result<BaselineStore> open(std::string directory);

  // `attributes`: of VfControl; empty where the PF can't say them. `generation`: the VF's now.
  Result<Outcome> record_if_absent(const Pf& pf, const Vf& vf, const VfAttributes& attributes,
                                   const std::string& generation = "");
  // Code::kNotFound when there is none.
  Result<Baseline> load(const PciAddress& vf) const;
  // The VFs that something is recorded of, whether it can be read or not.
  Result<std::vector<PciAddress>> list() const;
  Status remove(const PciAddress& vf);  // gone already: success

 private:
  explicit BaselineStore(std::string directory) : directory_(std::move(directory)) {}
  std::string path_of(const PciAddress& vf) const;
  std::string directory_;
};

}  // namespace sluice::nic
