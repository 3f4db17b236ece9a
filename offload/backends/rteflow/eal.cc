// SPDX-License-Identifier: Apache-2.0
#include "offload/backends/rteflow/eal.h"

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_version.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>

#include "offload/backends/rteflow/dpdk_error.h"

namespace sluice::rteflow {
namespace {

constexpr std::size_t kMegabytes = 256;     // address space without hugepages; touched as needed
constexpr std::size_t kHugeMegabytes = 64;  // what must be free for hugepages to be tried
constexpr std::size_t kMaxWords = 4096;     // of DPDK's log in an Error

// Forwards DPDK's log, line by line, and keeps its end for error messages while asked to.
struct LogStream {
  Logger log;
  std::string line;
  std::string words;

  void take(std::string_view text) {
    for (const char c : text) {
      if (c != '\n' && line.size() < kMaxWords) {
        line += c;
        continue;
      }
      if (line.empty()) continue;
      log.debug("dpdk", {{"line", line}});
      words += (words.empty() ? "" : "; ") + line;
      if (words.size() > kMaxWords) words.erase(0, words.size() - kMaxWords);
      line.clear();
    }
  }
};

ssize_t write_log(void* cookie, const char* text, size_t size) {
  static_cast<LogStream*>(cookie)->take(std::string_view(text, size));
  return static_cast<ssize_t>(size);
}

int close_log(void* cookie) {
  delete static_cast<LogStream*>(cookie);
  return 0;
}

// What DPDK says while one call runs; its log goes back to where it went afterwards.
class Listen {
 public:
  Listen() : before_(::rte_log_get_stream()), memory_(::open_memstream(&text_, &size_)) {
    if (memory_ != nullptr) ::rte_openlog_stream(memory_);
  }
  ~Listen() {
    stop();
    std::free(text_);
  }
  Listen(const Listen&) = delete;
  Listen& operator=(const Listen&) = delete;

  std::string words() {
    stop();
    std::string words;
    for (std::size_t i = 0; i < size_ && words.size() < kMaxWords; ++i) {
      if (text_[i] != '\n') {
        words += text_[i];
      } else if (i + 1 < size_) {
        words += "; ";
      }
    }
    return words;
  }

 private:
  void stop() {
    if (memory_ == nullptr) return;
    ::rte_openlog_stream(before_);
    ::fclose(memory_);
    memory_ = nullptr;
    if (size_ > 0) {
      ::fwrite(text_, 1, size_, before_);
      ::fflush(before_);
    }
  }

  FILE* before_;
  char* text_ = nullptr;
  std::size_t size_ = 0;
  FILE* memory_;
};

std::size_t free_huge_megabytes() {
  std::size_t pages = 0;
  std::ifstream file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  return file >> pages ? pages * 2 : 0;
}

// One lcore that floats over all processors that the process may use: no thread a processor, no
// pinning.
std::string floating_lcore() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return "0@0";
  std::string list;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  }
  return "0@(" + list + ")";
}

bool asks_for(const std::vector<std::string>& extra,
              std::initializer_list<std::string_view> options) {
  for (const auto& argument : extra) {
    for (const auto option : options) {
      if (argument == option || argument.starts_with(std::string(option) + "=")) return true;
    }
  }
  return false;
}

std::vector<std::string> arguments(const EalOptions& options) {
  std::vector<std::string> args = {"sluice", "--no-telemetry"};
  const bool pci = asks_for(options.extra, {"-a", "--allow", "-b", "--block"});
  if (!pci) args.emplace_back("--no-pci");
  if (!asks_for(options.extra, {"-l", "-c", "--lcores"})) {
    args.push_back("--lcores=" + floating_lcore());
  }
  // A prefix of our own: an empty directory of this name is all that EAL ever makes.
  if (!asks_for(options.extra, {"--file-prefix"})) {
    args.push_back("--file-prefix=sluice-" + std::to_string(::getpid()));
  }
  if (!asks_for(options.extra, {"--in-memory", "--no-huge"})) {
    if (options.try_hugepages && free_huge_megabytes() >= kHugeMegabytes) {
      args.emplace_back("--in-memory");
    } else {
      args.insert(args.end(), {"--no-huge", "--no-shconf"});
      if (!asks_for(options.extra, {"-m"})) {
        args.insert(args.end(), {"-m", std::to_string(kMegabytes)});
      }
    }
  }
  args.insert(args.end(), options.extra.begin(), options.extra.end());
  return args;
}

