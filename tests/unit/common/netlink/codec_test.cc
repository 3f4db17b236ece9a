// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "common/netlink/attributes.h"
#include "common/netlink/message.h"

using namespace sluice;
using namespace sluice::netlink;

namespace {

using Buffer = std::vector<std::uint8_t>;

std::vector<Attribute> all_of(AttributeReader& reader) {
  std::vector<Attribute> found;
  for (Attribute attribute; reader.next(attribute);) found.push_back(attribute);
  return found;
}

Message only_message(const Buffer& bytes) {
  MessageReader reader(bytes);
  Message message;
  REQUIRE(reader.next(message));
  return message;
}

void append(Buffer& into, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  into.insert(into.end(), bytes, bytes + size);
}

// NLMSG_ERROR as the kernel sends it: capped, then attributes.
Buffer error_message(int number, const std::string& text, std::optional<std::uint32_t> offset,
                     bool capped) {
  MessageWriter writer(NLMSG_ERROR,
                       static_cast<std::uint16_t>(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0)));
  nlmsgerr error{};
  error.error = -number;
  error.msg.nlmsg_len = sizeof(nlmsghdr) + 8;
  writer.put_struct(error);
  if (!capped) writer.put_struct(std::uint64_t{0x1122334455667788});
  if (!text.empty()) writer.put_text(NLMSGERR_ATTR_MSG, text);
  if (offset) writer.put_number(NLMSGERR_ATTR_OFFS, *offset);
  return {writer.bytes().begin(), writer.bytes().end()};
}

}  // namespace

TEST_CASE("What is written is read again") {
  MessageWriter writer(RTM_NEWLINK, NLM_F_REQUEST);
  writer.put_number(1, std::uint8_t{7});
  writer.put_number(2, std::uint32_t{0xdeadbeef});
  writer.put_text(3, "eth0");
  writer.put_mac(4, *MacAddr::parse("02:00:00:00:00:09"));
  writer.put_ipv4(5, *Ipv4::parse("10.1.2.3"));
  const auto nest = writer.begin(6 | NLA_F_NESTED);
  writer.put_text(1, "inner");
  writer.end(nest);
  writer.put(7, nullptr, 0);
  writer.set_sequence(99);
  REQUIRE_FALSE(writer.overflow());

  const Buffer bytes(writer.bytes().begin(), writer.bytes().end());
  CHECK(bytes.size() % 4 == 0);
  const auto message = only_message(bytes);
  CHECK(message.type == RTM_NEWLINK);
  CHECK(message.flags == NLM_F_REQUEST);
  CHECK(message.sequence == 99);
  AttributeReader reader(message.payload);
  const auto found = all_of(reader);
  CHECK_FALSE(reader.malformed());
  REQUIRE(found.size() == 7);
  CHECK(found[0].number<std::uint8_t>() == 7);
  CHECK(found[1].number<std::uint32_t>() == 0xdeadbeef);
  CHECK(found[2].text() == "eth0");
  CHECK(found[3].mac()->to_string() == "02:00:00:00:00:09");
  CHECK(found[4].ipv4()->to_string() == "10.1.2.3");
  CHECK(found[5].type == 6);
  AttributeReader inner(found[5].data);
  CHECK(all_of(inner).at(0).text() == "inner");
  CHECK(found[6].data.empty());
}

TEST_CASE("An attribute of the wrong size has no value of that kind") {
  const Buffer three = {1, 2, 3};
  const Attribute attribute{1, three};
  CHECK_FALSE(attribute.number<std::uint32_t>());
  CHECK_FALSE(attribute.mac());
  CHECK_FALSE(attribute.ipv4());
  CHECK(attribute.number<std::uint8_t>() == 1);
  CHECK(attribute.text().size() == 3);
  const Buffer seven(7, 0x11);
  CHECK_FALSE(Attribute{1, seven}.mac());
  CHECK(Attribute{1, Bytes{}}.text().empty());
}

TEST_CASE("Impossible attribute lengths end the reading") {
  for (const Buffer& bytes :
       {Buffer{3, 0, 1, 0}, Buffer{0, 0, 1, 0}, Buffer{9, 0, 1, 0, 1, 2, 3, 4},
        Buffer{0xff, 0xff, 1, 0, 1, 2, 3, 4}}) {
    AttributeReader reader(bytes);
    CHECK(all_of(reader).empty());
    CHECK(reader.malformed());
  }
  // One good, one cut.
  const Buffer cut = {5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0, 1};
  AttributeReader reader(cut);
  CHECK(all_of(reader).size() == 1);
  CHECK(reader.malformed());
}

