// SPDX-License-Identifier: Apache-2.0
// Files, links, netdevs, drivers.
#include "tests/support/fake_sysfs/fake_sysfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace sluice::testing {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::perror(("fake sysfs: " + what).c_str());
  std::abort();
}

// The way back from a directory below the root: "../" for each of its parts.
std::string up(const std::string& directory) {
  std::string result = "../";
  for (const char c : directory) {
    if (c == '/') result += "../";
  }
  return result;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string last_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

FakeSysfs::FakeSysfs(fs::path directory)
    : sys_(directory / "sys"), dev_(directory / "dev"), staging_(directory / ".staging") {
  for (const auto& made : {sys_ / "bus/pci/devices", sys_ / "bus/pci/drivers", sys_ / "class/net",
                           sys_ / "devices/virtual/net", dev_, staging_}) {
    fs::create_directories(made);
  }
}

fs::path FakeSysfs::staged() { return staging_ / std::to_string(staged_++); }

void FakeSysfs::put(const fs::path& at, const std::string& line) {
  const fs::path from = staged();
  const int fd = ::open(from.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const std::string text = line + "\n";
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    give_up("write " + at.string());
  }
  ::close(fd);
  if (::rename(from.c_str(), at.c_str()) == 0) return;
  fs::create_directories(at.parent_path());
  if (::rename(from.c_str(), at.c_str()) != 0) give_up("rename to " + at.string());
}

void FakeSysfs::put_link(const fs::path& at, const std::string& target) {
  const fs::path from = staged();
  if (::symlink(target.c_str(), from.c_str()) != 0) give_up("symlink " + from.string());
  if (::rename(from.c_str(), at.c_str()) == 0) return;
  fs::create_directories(at.parent_path());
  if (::rename(from.c_str(), at.c_str()) != 0) give_up("rename to " + at.string());
}

void FakeSysfs::write(const std::string& relative, const std::string& line) {
  put(sys_ / relative, line);
}
void FakeSysfs::link(const std::string& relative, const std::string& target) {
  put_link(sys_ / relative, target);
}

// Out of sight at once, then away: a reader never sees half a directory that is going.
void FakeSysfs::remove(const std::string& relative) {
  const fs::path gone = staged();
  if (::rename((sys_ / relative).c_str(), gone.c_str()) == 0) fs::remove_all(gone);
}

std::string FakeSysfs::directory_of(const std::string& address) const {
  const auto found = devices_.find(address);
  return found == devices_.end() ? "" : found->second;
}

std::string FakeSysfs::container_of(const std::string& parent) const {
  if (parent.starts_with("pci")) return "devices/" + parent;
  const std::string bridge = directory_of(parent);
  if (bridge.empty()) give_up("there is no bridge " + parent);
  return bridge;
}

void FakeSysfs::place(const std::string& name, const std::string& directory) {
  devices_[name] = directory;
  fs::create_directories(sys_ / directory);
}

void FakeSysfs::set(const std::string& address, const std::string& attribute,
                    const std::string& value) {
  write(directory_of(address) + "/" + attribute, value);
}
void FakeSysfs::unset(const std::string& address, const std::string& attribute) {
  remove(directory_of(address) + "/" + attribute);
}

void FakeSysfs::bind(const std::string& address, const std::string& driver) {
  const std::string bus = address.find(".sf.") == std::string::npos ? "pci" : "auxiliary";
  const std::string at = "bus/" + bus + "/drivers/" + driver;
  fs::create_directories(sys_ / at);
  link(directory_of(address) + "/driver", up(directory_of(address)) + at);
}
void FakeSysfs::unbind(const std::string& address) { unset(address, "driver"); }

void FakeSysfs::fill_netdev(const std::string& directory, const std::string& name,
                            const NetdevSpec& spec) {
  const std::string at = directory + "/" + name;
  netdevs_[name] = at;
  // Complete before it is seen.
  const fs::path made = staged();
  fs::create_directories(made);
  put(made / "address", spec.mac);
  put(made / "ifindex", std::to_string(spec.if_index != 0 ? spec.if_index : next_if_index_++));
  put(made / "carrier", spec.carrier ? "1" : "0");
  put(made / "type", std::to_string(spec.type));
  put(made / "mtu", std::to_string(spec.mtu));
  put(made / "speed", spec.speed);
  if (!spec.physical_port_name.empty()) put(made / "phys_port_name", spec.physical_port_name);
  if (!spec.physical_switch_id.empty()) put(made / "phys_switch_id", spec.physical_switch_id);
  fs::create_directories(sys_ / directory);
  if (::rename(made.c_str(), (sys_ / at).c_str()) != 0) give_up("rename to " + at);
  link("class/net/" + name, "../../" + at);
}

void FakeSysfs::add_netdev(const std::string& address, const std::string& name,
                           const NetdevSpec& spec) {
  fill_netdev(directory_of(address) + "/net", name, spec);
}
void FakeSysfs::add_netdev(const std::string& address, const std::string& name,
                           const std::string& mac, unsigned if_index) {
  NetdevSpec spec;
  spec.mac = mac;
  spec.if_index = if_index;
  add_netdev(address, name, spec);
}
void FakeSysfs::add_virtual_netdev(const std::string& name, const NetdevSpec& spec) {
  fill_netdev("devices/virtual/net", name, spec);
}

void FakeSysfs::remove_netdev(const std::string& name) {
  const auto found = netdevs_.find(name);
  if (found == netdevs_.end()) return;
  remove("class/net/" + name);
  remove(found->second);
  // The kernel has no empty "net" directories.
  const std::string directory = parent_of(found->second);
  if (last_of(directory) == "net" && !found->second.starts_with("devices/virtual/")) {
    ::rmdir((sys_ / directory).c_str());
  }
  netdevs_.erase(found);
}

void FakeSysfs::set_netdev(const std::string& name, const std::string& attribute,
                           const std::string& value) {
  const auto found = netdevs_.find(name);
  if (found == netdevs_.end()) give_up("there is no netdev " + name);
  write(found->second + "/" + attribute, value);
}

void FakeSysfs::add_node(const std::string& name) { put(dev_ / name, ""); }
void FakeSysfs::remove_node(const std::string& name) { fs::remove_all(dev_ / name); }

}  // namespace sluice::testing
