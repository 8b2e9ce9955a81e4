#pragma once

#include "parser.h"

namespace baton::text::jinja {

/// Bounds how deeply the parser recurses, and so the evaluator and the tree's destruction.
class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > kMaxDepth) parser_.Fail("the template nests too deeply");
  }
  ~Nesting() { --parser_.depth_; }

 private:
  static constexpr int kMaxDepth = 400;
  Parser& parser_;
};

}  // namespace baton::text::jinja
