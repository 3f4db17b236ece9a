// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/live_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>
#include <vector>

#include "common/os/files.h"
#include "common/os/unique_fd.h"

namespace sluice::softnic {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxContent = 4096;  // a page, as in sysfs

std::set<std::string> directories_of(const Tree& tree) {
  std::set<std::string> directories;
  for (const auto& [path, entry] : tree) {
    for (auto slash = path.rfind('/'); slash != std::string::npos;
         slash = path.rfind('/', slash - 1)) {
      if (slash == 0 || !directories.insert(path.substr(0, slash)).second) break;
    }
  }
  return directories;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

// The directories of `some` that are not in `others`, without those below another one of them.
std::vector<std::string> topmost_missing(const std::set<std::string>& some,
                                         const std::set<std::string>& others) {
  std::vector<std::string> result;
  for (const auto& directory : some) {  // sorted: a parent comes before what is below it
    if (others.contains(directory)) continue;
    const auto slash = directory.rfind('/');
    if (slash != std::string::npos && some.contains(directory.substr(0, slash)) &&
        !others.contains(directory.substr(0, slash))) {
      continue;
    }
    result.push_back(directory);
  }
  return result;
}

Status rename_path(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return fail_errno(errno, "rename " + from + " to " + to);
}

// Puts `from` in the place of whatever is at `to`: also of directories that only an interrupted
// removal left there.
Status take_place(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR && errno != EISDIR) {
    return fail_errno(errno, "rename " + from + " to " + to);
  }
  SLUICE_CHECK_OK(os::remove_tree(to));
  return rename_path(from, to);
}

// Files that can't be ours (too large, of another kind) are removed. Directories aren't looked at:
// one that holds nothing is replaced when its name is needed.
Result<Tree> load(const std::string& root) {
  Tree tree;
  std::vector<std::string> foreign;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string path = it->path().lexically_relative(root).string();
    std::error_code ignored;
    if (it->is_symlink(ignored)) {
      tree[path] = {true, fs::read_symlink(it->path(), ignored).string()};
    } else if (it->is_regular_file(ignored)) {
      if (auto content = os::read_file(it->path().string(), kMaxContent)) {
        tree[path] = {false, std::move(*content)};
      } else {
        foreign.push_back(it->path().string());
      }
    } else if (!it->is_directory(ignored)) {
      foreign.push_back(it->path().string());
    }
  }
  if (error) return fail_errno(error.value(), "read " + root);
  for (const auto& path : foreign) SLUICE_CHECK_OK(os::remove_file(path));
  return tree;
}

}  // namespace

Result<LiveTree> LiveTree::open(std::string root) {
  SLUICE_CHECK_OK(os::make_directories(root));
  SLUICE_TRY(Tree current, load(root));
  LiveTree tree(std::move(root), std::move(current));
  SLUICE_CHECK_OK(os::remove_tree(tree.staging_));
  SLUICE_CHECK_OK(os::make_directories(tree.staging_));
  return tree;
}

std::string LiveTree::next_staged() { return staging_ + "/" + std::to_string(staged_++); }

Status LiveTree::write_staged(const std::string& at, const TreeEntry& entry) const {
  if (entry.link) {
    if (::symlink(entry.content.c_str(), at.c_str()) != 0)
      return fail_errno(errno, "symlink " + at);
    return {};
  }
  // Not synced to disk: like sysfs, the tree means something only while its owner lives.
  const os::UniqueFd fd(::open(at.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, "open " + at);
  const ssize_t written = ::write(fd.get(), entry.content.data(), entry.content.size());
  if (written < 0) return fail_errno(errno, "write " + at);
  if (static_cast<std::size_t>(written) != entry.content.size()) {
    return fail_errno(ENOSPC, "write " + at);
  }
  return {};
}

Status LiveTree::put(const std::string& path, const TreeEntry& entry) {
  const std::string staged = next_staged();
  SLUICE_CHECK_OK(write_staged(staged, entry));
  SLUICE_CHECK_OK(take_place(staged, root_ + "/" + path));
  current_[path] = entry;
  return {};
}

Status LiveTree::drop_unwanted(const Tree& wanted) {
  for (const auto& directory : topmost_missing(directories_of(current_), directories_of(wanted))) {
    const std::string staged = next_staged();
    SLUICE_CHECK_OK(rename_path(root_ + "/" + directory, staged));
    std::erase_if(current_, [&](const auto& item) { return is_below(item.first, directory); });
    SLUICE_CHECK_OK(os::remove_tree(staged));
  }
  for (auto it = current_.begin(); it != current_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    SLUICE_CHECK_OK(os::remove_file(root_ + "/" + it->first));
    it = current_.erase(it);
  }
  return {};
}

Status LiveTree::add_directories(const Tree& wanted) {
  for (const auto& directory : topmost_missing(directories_of(wanted), directories_of(current_))) {
    const std::string staged = next_staged();
    SLUICE_CHECK_OK(os::make_directories(staged));
    Tree added;
    for (auto it = wanted.upper_bound(directory + "/");
         it != wanted.end() && is_below(it->first, directory); ++it) {
      const std::string below = it->first.substr(directory.size() + 1);
      if (const auto slash = below.rfind('/'); slash != std::string::npos) {
        SLUICE_CHECK_OK(os::make_directories(staged + "/" + below.substr(0, slash)));
      }
      SLUICE_CHECK_OK(write_staged(staged + "/" + below, it->second));
      added.insert(*it);
    }
    if (const auto slash = directory.rfind('/'); slash != std::string::npos) {
      SLUICE_CHECK_OK(os::make_directories(root_ + "/" + directory.substr(0, slash)));
    }
    SLUICE_CHECK_OK(take_place(staged, root_ + "/" + directory));
    current_.merge(added);
  }
  return {};
}

Status LiveTree::publish(const Tree& wanted) {
  SLUICE_CHECK_OK(drop_unwanted(wanted));
  SLUICE_CHECK_OK(add_directories(wanted));
  // Files before links: who finds a thing by its link finds it complete.
  for (const bool links : {false, true}) {
    for (const auto& [path, entry] : wanted) {
      if (entry.link != links) continue;
      const auto have = current_.find(path);
      if (have != current_.end() && have->second == entry) continue;
      SLUICE_CHECK_OK(put(path, entry));
    }
  }
  return {};
}

Status LiveTree::remove() {
  current_.clear();
  SLUICE_CHECK_OK(os::remove_tree(staging_));
  return os::remove_tree(root_);
}

}  // namespace sluice::softnic
