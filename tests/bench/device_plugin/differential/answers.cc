// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/differential/answers.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/os/files.h"

namespace sluice::bench {
namespace {

using nlohmann::json;

constexpr auto kLimit = std::chrono::seconds(60);

std::size_t occurrences(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// How many resources the program offers, once it has decided that; by what it logs.
std::optional<std::size_t> offered(const Subject& subject, const std::string& output) {
  if (subject.name == "peer") {
    if (output.find("Listening for term signals") == std::string::npos) return {};
    return occurrences(output, "New resource server is created for ");
  }
  if (output.find("this configuration is not taken") != std::string::npos) return 0;
  const std::string taken = " configuration  pools=";
  const auto at = output.find(taken);
  if (at == std::string::npos) return {};
  return std::stoul(output.substr(at + taken.size(), 8));
}

void add_information(Answers& answers, const std::string& key, const std::string& text) {
  const auto information = json::parse(text, nullptr, false);
  if (!information.is_object()) {
    answers[key] = text;
    return;
  }
  for (const auto& [id, providers] : information.items()) {
    for (const auto& [provider, values] : providers.items()) {
      if (values.empty()) answers[key + " " + id + " " + provider] = "{}";
      for (const auto& [name, value] : values.items()) {
        answers[key + " " + id + " " + provider + " " + name] =
            value.is_string() ? value.get<std::string>() : value.dump();
      }
    }
  }
}

void add_allocation(Answers& answers, const std::string& resource, standin::Endpoint& endpoint,
                    const std::vector<std::string>& ids) {
  const auto key = resource + " " + std::to_string(ids.size()) + " ";
  const auto given = endpoint.allocate(ids);
  if (!given) {
    answers[key + "refused"] = given.error().message;
    return;
  }
  for (const auto& [name, value] : given->envs) {
    if (name.ends_with("_INFO")) {
      add_information(answers, key + "env " + name, value);
    } else {
      answers[key + "env " + name] = value;
    }
  }
  for (const auto& node : given->nodes) {
    answers[key + "node " + node.container_path] = node.host_path + " " + node.permissions;
  }
  for (const auto& mount : given->mounts) {
    answers[key + "mount " + mount.container_path] = mount.host_path;
  }
  for (const auto& device : given->cdi) answers[key + "cdi " + device] = "given";
}

// Multus reads them: k8snetworkplumbingwg device-info-spec 1.1.0.
Status add_device_information(Answers& answers, const std::string& directory,
                              const std::string& resource, const std::string& id) {
  auto file = resource + "-" + id + "-device.json";
  std::replace(file.begin(), file.end(), '/', '-');
  const auto path = directory + "/" + file;
  if (!std::filesystem::exists(path)) return {};
  SLUICE_TRY(const auto text, os::read_file(path));
  const auto information = json::parse(text, nullptr, false);
  if (!information.is_object()) return fail(Code::kInvalid, path + " is no JSON object");
  const auto flat = information.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    answers[resource + " devinfo " + id + " " + pointer] =
        value.is_string() ? value.get<std::string>() : value.dump();
  }
  return {};
}

Status add_resource(Answers& answers, Lab& lab, const std::string& resource,
                    std::vector<standin::DeviceView> devices) {
  std::sort(devices.begin(), devices.end(),
            [](const auto& one, const auto& other) { return one.id < other.id; });
  std::string list;
  std::vector<std::string> ids;
  for (const auto& device : devices) {
    list += (list.empty() ? "" : " ") + device.id + (device.healthy ? "" : "(unhealthy)");
    answers[resource + " numa " + device.id] = std::to_string(device.numa_node);
    ids.push_back(device.id);
  }
  answers[resource + " devices"] = list;
  SLUICE_TRY(auto* const endpoint, lab.kubelet->endpoint(resource));
  for (std::size_t count = 1; count <= std::min<std::size_t>(2, ids.size()); ++count) {
    add_allocation(answers, resource, *endpoint,
                   {ids.begin(), ids.begin() + static_cast<long>(count)});
  }
  for (const auto& id : ids) {
    SLUICE_CHECK_OK(add_device_information(
        answers, lab.room.run_dir() + "/k8s.cni.cncf.io/devinfo/dp", resource, id));
  }
  return {};
}

// Waits until it has decided, then for that many lists. An empty one: the program has ended.
Result<std::optional<std::size_t>> wait_for_all(Lab& lab) {
  const auto limit = std::chrono::steady_clock::now() + kLimit;
  while (std::chrono::steady_clock::now() < limit) {
    const bool runs = lab.room.running();
    const auto count = offered(lab.subject, lab.room.output());
    if (!runs) return std::optional<std::size_t>();
    if (count && lab.kubelet->wait_for_lists(*count, std::chrono::milliseconds(100))) return count;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fail(Code::kTimeout,
              lab.subject.name + " is not done starting; it says:\n" + tail_of(lab.room.output()));
}

}  // namespace

Result<Answers> collect(Lab& lab, const std::string& config) {
  lab.room.kill();
  lab.kubelet.reset();
  SLUICE_CHECK_OK(lab.room.clear());
  SLUICE_TRY(const auto path, lab.room.put("config.json", config));
  SLUICE_TRY(lab.kubelet, Kubelet::start(lab.room.kubelet_dir()));
  SLUICE_TRY(const auto started, lab.room.start(lab.subject.argv(path)));
  (void)started;
  SLUICE_TRY(const auto count, wait_for_all(lab));
  Answers answers;
  answers["runs"] = count ? "yes" : "no, exit status " + std::to_string(lab.room.exit_status());
  if (!count) return answers;
  for (auto& [resource, devices] : lab.kubelet->lists()) {
    SLUICE_CHECK_OK(add_resource(answers, lab, resource, devices));
  }
  lab.room.kill();
  return answers;
}

std::vector<Difference> compare(const Answers& ours, const Answers& peer) {
  std::set<std::string> keys;
  for (const auto& [key, value] : ours) keys.insert(key);
  for (const auto& [key, value] : peer) keys.insert(key);
  const auto get = [](const Answers& answers, const std::string& key) {
    const auto found = answers.find(key);
    return found == answers.end() ? std::string("-") : found->second;
  };
  std::vector<Difference> out;
  for (const auto& key : keys) {
    const auto one = get(ours, key), other = get(peer, key);
    if (one != other) out.push_back({key, one, other});
  }
  return out;
}

}  // namespace sluice::bench
