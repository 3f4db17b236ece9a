// SPDX-License-Identifier: Apache-2.0
#include "offload/legs/packet_leg.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "common/os/unique_fd.h"
#include "offload/legs/vnet_header.h"

namespace sluice::legs {
namespace {

constexpr std::uint32_t kVlanTag = 4;
constexpr std::uint32_t kMacs = 12;           // both addresses, in front of the tag's place
constexpr std::uint32_t kReserve = 128;       // PACKET_RESERVE: headroom, tag and vnet_hdr fit
constexpr std::uint32_t kSlotOverhead = 512;  // slot header, reserve, Ethernet and VLAN headers
constexpr std::uint32_t kLargestSlot = 16384;
constexpr std::size_t kLargeFrames = 64;  // frames of the socket's queue lent at a time
constexpr std::size_t kBatch = 64;        // frames a sendmmsg
constexpr std::uint32_t kStaged = 4096;   // longer frames are sent at once, not copied first
constexpr int kSocketBuffer = 8 << 20;

constexpr std::uint32_t kSlotHeader = TPACKET_ALIGN(sizeof(tpacket2_hdr));

std::uint32_t slot_size_for(std::uint32_t mtu) {
  const std::uint32_t wanted = std::bit_ceil(std::min(mtu, kLargestSlot) + kSlotOverhead);
  return std::clamp(wanted, std::uint32_t{2048}, kLargestSlot);
}

struct Mapping {
  std::uint8_t* at = nullptr;
  std::size_t size = 0;
  Mapping() = default;
  Mapping(std::uint8_t* address, std::size_t length) : at(address), size(length) {}
  Mapping(Mapping&& other) noexcept
      : at(std::exchange(other.at, nullptr)), size(std::exchange(other.size, 0)) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (at != nullptr) ::munmap(at, size);
  }
};

template <class T>
Status set_option(int fd, int option, const T& value, std::string_view name) {
  if (::setsockopt(fd, SOL_PACKET, option, &value, sizeof value) == 0) return {};
  return fail_errno(errno, std::string("setsockopt ").append(name));
}

class PacketLeg final : public Leg {
 public:
  PacketLeg(os::UniqueFd fd, Mapping ring, std::uint32_t slot_size)
      : fd_(std::move(fd)),
        ring_(std::move(ring)),
        slot_size_(slot_size),
        slots_(static_cast<std::uint32_t>(ring_.size / slot_size)) {
    staged_.resize(kBatch * (kVnetHeader + kStaged));
  }

  std::size_t receive(std::span<Frame> out) override;
  void release() override;
  void transmit(const Frame& frame) override;
  void flush() override;
  bool accepts_offload() const override { return true; }
  int fd() const override { return fd_.get(); }
  bool alive() const override { return alive_.load(std::memory_order_relaxed); }
  LegStats stats() const override;

 private:
  tpacket2_hdr* slot(std::uint32_t index) {
    return reinterpret_cast<tpacket2_hdr*>(ring_.at + std::size_t{index} * slot_size_);
  }
  bool take_slot(tpacket2_hdr* header, std::uint32_t status, Frame& frame);
  bool take_large(Frame& frame, std::span<std::uint8_t, kVnetHeader> vnet);
  void restore_tag(const tpacket2_hdr* header, Frame& frame) const;
  void send_now(const VnetHeader& header, const Frame& frame);
  void handle_error(int error);
  void dropped_tx(std::uint64_t count) { tx_dropped_.fetch_add(count, std::memory_order_relaxed); }

  const os::UniqueFd fd_;
  const Mapping ring_;
  const std::uint32_t slot_size_, slots_;
  std::uint32_t next_ = 0;  // the slot that is received next
  std::uint32_t lent_ = 0;  // slots before it that are not given back yet
  bool owed_ = false;       // among them is one that the caller has
  bool had_frames_ = false;
  std::vector<std::vector<std::uint8_t>>
      large_;  // buffers for the socket's queue, made when needed
  std::size_t large_lent_ = 0;

  std::vector<std::uint8_t> staged_;
  std::array<std::uint32_t, kBatch> staged_length_{};
  std::size_t staged_count_ = 0;

  std::atomic<bool> alive_{true};
  std::atomic<std::uint64_t> rx_packets_{0}, rx_bytes_{0}, tx_packets_{0}, tx_bytes_{0};
  mutable std::atomic<std::uint64_t> rx_dropped_{0};
  std::atomic<std::uint64_t> tx_dropped_{0};
};

// A link that is down raises ENETDOWN and may come back; one that is gone leaves the socket
// unbound.
void PacketLeg::handle_error(int error) {
  if (error != ENETDOWN && error != ENXIO && error != ENODEV) return;
  sockaddr_ll bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0 ||
      bound.sll_ifindex <= 0) {
    alive_.store(false, std::memory_order_relaxed);
  }
}

