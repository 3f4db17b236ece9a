// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/gpus.h"

#include <algorithm>
#include <utility>

#include "common/os/files.h"

namespace sluice::broker {
namespace {

using Path = std::vector<nic::PciAddress>;

constexpr std::size_t kMaxGpus = 256;

const nic::Function* find_gpu(const nic::Inventory& inventory, const std::string& id,
                              const std::map<std::string, nic::PciAddress>& uuids) {
  std::string text = id;
  // Shared GPUs are named "<uuid>::<replica>".
  if (const auto colons = text.find("::"); colons != std::string::npos) text.resize(colons);
  const auto uuid = uuids.find(text);
  const auto address =
      uuid == uuids.end() ? nic::PciAddress::parse(text) : Result<nic::PciAddress>(uuid->second);
  if (!address) return nullptr;
  for (const auto& gpu : inventory.gpus) {
    if (gpu.address == *address) return &gpu;
  }
  return nullptr;
}

// Unset: the pod has some of `resource` already.
std::optional<std::vector<Path>> gpus_of(const kubelet::PodDevices& pod,
                                         const nic::Inventory& inventory,
                                         const std::map<std::string, nic::PciAddress>& uuids,
                                         const std::string& resource) {
  std::vector<Path> paths;
  for (const auto& devices : pod.devices) {
    if (devices.resource == resource) return std::nullopt;
    for (const auto& id : devices.ids) {
      const auto* gpu = find_gpu(inventory, id, uuids);
      if (!gpu) continue;
      Path path = gpu->pcie_path;
      path.push_back(gpu->address);
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

}  // namespace

std::map<std::string, nic::PciAddress> read_gpu_uuids(const std::string& proc_root) {
  std::map<std::string, nic::PciAddress> out;
  const auto root = os::Root::open(proc_root + "/driver/nvidia/gpus");
  if (!root) return out;
  const auto names = root->list(".");
  if (!names) return out;
  constexpr std::string_view kKey = "GPU UUID:";
  for (const auto& name : *names) {
    if (out.size() >= kMaxGpus) break;
    const auto address = nic::PciAddress::parse(name);
    const auto text = root->read(name + "/information", 4096);
    if (!address || !text) continue;
    const auto at = text->find(kKey);
    if (at == std::string::npos) continue;
    const auto begin = text->find_first_not_of(" \t", at + kKey.size());
    const auto end = text->find('\n', at);
    if (begin == std::string::npos || begin >= end) continue;
    out.emplace(text->substr(begin, end == std::string::npos ? end : end - begin), *address);
  }
  return out;
}

std::vector<Path> gpus_of_new_pod(const std::vector<kubelet::PodDevices>& now,
                                  const std::vector<kubelet::PodDevices>& before,
                                  const nic::Inventory& inventory,
                                  const std::map<std::string, nic::PciAddress>& uuids,
                                  const std::string& resource) {
  std::vector<std::pair<const kubelet::PodDevices*, std::vector<Path>>> waiting;
  for (const auto& pod : now) {
    auto gpus = gpus_of(pod, inventory, uuids, resource);
    if (gpus && !gpus->empty()) waiting.emplace_back(&pod, std::move(*gpus));
  }
  if (waiting.size() > 1) {
    std::erase_if(waiting, [&](const auto& candidate) {
      return std::find(before.begin(), before.end(), *candidate.first) != before.end();
    });
  }
  return waiting.size() == 1 ? std::move(waiting.front().second) : std::vector<Path>();
}

}  // namespace sluice::broker
