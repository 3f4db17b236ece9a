// SPDX-License-Identifier: Apache-2.0
// Which functions there are, what kind each is, and whose the VFs are.
#include "common/nic/inventory.h"

#include <algorithm>

#include "common/nic/reader.h"

namespace sluice::nic {
namespace {

constexpr std::uint32_t kNetwork = 0x02, kAccelerator = 0x12;

bool is_gpu(std::uint32_t class_code) {
  // VGA, 3D and "other display" controllers; compute cards without a display are accelerators.
  const std::uint32_t subclass = class_code >> 8U;
  return subclass == 0x0300 || subclass == 0x0302 || subclass == 0x0380 ||
         class_code >> 16U == kAccelerator;
}

std::string joined(const std::vector<Error>& problems) {
  constexpr std::size_t kMaxReason = 1024;
  std::string reason;
  for (const auto& problem : problems) {
    if (!reason.empty()) reason += "; ";
    reason += problem.to_string();
    if (reason.size() > kMaxReason) return reason.substr(0, kMaxReason) + "...";
  }
  return reason;
}

template <class T>
void sort_by_address(std::vector<T>& functions) {
  std::sort(functions.begin(), functions.end(),
            [](const T& a, const T& b) { return a.address < b.address; });
}

}  // namespace

std::string device_path(const PciAddress& address) {
  return std::string(kPciDevices) + "/" + address.to_string();
}

// `path` is gone since it was listed: not broken, just not there.
void Reader::report(const std::string& device, const std::string& path, const Problems& problems) {
  if (problems.empty() || !sysfs_.exists(path)) return;
  inventory_.broken.push_back({device, joined(problems)});
}

std::optional<Reader::Candidate> Reader::candidate_at(const PciAddress& address) {
  const std::string device = device_path(address);
  const auto names = sysfs_.list(device);
  if (!names) {
    report(address.to_string(), device, {names.error()});
    return std::nullopt;
  }
  Candidate candidate;
  candidate.address = address;
  candidate.directory = device;
  candidate.entries = parse_entries(*names);
  return candidate;
}

// bus/pci/devices holds links to where the devices are. Reading there spares the kernel the way
// over the link for each file.
void Reader::locate(Candidate& candidate) {
  const auto target = sysfs_.read_link(device_path(candidate.address));
  if (!target) return;
  candidate.place = parse_place(*target);
  constexpr std::string_view kUp = "../../../";
  if (target->starts_with(std::string(kUp) + "devices/")) {
    candidate.directory = target->substr(kUp.size());
  }
}

void Reader::look_at(const std::string& name) {
  const auto address = PciAddress::parse(name);
  if (!address) {
    return report(name.substr(0, 64), std::string(kPciDevices) + "/" + name, {address.error()});
  }
  auto candidate = candidate_at(*address);
  if (!candidate) return;
  if (candidate->entries.physfn) {
    virtual_.emplace(*address, std::move(*candidate));
  } else {
    sort_by_class(std::move(*candidate));
  }
}

void Reader::sort_by_class(Candidate candidate) {
  const std::string device = device_path(candidate.address);
  const auto class_code = read_number(sysfs_, device + "/class", 0xffffff);
  if (!class_code) return report(candidate.address.to_string(), device, {class_code.error()});
  candidate.class_code = *class_code;
  const bool network = *class_code >> 16U == kNetwork;
  if (!network && !is_gpu(*class_code)) return;
  locate(candidate);
  if (network) {
    pfs_.push_back(std::move(candidate));
  } else {
    add_other(candidate);
  }
}

void Reader::add_other(const Candidate& candidate) {
  Function function;
  Problems problems;
  read_function(candidate, Ports::kOwn, function, problems);
  report(candidate.address.to_string(), device_path(candidate.address), problems);
  if (!problems.empty()) return;
  if (candidate.class_code >> 16U == kAccelerator) inventory_.accelerators.push_back(function);
  inventory_.gpus.push_back(std::move(function));
}

// A broken attribute costs a PF that attribute, not its VFs.
void Reader::add_pf(const Candidate& candidate) {
  const std::string& device = candidate.directory;
  Pf pf;
  Problems problems;
  read_function(candidate, Ports::kWithRepresentors, pf, problems);
  pf.sriov = candidate.entries.sriov;
  if (pf.sriov) {
    const auto count = [&](const char* name) -> std::uint16_t {
      const auto value = read_number(sysfs_, device + "/" + name, 0xffff);
      if (value) return static_cast<std::uint16_t>(*value);
      if (value.error().code != Code::kNotFound) problems.push_back(value.error());
      return 0;
    };
    pf.total_vfs = count("sriov_totalvfs");
    pf.num_vfs = count("sriov_numvfs");
  }
  if (pf.netdev) pf.switch_id = pf.netdev->physical_switch_id;
  // The kernel takes the link of bus/pci/devices away before what is in the device.
  const std::string entry = device_path(candidate.address);
  if (!problems.empty() && !sysfs_.exists(entry)) return;
  report(candidate.address.to_string(), entry, problems);
  read_vfs(candidate, pf);
  read_sfs(device, candidate.entries, pf);
  inventory_.pfs.push_back(std::move(pf));
}

// A VF is one by two witnesses: a virtfn alone may lead anywhere, also to the PF itself.
Result<Reader::Candidate> Reader::vf_candidate(const PciAddress& pf, const std::string& virtfn,
                                               const std::string& target) {
  SLUICE_TRY(const auto address, PciAddress::parse(last_part(target)));
  const std::string leads = virtfn + " leads to " + address.to_string() + ", which ";
  if (taken_.contains(address)) return fail(Code::kInvalid, leads + "another virtfn led to");
  const std::string device = device_path(address);
  const auto known = virtual_.find(address);
  if (known == virtual_.end() && !sysfs_.exists(device)) {
    return fail(Code::kNotFound, leads + "is not there");
  }
  const auto physfn = sysfs_.read_link(device + "/physfn");
  if (!physfn) return fail(Error(physfn.error()).with(leads + "has no physfn"));
  const auto owner = PciAddress::parse(last_part(*physfn));
  if (!owner || *owner != pf) {
    return fail(Code::kInvalid, leads + "has the physfn '" + physfn->substr(0, 200) +
                                    "'; it must lead to " + pf.to_string());
  }
  if (known != virtual_.end()) return std::move(virtual_.extract(known).mapped());
  auto candidate = candidate_at(address);  // came after the devices were listed
  if (!candidate) return fail(Code::kNotFound, address.to_string() + " is gone");
  return std::move(*candidate);
}

Result<Vf> Reader::follow_virtfn(const Candidate& pf_candidate, const Pf& pf, std::uint16_t index) {
  const std::string name = "virtfn" + std::to_string(index);
  SLUICE_TRY(const auto target, sysfs_.read_link(device_path(pf.address) + "/" + name));
  SLUICE_TRY(auto candidate, vf_candidate(pf.address, name, target));
  taken_.insert(candidate.address);
  const std::string address = candidate.address.to_string();
  // The kernel makes a VF in its PF's own place; only what doesn't look so is asked for its own.
  const auto above = pf_candidate.directory.rfind('/') + 1;
  if (target == "../" + address && pf_candidate.directory.starts_with("devices/")) {
    candidate.place = pf_candidate.place;
    candidate.directory = pf_candidate.directory.substr(0, above) + address;
  } else {
    locate(candidate);
  }
  SLUICE_TRY(candidate.class_code, read_number(sysfs_, candidate.directory + "/class", 0xffffff));
  Vf vf;
  vf.index = index;
  Problems problems;
  read_function(candidate, Ports::kOwn, vf, problems);
  if (!problems.empty()) {
    return fail(Code::kInvalid, joined(problems));
  }
  return vf;
}

void Reader::read_vfs(const Candidate& pf_candidate, Pf& pf) {
  pf.vfs.reserve(pf_candidate.entries.virtfns.size());
  for (const auto index : pf_candidate.entries.virtfns) {
    auto vf = follow_virtfn(pf_candidate, pf, index);
    if (vf) {
      pf.vfs.push_back(std::move(*vf));
      continue;
    }
    const std::string name = "virtfn" + std::to_string(index);
    // The kernel takes this link away before the VF itself: without it, the VF is just going.
    const auto link = sysfs_.read_link(device_path(pf.address) + "/" + name);
    if (link || link.error().code != Code::kNotFound) {
      inventory_.broken.push_back({pf.address.to_string() + "/" + name, vf.error().to_string()});
    }
  }
}

// VFs that no network PF has: of accelerators and GPUs, or a function whose PF is another kernel's.
void Reader::adopt_orphans() {
  for (auto& [address, candidate] : virtual_) {
    const std::string device = device_path(address);
    const auto class_code = read_number(sysfs_, device + "/class", 0xffffff);
    if (!class_code) {
      report(address.to_string(), device, {class_code.error()});
      continue;
    }
    if (*class_code >> 16U == kNetwork) {
      const auto physfn = sysfs_.read_link(device + "/physfn");
      if (!physfn && physfn.error().code != Code::kNotFound) {
        report(address.to_string(), device, {physfn.error()});
        continue;
      }
      // Its PF is here and has no link to it (yet): it is just coming or going.
      if (physfn && sysfs_.exists(device + "/physfn")) continue;
    }
    sort_by_class(std::move(candidate));
  }
}

Status Reader::read() {
  auto names = sysfs_.list(kPciDevices);
  if (!names) return fail(std::move(names).error().with("reading the NIC inventory"));
  inventory_.vhost_net = nodes_.vhost_net();
  inventory_.rdma_cm = nodes_.rdma_cm();
  for (const auto& name : *names) look_at(name);
  for (const auto& candidate : pfs_) {
    // A VF that got its physfn only after it was listed.
    if (!taken_.contains(candidate.address)) add_pf(candidate);
  }
  pfs_.clear();
  adopt_orphans();
  for (const auto& candidate : pfs_) add_pf(candidate);
  sort_by_address(inventory_.pfs);
  sort_by_address(inventory_.accelerators);
  sort_by_address(inventory_.gpus);
  read_representors();
  return {};
}

Result<Function> Reader::read_one(const PciAddress& address) {
  auto candidate = candidate_at(address);
  if (!candidate) return fail(Code::kNotFound, address.to_string() + " is not there");
  locate(*candidate);
  SLUICE_TRY(candidate->class_code, read_number(sysfs_, candidate->directory + "/class", 0xffffff));
  Function function;
  Problems problems;
  read_function(*candidate, Ports::kOwn, function, problems);
  if (!problems.empty()) return fail(Code::kInvalid, joined(problems));
  return function;
}

const Vf* Inventory::find_vf(const PciAddress& address) const {
  for (const auto& pf : pfs) {
    for (const auto& vf : pf.vfs) {
      if (vf.address == address) return &vf;
    }
  }
  return nullptr;
}

const Pf* Inventory::find_pf_of(const PciAddress& vf) const {
  for (const auto& pf : pfs) {
    for (const auto& candidate : pf.vfs) {
      if (candidate.address == vf) return &pf;
    }
  }
  return nullptr;
}

const Pf* Inventory::find_pf(const PciAddress& address) const {
  for (const auto& pf : pfs) {
    if (pf.address == address) return &pf;
  }
  return nullptr;
}

Result<Inventory> read_inventory(const os::Root& sysfs, const InventoryOptions& options) {
  Inventory inventory;
  Reader reader(sysfs, options, inventory);
  SLUICE_CHECK_OK(reader.read());
  return inventory;
}

Result<Function> read_function(const os::Root& sysfs, const PciAddress& address,
                               const InventoryOptions& options) {
  Inventory inventory;
  return Reader(sysfs, options, inventory).read_one(address);
}

}  // namespace sluice::nic
