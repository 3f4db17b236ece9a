// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/http_request.h"

namespace sluice::metrics {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr const char* kExposition = "text/plain; version=0.0.4; charset=utf-8";

std::string answer(std::string_view status, std::string_view type, const std::string& body,
                   bool with_body = true) {
  std::string out = "HTTP/1.1 " + std::string(status) + "\r\nContent-Type: " + std::string(type) +
                    "\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\nConnection: close\r\n\r\n";
  if (with_body) out += body;
  return out;
}

std::string verdict(const std::string& reason, bool with_body) {
  if (reason.empty()) return answer("200 OK", kPlain, "ok\n", with_body);
  return answer("503 Service Unavailable", kPlain, reason + "\n", with_body);
}

std::string answer_to_path(std::string_view path, const HttpContent& content, bool with_body) {
  if (path == "/metrics") return answer("200 OK", kExposition, content.metrics(), with_body);
  if (path == "/healthz") return verdict(content.unhealthy(), with_body);
  if (path == "/readyz") return verdict(content.not_ready(), with_body);
  return answer("404 Not Found", kPlain, "there is /metrics, /healthz and /readyz\n", with_body);
}

// The end of the header section, or npos. A single line feed is taken for a line's end, too.
std::size_t end_of_header(std::string_view request) {
  const auto strict = request.find("\r\n\r\n");
  const auto lax = request.find("\n\n");
  return std::min(strict, lax);
}

}  // namespace

std::optional<std::string> answer_to(std::string_view request, const HttpContent& content) {
  if (end_of_header(request) == std::string_view::npos) {
    if (request.size() < kMaxRequest) return std::nullopt;
    return answer("431 Request Header Fields Too Large", kPlain, "the request is too large\n");
  }
  // The other fields change nothing here; a body of a GET isn't read.
  auto line = request.substr(0, request.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last ||
      line.substr(last + 1).substr(0, 7) != "HTTP/1.") {
    return answer("400 Bad Request", kPlain, "no request line of HTTP/1.1\n");
  }
  const auto method = line.substr(0, first);
  if (method != "GET" && method != "HEAD") {
    return answer("405 Method Not Allowed\r\nAllow: GET, HEAD", kPlain, "only GET and HEAD\n");
  }
  auto path = line.substr(first + 1, last - first - 1);
  path = path.substr(0, path.find('?'));
  return answer_to_path(path, content, method == "GET");
}

}  // namespace sluice::metrics
