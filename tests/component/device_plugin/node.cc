// SPDX-License-Identifier: Apache-2.0
#include "tests/component/device_plugin/node.h"

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace sluice::test {

bool eventually(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < limit) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

Node::Node(unsigned vfs) {
  char pattern[] = "/tmp/sluice-dp-XXXXXX";
  REQUIRE(::mkdtemp(pattern) != nullptr);
  dir_ = pattern;
  std::filesystem::create_directories(dir_ + "/etc");
  std::filesystem::create_directories(dir_ + "/proc");
  sysfs_ = std::make_unique<testing::FakeSysfs>(dir_);
  sysfs_->add_pf(kPf, "pfdrv", "p0");
  vfs_ = sysfs_->add_vfs(kPf, vfs, "vfdrv");
}

Node::~Node() {
  plugin.reset();
  kubelet.reset();
  std::filesystem::remove_all(dir_);
}

void Node::start_kubelet(bool plugins_registry) {
  kubelet = std::make_unique<testing::BackgroundProgram>(std::vector<std::string>{
      STANDIN_KUBELET, "--dir", dir_ + "/kubelet", "--control", dir_ + "/control.sock",
      "--plugins-registry", plugins_registry ? "yes" : "no"});
  REQUIRE(eventually([&] { return ask({{"op", "resources"}}).has_value(); }));
}

std::unique_ptr<testing::BackgroundProgram> Node::make_plugin(std::vector<std::string> flags,
                                                              const std::string& instance) {
  const auto own = dir_ + "/" + instance;
  std::filesystem::create_directories(own);
  std::vector<std::string> argv = {SLUICE_DEVICE_PLUGIN,
                                   "--sysfs-root",
                                   sysfs_->path(),
                                   "--dev-root",
                                   sysfs_->dev_root(),
                                   "--proc-root",
                                   dir_ + "/proc",
                                   "--kubelet-dir",
                                   dir_ + "/kubelet",
                                   "--state-dir",
                                   own + "/state",
                                   "--run-dir",
                                   own + "/run",
                                   "--cdi-dir",
                                   dir_ + "/cdi",
                                   "--devinfo-dir",
                                   dir_ + "/devinfo",
                                   "--dra",
                                   "off",
                                   "--health-down-seconds",
                                   "0",
                                   "--health-up-seconds",
                                   "0"};
  // CLI11 takes an option once.
  bool rescan = false;
  for (const auto& flag : flags) rescan = rescan || flag == "--rescan-seconds";
  if (!rescan) flags.insert(flags.end(), {"--rescan-seconds", "0.5"});
  argv.insert(argv.end(), flags.begin(), flags.end());
  return std::make_unique<testing::BackgroundProgram>(argv);
}

void Node::configure(const std::string& config) {
  std::ofstream(config_path() + ".new") << config;
  std::filesystem::rename(config_path() + ".new", config_path());
}

std::optional<json> Node::ask(const json& request) const {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (dir_ + "/control.sock").c_str(), sizeof address.sun_path - 1);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const auto line = request.dump() + "\n";
    if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0) {
      char chunk[4096];
      while (answer.empty() || answer.back() != '\n') {
        const auto got = ::recv(fd, chunk, sizeof chunk, 0);
        if (got <= 0) break;
        answer.append(chunk, static_cast<std::size_t>(got));
      }
    }
  }
  ::close(fd);
  auto out = json::parse(answer, nullptr, false);
  if (out.is_discarded()) return std::nullopt;
  return out;
}

json Node::resource(const std::string& name) const {
  const auto answer = ask({{"op", "resources"}});
  if (!answer || !(*answer)["resources"].contains(name)) return nullptr;
  return (*answer)["resources"][name];
}

std::size_t Node::devices(const std::string& name) const {
  const auto view = resource(name);
  return view.is_null() ? 0 : view["devices"].size();
}

std::size_t Node::healthy(const std::string& name) const {
  std::size_t count = 0;
  const auto view = resource(name);
  if (view.is_null()) return 0;
  for (const auto& device : view["devices"]) count += device["healthy"].get<bool>() ? 1 : 0;
  return count;
}

unsigned Node::registrations(const std::string& name) const {
  const auto view = resource(name);
  return view.is_null() ? 0 : view["registrations"].get<unsigned>();
}

json Node::history(const std::string& name) const {
  const auto answer = ask({{"op", "history"}});
  if (!answer || !(*answer)["history"].contains(name)) return json::array();
  return (*answer)["history"][name];
}

bool Node::ever_at_zero(const std::string& name) const {
  bool listed = false;
  for (const auto& entry : history(name)) {
    if (entry["healthy"] == 0 && listed) return true;
    listed = listed || entry["event"] == "list";
  }
  return !listed;
}

json Node::allocate(const std::string& pod, int count, const std::string& name) const {
  return ask({{"op", "allocate"}, {"pod", pod}, {"resource", name}, {"count", count}})
      .value_or(json{{"error", "no answer"}});
}

json Node::allocate_ids(const std::string& pod, const std::vector<std::string>& ids,
                        const std::string& name) const {
  return ask({{"op", "allocate"}, {"pod", pod}, {"resource", name}, {"ids", ids}})
      .value_or(json{{"error", "no answer"}});
}

std::string Node::own_socket() const { return dir_ + "/one/run/device-plugin.sock"; }

std::string Node::plugin_socket() const {
  return dir_ + "/kubelet/plugins_registry/sluice.dev_vf.sock";
}

}  // namespace sluice::test
