# Sourced by the scripts beside it, after packages.sh: where the tests with the real VirtualBox run.

# prepare_virtualbox: this computer's own where it can start machines, else one in a bed of Debian's newest packages. Sets $bed (empty for
# this computer's own) and has cargo start test programs with the runner, which takes those tests there. Fails with 3 where
# Debian's archive does not supply VirtualBox on that day, with another code where the bed cannot be made for another reason.
prepare_virtualbox() {
  local target
  bed=
  if ! { [ -c /dev/vboxdrv ] && VBoxManage list hostinfo >/dev/null 2>&1; }; then
    bed=$(tests/virtualbox/bed/build) || return
  fi
  target=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  export "CARGO_TARGET_${target}_RUNNER=$PWD/tests/virtualbox/bed/runner"
}

# test_virtualbox ARGUMENT…: runs them; arguments go to the test program. One after the other: an interpreted machine needs a core of its own.
test_virtualbox() {
  LAB_TEST_BED=$bed cargo test --locked --features virtualbox-tests --test virtualbox --no-fail-fast -- \
    --include-ignored --test-threads 1 "$@"
}
