// SPDX-License-Identifier: Apache-2.0
#include "operator/ctl/client.h"

#include "common/api/offload.pb.h"
#include "common/os/frame_socket.h"

namespace sluice::ctl {

Result<api::Response> call(const std::string& socket, const api::Request& request) {
  auto bytes = os::frame_call(socket, request.SerializeAsString(), std::chrono::seconds(10));
  if (!bytes) {
    auto error = std::move(bytes).error();
    error.message += "; is sluice-offloadd running, and is --socket its offload.sock?";
    return fail(std::move(error));
  }
  api::Response response;
  if (!response.ParseFromString(*bytes)) {
    return fail(Code::kInternal, "the answer from " + socket + " is not a sluice.api.Response");
  }
  if (response.has_failure()) {
    return fail(code_from(response.failure().code()), response.failure().message());
  }
  return response;
}

}  // namespace sluice::ctl
