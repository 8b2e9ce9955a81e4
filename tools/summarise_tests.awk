# Reads CTest's LastTest.log; counts GoogleTest cases, and entries without cases as one case each,
# and names the failed and the skipped ones.

/^[0-9]+\/[0-9]+ Testing: / { entry = $3; running = ""; passed_here = failed_here = skipped_here = 0 }

/^\[ RUN      \] / { running = case_name($0) }
/^\[[^]]*\] .* ms\)$/ { running = "" }
/^\[       OK \] .* ms\)$/ { ++passed; ++passed_here }

/^\[  FAILED  \] .* ms\)$/ { ++failed; ++failed_here; fail(entry ": " case_name($0)) }

/^\[  SKIPPED \] .* ms\)$/ {
  ++skipped
  ++skipped_here
  skips[skipped] = entry ": " case_name($0) (reason == "" ? "" : " (" reason ")")
  reason = ""
}

reading_reason { reason = $0; reading_reason = 0 }
/: Skipped$/ { reading_reason = 1 }

/^Test Passed\.$/ && !(passed_here + failed_here + skipped_here) { ++passed }
/^Test Skipped\.?$/ && !(passed_here + skipped_here) { skips[++skipped] = entry }
/^Test Failed\.$/ && running != "" { ++failed; fail(entry ": " running " (did not end)") }
/^Test Failed\.$/ && running == "" && !failed_here { ++failed; fail(entry) }

function case_name(line) {
  sub(/^\[[^]]*\] /, "", line)
  sub(/ \([0-9]+ ms\)$/, "", line)
  return line
}

function fail(what) { failures[failed] = what }

END {
  for (i = 1; i <= skipped; ++i) print "skipped  " skips[i]
  for (i = 1; i <= failed; ++i) print "FAILED   " failures[i]
  printf "cases: %d passed, %d failed, %d skipped\n", passed, failed, skipped
}
