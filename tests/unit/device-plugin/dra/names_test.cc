// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/names.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "common/base/clock.h"
#include "device-plugin/dra/front.h"

namespace sluice::dra {

TEST_CASE("names: PCI addresses and subfunctions read well") {
  CHECK(device_name_of("0000:08:00.1") == "0000-08-00-1");
  CHECK(device_name_of("10000:e1:1f.7") == "10000-e1-1f-7");
  CHECK(device_name_of("mlx5_core.sf.4") == "mlx5--core-sf-4");
  CHECK(Front::id_of("0000-08-00-1") == "0000:08:00.1");
  CHECK(Front::id_of("mlx5--core-sf-4") == "mlx5_core.sf.4");
}

TEST_CASE("names: everything is told back exactly, or has no name") {
  SeededRng rng(7);
  const std::string alphabet = "abf019.:_-AZ\xff \n";
  std::set<std::string> names, ids;
  for (int i = 0; i < 20000; ++i) {
    std::string id;
    for (auto n = rng.next() % 12 + 1; n > 0; --n)
      id.push_back(alphabet[rng.next() % alphabet.size()]);
    const auto name = device_name_of(id);
    REQUIRE(name);
    CAPTURE(*name);
    CHECK(Front::id_of(*name) == id);
    CHECK(name->size() <= 63);
    CHECK(std::all_of(name->begin(), name->end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }));
    CHECK(name->front() != '-');
    CHECK(name->back() != '-');
    CHECK(!Front::is_plain_port(*name));
    ids.insert(id);
    names.insert(*name);
  }
  CHECK(ids.size() == names.size());
  // What looks like another kind of name doesn't become one.
  for (const char* id : {"port.7", "x.61", "0000.08.00.1", "port-7", "x-61", "a.", "a"}) {
    CAPTURE(id);
    CHECK(Front::id_of(*device_name_of(id)) == id);
  }
  CHECK(!device_name_of(std::string(64, 'A')));
  CHECK(!device_name_of(""));
}

TEST_CASE("names: plain ports, and what is no name of ours") {
  CHECK(plain_port_name(109) == "port-109");
  CHECK(Front::is_plain_port("port-0"));
  for (const char* name : {"port-", "port-01", "port--1", "port-1x", "port-99999999999", "ports-1",
                           "0000-08-00-1", ""}) {
    CAPTURE(name);
    CHECK(!Front::is_plain_port(name));
  }
  for (const char* name : {"port-1", "", "-a", "a-", "A", "a/b", "../x", "x-6", "x-", "a.b"}) {
    CAPTURE(name);
    CHECK(!Front::id_of(name));
  }
}

TEST_CASE("names: slices of long node names keep apart and within the limit") {
  const std::string long_a(253, 'a');
  const std::string long_b = std::string(252, 'a') + "b";
  CHECK(slice_stem("n1.example.com", false) == "n1.example.com-sluice.dev");
  CHECK(slice_stem("n1", true) == "n1-sluice.dev-ports");
  CHECK(slice_stem(long_a, true).size() <= 230);
  CHECK(slice_stem(long_a, false) != slice_stem(long_b, false));
}

}  // namespace sluice::dra
