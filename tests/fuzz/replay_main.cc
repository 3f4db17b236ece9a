// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer's entry point without libFuzzer: over every file of the corpus folders named on the
// command line, then over inputs made from a fixed seed, so that a fuzzer without a corpus is
// exercised too. A finding is a crash; exit 1 means that an input could not be read.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "common/base/clock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kMadeInputs = 2000;
constexpr std::size_t kLongestMade = 2048;

// An exact-size copy, so that an overrun by one byte is one past an allocation.
void run_one(const std::vector<std::uint8_t>& bytes) {
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

bool run_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    return false;
  }
  run_one({std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()});
  return true;
}

// Returns the number of files run, or -1.
int run_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return 0;
  int count = 0;
  for (std::filesystem::directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (error) break;
    if (!it->is_regular_file(error)) continue;
    if (!run_file(it->path())) return -1;
    ++count;
  }
  if (error) {
    std::fprintf(stderr, "%s: %s\n", folder.c_str(), error.message().c_str());
    return -1;
  }
  return count;
}

void run_made() {
  sluice::SeededRng rng(1);
  run_one({});
  for (int i = 0; i < kMadeInputs; ++i) {
    std::vector<std::uint8_t> bytes(rng.next() % kLongestMade);
    // Every other input is mostly zeros: lengths and counts then stay small enough to be followed.
    const bool sparse = (i & 1) != 0;
    for (auto& byte : bytes) {
      const std::uint64_t r = rng.next();
      byte = sparse && (r >> 8U) % 4 != 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(r);
    }
    run_one(bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    const int count = run_folder(argv[i]);
    if (count < 0) return 1;
    files += count;
  }
  run_made();
  std::printf("%d corpus files and %d made inputs\n", files, kMadeInputs + 1);
  return 0;
}
