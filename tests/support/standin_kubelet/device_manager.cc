// SPDX-License-Identifier: Apache-2.0
#include "tests/support/standin_kubelet/device_manager.h"

#include <chrono>
#include <mutex>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "common/os/files.h"
#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"

namespace sluice::standin {
namespace {

std::chrono::system_clock::time_point in_seconds(int seconds) {
  return std::chrono::system_clock::now() + std::chrono::seconds(seconds);
}

Status to_status(const grpc::Status& status, const std::string& what) {
  if (status.ok()) return {};
  return fail(Code::kUnavailable, what + ": " + status.error_message());
}

// One registered plugin: its channel, the thread on its stream, the newest list.
class Endpoint {
 public:
  Endpoint(const std::string& socket, std::string resource, Logger log)
      : resource_(std::move(resource)), log_(std::move(log)) {
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ =
        grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
    stub_ = v1beta1::DevicePlugin::NewStub(channel_);
    thread_ = std::thread([this] { follow(); });
  }

  ~Endpoint() {
    context_.TryCancel();
    thread_.join();
  }

  std::vector<DeviceView> devices() const {
    const std::lock_guard lock(mutex_);
    return devices_;
  }

  // As the kubelet: asks only when the plugin offers an opinion and there is something to choose.
  std::vector<std::string> choose(const std::vector<std::string>& free, std::size_t count) {
    std::vector<std::string> first(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(count));
    {
      const std::lock_guard lock(mutex_);
      if (!has_preference_ || free.size() == count) return first;
    }
    v1beta1::PreferredAllocationRequest request;
    auto* container = request.add_container_requests();
    for (const auto& id : free) container->add_available_deviceids(id);
    container->set_allocation_size(static_cast<std::int32_t>(count));
    v1beta1::PreferredAllocationResponse response;
    grpc::ClientContext context;
    context.set_deadline(in_seconds(10));
    const auto status = stub_->GetPreferredAllocation(&context, request, &response);
    if (!status.ok() || response.container_responses_size() != 1) return first;
    const auto& ids = response.container_responses(0).deviceids();
    if (static_cast<std::size_t>(ids.size()) != count) return first;
    return {ids.begin(), ids.end()};
  }

  Result<Allocation> allocate(std::vector<std::string> ids) {
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
    Allocation out;
    out.devices = std::move(ids);
    for (const auto& [name, value] : response.container_responses(0).envs()) {
      out.envs[name] = value;
    }
    return out;
  }

 private:
  void follow() {
    read_options();
    auto stream = stub_->ListAndWatch(&context_, v1beta1::Empty());
    v1beta1::ListAndWatchResponse response;
    while (stream->Read(&response)) {
      const std::lock_guard lock(mutex_);
      devices_.clear();
      for (const auto& device : response.devices()) {
        devices_.push_back({device.id(), device.health() == "Healthy", ""});
      }
    }
    const auto status = stream->Finish();
    log_.info("stream ended", {{"resource", resource_}, {"status", status.error_message()}});
    // The kubelet, too, gives nothing out of a plugin that it lost.
    const std::lock_guard lock(mutex_);
    for (auto& device : devices_) device.healthy = false;
  }

  void read_options() {
    v1beta1::DevicePluginOptions options;
    grpc::ClientContext context;
    context.set_deadline(in_seconds(10));
    const auto status = stub_->GetDevicePluginOptions(&context, v1beta1::Empty(), &options);
    const std::lock_guard lock(mutex_);
    has_preference_ = status.ok() && options.get_preferred_allocation_available();
  }

  std::string resource_;
  Logger log_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub_;
  grpc::ClientContext context_;
  mutable std::mutex mutex_;
  std::vector<DeviceView> devices_;
  bool has_preference_ = false;
  std::thread thread_;
};

class Manager final : public DeviceManager, private v1beta1::Registration::Service {
 public:
  Manager(std::string directory, Logger log)
      : directory_(std::move(directory)), log_(std::move(log)) {}

  ~Manager() override {
    if (server_) {
      server_->Shutdown(in_seconds(1));
      server_->Wait();
    }
    const std::lock_guard lock(mutex_);
    entries_.clear();
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

  std::map<std::string, ResourceView> resources() const override {
    const std::lock_guard lock(mutex_);
    std::map<std::string, ResourceView> out;
    for (const auto& [resource, entry] : entries_) {
      auto& view = out[resource];
      view.devices = with_pods(entry);
      view.registrations = entry.registrations;
    }
    return out;
  }

  Result<Allocation> allocate(const std::string& pod, const std::string& resource,
                              std::size_t count) override {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(resource);
    const auto wants = pod + " wants " + std::to_string(count) + " of " + resource + ", ";
    if (entry == entries_.end()) return fail(Code::kNotFound, wants + "which nobody registered");
    const auto devices = with_pods(entry->second);
    std::vector<std::string> free;
    for (const auto& device : devices) {
      if (device.healthy && device.pod.empty()) free.push_back(device.id);
    }
    if (count == 0 || free.size() < count) {
      return fail(Code::kExhausted, wants + std::to_string(free.size()) + " of " +
                                        std::to_string(devices.size()) + " are free");
    }
    auto& endpoint = *entry->second.endpoint;
    SLUICE_TRY(auto allocation, endpoint.allocate(endpoint.choose(free, count)));
    for (const auto& id : allocation.devices) entry->second.owners[id] = pod;
    return allocation;
  }

  std::size_t free(const std::string& pod) override {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (auto& [resource, entry] : entries_) {
      count += std::erase_if(entry.owners, [&](const auto& owner) { return owner.second == pod; });
    }
    return count;
  }

 private:
  struct Entry {
    std::unique_ptr<Endpoint> endpoint;
    std::map<std::string, std::string> owners;  // device -> pod
    unsigned registrations = 0;
  };

  static std::vector<DeviceView> with_pods(const Entry& entry) {
    auto devices = entry.endpoint->devices();
    for (auto& device : devices) {
      const auto owner = entry.owners.find(device.id);
      if (owner != entry.owners.end()) device.pod = owner->second;
    }
    return devices;
  }

  grpc::Status Register(grpc::ServerContext*, const v1beta1::RegisterRequest* request,
                        v1beta1::Empty*) override {
    const auto invalid = [](const std::string& why) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, why);
    };
    if (request->version() != "v1beta1") return invalid("version must be v1beta1");
    if (request->endpoint().empty() || request->endpoint().find('/') != std::string::npos) {
      return invalid("endpoint must be a file name");
    }
    if (request->resource_name().find('/') == std::string::npos) {
      return invalid("resource_name must be PREFIX/NAME");
    }
    log_.info("registered",
              {{"resource", request->resource_name()}, {"endpoint", request->endpoint()}});
    const std::lock_guard lock(mutex_);
    auto& entry = entries_[request->resource_name()];
    ++entry.registrations;
    entry.endpoint.reset();
    entry.endpoint = std::make_unique<Endpoint>(directory_ + "/" + request->endpoint(),
                                                request->resource_name(), log_);
    return grpc::Status::OK;
  }

  std::string directory_;
  Logger log_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<DeviceManager>> DeviceManager::start(const std::string& directory,
                                                            Logger log) {
  auto manager = std::make_unique<Manager>(directory, std::move(log));
  SLUICE_CHECK_OK(manager->listen());
  return manager;
}

}  // namespace sluice::standin
