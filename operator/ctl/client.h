// SPDX-License-Identifier: Apache-2.0
// One call to the socket of the offload engine, or of the device plugin.
#pragma once

#include <string>

#include "common/base/result.h"

namespace sluice::api {
class DevicesRequest;
class DevicesResponse;
class Request;
class Response;
}  // namespace sluice::api

namespace sluice::ctl {

// Errors: nobody listens (the message says how to start an engine), or the engine's own failure.
Result<api::Response> call(const std::string& socket, const api::Request& request);
// The same of the device plugin.
Result<api::DevicesResponse> call_devices(const std::string& socket,
                                          const api::DevicesRequest& request);

}  // namespace sluice::ctl
