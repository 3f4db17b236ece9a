// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/messages.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "device-plugin/kubelet/deviceplugin.pb.h"
#include "device-plugin/kubelet/pluginregistration.pb.h"
#include "device-plugin/kubelet/podresources.pb.h"

namespace sluice::kubelet {
namespace {

constexpr std::size_t kMaxShown = 200;
constexpr const char* kVersion = "v1beta1";

template <class Message>
Result<Message> parse(std::string_view bytes, std::size_t limit, const char* name) {
  if (bytes.size() > limit) {
    return fail(Code::kInvalid, std::string(name) + " has " + std::to_string(bytes.size()) +
                                    " bytes; allowed are " + std::to_string(limit));
  }
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::kInvalid, std::string("these bytes are no ") + name);
  }
  return message;
}

Status check_count(const char* field, int count, std::size_t limit) {
  if (static_cast<std::size_t>(count) <= limit) return {};
  return fail(Code::kInvalid, std::string(field) + " has " + std::to_string(count) +
                                  " entries; allowed are " + std::to_string(limit));
}

template <class Field>
Ids to_ids(const Field& field) {
  return {field.begin(), field.end()};
}

v1beta1::DevicePluginOptions options() {
  v1beta1::DevicePluginOptions out;
  out.set_get_preferred_allocation_available(true);
  return out;
}

void fill(v1beta1::Device& out, const pools::Device& device) {
  out.set_id(device.id);
  out.set_health(device.healthy ? "Healthy" : "Unhealthy");
  if (device.numa_node) out.mutable_topology()->add_nodes()->set_id(*device.numa_node);
}

void fill(v1beta1::ContainerAllocateResponse& out, const allocate::Grant& grant) {
  out.mutable_envs()->insert(grant.envs.begin(), grant.envs.end());
  for (const auto& mount : grant.mounts) {
    auto& entry = *out.add_mounts();
    entry.set_container_path(mount.container_path);
    entry.set_host_path(mount.host_path);
    entry.set_read_only(mount.read_only);
  }
  for (const auto& node : grant.nodes) {
    auto& entry = *out.add_devices();
    entry.set_container_path(node.container_path);
    entry.set_host_path(node.host_path);
    entry.set_permissions(node.permissions);
  }
  for (const auto& name : grant.cdi_devices) out.add_cdi_devices()->set_name(name);
}

void add_claims(PodDevices& out, const v1::DynamicResource& claim) {
  for (const auto& device : claim.claim_resources()) {
    out.claims.push_back({claim.claim_namespace(), claim.claim_name(), device.driver_name(),
                          device.pool_name(), device.device_name()});
  }
}

PodDevices to_pod(const v1::PodResources& pod) {
  PodDevices out;
  out.pod_namespace = pod.namespace_();
  out.pod = pod.name();
  for (const auto& container : pod.containers()) {
    for (const auto& devices : container.devices()) {
      out.devices.push_back({devices.resource_name(), to_ids(devices.device_ids())});
    }
    for (const auto& claim : container.dynamic_resources()) add_claims(out, claim);
  }
  return out;
}

constexpr std::uint32_t kDelimited = 2;  // a wire type: length, then bytes

// A field that a later kubelet has.
bool skip_field(google::protobuf::io::CodedInputStream& stream, std::uint32_t tag) {
  std::uint64_t number = 0;
  std::uint32_t size = 0;
  switch (tag & 7U) {
    case 0:
      return stream.ReadVarint64(&number);
    case 1:
      return stream.Skip(8);
    case kDelimited:
      return stream.ReadVarint32(&size) && size <= INT32_MAX && stream.Skip(static_cast<int>(size));
    case 5:
      return stream.Skip(4);
    default:
      return false;
  }
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out(text.substr(0, kMaxShown));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > kMaxShown) out += "...";
  return out;
}

std::string options_message() { return options().SerializeAsString(); }

std::string register_request(const std::string& socket_name, const std::string& resource) {
  v1beta1::RegisterRequest request;
  request.set_version(kVersion);
  request.set_endpoint(socket_name);
  request.set_resource_name(resource);
  *request.mutable_options() = options();
  return request.SerializeAsString();
}

std::string plugin_info(const std::string& resource) {
  pluginregistration::PluginInfo info;
  info.set_type("DevicePlugin");
  info.set_name(resource);
  // No endpoint: the kubelet then uses the socket that it found, wherever its root directory is as
  // it sees it.
  info.add_supported_versions(kVersion);
  return info.SerializeAsString();
}

