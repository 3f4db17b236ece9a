// SPDX-License-Identifier: Apache-2.0
#include "tests/component/cni/cni_lab.h"

#include <doctest/doctest.h>

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "common/netlink/link_wait.h"
#include "common/nic/vf_control.h"
#include "sriov-cni/journal/record.h"

namespace sluice::testing {
namespace {

std::optional<netlink::Link> link_of(netlink::Rtnl rtnl, const std::string& name) {
  auto link = rtnl.link(name);
  if (!link) {
    REQUIRE(link.error().code == Code::kNotFound);
    return std::nullopt;
  }
  return std::move(*link);
}

// CRI-O's; other runtimes wait longer.
constexpr Duration kRuntimePatience = std::chrono::seconds(60);

std::vector<std::string> visible_files(const std::string& directory) {
  std::vector<std::string> out;
  if (!std::filesystem::exists(directory)) return out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const auto name = entry.path().filename().string();
    if (name.front() != '.') out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

const char* pci_of(unsigned index) { return index == 0 ? kVf0 : index == 1 ? kVf1 : kVf2; }
unsigned index_of(const std::string& vf) { return static_cast<unsigned>(vf.back() - '0'); }
std::string mac_of(unsigned index) { return "02:00:00:00:01:0" + std::to_string(index); }

}  // namespace

Pod::Pod(std::string id, std::string pod_name, std::string pod_uid)
    : container(std::move(id)), name(std::move(pod_name)), uid(std::move(pod_uid)) {
  if (name.empty()) name = container;
  auto made = os::NetNs::create_anonymous();
  REQUIRE(made);
  netns = std::move(*made);
}

std::string Pod::path() const {
  if (!netns) return "/proc/" + std::to_string(::getpid()) + "/fd/none";
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(netns->fd());
}

netlink::Rtnl Pod::rtnl() const { return netlink::Rtnl::open_in(*netns).value(); }
std::optional<netlink::Link> Pod::link(const std::string& link_name) const {
  return link_of(rtnl(), link_name);
}

CniLab::CniLab() {
  char pattern[] = "/tmp/sluice-cni-XXXXXX";
  REQUIRE(::mkdtemp(pattern) != nullptr);
  dir = pattern;
  auto made = os::NetNs::create_anonymous();
  REQUIRE(made);
  node = std::move(*made);
  sysfs = std::make_unique<FakeSysfs>(dir + "/sys");
  sysfs->add_pf(kPf, std::string(nic::kSimulatedDriver), "p0");
  for (unsigned i = 0; i < 3; ++i) {
    sysfs->add_vf(kPf, i, pci_of(i), "softvf");
    make_vf(i);
  }
  engine = std::make_unique<FakeEngine>(dir, sysfs->path());
  engine->start();
  plugin = std::make_unique<FakePlugin>(dir + "/device-plugin.sock");
}

CniLab::~CniLab() {
  plugin.reset();
  engine.reset();
  std::filesystem::remove_all(dir);
}

netlink::Rtnl CniLab::rtnl() const { return netlink::Rtnl::open_in(*node).value(); }
std::optional<netlink::Link> CniLab::link(const std::string& name) const {
  return link_of(rtnl(), name);
}

void CniLab::await_gone(const std::string& name) const {
  const auto there = link(name);
  if (!there) return;
  const auto never = [](const netlink::Link&) { return false; };
  const auto waited = netlink::wait_link(*node, there->index, never, std::chrono::seconds(30));
  INFO(name);
  REQUIRE(waited.error().code == Code::kNotFound);
}

void CniLab::make_vf(unsigned index) {
  netlink::VethEnd vf, representor;
  vf.name = "vf" + std::to_string(index);
  vf.mac = MacAddr::parse(mac_of(index)).value();
  representor.name = "rep" + std::to_string(index);
  REQUIRE(rtnl().add_veth(vf, representor));
  show_netdev(pci_of(index), vf.name);
}

void CniLab::show_netdev(const std::string& pci, const std::string& name) const {
  const auto found = link(name);
  REQUIRE(found);
  sysfs->add_netdev(pci, name, found->mac.to_string(), found->index.value);
}

Answer CniLab::call(const std::string& verb, const Pod& pod, nlohmann::json more,
                    const std::string& netns) const {
  nlohmann::json config = {{"cniVersion", "1.1.0"},
                           {"name", "pods"},
                           {"type", "sluice-cni"},
                           {"engineSocket", engine->socket()},
                           {"devicePluginSocket", plugin->socket()},
                           {"stateDir", dir + "/state"},
                           {"baselineDir", dir + "/baselines"},
                           {"statsFile", dir + "/stats"}};
  config.update(more);
  for (const auto& [key, value] : more.items()) {
    if (value.is_null()) config.erase(key);
  }
  std::vector<std::string> argv = {
      "/usr/bin/env",
      "-i",
      "CNI_COMMAND=" + verb,
      "CNI_CONTAINERID=" + pod.container,
      "CNI_IFNAME=" + interface,
      "CNI_NETNS=" + (netns == "as the pod's" ? pod.path() : netns),
      "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=" + pod.name +
          (pod.uid.empty() ? "" : ";K8S_POD_UID=" + pod.uid) + more_args,
      "CNI_PATH=" + cni_path};
  if (!trace_parent.empty()) argv.push_back("TRACEPARENT=" + trace_parent);
  return run(std::move(argv), config.dump());
}

Answer CniLab::repair(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {"/usr/bin/env", "-i"};
  const std::vector<std::string> own = {
      "repair",      "--json",         "--state-dir",      dir + "/state", "--sysfs-root",
      sysfs->path(), "--baseline-dir", dir + "/baselines", "--stats-file", dir + "/stats"};
  arguments.insert(arguments.begin(), own.begin(), own.end());
  return run(std::move(argv), "", arguments);
}

// In the node's namespace.
Answer CniLab::run(std::vector<std::string> argv, const std::string& input,
                   const std::vector<std::string>& arguments) const {
  if (read_only) {
    // A mount namespace of its own, so that nobody else sees it.
    const std::vector<std::string> wrapper = {
        "/usr/bin/unshare",
        "-m",
        "/bin/sh",
        "-c",
        "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"",
        dir + "/state"};
    argv.insert(argv.begin(), wrapper.begin(), wrapper.end());
  }
  argv.push_back(SLUICE_CNI);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Answer answer;
  const auto ran = node->run_in([&]() -> Status {
    SLUICE_TRY(const auto exit, os::run_program(argv, input, kRuntimePatience));
    answer.status = exit.status;
    answer.err = exit.err;
    if (!exit.out.empty()) answer.out = nlohmann::json::parse(exit.out, nullptr, false);
    return {};
  });
  REQUIRE(ran);
  INFO(answer.err);
  REQUIRE_FALSE(answer.out.is_discarded());
  return answer;
}

Answer CniLab::add(const Pod& pod, nlohmann::json more) const {
  return call("ADD", pod, std::move(more));
}

nlohmann::json CniLab::plain(const std::string& pci, const nlohmann::json& more) const {
  nlohmann::json config = {{"offload", "never"},
                           {"deviceID", pci},
                           {"sysfsRoot", sysfs->path()},
                           {"vfControlSocket", dir + "/vf.sock"}};
  config.update(more);
  return config;
}

std::vector<std::string> CniLab::pool_addresses() const {
  return visible_files(dir + "/state/ipam/pools/pods/-");
}

std::vector<std::string> CniLab::addresses() const {
  return visible_files(dir + "/state/ipam/node-a");
}
std::vector<std::string> CniLab::attachments() const {
  return visible_files(dir + "/state/attachments");
}

std::string CniLab::record_of(const std::string& id) const {
  return dir + "/state/attachments/" + cni::id_hash(id) + ".json";
}

void CniLab::check_clean() const {
  CHECK(addresses().empty());
  CHECK(attachments().empty());
  CHECK(engine->attachments().empty());
  CHECK(engine->pending().empty());
  const auto links = rtnl().links().value();
  for (const auto& found : links) {
    INFO(found.name);
    CHECK_FALSE(found.name.starts_with("sl"));
  }
}

void CniLab::check_vf_home(const std::string& name) const {
  const auto vf = link(name);
  REQUIRE(vf);
  CHECK(vf->mac.to_string() == mac_of(index_of(name)));
  CHECK(vf->mtu == 1500);
  CHECK_FALSE(vf->up);
  CHECK(vf->alias.empty());
  const auto admin_mac = engine->admin_mac(pci_of(index_of(name)));
  CHECK((admin_mac.empty() || admin_mac == "00:00:00:00:00:00"));
}

}  // namespace sluice::testing
