#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "baton/base/check.h"

namespace baton {

/// gRPC's status codes by name and number, so that `rpc` maps them one to one.
enum class StatusCode : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

/// What must be given up because of an error.
enum class Blast : int { kRequest = 0, kPeer = 1, kWorker = 2 };

std::string_view StatusCodeName(StatusCode code);

/// The outcome of a fallible call: OK, or a code, a sentence for the reader, and the blast radius.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message, Blast blast = Blast::kRequest)
      : code_(code), blast_(blast), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  Blast blast() const { return blast_; }
  const std::string& message() const { return message_; }

  /// "InvalidArgument: temperature must not be negative".
  std::string ToString() const;

  /// The same error with `context` and ": " before its message.
  Status WithContext(std::string_view context) const;
  Status WithBlast(Blast blast) const { return Status(code_, message_, blast); }

  friend bool operator==(const Status&, const Status&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Status& status) {
    return out << status.ToString();
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  Blast blast_ = Blast::kRequest;
  std::string message_;
};

inline Status OkStatus() { return {}; }
Status InvalidArgument(std::string message);
Status NotFound(std::string message);
Status AlreadyExists(std::string message);
Status ResourceExhausted(std::string message);
Status FailedPrecondition(std::string message);
Status Aborted(std::string message);
Status Cancelled(std::string message);
Status DeadlineExceeded(std::string message);
Status Unimplemented(std::string message);
Status Unavailable(std::string message);
Status Internal(std::string message);
Status DataLoss(std::string message);

/// A value, or the Status that says why there is none. Never holds an OK status without a value.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {
    BATON_CHECK(!status_.ok()) << "a Result needs a value or an error";
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  /// REQUIRES: ok().
  T& operator*() & { return Value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->Value(); }
  T&& operator*() && { return std::move(Value()); }
  T* operator->() { return &Value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->Value(); }

 private:
  T& Value() {
    BATON_CHECK(value_.has_value()) << status_.ToString();
    return *value_;
  }

  Status status_;
  std::optional<T> value_;
};

}  // namespace baton

#define BATON_CONCAT_INNER(a, b) a##b
#define BATON_CONCAT(a, b) BATON_CONCAT_INNER(a, b)

/// Returns from the calling function when `expr` is a Status that is not OK.
#define BATON_RETURN_IF_ERROR(expr)                                                     \
  do {                                                                                  \
    if (::baton::Status baton_status = (expr); !baton_status.ok()) return baton_status; \
  } while (false)

/// `BATON_ASSIGN_OR_RETURN(auto x, F());` assigns the value or returns the error.
#define BATON_ASSIGN_OR_RETURN(lhs, expr) \
  BATON_ASSIGN_OR_RETURN_INNER(BATON_CONCAT(baton_result_, __LINE__), lhs, expr)
#define BATON_ASSIGN_OR_RETURN_INNER(result, lhs, expr) \
  auto result = (expr);                                 \
  if (!result.ok()) return result.status();             \
  lhs = *std::move(result)
