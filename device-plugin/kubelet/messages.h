// SPDX-License-Identifier: Apache-2.0
// The kubelet's messages from and to bytes: pure, and bounded by what a node can have.
//
// Errors: bytes that are no such message, or more of something than the limits below:
// Code::kInvalid, naming the field, what it had and what is allowed.
// Source: k8s.io/kubelet/pkg/apis: deviceplugin/v1beta1, pluginregistration/v1, podresources/v1.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/allocate/grant.h"
#include "device-plugin/kubelet/pod_resources.h"
#include "device-plugin/pools/device.h"

namespace sluice::kubelet {

inline constexpr std::size_t kMaxRequestBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxContainers = 64;   // of one request
inline constexpr std::size_t kMaxAllocated = 4096;  // devices of one request
inline constexpr std::size_t kMaxPods = 10000;
inline constexpr std::size_t kMaxPodBytes = std::size_t{1} << 20U;

using Ids = std::vector<std::string>;

std::string options_message();
std::string register_request(const std::string& socket_name, const std::string& resource);
std::string plugin_info(const std::string& resource);

struct RegistrationStatus {
  bool registered = false;
  std::string error;
};
Result<RegistrationStatus> parse_registration_status(std::string_view bytes);

// As many devices, in their order, as fit into `limit` bytes.
struct ListMessage {
  std::string bytes;
  std::size_t devices = 0;
};
ListMessage list_message(const std::vector<pools::Device>& devices, std::size_t limit);

// One entry a container. No device may be asked for twice.
Result<std::vector<Ids>> parse_allocate(std::string_view bytes);
std::string allocate_answer(const std::vector<allocate::Grant>& containers);

struct Preference {
  Ids available, must_include;
  std::size_t size = 0;
};
Result<std::vector<Preference>> parse_preferences(std::string_view bytes);
std::string preferences_answer(const std::vector<Ids>& containers);

Result<std::vector<PodDevices>> parse_pod_resources(std::string_view bytes);

// For logs and messages: at most 200 characters, nothing that isn't printable.
std::string shown(std::string_view text);

}  // namespace sluice::kubelet
