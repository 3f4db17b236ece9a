// SPDX-License-Identifier: Apache-2.0
// Channels, deadlines and statuses of gRPC C++. Heavy: include it in .cc files only.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "common/base/result.h"

namespace sluice::standin {

inline std::chrono::system_clock::time_point in_seconds(int seconds) {
  return std::chrono::system_clock::now() + std::chrono::seconds(seconds);
}

inline Status to_status(const grpc::Status& status, const std::string& what) {
  if (status.ok()) return {};
  return fail(Code::kUnavailable, what + ": " + status.error_message());
}

inline std::shared_ptr<grpc::Channel> channel_to(const std::string& socket) {
  grpc::ChannelArguments arguments;
  // Some gRPC versions send the socket's path as authority, which Go's servers refuse.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  // A connection state of our own: no back-off that an earlier, dead plugin left behind.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace sluice::standin
