// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/pod_resources_server.h"

#include "common/os/files.h"
#include "device-plugin/kubelet/podresources.grpc.pb.h"
#include "tests/support/standin_kubelet/grpc_help.h"

namespace sluice::standin {
namespace {

void fill_claims(v1::ContainerResources& out, const std::vector<ClaimedDevice>& claims) {
  for (const auto& claim : claims) {
    auto& entry = *out.add_dynamic_resources();
    entry.set_claim_namespace(claim.claim_namespace);
    entry.set_claim_name(claim.claim);
    auto& device = *entry.add_claim_resources();
    device.set_driver_name(claim.driver);
    device.set_pool_name(claim.pool);
    device.set_device_name(claim.device);
  }
}

void fill(v1::PodResources& out, const std::string& name, const PodView& pod) {
  const auto slash = name.find('/');
  out.set_namespace_(slash == std::string::npos ? "default" : name.substr(0, slash));
  out.set_name(slash == std::string::npos ? name : name.substr(slash + 1));
  for (const auto& [container, resources] : pod.devices) {
    auto& entry = *out.add_containers();
    entry.set_name(container);
    for (const auto& [resource, ids] : resources) {
      // One entry a device, as the kubelet has it where devices have a NUMA node.
      for (const auto& id : ids) {
        auto& devices = *entry.add_devices();
        devices.set_resource_name(resource);
        devices.add_device_ids(id);
      }
    }
  }
  if (pod.claims.empty()) return;
  if (out.containers_size() == 0) out.add_containers()->set_name("app");
  fill_claims(*out.mutable_containers(0), pod.claims);
}

class Lister final : public PodResourcesServer, private v1::PodResourcesLister::Service {
 public:
  Lister(DeviceManager& manager, Manners& manners) : manager_(manager), manners_(manners) {}

  ~Lister() override {
    if (!server_) return;
    server_->Shutdown(in_seconds(0));
    server_->Wait();
  }

  Status listen(const std::string& directory) {
    SLUICE_CHECK_OK(os::make_directories(directory));
    const auto socket = directory + "/kubelet.sock";
    SLUICE_CHECK_OK(os::remove_file(socket));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (!server_) return fail(Code::kUnavailable, "can't serve on " + socket);
    return {};
  }

 private:
  grpc::Status List(grpc::ServerContext* context, const v1::ListPodResourcesRequest*,
                    v1::ListPodResourcesResponse* response) override {
    manners_.hang([&] { return !context->IsCancelled(); });
    for (const auto& [name, pod] : manager_.pods()) {
      fill(*response->add_pod_resources(), name, pod);
    }
    return grpc::Status::OK;
  }

  DeviceManager& manager_;
  Manners& manners_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<PodResourcesServer>> PodResourcesServer::start(const std::string& directory,
                                                                      DeviceManager& manager,
                                                                      Manners& manners) {
  auto server = std::make_unique<Lister>(manager, manners);
  SLUICE_CHECK_OK(server->listen(directory));
  return server;
}

}  // namespace sluice::standin
