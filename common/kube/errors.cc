// SPDX-License-Identifier: Apache-2.0
#include "common/kube/errors.h"

#include <nlohmann/json.hpp>

#include "common/kube/json.h"

namespace sluice::kube {
namespace {

constexpr std::size_t kShown = 200;

struct StatusObject {
  std::string reason, message;
};

StatusObject parse_status(std::string_view body) {
  StatusObject out;
  const auto json = parse_json(body);
  if (!json.is_object()) return out;
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (text("kind") != "Status") return out;
  out.reason = text("reason").substr(0, kShown);
  out.message = text("message").substr(0, kShown);
  return out;
}

struct Meaning {
  Code code;
  Retry retry;
};

Meaning meaning_of(long status, const std::string& reason) {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return {Code::kInvalid, Retry::kNever};
    case 401:
    case 403:
      return {Code::kPermission, Retry::kLater};  // roles and tokens come later, too
    case 404:
      return {Code::kNotFound, Retry::kNever};
    case 405:
    case 406:
    case 415:
      return {Code::kUnsupported, Retry::kNever};
    case 409:
      if (reason == "AlreadyExists") return {Code::kExists, Retry::kNever};
      return {Code::kPrecondition, Retry::kLater};
    case 410:
      return {Code::kPrecondition, Retry::kLater};
    case 408:
      return {Code::kTimeout, Retry::kLater};
    default:
      break;
  }
  if (status == 429 || status >= 500) return {Code::kUnavailable, Retry::kLater};
  return {Code::kInternal, Retry::kNever};
}

}  // namespace

Error answer_error(long http_status, std::string_view body, const std::string& what) {
  const auto status = parse_status(body);
  const auto meaning = meaning_of(http_status, status.reason);
  Error error{meaning.code, Domain::kKube, static_cast<int>(http_status), {}, {}, meaning.retry};
  error.message = what + ": HTTP " + std::to_string(http_status);
  if (!status.reason.empty()) error.message += " " + status.reason;
  if (!status.message.empty()) error.message += ": " + status.message;
  return error;
}

}  // namespace sluice::kube
