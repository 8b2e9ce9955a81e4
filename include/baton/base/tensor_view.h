#pragma once

#include "baton/base/dtype.h"
#include "baton/base/shape.h"

namespace baton {

/// Dense row-major memory that somebody else owns, with its type and shape.
struct TensorView {
  const void* data = nullptr;
  DType dtype = DType::kFloat32;
  Shape shape;

  size_t bytes() const { return static_cast<size_t>(shape.elements()) * DTypeBytes(dtype); }
};

}  // namespace baton