std::size_t PacketLeg::receive(std::span<Frame> out) {
  std::size_t count = 0;
  while (count < out.size() && lent_ < slots_) {
    tpacket2_hdr* header = slot(next_);
    const std::uint32_t status = std::atomic_ref(header->tp_status).load(std::memory_order_acquire);
    if ((status & TP_STATUS_USER) == 0) break;
    if ((status & TP_STATUS_COPY) != 0 && large_lent_ == kLargeFrames) break;
    Frame frame;
    if (take_slot(header, status, frame)) {
      owed_ = true;
      rx_packets_.fetch_add(1, std::memory_order_relaxed);
      rx_bytes_.fetch_add(frame.length, std::memory_order_relaxed);
      out[count++] = frame;
    } else {
      rx_dropped_.fetch_add(1, std::memory_order_relaxed);
    }
    next_ = (next_ + 1) % slots_;
    ++lent_;
  }
  if (count == 0 && !had_frames_) {
    // Woken without a frame: only an error does that, and it stays readable until it is fetched.
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0) handle_error(error);
  }
  had_frames_ = count != 0;
  // All were refused: nobody has anything to release(), and a ring of them would stay full.
  if (!owed_) release();
  return count;
}

bool PacketLeg::take_slot(tpacket2_hdr* header, std::uint32_t status, Frame& frame) {
  const std::uint32_t at = header->tp_mac;
  if (at < kSlotHeader + kVnetHeader || at > slot_size_) return false;
  VnetHeader vnet;
  auto* const bytes = reinterpret_cast<std::uint8_t*>(header);
  if ((status & TP_STATUS_COPY) != 0) {
    // Always fetched, even when it is dropped after all: slots and queue stay in step.
    if (!take_large(frame, vnet)) return false;
  } else {
    if (header->tp_snaplen != header->tp_len) return false;  // cut off: the queue was full
    if (header->tp_snaplen > slot_size_ - at) return false;
    std::memcpy(vnet.data(), bytes + at - kVnetHeader, kVnetHeader);
    frame = Frame{bytes + at, header->tp_snaplen, at - kSlotHeader, {}};
  }
  if (frame.length < ETH_HLEN) return false;
  const auto offload = parse_vnet_header(vnet, frame.length);
  if (!offload) return false;
  frame.offload = *offload;
  if ((status & TP_STATUS_VLAN_VALID) != 0) restore_tag(header, frame);
  return true;
}

