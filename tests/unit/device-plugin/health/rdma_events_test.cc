// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/health/rdma_events.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

namespace sluice::health {
namespace {

using Names = std::set<std::string>;

// Devices as libibverbs has them: an event is a byte in the pipe that is its descriptor.
class FakeVerbs {
 public:
  struct Device {
    std::string name;
    int read_fd = -1, write_fd = -1;
    bool open = false;
    bool refuses = false;
    std::deque<ibv_event_type> events;
    int unacknowledged = 0;
  };

  ~FakeVerbs() {
    for (auto& device : devices_) hang_up(*device);
  }

  Device& add(const std::string& name) {
    devices_.push_back(std::make_unique<Device>());
    devices_.back()->name = name;
    return *devices_.back();
  }
  void raise(Device& device, ibv_event_type type) {
    device.events.push_back(type);
    const char byte = 0;
    REQUIRE(::write(device.write_fd, &byte, 1) == 1);
  }
  // As of a device that went away under its users.
  void hang_up(Device& device) {
    for (int* fd : {&device.read_fd, &device.write_fd}) {
      if (*fd >= 0) ::close(*fd);
      *fd = -1;
    }
  }

  Result<VerbsTable> load() {
    ++loads;
    if (!installed) return fail(Code::kUnavailable, "not installed");
    VerbsTable table;
    table.get_device_list = [this](int* count) { return list(count); };
    table.free_device_list = [this](ibv_device**) { --lists; };
    table.get_device_name = [](ibv_device* device) { return of(device)->name.c_str(); };
    table.open_device = [](ibv_device* device) { return open(of(device)); };
    table.close_device = [this](ibv_context* context) {
      auto* device = of(context);
      REQUIRE(device->open);
      device->open = false;
      hang_up(*device);
      return 0;
    };
    table.async_fd = [](ibv_context* context) { return of(context)->read_fd; };
    table.get_async_event = [](ibv_context* context, ibv_async_event* event) {
      return next(of(context), event);
    };
    table.ack_async_event = [this](ibv_async_event*) { --unacknowledged; };
    return table;
  }

  int loads = 0;
  int lists = 0;  // not freed
  static inline int unacknowledged = 0;
  bool installed = true;

