#include <ctime>
#include <map>

#include "methods.h"
#include "objects.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

Value Range(Runtime& runtime, const Arguments& arguments) {
  const auto integer = [&](size_t i) {
    if (!arguments.positional[i].is_integral()) throw TemplateError("range() needs integers");
    return arguments.positional[i].integer();
  };
  const size_t count = arguments.positional.size();
  if (count < 1 || count > 3) throw TemplateError("range expected 1 to 3 arguments");
  const int64_t start = count == 1 ? 0 : integer(0);
  const int64_t stop = count == 1 ? integer(0) : integer(1);
  const int64_t step = count == 3 ? integer(2) : 1;
  if (step == 0) throw TemplateError("range() arg 3 must not be zero");
  // The sandbox that these templates are written for allows no longer ranges either.
  constexpr size_t kMaxRange = 100'000;
  Values items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (items.size() == kMaxRange) throw LimitError("Range too big.");
    runtime.Step();
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::MakeList(std::move(items));
}

/// The pairs that dict() and namespace() take: mappings, then names.
Dict Pairs(Runtime& runtime, const Arguments& arguments) {
  Dict pairs;
  for (const Value& value : arguments.positional) {
    if (value.is_dict()) {
      runtime.Step(static_cast<int64_t>(value.dict().items().size()));
      for (const auto& [key, item] : value.dict().items()) pairs.Set(key, item);
      continue;
    }
    for (const Value& pair : Iterate(runtime, value)) {
      const Values both = Iterate(runtime, pair);
      if (both.size() != 2) throw TemplateError("expected pairs of key and value");
      pairs.Set(both[0], both[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) pairs.Set(Value(name), value);
  return pairs;
}

Value MakeNamespace(Runtime& runtime, const Arguments& arguments) {
  const auto space = std::make_shared<Namespace>();
  const Dict pairs = Pairs(runtime, arguments);
  for (const auto& [key, value] : pairs.items()) space->SetAttribute(Str(key), value);
  runtime.Keep(space);
  return Value(std::shared_ptr<Object>(space));
}

Value RaiseException(Runtime&, const Arguments& arguments) {
  const Value* message = arguments.Find(0, "message");
  throw TemplateError(message == nullptr ? "the template raised an exception" : Str(*message));
}

/// In UTC, whatever the host's zone: the same prompt wherever it is rendered.
Value StrftimeNow(Runtime& runtime, const Arguments& arguments) {
  const std::string format = StringArgument(arguments, 0, "format", "");
  if (format.empty()) return "";
  if (format.size() > 256) throw TemplateError("the time format is too long");
  const std::time_t now = static_cast<std::time_t>(runtime.unix_seconds());
  std::tm fields{};
  gmtime_r(&now, &fields);
  char buffer[4096];
  const size_t bytes = std::strftime(buffer, sizeof buffer, format.c_str(), &fields);
  return std::string(buffer, bytes);
}

Value Joiner(Runtime&, const Arguments& arguments) {
  const Value separator(StringArgument(arguments, 0, "sep", ", "));
  const auto used = std::make_shared<bool>(false);
  return MakeFunction([separator, used](Runtime&, const Arguments&) {
    return std::exchange(*used, true) ? separator : Value("");
  });
}

/// cycler(...): next() and current, reset().
class Cycler final : public Object {
 public:
  explicit Cycler(Values items) : Object(DepthAround(items)), items_(std::move(items)) {}
  std::string_view type() const override { return "cycler"; }
  std::optional<Value> Attribute(const std::string& name) const override {
    if (name == "current") return items_[*at_];
    if (name != "next" && name != "reset") return std::nullopt;
    const bool next = name == "next";
    return MakeFunction(
        [items = items_, at = at_, next](Runtime&, const Arguments&) {
          const Value& current = items[*at];
          *at = next ? (*at + 1) % items.size() : 0;
          return next ? current : Value();
        },
        depth());
  }

 private:
  const Values items_;
  const std::shared_ptr<size_t> at_ = std::make_shared<size_t>(0);
};

Value MakeCycler(Runtime&, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("at least one item has to be provided");
  return Value(std::shared_ptr<Object>(std::make_shared<Cycler>(arguments.positional)));
}

}  // namespace

const Value* FindGlobal(const std::string& name) {
  static const std::map<std::string, Value> globals = {
      {"range", MakeFunction(Range)},
      {"dict", MakeFunction([](Runtime& runtime, const Arguments& arguments) {
         return Value::MakeDict(Pairs(runtime, arguments));
       })},
      {"namespace", MakeFunction(MakeNamespace)},
      {"raise_exception", MakeFunction(RaiseException)},
      {"strftime_now", MakeFunction(StrftimeNow)},
      {"joiner", MakeFunction(Joiner)},
      {"cycler", MakeFunction(MakeCycler)}};
  const auto found = globals.find(name);
  return found == globals.end() ? nullptr : &found->second;
}

}  // namespace baton::text::jinja
