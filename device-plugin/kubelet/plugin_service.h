// SPDX-License-Identifier: Apache-2.0
// One pool's answers to the kubelet (gRPC callback API). Heavy: include it in .cc files only.
//
// Contract: every ListAndWatch stream gets the whole list at once and again whenever it differs
// from what that stream was sent last; a slow reader misses intermediate lists, never the newest.
// Threading: any thread; gRPC calls in from its own.
// Source of the semantics: k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/base/log.h"
#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"
#include "device-plugin/pools/device.h"

namespace sluice::kubelet {

class ListStream;

// What the streams share; they keep it alive.
class DeviceFeed {
 public:
  void publish(std::vector<pools::Device> devices);
  std::vector<pools::Device> devices() const;
  std::size_t streams() const;
  void close();  // ends all streams, and every later one at once

 private:
  friend class ListStream;  // one mutex guards the feed and its streams

  mutable std::mutex mutex_;
  std::vector<pools::Device> devices_;
  std::uint64_t version_ = 1;
  bool closed_ = false;
  std::set<ListStream*> streams_;
};

class PluginService final : public v1beta1::DevicePlugin::CallbackService {
 public:
  PluginService(std::string pool, std::string resource, std::shared_ptr<DeviceFeed> feed,
                Logger log);

  grpc::ServerUnaryReactor* GetDevicePluginOptions(grpc::CallbackServerContext* context,
                                                   const v1beta1::Empty* request,
                                                   v1beta1::DevicePluginOptions* response) override;
  grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* ListAndWatch(
      grpc::CallbackServerContext* context, const v1beta1::Empty* request) override;
  grpc::ServerUnaryReactor* GetPreferredAllocation(
      grpc::CallbackServerContext* context, const v1beta1::PreferredAllocationRequest* request,
      v1beta1::PreferredAllocationResponse* response) override;
  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const v1beta1::AllocateRequest* request,
                                     v1beta1::AllocateResponse* response) override;
  grpc::ServerUnaryReactor* PreStartContainer(
      grpc::CallbackServerContext* context, const v1beta1::PreStartContainerRequest* request,
      v1beta1::PreStartContainerResponse* response) override;

 private:
  std::string pool_, resource_;
  std::shared_ptr<DeviceFeed> feed_;
  Logger log_;
};

v1beta1::DevicePluginOptions plugin_options();

}  // namespace sluice::kubelet
