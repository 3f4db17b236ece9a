// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/http_request.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice::metrics {
namespace {

HttpContent content(const std::string& unhealthy = "", const std::string& not_ready = "") {
  return {[] { return std::string("a 1\n"); }, [unhealthy] { return unhealthy; },
          [not_ready] { return not_ready; }};
}

TEST_CASE("A whole answer") {
  CHECK(answer_to("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", content()) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        "Content-Length: 4\r\nConnection: close\r\n\r\na 1\n");
}

TEST_CASE("Requests and the answers' first lines and bodies") {
  struct Row {
    std::string request, status, body;
  };
  const std::string end = " HTTP/1.1\r\n\r\n";
  const std::vector<Row> rows = {
      {"GET /healthz" + end, "200 OK", "ok\n"},
      {"GET /readyz" + end, "503 Service Unavailable", "no inventory yet\n"},
      {"GET /metrics?name=x" + end, "200 OK", "a 1\n"},
      {"HEAD /metrics" + end, "200 OK", ""},
      {"GET /metrics HTTP/1.0\n\n", "200 OK", "a 1\n"},
      {"GET /" + end, "404 Not Found", "there is /metrics, /healthz and /readyz\n"},
      {"GET /metrics/../x" + end, "404 Not Found", "there is /metrics, /healthz and /readyz\n"},
      {"POST /metrics" + end, "405 Method Not Allowed", "only GET and HEAD\n"},
      {"GET /metrics" + std::string("\r\n\r\n"), "400 Bad Request",
       "no request line of HTTP/1.1\n"},
      {"GET /metrics HTTP/2\r\n\r\n", "400 Bad Request", "no request line of HTTP/1.1\n"},
      {"\r\n\r\n", "400 Bad Request", "no request line of HTTP/1.1\n"},
      {std::string("\0\xff\n\n", 4), "400 Bad Request", "no request line of HTTP/1.1\n"},
      {std::string(kMaxRequest, 'a'), "431 Request Header Fields Too Large",
       "the request is too large\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.request);
    const auto answer = answer_to(row.request, content("", "no inventory yet"));
    REQUIRE(answer);
    CHECK(answer->substr(0, answer->find("\r\n")) == "HTTP/1.1 " + row.status);
    CHECK(answer->substr(answer->find("\r\n\r\n") + 4) == row.body);
  }
}

TEST_CASE("An unfinished request waits for more") {
  const std::string whole = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(answer_to(whole.substr(0, size), content()));
  }
  CHECK_FALSE(answer_to(std::string(kMaxRequest - 1, 'a'), content()));
}

}  // namespace
}  // namespace sluice::metrics
