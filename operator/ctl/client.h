// SPDX-License-Identifier: Apache-2.0
// One call to the offload engine's socket.
#pragma once

#include <string>

#include "common/base/result.h"

namespace sluice::api {
class Request;
class Response;
}  // namespace sluice::api

namespace sluice::ctl {

// Errors: nobody listens (the message says how to start an engine), or the engine's own failure.
Result<api::Response> call(const std::string& socket, const api::Request& request);

}  // namespace sluice::ctl
