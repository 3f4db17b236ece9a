// SPDX-License-Identifier: Apache-2.0
// What sluice-cni counted is what a scraper of the device plugin sees.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "common/callstats/call_stats.h"
#include "common/os/unique_fd.h"
#include "tests/component/device_plugin/node.h"

namespace sluice::test {
namespace {

constexpr std::uint16_t kPort = 9402;

// Of 127/8, which is the loopback's as a whole: one for each process, so that the port is free.
std::string own_address() {
  const auto pid = static_cast<unsigned>(::getpid());
  return "127." + std::to_string(1 + (pid >> 16U) % 250) + "." +
         std::to_string((pid >> 8U) & 0xffU) + "." + std::to_string(1 + (pid & 0xffU) % 254);
}

// Nothing: nobody is there, or not yet.
std::optional<std::string> scrape(const std::string& address) {
  const os::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return std::nullopt;
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return std::nullopt;
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return std::nullopt;
  std::string out;
  char buffer[65536];
  while (true) {
    pollfd entry{fd.get(), POLLIN, 0};
    if (::poll(&entry, 1, 30000) != 1) return std::nullopt;
    const auto got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
  }
}

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("calls that sluice-cni counts are in /metrics, those of now too") {
  Node node;
  const auto file = node.dir() + "/cni-stats";
  auto stats = callstats::CallStats::open(file);
  REQUIRE(stats);
  stats->ended(callstats::Verb::kAdd, 0);
  stats->ended(callstats::Verb::kAdd, 11);
  stats->add(callstats::Verb::kAdd, callstats::Step::kTotal, std::chrono::milliseconds(3));
  const auto address = own_address();
  node.start_plugin(
      {"--metrics-address", address + ":" + std::to_string(kPort), "--cni-stats-file", file});
  std::string text;
  REQUIRE(eventually([&] {
    text = scrape(address).value_or("");
    return !text.empty();
  }));
  CHECK(has_line(text, R"(sluice_cni_calls_total{verb="ADD",code="0"} 1)"));
  CHECK(has_line(text, R"(sluice_cni_calls_total{verb="ADD",code="11"} 1)"));
  CHECK(has_line(text, R"(sluice_cni_step_seconds_count{verb="ADD",step="total"} 1)"));
  CHECK(text.find("sluice_device_plugin_") != std::string::npos);

  stats->ended(callstats::Verb::kAdd, 0);
  text = scrape(address).value_or("");
  CHECK(has_line(text, R"(sluice_cni_calls_total{verb="ADD",code="0"} 2)"));
}

}  // namespace sluice::test
