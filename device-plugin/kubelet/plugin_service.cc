// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/plugin_service.h"

#include <algorithm>

#include "device-plugin/pools/allocate.h"

namespace sluice::kubelet {

// One ListAndWatch call. At most one write is under way; the rest is a version number to catch up
// with. All of it is guarded by the feed's mutex; gRPC deletes nothing of ours, OnDone does.
class ListStream final : public grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse> {
 public:
  explicit ListStream(std::shared_ptr<DeviceFeed> feed) : feed_(std::move(feed)) {
    const std::lock_guard lock(feed_->mutex_);
    feed_->streams_.insert(this);
    advance();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(feed_->mutex_);
    writing_ = false;
    broken_ = broken_ || !ok;
    advance();
  }

  void OnCancel() override {
    const std::lock_guard lock(feed_->mutex_);
    broken_ = true;
    advance();
  }

  void OnDone() override {
    {
      const std::lock_guard lock(feed_->mutex_);
      feed_->streams_.erase(this);
    }
    delete this;
  }

  void advance() {  // with the feed's mutex
    if (finished_ || writing_) return;
    if (broken_ || feed_->closed_) {
      finished_ = true;
      Finish(broken_ ? grpc::Status::CANCELLED : grpc::Status::OK);
      return;
    }
    if (sent_version_ == feed_->version_) return;
    fill();
    sent_version_ = feed_->version_;
    writing_ = true;
    StartWrite(&message_);
  }

 private:
  void fill() {
    message_.clear_devices();
    for (const auto& device : feed_->devices_) {
      auto* out = message_.add_devices();
      out->set_id(device.id);
      out->set_health(device.healthy ? "Healthy" : "Unhealthy");
      if (device.numa_node) out->mutable_topology()->add_nodes()->set_id(*device.numa_node);
    }
  }

  std::shared_ptr<DeviceFeed> feed_;
  v1beta1::ListAndWatchResponse message_;
  std::uint64_t sent_version_ = 0;
  bool writing_ = false, finished_ = false, broken_ = false;
};

void DeviceFeed::publish(std::vector<pools::Device> devices) {
  const std::lock_guard lock(mutex_);
  if (devices == devices_) return;
  devices_ = std::move(devices);
  ++version_;
  for (auto* stream : streams_) stream->advance();
}

std::vector<pools::Device> DeviceFeed::devices() const {
  const std::lock_guard lock(mutex_);
  return devices_;
}

std::size_t DeviceFeed::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_.size();
}

void DeviceFeed::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto* stream : streams_) stream->advance();
}

v1beta1::DevicePluginOptions plugin_options() {
  v1beta1::DevicePluginOptions options;
  options.set_pre_start_required(false);
  options.set_get_preferred_allocation_available(true);
  return options;
}

PluginService::PluginService(std::string pool, std::string resource,
                             std::shared_ptr<DeviceFeed> feed, Logger log)
    : pool_(std::move(pool)),
      resource_(std::move(resource)),
      feed_(std::move(feed)),
      log_(std::move(log)) {}

grpc::ServerUnaryReactor* PluginService::GetDevicePluginOptions(
    grpc::CallbackServerContext* context, const v1beta1::Empty*,
    v1beta1::DevicePluginOptions* response) {
  *response = plugin_options();
  auto* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* PluginService::ListAndWatch(
    grpc::CallbackServerContext*, const v1beta1::Empty*) {
  return new ListStream(feed_);
}

grpc::ServerUnaryReactor* PluginService::GetPreferredAllocation(
    grpc::CallbackServerContext* context, const v1beta1::PreferredAllocationRequest* request,
    v1beta1::PreferredAllocationResponse* response) {
  const auto devices = feed_->devices();
  for (const auto& container : request->container_requests()) {
    const std::vector<std::string> available(container.available_deviceids().begin(),
                                             container.available_deviceids().end());
    const std::vector<std::string> must(container.must_include_deviceids().begin(),
                                        container.must_include_deviceids().end());
    const auto size = static_cast<std::size_t>(std::max(0, container.allocation_size()));
    auto* out = response->add_container_responses();
    for (const auto& id : pools::preferred(devices, available, must, size)) {
      out->add_deviceids(id);
    }
  }
  auto* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* PluginService::Allocate(grpc::CallbackServerContext* context,
                                                  const v1beta1::AllocateRequest* request,
                                                  v1beta1::AllocateResponse* response) {
  auto* reactor = context->DefaultReactor();
  const auto devices = feed_->devices();
  for (const auto& container : request->container_requests()) {
    const std::vector<std::string> ids(container.devices_ids().begin(),
                                       container.devices_ids().end());
    const auto envs = pools::allocate(devices, ids, pool_, resource_);
    if (!envs) {
      log_.warn("allocation refused", {{"resource", resource_}, {"error", envs.error()}});
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, envs.error().to_string()});
      return reactor;
    }
    auto* out = response->add_container_responses();
    out->mutable_envs()->insert(envs->begin(), envs->end());
    log_.info("allocated", {{"resource", resource_}, {"devices", envs->begin()->second}});
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* PluginService::PreStartContainer(grpc::CallbackServerContext* context,
                                                           const v1beta1::PreStartContainerRequest*,
                                                           v1beta1::PreStartContainerResponse*) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace sluice::kubelet
