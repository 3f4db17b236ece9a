// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/plugin_server.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "device-plugin/kubelet/plugin_service.h"

namespace sluice::kubelet {
namespace {

constexpr std::size_t kMaxUnixPath = 107;  // sun_path, without its final zero
constexpr auto kShutdownPatience = std::chrono::seconds(1);

// Where gRPC gives no answer in time (a peer that doesn't read), the calls are cancelled.
class Server final : public PluginServer {
 public:
  Server(std::string path, const PluginName& name, std::vector<pools::Device> devices,
         const Logger& log)
      : path_(std::move(path)),
        feed_(std::make_shared<DeviceFeed>()),
        service_(name.pool, name.resource, feed_, log) {
    feed_->publish(std::move(devices));
  }

  ~Server() override {
    feed_->close();
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownPatience);
    server_->Wait();
  }

  Status listen() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    struct stat status {};
    if (!server_ || ::lstat(path_.c_str(), &status) != 0) {
      return fail(Code::kUnavailable, "can't serve on " + path_);
    }
    device_ = status.st_dev;
    inode_ = status.st_ino;
    return {};
  }

  void publish(std::vector<pools::Device> devices) override { feed_->publish(std::move(devices)); }
  std::size_t streams() const override { return feed_->streams(); }

  SocketState socket_state() const override {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0) return SocketState::kMissing;
    return status.st_dev == device_ && status.st_ino == inode_ ? SocketState::kOurs
                                                               : SocketState::kReplaced;
  }

 private:
  std::string path_;
  std::shared_ptr<DeviceFeed> feed_;
  PluginService service_;
  std::unique_ptr<grpc::Server> server_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace

std::string PluginName::socket_name() const {
  std::string out = resource;
  std::replace(out.begin(), out.end(), '/', '_');
  return out + ".sock";
}

Result<std::unique_ptr<PluginServer>> PluginServer::start(const std::string& directory,
                                                          const PluginName& name,
                                                          std::vector<pools::Device> devices,
                                                          const Logger& log) {
  const std::string path = directory + "/" + name.socket_name();
  if (path.size() > kMaxUnixPath) {
    return fail(Code::kInvalid, "socket path " + path + " has " + std::to_string(path.size()) +
                                    " characters; 107 are allowed");
  }
  auto server = std::make_unique<Server>(path, name, std::move(devices), log);
  SLUICE_CHECK_OK(server->listen());
  return server;
}

}  // namespace sluice::kubelet
