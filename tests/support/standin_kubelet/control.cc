// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/control.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "common/os/files.h"

namespace sluice::standin {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLine = 65536;

Json resources_json(const DeviceManager& manager) {
  Json out;
  out["resources"] = Json::object();
  for (const auto& [name, resource] : manager.resources()) {
    Json devices = Json::array();
    for (const auto& device : resource.devices) {
      devices.push_back({{"id", device.id}, {"healthy", device.healthy}, {"pod", device.pod}});
    }
    out["resources"][name] = {{"devices", devices}, {"registrations", resource.registrations}};
  }
  return out;
}

Json allocate_json(DeviceManager& manager, const Json& request) {
  const auto count = request.value("count", std::int64_t{1});
  if (count < 1 || count > 1024) return {{"error", "count must be 1 to 1024"}};
  const auto allocation =
      manager.allocate(request.at("pod").get<std::string>(),
                       request.at("resource").get<std::string>(), static_cast<std::size_t>(count));
  if (!allocation) return {{"error", allocation.error().message}};
  return {{"devices", allocation->devices}, {"envs", allocation->envs}};
}

bool write_line(int fd, std::string line) {
  line += '\n';
  for (std::size_t at = 0; at < line.size();) {
    const auto put = ::send(fd, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += static_cast<std::size_t>(put);
  }
  return true;
}

}  // namespace

std::string answer(DeviceManager& manager, std::string_view line) {
  Json out;
  try {  // of nlohmann::json: no JSON, a missing field, another type
    const auto request = Json::parse(line);
    const auto op = request.at("op").get<std::string>();
    if (op == "resources") {
      out = resources_json(manager);
    } else if (op == "allocate") {
      out = allocate_json(manager, request);
    } else if (op == "free") {
      out = {{"freed", manager.free(request.at("pod").get<std::string>())}};
    } else {
      out = {{"error", "op '" + op + "' is unknown; allowed are resources, allocate, free"}};
    }
  } catch (const Json::exception& error) {
    out = {{"error", error.what()}};
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(os::EventLoop& loop,
                                                             const std::string& path,
                                                             DeviceManager& manager) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(Code::kInvalid, "--control " + path + " is longer than 107 characters");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make a unix socket");
  SLUICE_CHECK_OK(os::remove_file(path));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 16) != 0) {
    return fail_errno(errno, "listen on " + path);
  }
  std::unique_ptr<ControlServer> server(new ControlServer(loop, path, std::move(fd), manager));
  SLUICE_CHECK_OK(loop.watch(server->fd_.get(), [s = server.get()] { s->accept_one(); }));
  return server;
}

ControlServer::ControlServer(os::EventLoop& loop, std::string path, os::UniqueFd fd,
                             DeviceManager& manager)
    : loop_(loop), path_(std::move(path)), fd_(std::move(fd)), manager_(manager) {}

ControlServer::~ControlServer() {
  for (const auto& [fd, connection] : connections_) loop_.unwatch(fd);
  loop_.unwatch(fd_.get());
  std::ignore = os::remove_file(path_);
}

void ControlServer::accept_one() {
  // Blocking: answers are small, and whoever doesn't read them is a test's fault.
  os::UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) return;
  const int number = fd.get();
  if (!loop_.watch(number, [this, number] { readable(number); })) return;
  connections_[number].fd = std::move(fd);
}

void ControlServer::readable(int fd) {
  auto& connection = connections_.at(fd);
  char chunk[4096];
  const auto got = ::recv(fd, chunk, sizeof chunk, 0);
  bool good = got > 0;
  if (good) connection.input.append(chunk, static_cast<std::size_t>(got));
  for (auto end = connection.input.find('\n'); good && end != std::string::npos;
       end = connection.input.find('\n')) {
    good = write_line(fd, answer(manager_, std::string_view(connection.input).substr(0, end)));
    connection.input.erase(0, end + 1);
  }
  if (good && connection.input.size() <= kMaxLine) return;
  loop_.unwatch(fd);
  connections_.erase(fd);
}

}  // namespace sluice::standin
