// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/manifest_watch.h"

#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>

#include "common/os/files.h"
#include "common/os/unique_fd.h"

namespace sluice::sources {
namespace {

constexpr Duration kGather = std::chrono::milliseconds(50);
constexpr Duration kRetryLostDirectory = std::chrono::seconds(1);

// Not IN_MODIFY: a file that is being written is read once it is closed.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                  IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where symbolic links lead to; nothing while the file isn't there.
std::optional<std::string> resolve(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return std::nullopt;
  std::string result = real;
  std::free(real);
  return result;
}

class Watch final : public ManifestWatch {
 public:
  Watch(os::EventLoop& loop, std::string path, Callback changed, os::UniqueFd inotify)
      : loop_(loop),
        path_(std::move(path)),
        changed_(std::move(changed)),
        inotify_(std::move(inotify)) {}

  ~Watch() override {
    if (timer_) loop_.cancel(*timer_);
    if (watched_) loop_.unwatch(inotify_.get());
  }

  Status begin() {
    SLUICE_CHECK_OK(watch_directory(directory_of(path_)));
    SLUICE_CHECK_OK(loop_.watch(inotify_.get(), [this] { on_events(); }));
    watched_ = true;
    schedule(Duration::zero());
    return {};
  }

 private:
  Status watch_directory(const std::string& directory) {
    const int wd = ::inotify_add_watch(inotify_.get(), directory.c_str(), kEvents | IN_ONLYDIR);
    if (wd < 0) return fail_errno(errno, "watch the directory " + directory);
    directories_[wd] = directory;
    return {};
  }

  // The directory of the file itself, and of what it leads to. Watching one again is harmless.
  Status watch_all() {
    std::map<int, std::string> before;
    before.swap(directories_);
    Status own = watch_directory(directory_of(path_));
    if (const auto real = resolve(path_)) {
      // Gone between the two calls: its removal is an event in the other directory.
      (void)watch_directory(directory_of(*real));
    }
    for (const auto& [wd, directory] : before) {
      if (!directories_.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
    }
    return own;
  }

  void on_events() {
    alignas(inotify_event) std::array<char, 8192> buffer;
    bool any = false;
    for (;;) {
      const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
      if (got <= 0) break;  // EAGAIN: all of them are read
      any = true;
    }
    // Which file it was is not asked: what counts is whether the content is another one.
    if (any) schedule(kGather);
  }

  void schedule(Duration delay) {
    if (timer_) return;
    timer_ = loop_.after(delay, [this] {
      timer_.reset();
      reload();
    });
  }

  void reload() {
    if (!watch_all()) schedule(kRetryLostDirectory);
    auto content = os::read_file(path_, kMaxManifestBytes);
    if (!content) {
      std::string why = content.error().to_string();
      if (last_error_ == why) return;
      last_error_ = std::move(why);
      last_content_.reset();
      return report(fail(std::move(content).error()));
    }
    if (last_content_ == *content) return;
    last_error_.clear();
    last_content_ = *std::move(content);
    auto manifest = parse_manifest(*last_content_);
    if (!manifest) manifest = fail(std::move(manifest.error()).with("reading " + path_));
    report(std::move(manifest));
  }

  // Nothing of this is touched afterwards: the callback may destroy the watch, and with it
  // changed_.
  void report(Result<Manifest> manifest) {
    const Callback callback = changed_;
    callback(std::move(manifest));
  }

  os::EventLoop& loop_;
  std::string path_;
  Callback changed_;
  os::UniqueFd inotify_;
  bool watched_ = false;
  std::optional<os::EventLoop::TimerId> timer_;
  std::map<int, std::string> directories_;
  std::optional<std::string> last_content_;
  std::string last_error_;
};

}  // namespace

Result<std::unique_ptr<ManifestWatch>> ManifestWatch::start(os::EventLoop& loop, std::string path,
                                                            Callback changed) {
  os::UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return fail_errno(errno, "inotify_init1");
  auto watch =
      std::make_unique<Watch>(loop, std::move(path), std::move(changed), std::move(inotify));
  SLUICE_CHECK_OK(watch->begin());
  return std::unique_ptr<ManifestWatch>(std::move(watch));
}

}  // namespace sluice::sources
