// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/leftovers.h"

#include <doctest/doctest.h>

#include "sriov-cni/journal/journal.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/sriov-cni/journal/records.h"

using namespace sluice;
using namespace sluice::cni;

TEST_CASE("Of one attachment they go, and its record and others' stay") {
  const test::TempDir dir;
  const auto journal = Journal::open(dir.path());
  const auto record = test::full_record();
  REQUIRE(journal->save(record));
  const auto file = "attachments/" + id_hash(record.id()) + ".json";
  dir.file(file + ".aaaaaa", "half of a rec");
  dir.file(file + ".bbbbbb", "");
  dir.file("attachments/0123456789abcdef.json.cccccc", "");
  CHECK(journal->leftovers()->size() == 3);

  REQUIRE(journal->remove_leftovers_of(record.id()));
  const auto left = journal->leftovers();
  REQUIRE(left->size() == 1);
  CHECK(left->front().ends_with("/attachments/0123456789abcdef.json.cccccc"));
  CHECK(journal->load_all()->records.size() == 1);
  REQUIRE(journal->remove_leftovers_of(record.id()));
}

TEST_CASE("Where there is no directory there are none") {
  const test::TempDir dir;
  CHECK(leftovers_in(dir.path() + "/none")->empty());
  CHECK(remove_leftovers(dir.path() + "/none/file"));
}
