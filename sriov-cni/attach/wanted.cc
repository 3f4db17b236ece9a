// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/wanted.h"

#include <algorithm>
#include <map>

#include "sriov-cni/attach/device_client.h"
#include "sriov-cni/attach/pod_side.h"
#include "sriov-cni/attach/vf_port.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

// Of the listed devices: who has them by the records, or had them last.
Result<std::map<std::string, Holder>> holders_of(const std::vector<ListedDevice>& devices,
                                                 const RecordStore& records) {
  std::map<std::string, Holder> out;
  if (devices.empty()) return out;
  for (const auto& device : devices) {
    const auto address = nic::PciAddress::parse(device.id);
    if (!address) continue;
    if (auto last = records.last_use(*address)) {
      out[device.id] = {std::move(last->pod), std::move(last->pod_uid), false, last->given,
                        std::move(last->given_by)};
    }
  }
  SLUICE_TRY(const auto all, records.load_all());
  for (const auto& record : all) {
    if (record.pci.empty() || record.port_returned) continue;
    const bool living = living_namespace(record, "").has_value();
    out[record.pci] = {record.pod, record.pod_uid, living, record.given, record.given_by};
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

std::vector<Wanted> only_veth(const std::string& name) { return {Wanted{name, {}, 0, ""}}; }

}  // namespace

std::vector<Wanted> name_ports(const std::vector<ListedDevice>& devices,
                               const std::string& instance, const std::string& resource,
                               const std::string& first_name) {
  if (devices.empty()) return only_veth(first_name);
  std::vector<Wanted> out;
  const auto add = [&](const std::string& name, const ListedDevice& device) {
    Wanted port{name, {}, device.given, instance};
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
                                         const RecordStore& records, const std::string& sysfs_root,
                                         const Logger& log) {
  if (config.device) return std::vector<Wanted>{{call.interface, config.device, 0, ""}};
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
    if (!required) return only_veth(call.interface);
    return cni_fail(kTryAgainLater, "there is no device plugin at " + config.device_plugin_socket +
                                        ", and the configuration says devicePlugin 'required'");
  }
  SLUICE_TRY(const auto holders, holders_of(found->devices, records));
  auto selection = select_own(found->devices, {call.pod, call.pod_uid, found->instance}, holders);
  for (const auto& left : selection.left_out) {
    log.info("device left out", {{"device", left.id}, {"why", left.why}});
  }
  SLUICE_TRY(const auto devices, interfaces_of(std::move(selection.own), sysfs_root, log));
  return name_ports(devices, found->instance, config.resource, call.interface);
}

}  // namespace sluice::cni
