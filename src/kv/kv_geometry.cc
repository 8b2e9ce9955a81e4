#include "baton/kv/kv_geometry.h"

#include <sstream>

namespace baton::kv {
namespace {

template <typename T>
Status CheckField(bool fits, const char* field, const T& ours, const T& theirs) {
  if (fits) return OkStatus();
  std::ostringstream message;
  message << "KV geometries differ in " << field << ": ours " << ours << ", theirs " << theirs;
  return FailedPrecondition(message.str());
}

template <typename T>
Status CheckSame(const char* field, const T& ours, const T& theirs) {
  return CheckField(ours == theirs, field, ours, theirs);
}

/// One of two positive numbers divides the other.
bool Divides(int32_t a, int32_t b) { return a > 0 && b > 0 && (a % b == 0 || b % a == 0); }

}  // namespace

Status CheckCompatible(const KvGeometry& ours, const KvGeometry& theirs) {
  BATON_RETURN_IF_ERROR(CheckSame("layout_version", ours.layout_version, theirs.layout_version));
  BATON_RETURN_IF_ERROR(CheckSame("layers", ours.layers, theirs.layers));
  BATON_RETURN_IF_ERROR(CheckSame("kv_heads", ours.kv_heads, theirs.kv_heads));
  BATON_RETURN_IF_ERROR(CheckSame("head_dim", ours.head_dim, theirs.head_dim));
  BATON_RETURN_IF_ERROR(CheckSame("dtype", DTypeName(ours.dtype), DTypeName(theirs.dtype)));
  BATON_RETURN_IF_ERROR(CheckField(Divides(ours.block_tokens, theirs.block_tokens),
                                   "block_tokens (one must divide the other)", ours.block_tokens,
                                   theirs.block_tokens));
  return CheckField(Divides(theirs.kv_heads, theirs.tp_size) && theirs.tp_size <= kMaxTpSize,
                    "tp_size (it must divide kv_heads or be a multiple of it, and be at most 64)",
                    ours.tp_size, theirs.tp_size);
}

}  // namespace baton::kv