TEST_CASE("The last attribute may lack its padding, and padding may follow it") {
  const Buffer unpadded = {5, 0, 1, 0, 7};
  AttributeReader one(unpadded);
  CHECK(all_of(one).size() == 1);
  CHECK_FALSE(one.malformed());
  const Buffer extra = {8, 0, 1, 0, 7, 0, 0, 0, 0, 0};
  AttributeReader other(extra);
  CHECK(all_of(other).size() == 1);
  CHECK_FALSE(other.malformed());
}

TEST_CASE("Every prefix of a datagram is read without leaving it") {
  MessageWriter writer(RTM_NEWLINK, 0);
  writer.put_text(3, "eth0");
  writer.put_number(4, std::uint32_t{1500});
  const Buffer whole(writer.bytes().begin(), writer.bytes().end());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Buffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    MessageReader reader(part);
    Message message;
    CHECK_FALSE(reader.next(message));
    CHECK(reader.malformed() == (size > 0));
  }
}

TEST_CASE("A value that no attribute can hold spoils the message") {
  MessageWriter writer(RTM_NEWLINK, 0);
  writer.put_text(1, std::string(0x10000, 'x'));
  CHECK(writer.overflow());
  MessageWriter nested(RTM_NEWLINK, 0);
  const auto nest = nested.begin(1);
  for (int i = 0; i < 3; ++i) nested.put_text(2, std::string(30000, 'x'));
  nested.end(nest);
  CHECK(nested.overflow());
}

TEST_CASE("An acknowledgement's extack becomes the error's text") {
  for (const bool capped : {true, false}) {
    const auto bytes = error_message(22, "MTU too large", 20, capped);
    const auto ack = decode_ack(only_message(bytes));
    REQUIRE(ack);
    CHECK(ack->number == 22);
    CHECK(ack->text == "MTU too large");
    CHECK(ack->offset == 20);
    MessageWriter request(RTM_SETLINK, 0);
    request.put_struct(std::uint32_t{0});
    request.put_number(IFLA_MTU, std::uint32_t{9});
    const Error error = ack_error(*ack, "change link 4", request.bytes());
    CHECK(error.message ==
          "change link 4: Invalid argument: MTU too large (at byte 20, attribute 4)");
    CHECK(error.native == 22);
    CHECK(error.domain == Domain::kKernel);
  }
}

TEST_CASE("An offset behind the request names no attribute") {
  const Ack ack{22, "", 4000, std::nullopt};
  CHECK(ack_error(ack, "x", Bytes{}).message == "x: Invalid argument (at byte 4000)");
}

TEST_CASE("Hostile acknowledgements are errors, not numbers") {
  const auto decode = [](std::int32_t number, std::size_t size) {
    Buffer bytes;
    nlmsghdr header{};
    header.nlmsg_type = NLMSG_ERROR;
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + size);
    append(bytes, &header, sizeof header);
    append(bytes, &number, size);
    return decode_ack(only_message(bytes));
  };
  CHECK_FALSE(decode(0, 0));
  CHECK_FALSE(decode(0, 3));
  CHECK_FALSE(decode(5, 4));
  CHECK_FALSE(decode(std::numeric_limits<std::int32_t>::min(), 4));
  CHECK(decode(0, 4)->number == 0);
  CHECK(decode(-17, 4)->number == 17);
}

TEST_CASE("An uncapped error that announces a huge request is not followed out of the message") {
  auto bytes = error_message(22, "text", std::nullopt, false);
  const std::uint32_t huge = 0xfffffff0;
  std::memcpy(bytes.data() + sizeof(nlmsghdr) + sizeof(int), &huge, sizeof huge);
  const auto ack = decode_ack(only_message(bytes));
  REQUIRE(ack);
  CHECK(ack->number == 22);
  CHECK(ack->text.empty());
}

TEST_CASE("The end of a dump carries a status") {
  MessageWriter writer(NLMSG_DONE, NLM_F_MULTI | NLM_F_ACK_TLVS);
  writer.put_struct(std::int32_t{-2});
  writer.put_text(NLMSGERR_ATTR_MSG, "no such table");
  const Buffer bytes(writer.bytes().begin(), writer.bytes().end());
  const auto ack = decode_ack(only_message(bytes));
  REQUIRE(ack);
  CHECK(ack->number == 2);
  CHECK(ack->text == "no such table");
}
