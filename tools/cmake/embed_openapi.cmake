# Writes FILE, a JSON text, as the C++ source OUTPUT.
file(READ ${FILE} json)
file(WRITE ${OUTPUT} "#include \"baton/api/openapi.h\"

namespace baton::api {

std::string_view OpenApiJson() { return R\"json(${json})json\"; }

}  // namespace baton::api
")
