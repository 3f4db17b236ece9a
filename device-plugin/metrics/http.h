// SPDX-License-Identifier: Apache-2.0
// GET /metrics, /healthz and /readyz over HTTP/1.1, for Prometheus and the kubelet's probes.
//
// Contract: a connection is one request and its answer, then it is closed. Whoever connects is a
// stranger: a request has at most kMaxRequest bytes and, with its answer, kDeadline to come and go;
// beyond kMaxConnections a new one is closed at once. What doesn't fit is answered with 4xx.
// Threading: a thread of its own, with which the content's functions are called; they must be
// thread-safe. start() and the destructor from one thread; the destructor waits for the thread.
// Source: RFC 9112 (message syntax), Prometheus' text exposition format 0.0.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/result.h"

namespace sluice::metrics {

inline constexpr std::size_t kMaxRequest = 8192;
inline constexpr std::size_t kMaxConnections = 16;
inline constexpr Duration kDeadline = std::chrono::seconds(5);

struct HttpContent {
  std::function<std::string()> metrics;    // Prometheus' text
  std::function<std::string()> unhealthy;  // "": well; otherwise the reason, answered with 503
  std::function<std::string()> not_ready;  // the same for /readyz
};

class HttpServer {
 public:
  // `listen`: "127.0.0.1:9402", "[::1]:9402", ":9402" (every address); port 0: any free one.
  // Errors: Code::kInvalid for what is no address and port, kExists where the port is taken.
  static Result<std::unique_ptr<HttpServer>> start(const std::string& listen, HttpContent content,
                                                   Logger log, Duration deadline = kDeadline);
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace sluice::metrics
