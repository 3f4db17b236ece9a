// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/main/std_streams.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "sriov-cni/config/net_config.h"

namespace sluice::cni {
namespace {

// Also at its end.
bool has_more(Duration patience) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  pollfd input{STDIN_FILENO, POLLIN, 0};
  int ready = -1;
  do {
    ready = ::poll(&input, 1, static_cast<int>(ms));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

Result<std::string> read_stdin(std::optional<Duration> patience) {
  std::string out;
  char chunk[16384];
  while (out.size() <= kMaxConfigBytes) {
    if (patience && !has_more(*patience)) return out;
    const auto got = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read the configuration from stdin");
    if (got == 0) return out;
    out.append(chunk, static_cast<std::size_t>(got));
  }
  return out;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace sluice::cni
