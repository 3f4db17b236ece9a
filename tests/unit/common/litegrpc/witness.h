// SPDX-License-Identifier: Apache-2.0
// gRPC's own C++ client and server, with messages as bytes: an independent other end.
#pragma once

#include <grpc/grpc.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sluice::litegrpc::test {

inline constexpr std::chrono::seconds kPatience{60};

// The library is kept up: its last user's end waits up to 10 s for threads of its own.
inline void keep_library() {
  static const bool kept = (grpc_init(), true);
  (void)kept;
}

inline grpc::ByteBuffer to_buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline std::string to_string(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return {};
  std::string bytes;
  for (const auto& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

struct Outcome {
  grpc::Status status;
  std::string body;
};

class WitnessClient {
 public:
  explicit WitnessClient(const std::string& socket, grpc::ChannelArguments arguments = {}) {
    keep_library();
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ =
        grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
  }
  ~WitnessClient() {
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }

  Outcome call(const std::string& method, const std::string& body,
               std::chrono::milliseconds deadline = kPatience) {
    return calls(method, {body}, deadline)[0];
  }

  // All at once, on one connection.
  std::vector<Outcome> calls(const std::string& method, const std::vector<std::string>& bodies,
                             std::chrono::milliseconds deadline = kPatience) {
    struct Pending {
      grpc::ClientContext context;
      grpc::ByteBuffer answer;
      std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
      Outcome outcome;
    };
    std::vector<Pending> pending(bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      Pending& one = pending[i];
      one.context.set_deadline(std::chrono::system_clock::now() + deadline);
      one.reader = stub_->PrepareUnaryCall(&one.context, method, to_buffer(bodies[i]), &queue_);
      one.reader->StartCall();
      one.reader->Finish(&one.answer, &one.outcome.status, &one);
    }
    for (std::size_t i = 0; i < bodies.size(); ++i) next();
    std::vector<Outcome> outcomes;
    for (Pending& one : pending) {
      one.outcome.body = to_string(one.answer);
      outcomes.push_back(std::move(one.outcome));
    }
    return outcomes;
  }

  // True: the operation with some tag went well.
  bool next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::GenericStub& stub() { return *stub_; }
  grpc::CompletionQueue& queue() { return queue_; }
  grpc::Channel& channel() { return *channel_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::CompletionQueue queue_;
};

// A server-streaming call: read() one message after the other.
class WitnessStream {
 public:
  WitnessStream(WitnessClient& client, const std::string& method, const std::string& body)
      : client_(client), call_(client.stub().PrepareCall(&context_, method, &client.queue())) {
    call_->StartCall(this);
    bool good = client_.next();
    if (good) {
      call_->WriteLast(to_buffer(body), grpc::WriteOptions(), this);
      client_.next();
    }
  }
  ~WitnessStream() {
    context_.TryCancel();
    if (!finished_) finish();
  }

  bool read(std::string& message) {
    grpc::ByteBuffer buffer;
    call_->Read(&buffer, this);
    if (!client_.next()) return false;
    message = to_string(buffer);
    return true;
  }
  grpc::Status finish() {
    grpc::Status status;
    call_->Finish(&status, this);
    client_.next();
    finished_ = true;
    return status;
  }
  void cancel() { context_.TryCancel(); }

 private:
  WitnessClient& client_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

class WitnessServer : private grpc::CallbackGenericService {
 public:
  // Returning nothing at all: the call stays open until the client gives up.
  struct Answer {
    grpc::Status status;
    std::string body;
    bool never = false;
  };
  using Handler = std::function<Answer(const std::string& method, const std::string& body)>;

  WitnessServer(const std::string& socket, Handler handler) : handler_(std::move(handler)) {
    keep_library();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~WitnessServer() override { server_->Shutdown(std::chrono::system_clock::now()); }
  bool running() const { return server_ != nullptr; }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(Handler& handler, std::string method) : handler_(handler), method_(std::move(method)) {
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return end(grpc::Status(grpc::StatusCode::INTERNAL, "no request"));
      Answer answer = handler_(method_, to_string(request_));
      if (answer.never) return;
      if (!answer.status.ok()) return end(answer.status);
      if (ended_.exchange(true)) return;
      answer_ = to_buffer(answer.body);
      StartWriteAndFinish(&answer_, grpc::WriteOptions(), answer.status);
    }
    void OnCancel() override { end(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

   private:
    void end(const grpc::Status& status) {
      if (!ended_.exchange(true)) Finish(status);
    }

    Handler& handler_;
    std::atomic<bool> ended_ = false;
    std::string method_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer answer_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(handler_, context->method());
  }

  Handler handler_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sluice::litegrpc::test
