// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/pending_attachments.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "common/os/files.h"

namespace sluice::engine {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 10U;
constexpr std::size_t kMaxFiles = 1024;  // at a time; the others follow when these are done
constexpr std::size_t kMaxIdBytes = 512;
constexpr std::string_view kGone = ".gone";

bool is_pending(const std::string& name) {
  return name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_';
         });
}

struct Names {
  std::vector<std::string> pending, gone;  // the second ones without ".gone"; sorted
};

Result<Names> list(const std::string& directory) {
  SLUICE_TRY(const auto root, os::Root::open(directory));
  SLUICE_TRY(const auto names, root.list("."));
  Names out;
  for (const auto& name : names) {
    const bool gone = name.ends_with(kGone);
    auto stem = gone ? name.substr(0, name.size() - kGone.size()) : name;
    auto& into = gone ? out.gone : out.pending;
    if (is_pending(stem) && into.size() < kMaxFiles) into.push_back(std::move(stem));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<PendingAttachments>> PendingAttachments::start(os::EventLoop& loop,
                                                                      Engine& engine,
                                                                      std::string directory,
                                                                      Logger log) {
  std::unique_ptr<PendingAttachments> pending(
      new PendingAttachments(loop, engine, std::move(directory), std::move(log)));
  SLUICE_CHECK_OK(pending->watch());
  SLUICE_TRY(const auto names, list(pending->directory_));
  for (const auto& name : names.gone) pending->withdraw(name);
  pending->look_later(Duration::zero());
  return pending;
}

PendingAttachments::~PendingAttachments() {
  if (timer_) loop_.cancel(*timer_);
}

Status PendingAttachments::watch() {
  SLUICE_CHECK_OK(os::make_directories(directory_, 0700));
  if (::chmod(directory_.c_str(), 0700) != 0) return fail_errno(errno, "chmod " + directory_);
  SLUICE_TRY(watch_, os::DirectoryWatch::open(loop_, directory_, [this] { look(); }));
  return {};
}

void PendingAttachments::look_later(Duration delay) {
  if (timer_) return;
  timer_ = loop_.after(delay, [this] {
    timer_.reset();
    look();
  });
}

void PendingAttachments::look() {
  if (!watch_->alive()) {
    // Somebody has taken the directory away.
    if (auto watched = watch(); !watched) return try_again("", watched.error());
  }
  const auto names = list(directory_);
  if (!names) return try_again("", names.error());
  std::erase_if(said_, [&](const auto& entry) {
    return !std::binary_search(names->pending.begin(), names->pending.end(), entry.first) &&
           !std::binary_search(names->gone.begin(), names->gone.end(), entry.first);
  });
  for (const auto& name : names->gone) {
    if (!withdrawing_.contains(name)) withdraw(name);
  }
  for (const auto& name : names->pending) {
    const bool withdrawn_first = withdrawing_.contains(name) ||
                                 std::binary_search(names->gone.begin(), names->gone.end(), name);
    if (!withdrawn_first && !on_their_way_.contains(name)) take_in(name);
  }
}

void PendingAttachments::withdraw(const std::string& name) {
  const auto file = name + std::string(kGone);
  const auto id = os::read_file(path_of(file), kMaxIdBytes);
  if (!id) {
    if (id.error().code == Code::kNotFound) return;
    if (id.error().code == Code::kInvalid) return refuse(file, id.error());
    return try_again(name, id.error());
  }
  withdrawing_.insert(name);
  engine_.detach(
      *id, [this, here = std::weak_ptr(here_), name, file, id = *id](const Result<bool>& detached) {
        if (here.expired()) return;
        withdrawing_.erase(name);
        if (!detached) return try_again(name, detached.error());
        if (auto removed = os::remove_file(path_of(file)); !removed) {
          return try_again(name, removed.error());
        }
        log_.info("attachment was undone while no engine was there",
                  {{"id", id.substr(0, 200)}, {"known", *detached}});
        look_later(Duration::zero());
      });
}

void PendingAttachments::take_in(const std::string& name) {
  auto bytes = os::read_file(path_of(name), kMaxBytes);
  if (!bytes) {
    if (bytes.error().code == Code::kNotFound) return;
    if (bytes.error().code == Code::kInvalid) return refuse(name, bytes.error());
    return try_again(name, bytes.error());
  }
  const auto spec = parse_attach_request(*bytes);
  if (!spec) return refuse(name, spec.error());
  on_their_way_.insert(name);
  engine_.attach(*spec, [this, here = std::weak_ptr(here_), name, id = spec->id,
                         taken = std::move(*bytes)](const Result<model::PortId>& port) {
    if (here.expired()) return;
    on_their_way_.erase(name);
    if (!port) return try_again(name, port.error());
    attached(name, id, taken);
  });
}

void PendingAttachments::attached(const std::string& name, const std::string& id,
                                  const std::string& bytes) {
  const auto now = os::read_file(path_of(name), kMaxBytes);
  if (!now && now.error().code == Code::kNotFound) return withdrawn(id);
  if (now && *now != bytes) return look_later(Duration::zero());
  // Whoever removes it decides: a DEL that came first has been told that it was never attached.
  if (::unlink(path_of(name).c_str()) != 0) {
    if (errno == ENOENT) return withdrawn(id);
    return try_again(name, errno_error(errno, "remove " + path_of(name)));
  }
  log_.info("pending attachment taken in", {{"id", id}});
}

void PendingAttachments::withdrawn(const std::string& id) {
  log_.info("pending attachment was withdrawn", {{"id", id}});
  engine_.detach(id, [](const Result<bool>&) {});
}

void PendingAttachments::refuse(const std::string& name, const Error& error) {
  const std::string path = path_of(name);
  if (::rename(path.c_str(), (path + ".refused").c_str()) != 0) {
    return try_again(name, errno_error(errno, "rename " + path));
  }
  log_.error("pending attachment can't be read, put aside",
             {{"file", path + ".refused"}, {"error", error}});
}

void PendingAttachments::try_again(const std::string& name, const Error& error) {
  look_later(kRetry);
  std::string text = error.to_string();
  auto& said = said_[name];
  if (said == text) return;
  log_.warn("pending attachment not taken in yet", {{"file", path_of(name)}, {"error", error}});
  said = std::move(text);
}

}  // namespace sluice::engine
