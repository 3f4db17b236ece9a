// SPDX-License-Identifier: Apache-2.0
#include <linux/netlink.h>

#include <algorithm>

#include "common/netlink/rtnl_impl.h"

namespace sluice::netlink {
namespace {

bool is_fine(const Error& error, std::initializer_list<int> fine) {
  return error.domain == Domain::kKernel &&
         std::find(fine.begin(), fine.end(), error.native) != fine.end();
}

}  // namespace

Rtnl::Rtnl(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Rtnl::Rtnl(Rtnl&&) noexcept = default;
Rtnl& Rtnl::operator=(Rtnl&&) noexcept = default;
Rtnl::~Rtnl() = default;

Result<Rtnl> Rtnl::open() {
  SLUICE_TRY(auto transport, Transport::open(NETLINK_ROUTE));
  return Rtnl(std::make_unique<Impl>(Impl{std::move(transport)}));
}

Result<Rtnl> Rtnl::open_in(const os::NetNs& netns) {
  std::optional<Rtnl> opened;
  const auto status = netns.run_in([&]() -> Status {
    SLUICE_TRY(opened, open());
    return {};
  });
  if (!status) return fail(status.error());
  return std::move(*opened);
}

Status Rtnl::Impl::change(MessageWriter& message, std::string_view what,
                          std::initializer_list<int> fine) {
  const auto done = transport.request(message, what);
  if (done || is_fine(done.error(), fine)) return {};
  return fail(done.error());
}

Status Rtnl::Impl::change_all(std::vector<Transport::BatchRequest> requests,
                              std::initializer_list<int> fine) {
  SLUICE_TRY(const auto outcomes, transport.batch(std::move(requests)));
  for (const auto& outcome : outcomes) {
    if (!outcome && !is_fine(outcome.error(), fine)) return fail(outcome.error());
  }
  return {};
}

Status check_link_name(std::string_view name) {
  const bool bad = name.empty() || name.size() > 15 || name == "." || name == ".." ||
                   std::any_of(name.begin(), name.end(), [](char c) {
                     const auto u = static_cast<unsigned char>(c);
                     return c == '/' || c == ':' || u <= 0x20 || u == 0x7f;
                   });
  if (!bad) return {};
  return fail(Code::kInvalid, "link name '" + std::string(name) +
                                  "' is not allowed; it must have 1 to 15 bytes without '/', ':' "
                                  "and white space");
}

}  // namespace sluice::netlink
