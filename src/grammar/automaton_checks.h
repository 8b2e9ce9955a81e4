#pragma once

#include "automaton.h"
#include "baton/base/status.h"

namespace baton::grammar {

/// Makes an automaton fit to run: takes out what can never be completed, divides the bytes into
/// classes. *Fails with* InvalidArgument naming the rule that begins with itself; the repetition of
/// what may be empty; a root without texts.
Status CheckAutomaton(Automaton& automaton);

}  // namespace baton::grammar
