// SPDX-License-Identifier: Apache-2.0
// One HTTPS connection that is kept open between requests. Internal to common/kube.
//
// Threading: perform() from one thread at a time; cancel() from any.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::kube {

// PEM texts, not files: what is trusted is what was read, whatever becomes of the file meanwhile.
struct TlsMaterial {
  std::string ca;  // "": the system's
  std::string certificate, key;
  bool verify = true;
  bool operator==(const TlsMaterial&) const = default;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Accept: application/json"
  std::string body;
};

struct HttpAnswer {
  long status = 0;
  std::string body;
};

class HttpConnection {
 public:
  static Result<std::unique_ptr<HttpConnection>> make(std::size_t max_answer);
  virtual ~HttpConnection() = default;

  // Other material than last time: a new connection.
  virtual void use(const TlsMaterial& tls) = 0;
  // Errors: nobody there, canceled: Code::kUnavailable; too late: Code::kTimeout; a certificate
  // that isn't trusted or refused: Code::kPermission; an answer that is too large or no HTTP:
  // Code::kInvalid.
  virtual Result<HttpAnswer> perform(const HttpRequest& request, Duration deadline) = 0;
  // Ends the request under way, and every later one.
  virtual void cancel() = 0;
};

}  // namespace sluice::kube
