#include "json_value.h"

#include <limits>

#include <nlohmann/json.hpp>

namespace baton::text::jinja {
namespace {

/// Builds values straight from the parser's events: no second tree, and no lookup that is linear in
/// the keys of an object, as nlohmann's ordered map has.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Value Take() { return std::move(result_); }

  bool null() override { return Put({}); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(number_integer_t value) override { return Put(int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max())) {
      return Put(static_cast<double>(value));
    }
    return Put(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return Put(value); }
  bool string(string_t& value) override { return Put(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override { return Open(true); }
  bool key(string_t& key) override {
    open_.back().key = std::move(key);
    return true;
  }
  bool end_object() override { return Close(Value::MakeDict(std::move(open_.back().dict))); }
  bool start_array(size_t) override { return Open(false); }
  bool end_array() override { return Close(Value::MakeList(std::move(open_.back().items))); }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw TemplateError(std::string("context: ") + error.what());
  }

 private:
  struct Container {
    bool object = false;
    std::string key;
    Dict dict;
    Values items;
  };

  bool Open(bool object) {
    if (open_.size() >= kMaxValueDepth) throw LimitError("the context nests too deeply");
    open_.emplace_back().object = object;
    return true;
  }

  bool Close(Value value) {
    open_.pop_back();
    return Put(std::move(value));
  }

  bool Put(Value value) {
    if (open_.empty()) {
      result_ = std::move(value);
    } else if (open_.back().object) {
      open_.back().dict.Set(Value(std::move(open_.back().key)), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Container> open_;
  Value result_;
};

}  // namespace

Value ParseJson(std::string_view json) {
  Builder builder;
  nlohmann::json::sax_parse(json, &builder);
  return builder.Take();
}

}  // namespace baton::text::jinja
