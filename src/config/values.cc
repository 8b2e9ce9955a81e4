#include "values.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

namespace baton::config {
namespace {

constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
// Implied since C++20, which clang 14 does not know yet.
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

/// Units of durations and of sizes, greatest first, as written by Render.
constexpr std::array<std::pair<const char*, int64_t>, 6> kDurations{{{"h", 3'600'000'000'000},
                                                                     {"min", 60'000'000'000},
                                                                     {"s", 1'000'000'000},
                                                                     {"ms", 1'000'000},
                                                                     {"us", 1'000},
                                                                     {"ns", 1}}};
constexpr std::array<std::pair<const char*, int64_t>, 5> kSizes{
    {{"TiB", int64_t{1} << 40}, {"GiB", kGiB}, {"MiB", kMiB}, {"KiB", kKiB}, {"B", 1}}};

/// In the greatest unit that leaves an integer.
template <typename Units>
std::string WithUnit(int64_t value, const Units& units) {
  for (const auto& [name, size] : units) {
    if (value != 0 && value % size == 0) return std::to_string(value / size) + name;
  }
  return "0";
}

std::optional<int64_t> ParseInteger(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

/// "250ms", "1.5s", "0".
std::optional<int64_t> ParseDurationNs(const std::string& text) {
  if (text == "0") return 0;
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  const std::string unit(stopped, end);
  for (const auto& [name, size] : kDurations) {
    const double ns = number * static_cast<double>(size);
    if (unit == name && ns < static_cast<double>(kUnbounded)) return static_cast<int64_t>(ns);
  }
  return std::nullopt;
}

std::optional<int64_t> ParseSize(const std::string& text) {
  const Result<int64_t> bytes = ParseBytes(text);
  return bytes.ok() ? std::optional(*bytes) : std::nullopt;
}

std::string Join(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

/// "duration from 1ms to 24h".
template <typename Render>
std::string Ranged(const std::string& what, const Key& key, const Render& render) {
  if (key.greatest == kUnbounded) return what + " of at least " + render(key.least);
  return what + " from " + render(key.least) + " to " + render(key.greatest);
}

Status Refuse(const Key& key, const std::string& text) {
  return InvalidArgument("is '" + text + "'; accepted: " + Accepted(key));
}

template <typename T>
Status AssignNumber(const Key& key, const std::string& text, std::optional<int64_t> value, T& out) {
  const int64_t greatest = std::min<int64_t>(key.greatest, std::numeric_limits<T>::max());
  if (!value || *value < key.least || *value > greatest) return Refuse(key, text);
  out = static_cast<T>(*value);
  return OkStatus();
}

Status CheckText(const Key& key, const std::string& text) {
  if (!key.choices.empty()) {
    for (const std::string& choice : key.choices) {
      if (text == choice) return OkStatus();
    }
    return Refuse(key, text);
  }
  if (key.check && !key.check(text).ok()) return Refuse(key, text);
  return OkStatus();
}

/// A scalar that YAML reads back as this string.
std::string Quote(const std::string& text) {
  const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+=:-";
  const bool null = text.empty() || text == "null" || text == "Null" || text == "NULL";
  const bool safe = !null && text.find_first_not_of(plain) == std::string::npos &&
                    text.find_first_of("-=:") != 0 && text.back() != ':';
  if (safe) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    char code[8];
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(c));
      quoted += code;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

Status Assign(const Key& key, const std::string& text, Config& config) {
  const auto assign = Overloaded{
      [&](bool* out) {
        if (text != "true" && text != "false") return Refuse(key, text);
        *out = text == "true";
        return OkStatus();
      },
      [&](int32_t* out) { return AssignNumber(key, text, ParseInteger(text), *out); },
      [&](int64_t* out) { return AssignNumber(key, text, ParseSize(text), *out); },
      [&](Duration* out) {
        int64_t ns = 0;
        BATON_RETURN_IF_ERROR(AssignNumber(key, text, ParseDurationNs(text), ns));
        *out = Duration(ns);
        return OkStatus();
      },
      [&](std::string* out) {
        BATON_RETURN_IF_ERROR(CheckText(key, text));
        *out = text;
        return OkStatus();
      },
      [&](std::vector<std::string>*) { return Internal(key.path + " is a list"); },
      [&](DType* out) {
        BATON_RETURN_IF_ERROR(CheckText(key, text));
        BATON_ASSIGN_OR_RETURN(*out, ParseDType(text));
        return OkStatus();
      },
      [&](LogLevel* out) {
        BATON_RETURN_IF_ERROR(CheckText(key, text));
        BATON_ASSIGN_OR_RETURN(*out, ParseLogLevel(text));
        return OkStatus();
      },
  };
  return std::visit(assign, key.slot(config));
}

Status AssignList(const Key& key, const std::vector<std::string>& items, Config& config) {
  for (const std::string& item : items) {
    if (!CheckText(key, item).ok()) {
      return InvalidArgument("has the item '" + item + "'; accepted: " + Accepted(key));
    }
  }
  *std::get<std::vector<std::string>*>(key.slot(config)) = items;
  return OkStatus();
}

std::string Render(const Key& key, const Config& config) {
  // The slot is only read.
  const Slot slot = key.slot(const_cast<Config&>(config));
  const auto render = Overloaded{
      [](const bool* value) { return std::string(*value ? "true" : "false"); },
      [](const int32_t* value) { return std::to_string(*value); },
      [](const int64_t* value) { return WithUnit(*value, kSizes); },
      [](const Duration* value) { return WithUnit(value->count(), kDurations); },
      [](const std::string* value) { return Quote(*value); },
      [&](const std::vector<std::string>* value) {
        std::vector<std::string> quoted;
        for (const std::string& item : *value) quoted.push_back(Quote(item));
        if (key.takes_one_or_more() && quoted.size() == 1) return quoted.front();
        return "[" + Join(quoted, ", ") + "]";
      },
      [](const DType* value) { return std::string(DTypeName(*value)); },
      [&](const LogLevel* value) { return key.choices[static_cast<size_t>(*value)]; },
  };
  return std::visit(render, slot);
}

std::string Accepted(const Key& key) {
  if (key.takes_one_or_more()) return "one or a list of " + Join(key.choices, ", ");
  if (!key.choices.empty()) return Join(key.choices, ", ");
  Config config;
  const auto number = [](int64_t value) { return std::to_string(value); };
  const auto size = [](int64_t value) { return WithUnit(value, kSizes); };
  const auto duration = [](int64_t value) { return WithUnit(value, kDurations); };
  const auto accepted = Overloaded{
      [](bool*) { return std::string("true, false"); },
      [&](int32_t*) { return Ranged("integer", key, number); },
      [&](int64_t*) { return Ranged("size like 64MiB", key, size); },
      [&](Duration*) { return Ranged("duration like 250ms", key, duration); },
      [&](std::string*) { return key.form.empty() ? "text" : key.form; },
      [&](std::vector<std::string>*) { return "list of " + key.form; },
      [](auto*) { return std::string(); },
  };
  return std::visit(accepted, key.slot(config));
}

}  // namespace baton::config
