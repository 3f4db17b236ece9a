// SPDX-License-Identifier: Apache-2.0
#include "operator/ctl/client.h"

#include "common/api/devices.pb.h"
#include "common/api/offload.pb.h"
#include "common/os/frame_socket.h"

namespace sluice::ctl {
namespace {

// `hint`: what to look at when nobody answers; `message`: what the answer should be.
template <class Response, class Request>
Result<Response> ask(const std::string& socket, const Request& request, const std::string& hint,
                     const std::string& message) {
  auto bytes = os::frame_call(socket, request.SerializeAsString(), std::chrono::seconds(10));
  if (!bytes) {
    auto error = std::move(bytes).error();
    error.message += hint;
    return fail(std::move(error));
  }
  Response response;
  if (!response.ParseFromString(*bytes)) {
    return fail(Code::kInternal, "the answer from " + socket + " is not a " + message);
  }
  if (response.has_failure()) {
    return fail(code_from(response.failure().code()), response.failure().message());
  }
  return response;
}

}  // namespace

Result<api::Response> call(const std::string& socket, const api::Request& request) {
  return ask<api::Response>(socket, request,
                            "; is sluice-offloadd running, and is --socket its offload.sock?",
                            "sluice.api.Response");
}

Result<api::DevicesResponse> call_devices(const std::string& socket,
                                          const api::DevicesRequest& request) {
  return ask<api::DevicesResponse>(
      socket, request, "; is sluice-device-plugin running, and is --socket its device-plugin.sock?",
      "sluice.api.DevicesResponse");
}

}  // namespace sluice::ctl
