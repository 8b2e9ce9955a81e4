#include "normalizer.h"

#include <algorithm>
#include <map>

#include "baton/base/units.h"

namespace baton::text {
namespace {

/// Bytes that Unicode's normal forms make of one, at the worst.
constexpr size_t kCanonicalGrowth = 3;
constexpr size_t kCompatibleGrowth = 11;
/// What all steps together may do. Real ones replace a space by three bytes.
constexpr size_t kMostGrowth = 256;

std::string ReplaceAll(std::string_view text, const std::string& from, const std::string& to) {
  std::string out;
  size_t begin = 0;
  while (true) {
    const size_t at = text.find(from, begin);
    out += text.substr(begin, at - begin);
    if (at == std::string_view::npos) return out;
    out += to;
    begin = at + from.size();
  }
}

}  // namespace

Result<Normalizer> Normalizer::FromJson(const JsonPlace& place) {
  Normalizer normalizer;
  BATON_RETURN_IF_ERROR(normalizer.Add(place));
  return normalizer;
}

Status Normalizer::Add(const JsonPlace& place) {
  static const std::map<std::string, NormalForm> kForms = {{"NFC", NormalForm::kNfc},
                                                           {"NFD", NormalForm::kNfd},
                                                           {"NFKC", NormalForm::kNfkc},
                                                           {"NFKD", NormalForm::kNfkd}};
  if (place.is_null()) return OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::string type, place.Get("type").String());
  if (const auto form = kForms.find(type); form != kForms.end()) {
    const bool compatible = form->second == NormalForm::kNfkc || form->second == NormalForm::kNfkd;
    return AddStep(place, form->second, compatible ? kCompatibleGrowth : kCanonicalGrowth);
  }
  if (type == "Prepend") {
    BATON_ASSIGN_OR_RETURN(std::string prefix, place.Get("prepend").String());
    return AddStep(place, Prepend{std::move(prefix)}, 1);
  }
  if (type == "Replace") {
    const JsonPlace pattern = place.Get("pattern");
    if (pattern.Get("String").is_null()) return pattern.Unsupported("replacing by expression");
    BATON_ASSIGN_OR_RETURN(std::string from, pattern.Get("String").String());
    BATON_ASSIGN_OR_RETURN(std::string to, place.Get("content").String());
    if (from.empty()) return pattern.Error("must not be empty");
    const size_t growth = CeilDiv(to.size(), from.size());
    return AddStep(place, Replace{std::move(from), std::move(to)}, growth);
  }
  if (type == "Sequence") {
    const JsonPlace parts = place.Get("normalizers");
    BATON_RETURN_IF_ERROR(parts.RequireArray());
    for (size_t i = 0; i < parts.value().size(); ++i) BATON_RETURN_IF_ERROR(Add(parts.At(i)));
    return OkStatus();
  }
  return place.Unsupported("normalizer " + type);
}

Status Normalizer::AddStep(const JsonPlace& place, Step step, size_t growth) {
  steps_.push_back(std::move(step));
  growth_ *= std::max<size_t>(growth, 1);
  return growth <= kMostGrowth && growth_ <= kMostGrowth
             ? OkStatus()
             : place.Error("makes texts too long, together with the steps before");
}

std::string Normalizer::Apply(std::string_view text) const {
  std::string out(text);
  for (const Step& step : steps_) {
    if (const auto* form = std::get_if<NormalForm>(&step)) {
      out = Normalize(out, *form);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (!out.empty()) out.insert(0, prepend->prefix);
    } else {
      const Replace& replace = std::get<Replace>(step);
      out = ReplaceAll(out, replace.from, replace.to);
    }
  }
  return out;
}

}  // namespace baton::text