// EAL makes its directory even when it keeps nothing in it.
void remove_runtime_directory() {
  const char* directory = ::rte_eal_get_runtime_dir();
  if (directory == nullptr || *directory == '\0') return;
  const std::string own = directory;
  // rmdir() leaves a directory that isn't empty, so nobody else's files are in danger.
  if (::rmdir(own.c_str()) == 0) ::rmdir(own.substr(0, own.rfind('/')).c_str());
}

std::string hint_for(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
      return " (is a privilege missing? DPDK needs CAP_IPC_LOCK for hugepages)";
    case ENOMEM:
      return " (not enough memory, or no hugepages that it may use)";
    case EALREADY:
      return " (EAL starts only once in a process)";
    case EINVAL:
      return " (an argument is wrong)";
    default:
      return "";
  }
}

}  // namespace

Status start_eal(const EalOptions& options, Logger log) {
  // The stream stays DPDK's for the rest of the process, or until stop_eal().
  auto owned = std::make_unique<LogStream>(LogStream{std::move(log), {}, {}});
  LogStream* const words = owned.get();
  FILE* stream =
      ::fopencookie(words, "w", cookie_io_functions_t{nullptr, write_log, nullptr, close_log});
  if (stream == nullptr) return fail_errno(errno, "fopencookie");
  owned.release();
  ::setvbuf(stream, nullptr, _IOLBF, 0);
  FILE* const before = ::rte_log_get_stream();
  ::rte_openlog_stream(stream);

  std::vector<std::string> args = arguments(options);
  int result = 0;
  int number = 0;
  // rte_eal_init() pins its caller to the main lcore's processors: let that be a thread that ends.
  std::thread([&] {
    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    result = ::rte_eal_init(static_cast<int>(args.size()), argv.data());
    number = rte_errno;
  }).join();
  ::fflush(stream);
  if (result >= 0) {
    remove_runtime_directory();
    words->words.clear();
    return {};
  }
  Error error = dpdk_error(number, "start DPDK's EAL");
  error.message += hint_for(number);
  if (!words->words.empty()) error.message += ": " + words->words;
  if (number != EALREADY) remove_runtime_directory();
  ::rte_openlog_stream(before);
  ::fclose(stream);
  return fail(std::move(error));
}

void stop_eal() {
  // On a thread of its own for the same reason as the start.
  std::thread([] { ::rte_eal_cleanup(); }).join();
  remove_runtime_directory();
  FILE* stream = ::rte_log_get_stream();
  ::rte_openlog_stream(nullptr);
  // Ours, unless somebody else has set one since.
  if (stream != nullptr && stream != stderr && stream != stdout) ::fclose(stream);
}

Status add_vdev(const std::string& name, const std::string& args) {
  Listen listen;
  const int result = ::rte_vdev_init(name.c_str(), args.c_str());
  if (result == 0) return {};
  Error error = dpdk_error(-result, "add the virtual device " + name);
  if (const std::string words = listen.words(); !words.empty()) error.message += ": " + words;
  return fail(std::move(error));
}

Status remove_vdev(const std::string& name) {
  Listen listen;
  const int result = ::rte_vdev_uninit(name.c_str());
  if (result == 0) return {};
  Error error = dpdk_error(-result, "remove the virtual device " + name);
  if (const std::string words = listen.words(); !words.empty()) error.message += ": " + words;
  return fail(std::move(error));
}

std::string dpdk_version() { return ::rte_version(); }

Status ThreadRegistration::enter() {
  if (entered_) return {};
  if (::rte_thread_register() < 0) {
    return fail(dpdk_error(rte_errno, "register a thread with DPDK"));
  }
  entered_ = true;
  return {};
}

void ThreadRegistration::leave() {
  if (!entered_) return;
  ::rte_thread_unregister();
  entered_ = false;
}

}  // namespace sluice::rteflow
