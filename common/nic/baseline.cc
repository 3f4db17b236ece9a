// SPDX-License-Identifier: Apache-2.0
#include "common/nic/baseline.h"

#include <sys/stat.h>

#include "common/nic/drivers.h"
#include "common/os/files.h"

namespace sluice::nic {
namespace {

constexpr std::size_t kMaxFile = 64U << 10U;
constexpr std::size_t kMaxBootId = 128;
constexpr std::string_view kSuffix = ".json";

bool same_vf(const Baseline& a, const Baseline& b) {
  return a.vf == b.vf && a.pf == b.pf && a.vendor == b.vendor && a.device == b.device &&
         same_generation(a.generation, b.generation);
}

}  // namespace

std::string generation_of(const std::string& sysfs_root, const PciAddress& function) {
  struct stat info {};
  const auto directory = sysfs_root + "/bus/pci/devices/" + function.to_string();
  if (::stat(directory.c_str(), &info) != 0) return {};
  auto boot = os::read_file("/proc/sys/kernel/random/boot_id", kMaxBootId);
  if (!boot) return {};
  while (!boot->empty() && boot->back() == '\n') boot->pop_back();
  return *boot + "/" + std::to_string(info.st_ino);
}

bool same_generation(std::string_view a, std::string_view b) {
  return a.empty() || b.empty() || a == b;
}

bool seems_in_pod(const Vf& vf) {
  if (vf.netdev || vf.driver.empty() || !vf.vdpa.empty()) return false;
  return !makes_no_netdev(vf.driver);
}

Result<BaselineStore> BaselineStore::open(std::string directory) {
  SLUICE_CHECK_OK(os::make_directories(directory));
  return BaselineStore(std::move(directory));
}

std::string BaselineStore::path_of(const PciAddress& vf) const {
  return directory_ + "/" + vf.to_string() + std::string(kSuffix);
}

Result<BaselineStore::Outcome> BaselineStore::record_if_absent(const Pf& pf, const Vf& vf,
                                                               const VfAttributes& attributes,
                                                               const std::string& generation) {
  Baseline fresh;
  fresh.vf = vf.address;
  fresh.pf = pf.address;
  fresh.index = vf.index;
  fresh.vendor = vf.vendor;
  fresh.device = vf.device;
  fresh.driver = vf.driver;
  fresh.generation = generation;
  if (vf.netdev) fresh.netdev = {vf.netdev->name, vf.netdev->mac, vf.netdev->mtu};
  fresh.attributes = attributes;
  const auto known = load(vf.address);
  if (known && same_vf(*known, fresh)) return Outcome::kKept;
  if (!known && known.error().code == Code::kUnsupported) return fail(known.error());
  if (seems_in_pod(vf)) return Outcome::kInPod;
  auto written = os::write_file_atomic(path_of(vf.address), to_json(fresh));
  if (!written) {
    return fail(
        std::move(written).error().with("recording the baseline of VF " + vf.address.to_string()));
  }
  return Outcome::kRecorded;
}

Result<Baseline> BaselineStore::load(const PciAddress& vf) const {
  const std::string path = path_of(vf);
  SLUICE_TRY(const auto text, os::read_file(path, kMaxFile));
  auto baseline = parse_baseline(text);
  if (!baseline) return fail(std::move(baseline).error().with("reading " + path));
  if (baseline->vf != vf) {
    return fail(Code::kInvalid, path + " is about VF " + baseline->vf.to_string() +
                                    "; it must be about " + vf.to_string());
  }
  return baseline;
}

Result<std::vector<PciAddress>> BaselineStore::list() const {
  SLUICE_TRY(const auto root, os::Root::open(directory_));
  SLUICE_TRY(const auto names, root.list("."));
  std::vector<PciAddress> found;
  for (const auto& name : names) {
    if (!name.ends_with(kSuffix)) continue;  // a temporary file of a write, or nobody's
    const auto address =
        PciAddress::parse(std::string_view(name).substr(0, name.size() - kSuffix.size()));
    if (address) found.push_back(*address);
  }
  return found;
}

Status BaselineStore::remove(const PciAddress& vf) { return os::remove_file(path_of(vf)); }

}  // namespace sluice::nic