 private:
  static Device* of(void* handle) { return static_cast<Device*>(handle); }
  ibv_device** list(int* count) {
    ++lists;
    list_.clear();
    for (auto& device : devices_) list_.push_back(reinterpret_cast<ibv_device*>(device.get()));
    *count = static_cast<int>(list_.size());
    list_.push_back(nullptr);
    return list_.data();
  }
  static ibv_context* open(Device* device) {
    if (device->refuses) {
      errno = EACCES;
      return nullptr;
    }
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    device->read_fd = fds[0];
    device->write_fd = fds[1];
    device->open = true;
    return reinterpret_cast<ibv_context*>(device);
  }
  static int next(Device* device, ibv_async_event* event) {
    char byte = 0;
    const auto got = ::read(device->read_fd, &byte, 1);  // would wait if nobody had made it not to
    if (got == 0) errno = EIO;
    if (got != 1) return -1;
    event->event_type = device->events.front();
    device->events.pop_front();
    ++unacknowledged;
    return 0;
  }

  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<ibv_device*> list_;
};

struct Setup {
  Setup() {
    FakeVerbs::unacknowledged = 0;
    events = std::make_unique<RdmaEvents>(
        *loop, [this](const std::string& device) { changed.push_back(device); }, Logger(),
        [this] { return verbs.load(); });
  }
  // What is there already, and nothing else.
  void run() {
    loop->post([this] { loop->post([this] { loop->stop(); }); });
    loop->run();
  }
  FakeVerbs verbs;
  std::unique_ptr<os::EventLoop> loop = *os::EventLoop::create();
  std::vector<std::string> changed;
  std::unique_ptr<RdmaEvents> events;
};

TEST_CASE("Port events are passed on as hints, others are not, all are acknowledged") {
  Setup setup;
  auto& a = setup.verbs.add("mlx5_0");
  auto& b = setup.verbs.add("mlx5_1");
  setup.verbs.add("mlx5_9");
  setup.events->watch({"mlx5_0", "mlx5_1", "gone"});
  CHECK(setup.events->watched() == Names{"mlx5_0", "mlx5_1"});
  setup.verbs.raise(a, IBV_EVENT_PORT_ERR);
  setup.verbs.raise(a, IBV_EVENT_PORT_ACTIVE);
  setup.verbs.raise(b, IBV_EVENT_QP_FATAL);
  setup.run();
  CHECK(setup.changed == std::vector<std::string>{"mlx5_0"});  // one hint for both
  setup.verbs.raise(b, IBV_EVENT_PKEY_CHANGE);
  setup.run();
  CHECK(setup.changed == std::vector<std::string>{"mlx5_0", "mlx5_1"});
  CHECK(FakeVerbs::unacknowledged == 0);
  CHECK(setup.verbs.lists == 0);
}

TEST_CASE("The library is loaded with the first device, once, whether it is there or not") {
  Setup setup;
  setup.events->watch({});
  CHECK(setup.verbs.loads == 0);
  setup.verbs.installed = false;
  setup.events->watch({"mlx5_0"});
  setup.events->watch({"mlx5_0"});
  CHECK(setup.verbs.loads == 1);
  CHECK(setup.events->watched().empty());
}

TEST_CASE("Devices that are no longer wanted are closed, as are all at the end") {
  Setup setup;
  auto& a = setup.verbs.add("mlx5_0");
  auto& b = setup.verbs.add("mlx5_1");
  setup.events->watch({"mlx5_0", "mlx5_1"});
  CHECK(a.open);
  setup.events->watch({"mlx5_1"});
  CHECK_FALSE(a.open);
  CHECK(b.open);
  setup.events.reset();
  CHECK_FALSE(b.open);
}

TEST_CASE("A device that dies is told of and closed, and opened again when it is back") {
  Setup setup;
  auto& a = setup.verbs.add("mlx5_0");
  setup.events->watch({"mlx5_0"});
  setup.verbs.raise(a, IBV_EVENT_DEVICE_FATAL);
  setup.run();
  CHECK(setup.changed == std::vector<std::string>{"mlx5_0"});
  CHECK_FALSE(a.open);
  setup.events->watch({"mlx5_0"});
  CHECK(a.open);
  ::close(a.write_fd);  // its end without a word
  a.write_fd = -1;
  setup.run();
  CHECK(setup.changed.size() == 2);
  CHECK_FALSE(a.open);
  CHECK(setup.events->watched().empty());
}

TEST_CASE("A device that can't be opened is tried again") {
  Setup setup;
  auto& a = setup.verbs.add("mlx5_0");
  a.refuses = true;
  setup.events->watch({"mlx5_0"});
  CHECK(setup.events->watched().empty());
  a.refuses = false;
  setup.events->watch({"mlx5_0"});
  CHECK(setup.events->watched() == Names{"mlx5_0"});
  CHECK(setup.verbs.loads == 1);
}

TEST_CASE("The owner may watch others while it is told") {
  Setup setup;
  auto& a = setup.verbs.add("mlx5_0");
  RdmaEvents* events = nullptr;
  int told = 0;
  auto own = std::make_unique<RdmaEvents>(
      *setup.loop,
      [&](const std::string& device) {
        CHECK(device == "mlx5_0");
        events->watch({});
        CHECK(device == "mlx5_0");
        ++told;
      },
      Logger(), [&] { return setup.verbs.load(); });
  events = own.get();
  own->watch({"mlx5_0"});
  setup.verbs.raise(a, IBV_EVENT_PORT_ERR);
  setup.run();
  CHECK(told == 1);
  CHECK_FALSE(a.open);
}

TEST_CASE("More than enough devices: the first of them") {
  Setup setup;
  Names names;
  nic::Inventory inventory;
  for (std::size_t n = 0; n < kMaxWatchedDevices + 10; ++n) {
    const std::string name = "dev" + std::to_string(n);
    setup.verbs.add(name);
    names.insert(name);
    nic::Pf pf;
    pf.rdma.emplace_back();
    pf.rdma.back().name = name;
    inventory.pfs.push_back(pf);
  }
  setup.events->watch(names);
  CHECK(setup.events->watched().size() == kMaxWatchedDevices);
  CHECK(worth_watching(inventory).size() == kMaxWatchedDevices);
}

TEST_CASE("The real library has every function, and lists without a device") {
  const auto table = load_libibverbs();
  if (!table) {
    MESSAGE("libibverbs is not installed: " << table.error().to_string());
    REQUIRE(table.error().code == Code::kUnavailable);
    return;
  }
  int count = -1;
  ibv_device** list = table->get_device_list(&count);
  if (list == nullptr) {  // a kernel without the subsystem
    CHECK(errno == ENOSYS);
    return;
  }
  CHECK(count >= 0);
  table->free_device_list(list);
}

}  // namespace
}  // namespace sluice::health
