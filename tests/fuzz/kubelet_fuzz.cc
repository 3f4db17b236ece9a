// SPDX-License-Identifier: Apache-2.0
// Any bytes as each of the kubelet's messages: an Error with words, or something within the bounds
// that goes back into bytes. The first byte says which message.
// fuzz-deps: sluice_kubelet
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string_view>

#include "device-plugin/kubelet/messages.h"

namespace {

using namespace sluice::kubelet;

void check(bool good) {
  if (!good) std::abort();
}

template <class T>
bool refused(const sluice::Result<T>& result) {
  if (result) return false;
  check(!result.error().message.empty() && result.error().message.size() < 1000);
  return true;
}

void allocate(std::string_view bytes) {
  const auto request = parse_allocate(bytes);
  if (refused(request)) return;
  check(request->size() <= kMaxContainers);
  std::set<std::string> seen;
  std::vector<sluice::allocate::Grant> grants;
  for (const auto& ids : *request) {
    check(ids.size() <= kMaxAllocated);
    auto& grant = grants.emplace_back();
    for (const auto& id : ids) {
      check(seen.insert(id).second);
      grant.envs[id] = id;
      grant.cdi_devices.push_back(id);
    }
  }
  check(!grants.empty() || allocate_answer(grants).empty());
  allocate_answer(grants);
}

void prefer(std::string_view bytes) {
  const auto request = parse_preferences(bytes);
  if (refused(request)) return;
  check(request->size() <= kMaxContainers);
  std::vector<Ids> chosen;
  for (const auto& container : *request) {
    check(container.size <= INT32_MAX);
    chosen.push_back(container.available);
  }
  // A list of strings goes there and back: what was available is field 1 in both messages.
  const auto again = parse_preferences(preferences_answer(chosen));
  if (refused(again)) return;
  check(again->size() == chosen.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) check((*again)[i].available == chosen[i]);
}

void pods(std::string_view bytes) {
  const auto list = parse_pod_resources(bytes);
  if (refused(list)) return;
  check(list->size() <= kMaxPods);
}

void list(std::string_view bytes) {
  std::vector<sluice::pools::Device> devices;
  for (const char c : bytes) {
    devices.push_back({std::string(static_cast<unsigned char>(c), 'd'), (c & 1) != 0, "",
                       (c & 2) != 0 ? std::optional<int>(c) : std::nullopt});
  }
  const std::size_t limit = bytes.size() * 40;
  const auto message = list_message(devices, limit);
  check(message.bytes.size() <= limit && message.devices <= devices.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      allocate(bytes);
      break;
    case 1:
      prefer(bytes);
      break;
    case 2:
      pods(bytes);
      break;
    case 3:
      list(bytes);
      break;
    default:
      if (const auto status = parse_registration_status(bytes); !refused(status)) {
        check(status->error.size() <= 203);
      }
  }
  return 0;
}
