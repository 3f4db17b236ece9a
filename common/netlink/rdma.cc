// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/rdma.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "common/netlink/rdma_messages.h"
#include "common/netlink/transport.h"

namespace sluice::netlink {

struct Rdma::Impl {
  os::NetNs home;                      // the socket's namespace
  std::optional<Transport> transport;  // unset: a kernel without RDMA

  Status set(MessageWriter message, const std::string& what);
};

namespace {

// No such protocol, or nobody who answers by it in this namespace.
bool means_no_rdma(const Error& error) {
  return error.domain == Domain::kKernel &&
         (error.native == EPROTONOSUPPORT || error.native == ECONNREFUSED);
}

// The device went away between two questions: the kernel calls its index invalid then.
bool means_gone(const Error& error) {
  return error.domain == Domain::kKernel && (error.native == ENODEV || error.native == EINVAL);
}

Result<std::vector<RdmaPort>> ports_of(Transport& transport, const RdmaLink& device) {
  auto message = rdma_ports_request(device.index);
  SLUICE_TRY(const auto replies,
             transport.dump(message, "list the ports of RDMA device " + device.name));
  std::vector<RdmaPort> ports;
  for (const auto& reply : replies) {
    SLUICE_TRY(const auto port, decode_rdma_port(reply.message()));
    ports.push_back(port);
  }
  return ports;
}

constexpr std::size_t kMaxName = 63;  // IB_DEVICE_NAME_MAX, without the final zero

}  // namespace

// The kernel looks for the device in the namespace of the thread that asks, not of the socket.
Status Rdma::Impl::set(MessageWriter message, const std::string& what) {
  if (!transport) return fail(Code::kNotFound, what + ": this kernel has no RDMA");
  const auto done = home.run_in([&]() -> Status {
    SLUICE_TRY([[maybe_unused]] const auto answer, transport->request(message, what));
    return {};
  });
  if (done || !means_gone(done.error())) return done;
  return fail(Code::kNotFound, what + ": there is no such device in this namespace");
}

Rdma::Rdma(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Rdma::Rdma(Rdma&&) noexcept = default;
Rdma& Rdma::operator=(Rdma&&) noexcept = default;
Rdma::~Rdma() = default;

Result<Rdma> Rdma::open() {
  SLUICE_TRY(auto home, os::NetNs::current());
  auto impl = std::make_unique<Impl>(Impl{std::move(home), {}});
  auto transport = Transport::open(NETLINK_RDMA);
  if (transport) {
    impl->transport = std::move(*transport);
  } else if (!means_no_rdma(transport.error())) {
    return fail(std::move(transport).error());
  }
  return Rdma(std::move(impl));
}

Result<Rdma> Rdma::open_in(const os::NetNs& netns) {
  std::optional<Rdma> opened;
  const auto status = netns.run_in([&]() -> Status {
    SLUICE_TRY(opened, open());
    return {};
  });
  if (!status) return fail(status.error());
  return std::move(*opened);
}

Result<RdmaMode> Rdma::mode() {
  if (!impl_->transport) return RdmaMode::kShared;
  const char* const what = "read how RDMA devices are shared";
  auto message = rdma_mode_request();
  const auto replies = impl_->transport->request(message, what);
  if (!replies) {
    if (means_no_rdma(replies.error())) return RdmaMode::kShared;
    return fail(replies.error());
  }
  if (replies->empty()) {
    return fail(Code::kInternal, std::string(what) + ": the answer is empty");
  }
  return decode_rdma_mode(replies->front().message());
}

Result<std::vector<RdmaLink>> Rdma::devices() {
  std::vector<RdmaLink> found;
  if (!impl_->transport) return found;
  auto message = rdma_devices_request();
  const auto replies = impl_->transport->dump(message, "list RDMA devices");
  if (!replies) {
    if (means_no_rdma(replies.error())) return found;
    return fail(replies.error());
  }
  for (const auto& reply : *replies) {
    SLUICE_TRY(auto device, decode_rdma_device(reply.message()));
    auto ports = ports_of(*impl_->transport, device);
    if (!ports) {
      if (means_gone(ports.error())) continue;
      return fail(std::move(ports).error());
    }
    device.ports = std::move(*ports);
    found.push_back(std::move(device));
  }
  return found;
}

Status Rdma::move(std::uint32_t device, const os::NetNs& to) {
  const std::string what = "move RDMA device " + std::to_string(device) + " to another namespace";
  // The kernel's refusal is the same for a driver that can't.
  SLUICE_TRY(const auto shared, mode());
  if (shared == RdmaMode::kShared) {
    return fail(Code::kPrecondition,
                what + ": RDMA devices are shared by all namespaces; the mode must be exclusive");
  }
  return impl_->set(rdma_move_request(device, to.fd()), what);
}

Status Rdma::rename(std::uint32_t device, const std::string& name) {
  const std::string what = "rename RDMA device " + std::to_string(device) + " to '" + name + "'";
  if (name.empty() || name.size() > kMaxName) {
    return fail(Code::kInvalid, what + ": a name has 1 to 63 characters");
  }
  return impl_->set(rdma_rename_request(device, name), what);
}

}  // namespace sluice::netlink
