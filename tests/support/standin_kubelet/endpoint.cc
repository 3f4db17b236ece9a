// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/endpoint.h"

#include <atomic>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"
#include "tests/support/standin_kubelet/grpc_help.h"

namespace sluice::standin {
namespace {

class PluginEndpoint final : public Endpoint {
 public:
  PluginEndpoint(const std::string& socket, std::string resource, Events events, Logger log)
      : resource_(std::move(resource)), events_(std::move(events)), log_(std::move(log)) {
    stub_ = v1beta1::DevicePlugin::NewStub(channel_to(socket));
    thread_ = std::thread([this] { follow(); });
  }

  ~PluginEndpoint() override {
    leaving_ = true;
    options_context_.TryCancel();
    context_.TryCancel();
    thread_.join();
  }

  Result<std::vector<std::string>> choose(const std::vector<std::string>& free,
                                          std::size_t count) override {
    std::vector<std::string> first(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(count));
    if (!has_preference_ || free.size() == count) return first;
    v1beta1::PreferredAllocationRequest request;
    auto* container = request.add_container_requests();
    for (const auto& id : free) container->add_available_deviceids(id);
    container->set_allocation_size(static_cast<std::int32_t>(count));
    v1beta1::PreferredAllocationResponse response;
    grpc::ClientContext context;
    context.set_deadline(in_seconds(10));
    // An error fails the pod's admission, as in the kubelet.
    SLUICE_CHECK_OK(to_status(stub_->GetPreferredAllocation(&context, request, &response),
                              "GetPreferredAllocation"));
    if (response.container_responses_size() != 1) return first;
    const auto& ids = response.container_responses(0).deviceids();
    if (static_cast<std::size_t>(ids.size()) != count) return first;
    return std::vector<std::string>(ids.begin(), ids.end());
  }

  Result<Allocation> allocate(const std::vector<std::string>& ids) override {
    v1beta1::AllocateRequest request;
    auto* container = request.add_container_requests();
    for (const auto& id : ids) container->add_devices_ids(id);
    v1beta1::AllocateResponse response;
    grpc::ClientContext context;
    context.set_deadline(in_seconds(10));
    SLUICE_CHECK_OK(to_status(stub_->Allocate(&context, request, &response), "Allocate"));
    if (response.container_responses_size() != 1) {
      return fail(Code::kInternal, "Allocate answered for " +
                                       std::to_string(response.container_responses_size()) +
                                       " containers instead of 1");
    }
    return to_allocation(ids, response.container_responses(0));
  }

 private:
  static Allocation to_allocation(const std::vector<std::string>& ids,
                                  const v1beta1::ContainerAllocateResponse& answer) {
    Allocation out;
    out.devices = ids;
    out.envs = {answer.envs().begin(), answer.envs().end()};
    for (const auto& node : answer.devices()) {
      out.nodes.push_back({node.container_path(), node.host_path(), node.permissions()});
    }
    for (const auto& mount : answer.mounts()) {
      out.mounts.push_back({mount.container_path(), mount.host_path(), mount.read_only()});
    }
    for (const auto& device : answer.cdi_devices()) out.cdi.push_back(device.name());
    return out;
  }

  void follow() {
    read_options();
    auto stream = stub_->ListAndWatch(&context_, v1beta1::Empty());
    v1beta1::ListAndWatchResponse response;
    while (stream->Read(&response)) {
      std::vector<DeviceView> devices;
      for (const auto& device : response.devices()) {
        const int numa = device.topology().nodes_size() > 0
                             ? static_cast<int>(device.topology().nodes(0).id())
                             : -1;
        devices.push_back({device.id(), device.health() == "Healthy", numa, ""});
      }
      events_.list(std::move(devices));
    }
    const auto status = stream->Finish();
    log_.info("stream ended", {{"resource", resource_}, {"status", status.error_message()}});
    if (!leaving_) events_.ended();
  }

  void read_options() {
    v1beta1::DevicePluginOptions options;
    options_context_.set_deadline(in_seconds(10));
    const auto status =
        stub_->GetDevicePluginOptions(&options_context_, v1beta1::Empty(), &options);
    has_preference_ = status.ok() && options.get_preferred_allocation_available();
  }

  std::string resource_;
  Events events_;
  Logger log_;
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub_;
  grpc::ClientContext options_context_, context_;
  std::atomic<bool> has_preference_ = false;
  std::atomic<bool> leaving_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Endpoint> Endpoint::connect(const std::string& socket, const std::string& resource,
                                            Events events, Logger log) {
  return std::make_unique<PluginEndpoint>(socket, resource, std::move(events), std::move(log));
}

}  // namespace sluice::standin
