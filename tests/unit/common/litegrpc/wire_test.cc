// SPDX-License-Identifier: Apache-2.0
// Messages in bytes, and statuses and deadlines in header fields.
#include <doctest/doctest.h>
#include <nghttp2/nghttp2.h>

#include "common/litegrpc/frames.h"
#include "common/litegrpc/status.h"
#include "common/litegrpc/wire_status.h"

using namespace sluice;
using namespace sluice::litegrpc;
using Problem = MessageReader::Problem;

namespace {

std::string bytes_of(std::initializer_list<std::string> messages) {
  Outbox box;
  for (const auto& message : messages) box.push(message);
  std::string out;
  box.move_to(out, box.waiting());
  return out;
}

}  // namespace

TEST_CASE("a message has a flag and its length before it") {
  CHECK(bytes_of({"abc"}) == std::string("\0\0\0\0\3abc", 8));
  CHECK(bytes_of({""}) == std::string("\0\0\0\0\0", 5));
  CHECK(bytes_of({std::string(0x010203, 'x')}).substr(0, 6) == std::string("\0\0\1\2\3x", 6));
}

TEST_CASE("messages leave in parts of any size, and come together from them") {
  const std::string whole = bytes_of({"first", "", "x", "a longer one"});
  for (std::size_t part = 1; part <= whole.size(); ++part) {
    Outbox box;
    for (const char* message : {"first", "", "x", "a longer one"}) box.push(message);
    CHECK(box.waiting() == whole.size());
    std::string out;
    while (box.waiting() > 0) box.move_to(out, std::min(part, box.waiting()));
    CHECK(out == whole);
    CHECK(!box.within_message());

    MessageReader reader(100);
    CHECK(reader.empty());
    const std::string one = bytes_of({"a longer one"});
    for (std::size_t at = 0; at < one.size(); at += part) {
      CHECK(!reader.whole());
      CHECK(reader.feed(std::string_view(one).substr(at, part)) == Problem::kNone);
    }
    CHECK(reader.whole());
    CHECK(reader.take() == "a longer one");
  }
}

TEST_CASE("an outbox knows when it is within a message") {
  Outbox box;
  box.push("abc");
  CHECK(!box.within_message());
  std::string out;
  box.move_to(out, 2);
  CHECK(box.within_message());
  box.clear();
  CHECK(!box.within_message());
  CHECK(box.waiting() == 0);
}

TEST_CASE("what is no message is refused, and nothing after it is taken") {
  const auto problem = [](const std::string& bytes) {
    MessageReader reader(8);
    const Problem first = reader.feed(bytes);
    CHECK(reader.feed(bytes) == (first == Problem::kNone ? Problem::kSecond : first));
    return first;
  };
  CHECK(problem(std::string("\0\0\0\0\10", 5) + "12345678") == Problem::kNone);
  CHECK(problem(std::string("\0\0\0\0\11", 5)) == Problem::kTooLarge);
  CHECK(problem(std::string("\0\xff\xff\xff\xff", 5)) == Problem::kTooLarge);
  CHECK(problem(std::string("\1\0\0\0\1x", 6)) == Problem::kCompressed);
  CHECK(problem(std::string("\2\0\0\0\1x", 6)) == Problem::kBadFlag);
  CHECK(problem(std::string("\0\0\0\0\1xy", 7)) == Problem::kSecond);
  CHECK(problem(std::string("\0\0\0\0\0", 5)) == Problem::kNone);
}

TEST_CASE("an announced length costs no memory before the bytes are there") {
  MessageReader reader(std::size_t{1} << 30U);
  CHECK(reader.feed(std::string("\0\x3f\xff\xff\xffx", 6)) == Problem::kNone);
  CHECK(reader.announced() == 0x3fffffff);
  CHECK(reader.held() == 1);
  CHECK(reader.message().capacity() <= std::size_t{64} << 10U);
}

TEST_CASE("messages of statuses are percent-encoded, and come back as they were") {
  CHECK(percent_encode("plain text, ~ and !") == "plain text, ~ and !");
  CHECK(percent_encode("50% \n\x7f") == "50%25 %0A%7F");
  CHECK(percent_encode("ä") == "%C3%A4");
  CHECK(percent_decode("%C3%a4") == "ä");
  CHECK(percent_decode("100% %zz %4") == "100% %zz %4");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(percent_decode(percent_encode(all)) == all);
}

TEST_CASE("a message is cut between characters") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "網";
  const std::string encoded = percent_encode(text);
  CHECK(encoded.size() <= kMaxEncodedMessage);
  CHECK(encoded.size() > kMaxEncodedMessage - 9);
  CHECK(encoded.size() % 9 == 0);
}

TEST_CASE("deadlines in header fields") {
  using namespace std::chrono_literals;
  CHECK(parse_timeout("1H") == Duration(1h));
  CHECK(parse_timeout("2M") == Duration(2min));
  CHECK(parse_timeout("3S") == Duration(3s));
  CHECK(parse_timeout("99999999m") == Duration(99999999ms));
  CHECK(parse_timeout("5u") == Duration(5us));
  CHECK(parse_timeout("0n") == Duration(0));
  CHECK(parse_timeout("99999999H") == Duration(87600h));  // no overflow
  for (const auto* bad : {"", "S", "1", "-1S", "+1S", "1 S", "1s", "123456789S", "1.5S", "0x1S"}) {
    CHECK_MESSAGE(!parse_timeout(bad), bad);
  }
  CHECK(format_timeout(1ns) == "1u");
  CHECK(format_timeout(10s) == "10000000u");
  CHECK(format_timeout(100s) == "100000m");
  CHECK(format_timeout(48h) == "172800S");
  CHECK(format_timeout(Duration::max()) == "99999999M");
  CHECK(format_timeout(-1s) == "0u");
}

TEST_CASE("statuses from header fields and error codes") {
  CHECK(parse_status("0") == kOk);
  CHECK(parse_status("16") == kUnauthenticated);
  for (const auto* bad : {"", "17", "-1", "1 ", "x", "99999999999"}) {
    CHECK(parse_status(bad) == kUnknown);
  }
  CHECK(status_of_http("404") == kUnimplemented);
  CHECK(status_of_http("503") == kUnavailable);
  CHECK(status_of_http("400") == kInternal);
  CHECK(status_of_http("401") == kUnauthenticated);
  CHECK(status_of_http("403") == kPermissionDenied);
  CHECK(status_of_http("302") == kUnknown);
  CHECK(status_of_reset(NGHTTP2_REFUSED_STREAM) == kUnavailable);
  CHECK(status_of_reset(NGHTTP2_CANCEL) == kCancelled);
  CHECK(status_of_reset(NGHTTP2_ENHANCE_YOUR_CALM) == kResourceExhausted);
  CHECK(status_of_reset(NGHTTP2_INADEQUATE_SECURITY) == kPermissionDenied);
  CHECK(status_of_reset(12345) == kInternal);
}

TEST_CASE("every code of ours survives the way to gRPC and back") {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    const auto code = static_cast<Code>(i);
    CHECK(code_of_grpc(grpc_of_code(code)) == code);
  }
  for (const int number : {-1, 0, 2, 17, 1000}) CHECK(code_of_grpc(number) == Code::kInternal);
}

TEST_CASE("content types of gRPC") {
  CHECK(is_grpc_content("application/grpc"));
  CHECK(is_grpc_content("application/grpc+proto"));
  CHECK(is_grpc_content("application/grpc;charset=utf-8"));
  CHECK(!is_grpc_content("application/grpc-web"));
  CHECK(!is_grpc_content("application/json"));
  CHECK(!is_grpc_content(""));
}
