# Writes FILE, a text, as the C++ source OUTPUT: the function FUNCTION of NAMESPACE, declared in
# HEADER, returns it.
file(READ ${FILE} text)
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::string_view ${FUNCTION}() { return R\"text(${text})text\"; }

}  // namespace ${NAMESPACE}
")
