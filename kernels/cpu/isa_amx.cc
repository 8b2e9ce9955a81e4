#include "simd/amx_attention.h"
#include "simd/amx_linear.h"
#include "simd/make_isa.h"
#include "simd/vec_avx512.h"

namespace baton::kernels::cpu {

const Isa& AmxIsa() {
  static constexpr Isa kIsa = [] {
    Isa isa = MakeIsa<amx::Vec>("amx");
    isa.tile_rows = 2 * amx::kTileRows;
    isa.row_block = 256;
    isa.laid_bytes = amx::TileLinear::LaidBytes;
    isa.lay_rows = amx::TileLinear::LayRows;
    isa.linear_scratch = amx::TileLinear::ScratchBytes;
    isa.linear = amx::TileLinear::Run;
    isa.pack_linear = amx::TileLinear::Pack;
    isa.unpack_row = amx::TileLinear::UnpackRow;
    isa.unit_rows = 128;
    isa.joined_rows = amx::kTileRows;
    isa.attention_scratch = amx::TileAttention::ScratchBytes;
    isa.attend = amx::TileAttention::Run;
    return isa;
  }();
  return kIsa;
}

}  // namespace baton::kernels::cpu
