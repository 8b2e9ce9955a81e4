#include "pre_tokenizer.h"

#include <algorithm>
#include <map>

namespace baton::text {
namespace {

constexpr char kGpt2Pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/// `text` as a pattern that matches itself.
std::string Literal(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c))) {
      out += '\\';
    }
    out += c;
  }
  return out;
}

}  // namespace

Result<PreTokenizer> PreTokenizer::FromJson(const JsonPlace& place) {
  PreTokenizer pre_tokenizer;
  BATON_RETURN_IF_ERROR(pre_tokenizer.Add(place));
  return pre_tokenizer;
}

Result<PreTokenizer::Step> PreTokenizer::SplitFromJson(const JsonPlace& place) {
  static const std::map<std::string, Behavior> kBehaviors = {
      {"Isolated", Behavior::kIsolated},
      {"Removed", Behavior::kRemoved},
      {"Contiguous", Behavior::kContiguous},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext}};
  const JsonPlace pattern = place.Get("pattern");
  const bool literal = pattern.Get("Regex").is_null();
  BATON_ASSIGN_OR_RETURN(const std::string text,
                         pattern.Get(literal ? "String" : "Regex").String());
  auto regex = Regex::Compile(literal ? Literal(text) : text);
  if (!regex.ok()) return regex.status().WithContext(pattern.path());
  BATON_ASSIGN_OR_RETURN(const std::string name, place.Get("behavior").String());
  const auto behavior = kBehaviors.find(name);
  if (behavior == kBehaviors.end()) return place.Unsupported("behavior " + name);
  BATON_ASSIGN_OR_RETURN(const bool invert, place.Get("invert").BoolOr(false));
  return Step{*std::move(regex), behavior->second, invert};
}

Status PreTokenizer::Add(const JsonPlace& place) {
  if (place.is_null()) return OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::string type, place.Get("type").String());
  if (byte_level_) return place.Unsupported("pre-tokenizer " + type + " after ByteLevel");
  if (type == "ByteLevel") return AddByteLevel(place);
  if (type == "Split") {
    BATON_ASSIGN_OR_RETURN(Step step, SplitFromJson(place));
    steps_.push_back(std::move(step));
    return OkStatus();
  }
  if (type == "Digits") {
    BATON_ASSIGN_OR_RETURN(const bool each, place.Get("individual_digits").BoolOr(false));
    BATON_ASSIGN_OR_RETURN(Regex regex, Regex::Compile("\\p{N}"));
    steps_.push_back({std::move(regex), each ? Behavior::kIsolated : Behavior::kContiguous, false});
    return OkStatus();
  }
  if (type == "Sequence") {
    const JsonPlace parts = place.Get("pretokenizers");
    BATON_RETURN_IF_ERROR(parts.RequireArray());
    for (size_t i = 0; i < parts.value().size(); ++i) BATON_RETURN_IF_ERROR(Add(parts.At(i)));
    return OkStatus();
  }
  return place.Unsupported("pre-tokenizer " + type);
}

Status PreTokenizer::AddByteLevel(const JsonPlace& place) {
  BATON_ASSIGN_OR_RETURN(const bool prefix, place.Get("add_prefix_space").BoolOr(true));
  BATON_ASSIGN_OR_RETURN(const bool use_regex, place.Get("use_regex").BoolOr(true));
  byte_level_ = true;
  if (prefix) prefix_space_at_ = steps_.size();
  if (use_regex) {
    BATON_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(kGpt2Pattern));
    steps_.push_back({std::move(regex), Behavior::kIsolated, false});
  }
  return OkStatus();
}

Words PreTokenizer::Split(std::string_view text) const {
  Words words;
  if (!text.empty()) words.views.push_back(text);
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (i == prefix_space_at_) PrefixSpaces(words);
    std::vector<std::string_view> next;
    for (std::string_view word : words.views) Apply(steps_[i], word, next);
    words.views = std::move(next);
  }
  if (prefix_space_at_ == steps_.size()) PrefixSpaces(words);
  return words;
}

void PreTokenizer::PrefixSpaces(Words& words) const {
  for (std::string_view& word : words.views) {
    if (word.starts_with(' ')) continue;
    word = words.made.emplace_back(" " + std::string(word));
  }
}

void PreTokenizer::Apply(const Step& step, std::string_view word,
                         std::vector<std::string_view>& out) {
  std::vector<RegexSpan> spans;
  step.regex.Spans(word, spans);
  if (step.invert) {
    for (RegexSpan& span : spans) span.matched = !span.matched;
  }
  Merge(step.behavior, spans);
  for (const RegexSpan& span : spans) {
    if (step.behavior == Behavior::kRemoved && span.matched) continue;
    if (span.begin < span.end) out.push_back(word.substr(span.begin, span.end - span.begin));
  }
}

void PreTokenizer::Merge(Behavior behavior, std::vector<RegexSpan>& spans) {
  if (behavior == Behavior::kIsolated || behavior == Behavior::kRemoved) return;
  const bool to_next = behavior == Behavior::kMergedWithNext;
  if (to_next) std::reverse(spans.begin(), spans.end());
  std::vector<RegexSpan> merged;
  bool previous = false;
  for (const RegexSpan& span : spans) {
    const bool joins =
        behavior == Behavior::kContiguous ? span.matched == previous : span.matched && !previous;
    if (joins && !merged.empty()) {
      merged.back().begin = std::min(merged.back().begin, span.begin);
      merged.back().end = std::max(merged.back().end, span.end);
    } else {
      merged.push_back(span);
    }
    previous = span.matched;
  }
  if (to_next) std::reverse(merged.begin(), merged.end());
  spans = std::move(merged);
}

}  // namespace baton::text
