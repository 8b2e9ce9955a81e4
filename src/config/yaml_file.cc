#include "yaml_file.h"

#include <optional>
#include <set>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "suggest.h"
#include "values.h"

namespace baton::config {
namespace {

std::string KindName(const YAML::Node& node) {
  if (node.IsMap()) return "a section";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "empty";
  return "'" + node.Scalar() + "'";
}

/// Walks a document along the schema. Recursion ends where the schema does.
class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  void ReadSection(const YAML::Node& node, const std::string& section) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      const std::string what = section.empty() ? "the file" : section;
      Fail(node, what + " is " + KindName(node) + "; accepted: a section with the keys " +
                     JoinNames(NamesIn(section)));
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) ReadEntry(entry.first, entry.second, section, seen);
  }

  void Fail(const YAML::Node& node, const std::string& message) {
    contents_.errors.push_back(Where(node.Mark()) + ": " + message);
  }
  void Fail(const YAML::Mark& mark, const std::string& message) {
    contents_.errors.push_back(Where(mark) + ": " + message);
  }
  FileContents Take() { return std::move(contents_); }

 private:
  void ReadEntry(const YAML::Node& name, const YAML::Node& value, const std::string& section,
                 std::set<std::string>& seen) {
    if (!name.IsScalar()) return Fail(name, "a key must be text, not " + KindName(name));
    const std::string& text = name.Scalar();
    const std::string path = section.empty() ? text : section + "." + text;
    const std::vector<std::string> accepted = NamesIn(section);
    if (std::find(accepted.begin(), accepted.end(), text) == accepted.end()) {
      return Fail(name, "unknown key '" + text + "'" + DidYouMean(text, accepted) +
                            "; accepted here: " + JoinNames(accepted));
    }
    if (!seen.insert(text).second) return Fail(name, "duplicate key '" + text + "'");
    if (const Key* key = FindKey(path)) {
      // The mark of a value that is missing is that of what comes next.
      if (value.IsNull()) return Fail(name, path + " is empty; accepted: " + Accepted(*key));
      return ReadValue(*key, value);
    }
    ReadSection(value, path);
  }

  void ReadValue(const Key& key, const YAML::Node& value) {
    FileValue read{.key = &key, .where = Where(value.Mark())};
    const std::string problem =
        key.path + " is " + KindName(value) + "; accepted: " + Accepted(key);
    if (key.takes_one_or_more() && value.IsScalar()) {
      read.items.push_back(value.Scalar());
    } else if (key.is_list()) {
      if (!value.IsSequence()) return Fail(value, problem);
      for (const YAML::Node& item : value) {
        if (!item.IsScalar()) {
          return Fail(item, key.path + " has an item that is " + KindName(item) +
                                "; accepted: " + Accepted(key));
        }
        read.items.push_back(item.Scalar());
      }
    } else {
      if (!value.IsScalar()) return Fail(value, problem);
      read.text = value.Scalar();
    }
    contents_.values.push_back(std::move(read));
  }

  std::string Where(const YAML::Mark& mark) const {
    if (mark.is_null()) return name_;
    return name_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
  }

  const std::string name_;
  FileContents contents_;
};

/// Notes where documents have their first value; empty ones have none.
class Beginnings final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override { first_ = std::nullopt; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Begin(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    Begin(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Begin(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Begin(mark);
  }
  void OnMapEnd() override {}

  /// Of the last document.
  const std::optional<YAML::Mark>& first() const { return first_; }

 private:
  void Begin(const YAML::Mark& mark) {
    if (!first_) first_ = mark;
  }
  std::optional<YAML::Mark> first_;
};

/// Where a second document begins, if there is one. YAML::LoadAll would know too, but finds
/// documents without end in some broken texts.
std::optional<YAML::Mark> SecondDocument(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Beginnings beginnings;
  if (!parser.HandleNextDocument(beginnings) || !parser.HandleNextDocument(beginnings))
    return std::nullopt;
  return beginnings.first();
}

}  // namespace

FileContents ParseYaml(const std::string& name, const std::string& text) {
  Reader reader(name);
  try {
    if (const std::optional<YAML::Mark> second = SecondDocument(text)) {
      reader.Fail(*second, "a second document; a configuration is one");
    } else if (const YAML::Node document = YAML::Load(text); !document.IsNull()) {
      reader.ReadSection(document, "");
    }
  } catch (const YAML::Exception& error) {
    reader.Fail(error.mark, "not valid YAML: " + error.msg);
  }
  return reader.Take();
}

}  // namespace baton::config
