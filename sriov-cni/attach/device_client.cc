// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/device_client.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "common/api/devices.pb.h"
#include "common/nic/inventory.h"
#include "common/os/frame_socket.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
namespace {

// Longer than the plugin waits for the kubelet, shorter than the runtime waits for us.
constexpr Duration kDeadline = std::chrono::seconds(5);
constexpr std::size_t kMaxDevices = 256, kMaxText = 512;

bool is_plain_text(const std::string& text) {
  return text.size() <= kMaxText &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

Result<ListedDevice> to_listed(const api::PodDevice& device) {
  ListedDevice out;
  switch (device.device_case()) {
    case api::PodDevice::kPciAddress: {
      SLUICE_TRY(const auto address, nic::PciAddress::parse(device.pci_address()));
      out.id = address.to_string();
      break;
    }
    case api::PodDevice::kSfName:
      out.id = device.sf_name();
      if (out.id.empty()) return fail(Code::kInvalid, "a device's sf_name is empty");
      break;
    case api::PodDevice::kPlainPort:
      if (!device.plain_port()) return fail(Code::kInvalid, "a device's plain_port is false");
      break;
    case api::PodDevice::DEVICE_NOT_SET:
      return fail(Code::kInvalid, "a device is neither PCI function, SF nor plain port");
  }
  out.resource = device.resource();
  out.claim = device.claim();
  out.given = device.given();
  if (!is_plain_text(out.id) || !is_plain_text(out.resource) || !is_plain_text(out.claim)) {
    return fail(Code::kInvalid,
                "a device's name, resource or claim is no text of up to 512 "
                "characters");
  }
  return out;
}

Result<PodDevices> read_answer(const std::string& bytes) {
  api::DevicesResponse response;
  if (!response.ParseFromString(bytes)) {
    return fail(Code::kInternal, "the answer is no sluice.api.DevicesResponse");
  }
  if (response.has_failure()) {
    return fail(code_from(response.failure().code()),
                "it refused: " + response.failure().message().substr(0, 2000));
  }
  if (!response.has_pod_devices()) {
    return fail(Code::kInternal, "the answer has something else than a pod's devices");
  }
  const auto& found = response.pod_devices();
  if (static_cast<std::size_t>(found.devices_size()) > kMaxDevices) {
    return fail(Code::kInternal, "the answer has " + std::to_string(found.devices_size()) +
                                     " devices; allowed are 256");
  }
  if (!is_plain_text(found.instance())) {
    return fail(Code::kInternal, "instance is no text of up to 512 characters");
  }
  PodDevices out;
  out.instance = found.instance();
  for (const auto& device : found.devices()) {
    SLUICE_TRY(auto listed, to_listed(device));
    out.devices.push_back(std::move(listed));
  }
  return out;
}

}  // namespace

Result<std::optional<PodDevices>> DeviceClient::devices_of(const std::string& pod_namespace,
                                                           const std::string& pod) const {
  struct stat info {};
  if (::lstat(socket_.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return std::optional<PodDevices>{};
  }
  const auto later = [&](const Error& why) {
    return cni_fail(kTryAgainLater, "the devices of pod " + pod_namespace + "/" + pod +
                                        " can't be learned from the device plugin at " + socket_ +
                                        ": " + why.to_string());
  };
  api::DevicesRequest request;
  request.mutable_pod_devices()->set_namespace_(pod_namespace);
  request.mutable_pod_devices()->set_pod(pod);
  const auto answer = os::frame_call(socket_, request.SerializeAsString(), kDeadline);
  if (!answer) return later(answer.error());
  auto devices = read_answer(*answer);
  if (!devices) return later(devices.error());
  return std::optional<PodDevices>(std::move(*devices));
}

Status DeviceClient::is_there() const {
  api::DevicesRequest request;
  request.mutable_list_devices();
  const auto later = [&](const std::string& why) {
    return cni_fail(kTryAgainLater, "the device plugin at " + socket_ + ": " + why);
  };
  const auto answer = os::frame_call(socket_, request.SerializeAsString(), kDeadline);
  if (!answer) return later(answer.error().to_string());
  api::DevicesResponse response;
  if (!response.ParseFromString(*answer)) return later("its answer is no DevicesResponse");
  if (response.has_failure()) return later(response.failure().message().substr(0, 2000));
  return {};
}

}  // namespace sluice::cni
