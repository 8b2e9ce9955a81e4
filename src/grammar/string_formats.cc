#include "string_formats.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

namespace baton::grammar {
namespace {

using Patterns = std::map<std::string, std::string, std::less<>>;

Patterns MakePatterns() {
  // Days by the length of their months; 29 February in years that 4 divides, of centuries 400.
  const std::string year = "[1-9][0-9]{3}";
  const std::string leap_year =
      "([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)";
  const std::string date = "(" + year +
                           "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|"
                           "(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|" +
                           leap_year + "-02-29)";
  const std::string time =
      "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
      "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
  const std::string duration_time =
      "T([0-9]{1,6}H([0-9]{1,6}M([0-9]{1,6}S)?)?|"
      "[0-9]{1,6}M([0-9]{1,6}S)?|[0-9]{1,6}S)";
  const std::string duration_date =
      "([0-9]{1,6}Y([0-9]{1,6}M([0-9]{1,6}D)?)?|"
      "[0-9]{1,6}M([0-9]{1,6}D)?|[0-9]{1,6}D)";
  const std::string label = "[a-zA-Z0-9]{1,20}(-[a-zA-Z0-9]{1,20}){0,2}";
  const std::string hostname = label + "(\\." + label + "){0,3}";
  const std::string domain = "(" + label + "\\.){1,3}[a-zA-Z]{2,20}";
  const std::string atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}";
  const std::string byte = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  const std::string ipv4 = byte + "(\\." + byte + "){3}";
  const std::string h = "[0-9a-fA-F]{1,4}";
  const std::string ipv6 = "((" + h + ":){7}" + h + "|(" + h + ":){1,7}:|(" + h + ":){1,6}:" + h +
                           "|(" + h + ":){1,5}(:" + h + "){1,2}|(" + h + ":){1,4}(:" + h +
                           "){1,3}|(" + h + ":){1,3}(:" + h + "){1,4}|(" + h + ":){1,2}(:" + h +
                           "){1,5}|" + h + ":(:" + h + "){1,6}|:((:" + h + "){1,7}|:))";
  const std::string x = "[0-9a-fA-F]";
  const std::string pchar = "([a-zA-Z0-9._~!$&'()*+,;=:@-]|%" + x + x + ")";
  const std::string uri = "[a-zA-Z][a-zA-Z0-9+.-]{0,15}://" + domain + "(:[1-9][0-9]{0,3})?(/" +
                          pchar + "*)*(\\?(" + pchar + "|[/?])*)?(#(" + pchar + "|[/?])*)?";
  const std::string email = atom + "(\\." + atom + "){0,2}@" + domain;
  return {{"date", date},
          {"time", time},
          {"date-time", date + "T" + time},
          {"duration",
           "P(" + duration_date + "(" + duration_time + ")?|" + duration_time + "|[0-9]{1,6}W)"},
          {"email", email},
          {"idn-email", email},
          {"hostname", hostname},
          {"idn-hostname", hostname},
          {"ipv4", ipv4},
          {"ipv6", ipv6},
          {"uuid", x + "{8}-" + x + "{4}-" + x + "{4}-" + x + "{4}-" + x + "{12}"},
          {"uri", uri},
          {"uri-reference", uri},
          {"iri", uri},
          {"iri-reference", uri},
          {"json-pointer", "(/([a-zA-Z0-9_. -]|~[01])*)*"}};
}

}  // namespace

std::string_view PatternOfFormat(std::string_view name) {
  static const Patterns patterns = MakePatterns();
  const auto known = patterns.find(name);
  return known == patterns.end() ? std::string_view() : known->second;
}

bool IsStorageFormat(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "int32", "int64", "float", "double", "byte", "binary", "password", "decimal"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace baton::grammar
