// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/registration.h"

#include <condition_variable>
#include <mutex>

#include <grpcpp/grpcpp.h>

#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"
#include "device-plugin/kubelet/plugin_service.h"

namespace sluice::kubelet {
namespace {

Status to_status(const grpc::Status& status) {
  if (status.ok()) return {};
  const bool later = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                     status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  Error error{later ? Code::kUnavailable : Code::kInvalid,
              Domain::kKube,
              status.error_code(),
              "the kubelet's answer to Register: " + status.error_message(),
              {},
              Retry::kLater};
  return fail(std::move(error));
}

class Call final : public Registration {
 public:
  Call(const std::string& socket, const PluginName& name, Duration deadline,
       std::function<void(Status)> done)
      : done_(std::move(done)) {
    grpc::ChannelArguments arguments;
    // Some gRPC versions send the socket's path as authority, which Go's servers refuse.
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    // A connection state of our own: no back-off that an earlier, dead kubelet left behind.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ =
        grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
    stub_ = v1beta1::Registration::NewStub(channel_);
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::milliseconds>(deadline));
    request_.set_version("v1beta1");
    request_.set_endpoint(name.socket_name());
    request_.set_resource_name(name.resource);
    *request_.mutable_options() = plugin_options();
  }

  ~Call() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return done_called_; });
  }

  void begin() {
    stub_->async()->Register(&context_, &request_, &response_, [this](const grpc::Status& status) {
      done_(to_status(status));
      const std::lock_guard lock(mutex_);
      done_called_ = true;
      ended_.notify_all();
    });
  }

 private:
  std::function<void(Status)> done_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1beta1::Registration::Stub> stub_;
  grpc::ClientContext context_;
  v1beta1::RegisterRequest request_;
  v1beta1::Empty response_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_called_ = false;
};

}  // namespace

std::unique_ptr<Registration> Registration::start(const std::string& kubelet_socket,
                                                  const PluginName& name, Duration deadline,
                                                  std::function<void(Status)> done) {
  auto call = std::make_unique<Call>(kubelet_socket, name, deadline, std::move(done));
  call->begin();
  return call;
}

}  // namespace sluice::kubelet