Result<RegistrationStatus> parse_registration_status(std::string_view bytes) {
  SLUICE_TRY(const auto status, (parse<pluginregistration::RegistrationStatus>(
                                    bytes, kMaxRequestBytes, "RegistrationStatus")));
  return RegistrationStatus{status.plugin_registered(), shown(status.error())};
}

ListMessage list_message(const std::vector<pools::Device>& devices, std::size_t limit) {
  v1beta1::ListAndWatchResponse list;
  std::size_t size = 0;
  ListMessage out;
  for (const auto& device : devices) {
    auto& entry = *list.add_devices();
    fill(entry, device);
    const std::size_t bytes = entry.ByteSizeLong();
    // Its tag, and its length as a varint.
    std::size_t framed = bytes + 2;
    for (std::size_t rest = bytes; rest >= 0x80; rest >>= 7U) ++framed;
    if (size + framed > limit) {
      list.mutable_devices()->RemoveLast();
      break;
    }
    size += framed;
    ++out.devices;
  }
  out.bytes = list.SerializeAsString();
  return out;
}

Result<std::vector<Ids>> parse_allocate(std::string_view bytes) {
  SLUICE_TRY(const auto request,
             (parse<v1beta1::AllocateRequest>(bytes, kMaxRequestBytes, "AllocateRequest")));
  SLUICE_CHECK_OK(
      check_count("container_requests", request.container_requests_size(), kMaxContainers));
  std::vector<Ids> out;
  std::set<std::string_view> seen;
  for (const auto& container : request.container_requests()) {
    SLUICE_CHECK_OK(check_count("devices_ids", container.devices_ids_size(), kMaxAllocated));
    for (const auto& id : container.devices_ids()) {
      if (!seen.insert(id).second) {
        return fail(Code::kInvalid, "devices_ids has '" + shown(id) + "' twice");
      }
    }
    out.push_back(to_ids(container.devices_ids()));
  }
  return out;
}

std::string allocate_answer(const std::vector<allocate::Grant>& containers) {
  v1beta1::AllocateResponse answer;
  for (const auto& grant : containers) fill(*answer.add_container_responses(), grant);
  return answer.SerializeAsString();
}

Result<std::vector<Preference>> parse_preferences(std::string_view bytes) {
  SLUICE_TRY(const auto request, (parse<v1beta1::PreferredAllocationRequest>(
                                     bytes, kMaxRequestBytes, "PreferredAllocationRequest")));
  SLUICE_CHECK_OK(
      check_count("container_requests", request.container_requests_size(), kMaxContainers));
  std::vector<Preference> out;
  for (const auto& container : request.container_requests()) {
    out.push_back({to_ids(container.available_deviceids()),
                   to_ids(container.must_include_deviceids()),
                   static_cast<std::size_t>(std::max(0, container.allocation_size()))});
  }
  return out;
}

std::string preferences_answer(const std::vector<Ids>& containers) {
  v1beta1::PreferredAllocationResponse answer;
  for (const auto& ids : containers) {
    auto& entry = *answer.add_container_responses();
    for (const auto& id : ids) entry.add_deviceids(id);
  }
  return answer.SerializeAsString();
}

// Pod by pod: an answer of the largest allowed size, made of nothing but empty messages, would take
// some hundred megabytes as one tree.
Result<std::vector<PodDevices>> parse_pod_resources(std::string_view bytes) {
  namespace io = google::protobuf::io;
  io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  io::CodedInputStream stream(&input);
  const auto broken = [] {
    return fail(Code::kInvalid, "the kubelet's answer to List is no ListPodResourcesResponse");
  };
  constexpr std::uint32_t kPodTag = 1U << 3U | kDelimited;
  std::vector<PodDevices> out;
  while (const auto tag = stream.ReadTag()) {
    std::uint32_t size = 0;
    if (tag != kPodTag) {
      if (!skip_field(stream, tag)) return broken();
      continue;
    }
    if (!stream.ReadVarint32(&size)) return broken();
    const auto at = static_cast<std::size_t>(stream.CurrentPosition());
    if (size > bytes.size() - at) return broken();
    if (out.size() == kMaxPods) {
      return fail(Code::kInvalid,
                  "pod_resources has more than " + std::to_string(kMaxPods) + " entries");
    }
    SLUICE_TRY(const auto pod,
               (parse<v1::PodResources>(bytes.substr(at, size), kMaxPodBytes, "PodResources")));
    out.push_back(to_pod(pod));
    if (!stream.Skip(static_cast<int>(size))) return broken();
  }
  if (!stream.ConsumedEntireMessage()) return broken();
  return out;
}

}  // namespace sluice::kubelet
