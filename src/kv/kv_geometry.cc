#include "baton/kv/kv_geometry.h"

#include <sstream>

namespace baton::kv {
namespace {

template <typename T>
Status CheckSame(const char* field, const T& ours, const T& theirs) {
  if (ours == theirs) return OkStatus();
  std::ostringstream message;
  message << "KV geometries differ in " << field << ": ours " << ours << ", theirs " << theirs;
  return FailedPrecondition(message.str());
}

}  // namespace

Status CheckCompatible(const KvGeometry& ours, const KvGeometry& theirs) {
  BATON_RETURN_IF_ERROR(CheckSame("layout_version", ours.layout_version, theirs.layout_version));
  BATON_RETURN_IF_ERROR(CheckSame("layers", ours.layers, theirs.layers));
  BATON_RETURN_IF_ERROR(CheckSame("kv_heads", ours.kv_heads, theirs.kv_heads));
  BATON_RETURN_IF_ERROR(CheckSame("head_dim", ours.head_dim, theirs.head_dim));
  BATON_RETURN_IF_ERROR(CheckSame("block_tokens", ours.block_tokens, theirs.block_tokens));
  BATON_RETURN_IF_ERROR(CheckSame("dtype", DTypeName(ours.dtype), DTypeName(theirs.dtype)));
  BATON_RETURN_IF_ERROR(CheckSame("tp_size", ours.tp_size, theirs.tp_size));
  return CheckSame("tp_rank", ours.tp_rank, theirs.tp_rank);
}

}  // namespace baton::kv