bool PacketLeg::take_large(Frame& frame, std::span<std::uint8_t, kVnetHeader> vnet) {
  if (large_lent_ == large_.size()) large_.emplace_back(kReserve + kMaxFrame);
  std::vector<std::uint8_t>& buffer = large_[large_lent_];
  std::array<iovec, 2> parts{
      {{vnet.data(), vnet.size()}, {buffer.data() + kReserve, buffer.size() - kReserve}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  if (got < 0) {
    // A pending error is delivered in place of the frame, which is still there.
    handle_error(errno);
    got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  }
  if (got < static_cast<ssize_t>(kVnetHeader) || (message.msg_flags & MSG_TRUNC) != 0) return false;
  ++large_lent_;
  frame = Frame{buffer.data() + kReserve,
                static_cast<std::uint32_t>(got) - std::uint32_t{kVnetHeader},
                kReserve,
                {}};
  return true;
}

void PacketLeg::restore_tag(const tpacket2_hdr* header, Frame& frame) const {
  const std::uint16_t protocol = (header->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0
                                     ? header->tp_vlan_tpid
                                     : std::uint16_t{ETH_P_8021Q};
  frame.data -= kVlanTag;
  frame.headroom -= kVlanTag;
  frame.length += kVlanTag;
  std::memmove(frame.data, frame.data + kVlanTag, kMacs);
  const std::array<std::uint16_t, 2> tag{htons(protocol), htons(header->tp_vlan_tci)};
  std::memcpy(frame.data + kMacs, tag.data(), sizeof tag);
  if (frame.offload.partial_checksum) {
    frame.offload.checksum_start =
        static_cast<std::uint16_t>(frame.offload.checksum_start + kVlanTag);
  }
}

void PacketLeg::release() {
  std::uint32_t index = (next_ + slots_ - lent_) % slots_;
  for (; lent_ > 0; --lent_, index = (index + 1) % slots_) {
    std::atomic_ref(slot(index)->tp_status)
        .store(std::uint32_t{TP_STATUS_KERNEL}, std::memory_order_release);
  }
  large_lent_ = 0;
  owed_ = false;
}

void PacketLeg::transmit(const Frame& frame) {
  if (frame.length < ETH_HLEN || frame.length > kMaxFrame || !alive()) return dropped_tx(1);
  const auto header = make_vnet_header(frame);
  if (!header) return dropped_tx(1);
  if (frame.length > kStaged) {
    flush();  // keeps the order
    return send_now(*header, frame);
  }
  if (staged_count_ == kBatch) flush();
  std::uint8_t* at = staged_.data() + staged_count_ * (kVnetHeader + kStaged);
  std::memcpy(at, header->data(), kVnetHeader);
  std::memcpy(at + kVnetHeader, frame.data, frame.length);
  staged_length_[staged_count_++] = frame.length + std::uint32_t{kVnetHeader};
}

void PacketLeg::send_now(const VnetHeader& header, const Frame& frame) {
  VnetHeader copy = header;
  std::array<iovec, 2> parts{{{copy.data(), copy.size()}, {frame.data, frame.length}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    handle_error(errno);
    return dropped_tx(1);
  }
  tx_packets_.fetch_add(1, std::memory_order_relaxed);
  tx_bytes_.fetch_add(frame.length, std::memory_order_relaxed);
}

void PacketLeg::flush() {
  if (staged_count_ == 0) return;
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  for (std::size_t i = 0; i < staged_count_; ++i) {
    parts[i] = {staged_.data() + i * (kVnetHeader + kStaged), staged_length_[i]};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  std::size_t at = 0;
  while (at < staged_count_) {
    const int sent = ::sendmmsg(fd_.get(), &messages[at], static_cast<unsigned>(staged_count_ - at),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      for (const std::size_t end = at + static_cast<std::size_t>(sent); at < end; ++at) {
        tx_packets_.fetch_add(1, std::memory_order_relaxed);
        tx_bytes_.fetch_add(staged_length_[at] - kVnetHeader, std::memory_order_relaxed);
      }
      continue;
    }
    handle_error(errno);
    dropped_tx(1);  // the first one is the one that failed
    ++at;
  }
  staged_count_ = 0;
}

LegStats PacketLeg::stats() const {
  tpacket_stats kernel{};  // reading clears them in the kernel
  socklen_t length = sizeof kernel;
  if (::getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &kernel, &length) == 0) {
    rx_dropped_.fetch_add(kernel.tp_drops, std::memory_order_relaxed);
  }
  LegStats stats;
  stats.rx_packets = rx_packets_.load(std::memory_order_relaxed);
  stats.rx_bytes = rx_bytes_.load(std::memory_order_relaxed);
  stats.rx_dropped = rx_dropped_.load(std::memory_order_relaxed);
  stats.tx_packets = tx_packets_.load(std::memory_order_relaxed);
  stats.tx_bytes = tx_bytes_.load(std::memory_order_relaxed);
  stats.tx_dropped = tx_dropped_.load(std::memory_order_relaxed);
  return stats;
}

Status configure(int fd, std::uint32_t slot_size) {
  const int version = TPACKET_V2;
  const int on = 1;
  SLUICE_CHECK_OK(set_option(fd, PACKET_VERSION, version, "PACKET_VERSION"));
  SLUICE_CHECK_OK(set_option(fd, PACKET_VNET_HDR, on, "PACKET_VNET_HDR"));
  SLUICE_CHECK_OK(set_option(fd, PACKET_RESERVE, unsigned{kReserve}, "PACKET_RESERVE"));
  SLUICE_CHECK_OK(set_option(fd, PACKET_QDISC_BYPASS, on, "PACKET_QDISC_BYPASS"));
  SLUICE_CHECK_OK(set_option(fd, PACKET_IGNORE_OUTGOING, on, "PACKET_IGNORE_OUTGOING"));
  // Frames longer than a slot also go to the socket's queue, in whole.
  SLUICE_CHECK_OK(set_option(fd, PACKET_COPY_THRESH, on, "PACKET_COPY_THRESH"));
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
    if (::setsockopt(fd, SOL_SOCKET, option, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
      return fail_errno(errno, "setsockopt socket buffer");
    }
  }
  tpacket_req ring{};
  ring.tp_block_size = 65536;
  ring.tp_block_nr = kRingBytes / ring.tp_block_size;
  ring.tp_frame_size = slot_size;
  ring.tp_frame_nr = static_cast<unsigned>(kRingBytes / slot_size);
  return set_option(fd, PACKET_RX_RING, ring, "PACKET_RX_RING");
}

Result<std::unique_ptr<Leg>> open_here(netlink::IfIndex link, const PacketLegOptions& options) {
  // Protocol 0: nothing is received until it is bound, so no frame of another netdev gets in.
  os::UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "socket AF_PACKET");
  const std::uint32_t slot_size = slot_size_for(options.mtu);
  SLUICE_CHECK_OK(configure(fd.get(), slot_size));
  void* at = ::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail_errno(errno, "mmap of the packet ring");
  Mapping ring(static_cast<std::uint8_t*>(at), kRingBytes);

  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(link.value);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "bind to link " + std::to_string(link.value));
  }
  return std::unique_ptr<Leg>(new PacketLeg(std::move(fd), std::move(ring), slot_size));
}

}  // namespace

Result<std::unique_ptr<Leg>> open_packet_leg(const os::NetNs& netns, netlink::IfIndex link,
                                             const PacketLegOptions& options) {
  if (link.value == 0) return fail(Code::kInvalid, "link index 0: allowed are 1 and more");
  std::unique_ptr<Leg> leg;
  SLUICE_CHECK_OK(netns.run_in([&]() -> Status {
    SLUICE_TRY(leg, open_here(link, options));
    return {};
  }));
  return leg;
}

}  // namespace sluice::legs
