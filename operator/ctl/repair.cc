// SPDX-License-Identifier: Apache-2.0
#include "operator/ctl/repair.h"

#include <unistd.h>

#include <cerrno>
#include <climits>

namespace sluice::ctl {
namespace {

std::string own_folder() {
  char path[PATH_MAX];
  const auto length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return "";
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

}  // namespace

std::vector<std::string> cni_folders() {
  std::vector<std::string> folders;
  if (auto own = own_folder(); !own.empty()) folders.push_back(std::move(own));
  folders.emplace_back("/opt/cni/bin");
  return folders;
}

Result<std::string> find_cni(const std::string& named, const std::vector<std::string>& folders) {
  if (!named.empty()) return named;
  std::string looked;
  for (const auto& folder : folders) {
    auto program = folder + "/sluice-cni";
    if (::access(program.c_str(), X_OK) == 0) return program;
    looked += (looked.empty() ? "" : " and ") + folder;
  }
  return fail(Code::kNotFound, "no sluice-cni in " + looked + "; --cni PATH says where it is");
}

Error exec_repair(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{program, "repair"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  return errno_error(errno, "start " + program);
}

}  // namespace sluice::ctl
