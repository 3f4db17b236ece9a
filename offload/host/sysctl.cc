// SPDX-License-Identifier: Apache-2.0
#include "offload/host/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

#include "common/os/files.h"
#include "common/os/unique_fd.h"

namespace sluice::host {
namespace {

constexpr std::string_view kReserved = "ipv4/ip_local_reserved_ports";

std::string path_of(std::string_view name) { return std::string("/proc/sys/net/").append(name); }

std::optional<std::uint16_t> take_port(std::string_view& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return port;
}

Status change_reserved(const std::set<model::PortRange>& ranges, bool add) {
  if (ranges.empty()) return {};
  SLUICE_TRY(const auto text, read_sysctl(std::string(kReserved)));
  SLUICE_TRY(const auto before, PortSet::parse(text));
  auto after = std::make_unique<PortSet>(before);
  for (const auto& range : ranges) {
    if (add) {
      after->add(range);
    } else {
      after->remove(range);
    }
  }
  if (*after == before) return {};
  return write_sysctl(std::string(kReserved), after->to_string() + "\n");
}

}  // namespace

Status write_sysctl(const std::string& name, std::string_view value) {
  const std::string path = path_of(name);
  const os::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + path);
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return fail_errno(errno, "write " + path);
  }
  return {};
}

Result<std::string> read_sysctl(const std::string& name) {
  SLUICE_TRY(auto text, os::read_file(path_of(name)));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Status disable_ipv6(const std::string& netdev) {
  const std::string name = "ipv6/conf/" + netdev + "/disable_ipv6";
  if (::access(path_of("ipv6").c_str(), F_OK) != 0) return {};
  return write_sysctl(name, "1");
}

Result<PortSet> PortSet::parse(std::string_view text) {
  PortSet set;
  const std::string whole(text);
  const auto wrong = [&] {
    return fail(Code::kInvalid, "port list \"" + whole.substr(0, 200) +
                                    "\": allowed are ports and ranges, with commas between");
  };
  while (!text.empty()) {
    const auto first = take_port(text);
    if (!first) return wrong();
    auto last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_port(text);
    }
    if (!last || *last < *first) return wrong();
    set.add({*first, *last});
    if (text.empty()) break;
    if (text.front() != ',' || text.size() == 1) return wrong();
    text.remove_prefix(1);
  }
  return set;
}

void PortSet::add(const model::PortRange& range) {
  for (std::size_t port = range.first; port <= range.last; ++port) ports_.set(port);
}

void PortSet::remove(const model::PortRange& range) {
  for (std::size_t port = range.first; port <= range.last; ++port) ports_.reset(port);
}

std::string PortSet::to_string() const {
  std::string text;
  for (std::size_t port = 0; port < ports_.size(); ++port) {
    if (!ports_.test(port)) continue;
    std::size_t last = port;
    while (last + 1 < ports_.size() && ports_.test(last + 1)) ++last;
    if (!text.empty()) text.push_back(',');
    text += std::to_string(port);
    if (last > port) text += "-" + std::to_string(last);
    port = last;
  }
  return text;
}

Status reserve_ports(const std::set<model::PortRange>& ranges) {
  return change_reserved(ranges, true);
}
Status unreserve_ports(const std::set<model::PortRange>& ranges) {
  return change_reserved(ranges, false);
}

}  // namespace sluice::host
