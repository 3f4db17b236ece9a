// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/wanted.h"

#include <algorithm>
#include <map>

#include "sriov-cni/attach/device_client.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ports/pod_life.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {
namespace {

// The sandbox of a record that is still there is gone: since when, at the latest. The DEL that
// would note it may come late or never.
std::uint64_t noted_end(const Record& record, const Journal& journal, std::uint64_t now) {
  const auto address = nic::PciAddress::parse(record.vf->pci);
  if (!address) return 0;
  const auto last = journal.last_use(*address);
  const bool noted = last && last->pod == record.pod && last->pod_uid == record.pod_uid &&
                     last->given == record.given && last->given_by == record.given_by;
  if (noted) return last->ended;
  // Can't it be noted, the next call waits anew: the disk is full, and ADD fails anyway.
  [[maybe_unused]] const auto kept = journal.remember(record, now);
  return now;
}

// Of the listed devices: who has them by the records, or had them last.
Result<std::map<std::string, Holder>> holders_of(const std::vector<ListedDevice>& devices,
                                                 const Journal& journal) {
  std::map<std::string, Holder> out;
  if (devices.empty()) return out;
  const auto now = unix_seconds();
  // An end in the future was noted before the clock was set back: it is no reason to wait.
  const auto settled = [now](std::uint64_t ended) {
    return ended > now || now - ended >= kListedAfterEndSeconds;
  };
  for (const auto& device : devices) {
    const auto address = nic::PciAddress::parse(device.id);
    if (!address) continue;
    if (auto last = journal.last_use(*address)) {
      out[device.id] = {std::move(last->pod), std::move(last->pod_uid),  false,
                        last->given,          std::move(last->given_by), std::move(last->claim),
                        settled(last->ended)};
    }
  }
  SLUICE_TRY(const auto contents, journal.load_all());
  for (const auto& record : contents.records) {
    if (!record.vf || record.stage == Stage::kPortReturned) continue;
    const bool living = pod_life(record, Duration::zero()) != PodLife::kDead;
    Holder holder{record.pod,      record.pod_uid, living, record.given,
                  record.given_by, record.claim,   false};
    if (!living) holder.settled = settled(noted_end(record, journal, now));
    out[record.vf->pci] = std::move(holder);
  }
  return out;
}

// The devices that become interfaces; a plain port does.
Result<std::vector<ListedDevice>> interfaces_of(std::vector<ListedDevice> devices,
                                                const std::string& sysfs_root, const Logger& log) {
  std::vector<ListedDevice> out;
  for (auto& device : devices) {
    if (!device.id.empty()) {
      SLUICE_TRY(const auto why_not, why_no_interface(sysfs_root, device.id));
      if (why_not) {
        log.info("device left for the container", {{"device", device.id}, {"why", *why_not}});
        continue;
      }
    }
    out.push_back(std::move(device));
  }
  if (out.size() > kMaxPorts) {
    return cni_fail(kInvalidConfig, "the pod has " + std::to_string(out.size()) +
                                        " devices; at most 64 can be its interfaces");
  }
  return out;
}

std::vector<Wanted> only_veth(const std::string& name) { return {Wanted{name, {}, 0, "", {}}}; }

}  // namespace

bool gives_veths(const NetConfig& config) {
  return config.dialect == Dialect::kSluice && config.engine != EngineUse::kNever;
}

std::vector<Wanted> name_ports(const std::vector<ListedDevice>& devices,
                               const std::string& instance, const std::string& resource,
                               const std::string& first_name) {
  if (devices.empty()) return only_veth(first_name);
  std::vector<Wanted> out;
  const auto add = [&](const std::string& name, const ListedDevice& device) {
    Wanted port{name, {}, device.given, instance, device.claim};
    if (const auto address = nic::PciAddress::parse(device.id)) port.vf = *address;
    out.push_back(std::move(port));
  };
  const auto first = resource.empty()
                         ? devices.begin()
                         : std::find_if(devices.begin(), devices.end(), [&](const auto& device) {
                             return device.resource == resource;
                           });
  if (first == devices.end()) {
    out = only_veth(first_name);
  } else {
    add(first_name, *first);
  }
  unsigned number = 0;
  for (auto at = devices.begin(); at != devices.end(); ++at) {
    if (at == first) continue;
    auto name = "net" + std::to_string(++number);
    if (name == first_name) name = "net" + std::to_string(++number);
    add(name, *at);
  }
  return out;
}

Result<std::vector<Wanted>> wanted_ports(const NetConfig& config, const Invocation& call,
                                         const Journal& journal, const std::string& sysfs_root,
                                         const Logger& log) {
  if (config.device) return std::vector<Wanted>{{call.interface, config.device, 0, "", {}}};
  if (config.ask_plugin == AskPlugin::kNever) return only_veth(call.interface);
  const bool required = config.ask_plugin == AskPlugin::kRequired;
  if (call.pod_name.empty()) {
    if (!required) return only_veth(call.interface);
    return cni_fail(kInvalidEnvironment,
                    "CNI_ARGS has no K8S_POD_NAMESPACE and K8S_POD_NAME; with devicePlugin "
                    "'required' the pod must be known");
  }
  const DeviceClient plugin(config.device_plugin_socket);
  SLUICE_TRY(auto found, plugin.devices_of(call.pod_namespace, call.pod_name));
  if (!found) {
    // A network of a resource has been given VFs by a device plugin: it is only away.
    if (!required && config.resource.empty()) return only_veth(call.interface);
    return cni_fail(kTryAgainLater, "there is no device plugin at " + config.device_plugin_socket +
                                        ", and the configuration says " +
                                        (required ? std::string("devicePlugin 'required'")
                                                  : "resourceName '" + config.resource + "'"));
  }
  SLUICE_TRY(const auto holders, holders_of(found->devices, journal));
  auto selection = select_own(found->devices, {call.pod, call.pod_uid, found->instance}, holders);
  if (!selection.doubtful.empty()) {
    const auto& first = selection.doubtful.front();
    return cni_fail(kTryAgainLater,
                    "whose device " + first.id + " is isn't known yet: it " + first.why);
  }
  for (const auto& left : selection.left_out) {
    log.info("device left out", {{"device", left.id}, {"why", left.why}});
  }
  SLUICE_TRY(const auto devices, interfaces_of(std::move(selection.own), sysfs_root, log));
  return name_ports(devices, found->instance, config.resource, call.interface);
}

}  // namespace sluice::cni
