// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/registrar.h"

#include "common/os/files.h"
#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"
#include "tests/support/standin_kubelet/grpc_help.h"

namespace sluice::standin {
namespace {

grpc::Status invalid(const std::string& why) { return {grpc::StatusCode::INVALID_ARGUMENT, why}; }

class RegistrationServer final : public Registrar, private v1beta1::Registration::Service {
 public:
  RegistrationServer(std::string directory, DeviceManager& manager, Manners& manners, Logger log)
      : directory_(std::move(directory)),
        manager_(manager),
        manners_(manners),
        log_(std::move(log)) {}

  ~RegistrationServer() override {
    if (!server_) return;
    server_->Shutdown(in_seconds(0));
    server_->Wait();
  }

  Status listen() {
    SLUICE_CHECK_OK(os::make_directories(directory_));
    SLUICE_TRY(const auto root, os::Root::open(directory_));
    SLUICE_TRY(const auto names, root.list("."));
    for (const auto& name : names) SLUICE_CHECK_OK(os::remove_file(directory_ + "/" + name));
    const auto socket = directory_ + "/kubelet.sock";
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (!server_) return fail(Code::kUnavailable, "can't serve on " + socket);
    return {};
  }

 private:
  grpc::Status Register(grpc::ServerContext* context, const v1beta1::RegisterRequest* request,
                        v1beta1::Empty*) override {
    manners_.hang([&] { return !context->IsCancelled(); });
    if (context->IsCancelled()) return grpc::Status::CANCELLED;
    if (manners_.get() == Manner::kRefuse) return invalid("this kubelet refuses everybody");
    if (request->version() != "v1beta1") return invalid("version must be v1beta1");
    if (request->endpoint().empty() || request->endpoint().find('/') != std::string::npos) {
      return invalid("endpoint must be a file name");
    }
    if (request->resource_name().find('/') == std::string::npos) {
      return invalid("resource_name must be PREFIX/NAME");
    }
    manager_.registered(request->resource_name(), directory_ + "/" + request->endpoint());
    return grpc::Status::OK;
  }

  std::string directory_;
  DeviceManager& manager_;
  Manners& manners_;
  Logger log_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<Registrar>> Registrar::start(const std::string& directory,
                                                    DeviceManager& manager, Manners& manners,
                                                    Logger log) {
  auto server = std::make_unique<RegistrationServer>(directory, manager, manners, std::move(log));
  SLUICE_CHECK_OK(server->listen());
  return server;
}

}  // namespace sluice::standin
