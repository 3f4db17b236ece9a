// SPDX-License-Identifier: Apache-2.0
// A client that puts its HTTP/2 frames together by hand, so that they may be wrong.
#pragma once

#include <doctest/doctest.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"

namespace sluice::litegrpc::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr unsigned kEndStream = 1;
inline constexpr unsigned kEndHeaders = 4;

inline std::string big_endian(std::size_t value, int bytes) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes) & 0xffU);
  return out;
}

inline std::string frame(int type, unsigned flags, int stream, std::string_view payload) {
  return big_endian(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         big_endian(static_cast<std::size_t>(stream), 4) + std::string(payload);
}

// HPACK: literals without indexing, not compressed.
inline std::string header_block(const Fields& fields) {
  const auto text = [](const std::string& value) {
    std::string out;
    std::size_t rest = value.size();
    if (rest < 127) {
      out += static_cast<char>(rest);
    } else {
      out += '\x7f';
      for (rest -= 127; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
      out += static_cast<char>(rest);
    }
    return out + value;
  };
  std::string out;
  for (const auto& [name, value] : fields) out += '\0' + text(name) + text(value);
  return out;
}

inline Fields request_fields(const std::string& path) {
  return {{":method", "POST"},         {":scheme", "http"}, {":path", path},
          {":authority", "localhost"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
}

inline std::string message(std::string_view body) {
  return '\0' + big_endian(body.size(), 4) + std::string(body);
}

inline std::string headers(int stream, const std::string& path, unsigned flags = kEndHeaders) {
  return frame(NGHTTP2_HEADERS, flags, stream, header_block(request_fields(path)));
}
inline std::string data(int stream, std::string_view payload, unsigned flags = kEndStream) {
  return frame(NGHTTP2_DATA, flags, stream, payload);
}
inline std::string request(int stream, const std::string& path, std::string_view body) {
  return headers(stream, path) + data(stream, message(body));
}

class RawPeer {
 public:
  struct Stream {
    std::map<std::string, std::string> fields;  // of headers and trailers
    std::string body;
    bool ended = false;
    int reset = -1;  // the error code
  };

  explicit RawPeer(const std::string& path, bool greet = true) {
    const auto address = *os::unix_address(path);
    fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    // Only so that a test that fails doesn't hang.
    const timeval patience{60, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    nghttp2_hd_inflate_new(&inflater_);
    if (greet) send(std::string(kPreface) + frame(NGHTTP2_SETTINGS, 0, 0, ""));
  }
  ~RawPeer() { nghttp2_hd_inflate_del(inflater_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // False: the server has hung up.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }

  // Reads until the stream has ended or the connection has.
  Stream& answer(int stream) {
    while (!streams_[stream].ended && streams_[stream].reset < 0 && read_frame()) {
    }
    return streams_[stream];
  }
  std::string status(int stream) { return answer(stream).fields["grpc-status"]; }

  // Reads until the server hangs up, which is what it is to do.
  bool hung_up() {
    while (read_frame()) {
    }
    return ended_;
  }
  // Returns when the server has read all that was sent, and so has opened its windows again.
  void sync() {
    const int before = pongs_;
    REQUIRE(send(frame(NGHTTP2_PING, 0, 0, "12345678")));
    while (pongs_ == before) REQUIRE(read_frame());
  }
  bool saw_goaway() const { return goaway_; }

 private:
  bool read_exactly(std::string& into, std::size_t size) {
    into.resize(size);
    for (std::size_t at = 0; at < size;) {
      const auto got = ::recv(fd_.get(), into.data() + at, size - at, 0);
      if (got <= 0) {
        // A reset says that bytes of ours were not read: hung up all the same.
        ended_ = got == 0 || errno == ECONNRESET;
        return false;
      }
      at += static_cast<std::size_t>(got);
    }
    return true;
  }

  bool read_frame() {
    std::string head;
    std::string payload;
    if (!read_exactly(head, 9)) return false;
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(head[at]); };
    const std::size_t size = std::size_t{byte(0)} << 16U | std::size_t{byte(1)} << 8U | byte(2);
    const int number = (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
    if (!read_exactly(payload, size)) return false;
    Stream& stream = streams_[number];
    switch (byte(3)) {
      case NGHTTP2_DATA:
        stream.body += payload;
        break;
      case NGHTTP2_HEADERS:
        inflate(payload, stream);
        break;
      case NGHTTP2_RST_STREAM:
        stream.reset = static_cast<unsigned char>(payload.back());
        return true;
      case NGHTTP2_PING:
        ++pongs_;
        return true;
      case NGHTTP2_GOAWAY:
        goaway_ = true;
        return true;
      default:
        return true;
    }
    if ((byte(4) & kEndStream) != 0) stream.ended = true;
    return true;
  }

  void inflate(const std::string& block, Stream& stream) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    std::size_t left = block.size();
    while (true) {
      nghttp2_nv field{};
      int flags = 0;
      const auto used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
      REQUIRE(used >= 0);
      at += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        stream.fields[std::string(reinterpret_cast<char*>(field.name), field.namelen)] =
            std::string(reinterpret_cast<char*>(field.value), field.valuelen);
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  os::UniqueFd fd_;
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::map<int, Stream> streams_;
  int pongs_ = 0;
  bool ended_ = false;
  bool goaway_ = false;
};

}  // namespace sluice::litegrpc::test
