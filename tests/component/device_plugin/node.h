// SPDX-License-Identifier: Apache-2.0
// A node's directories, a machine of files, and the two programs as the test wants them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/component/device_plugin/background_program.h"
#include "tests/support/fake_sysfs/fake_sysfs.h"

namespace sluice::test {

using nlohmann::json;

inline const std::string kPf = "0000:3b:00.0";
inline const std::string kResource = "sluice.dev/vf";

// Waits for something that comes by itself; the limit is only for a build that is broken.
bool eventually(const std::function<bool()>& condition);

class Node {
 public:
  // p0 with that many VFs on driver "vfdrv".
  explicit Node(unsigned vfs = 4);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void start_kubelet(bool plugins_registry = true);  // up when this returns
  // `instance`: programs of one instance share their state and sockets.
  std::unique_ptr<testing::BackgroundProgram> make_plugin(std::vector<std::string> flags = {},
                                                          const std::string& instance = "one");
  void start_plugin(std::vector<std::string> flags = {}) { plugin = make_plugin(flags); }
  // Written as a file that is renamed into place; in force once the plugin has looked.
  void configure(const std::string& config);
  std::vector<std::string> with_config() const { return {"--config", config_path()}; }
  std::string config_path() const { return dir_ + "/etc/config.json"; }

  // One question on the stand-in's control socket; nothing while it isn't up.
  std::optional<json> ask(const json& request) const;
  json resource(const std::string& name = kResource) const;
  std::size_t devices(const std::string& name = kResource) const;
  std::size_t healthy(const std::string& name = kResource) const;
  unsigned registrations(const std::string& name = kResource) const;
  json history(const std::string& name = kResource) const;
  // From its first list on, was there ever nothing to allocate?
  bool ever_at_zero(const std::string& name = kResource) const;
  json allocate(const std::string& pod, int count, const std::string& name = kResource) const;
  json allocate_ids(const std::string& pod, const std::vector<std::string>& ids,
                    const std::string& name = kResource) const;
  bool has_devices(std::size_t count, const std::string& name = kResource) const {
    return eventually([&] { return healthy(name) == count; });
  }

  const std::string& dir() const { return dir_; }
  std::string own_socket() const;     // where the CNI asks; there when the plugin is at work
  std::string plugin_socket() const;  // of sluice.dev/vf, in the registry
  testing::FakeSysfs& sysfs() { return *sysfs_; }
  const std::string& vf(unsigned index) const { return vfs_.at(index); }

  std::unique_ptr<testing::BackgroundProgram> kubelet, plugin;

 private:
  std::string dir_;
  std::unique_ptr<testing::FakeSysfs> sysfs_;
  std::vector<std::string> vfs_;
};

}  // namespace sluice::test
