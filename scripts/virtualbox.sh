# Sourced by the scripts beside it, after packages.sh: where the tests with the real VirtualBox run.

# virtualbox_bed: prints the bed, empty for this computer's own VirtualBox, which is taken where it can start machines. The bed is made of
# Debian's newest packages. Fails with 3 where Debian's archive does not supply VirtualBox on that day, with another code where
# the bed cannot be made for another reason.
virtualbox_bed() {
  if [ -c /dev/vboxdrv ] && VBoxManage list hostinfo >/dev/null 2>&1; then
    echo
  else
    tests/virtualbox/bed/build
  fi
}

# enter_virtualbox BED: has cargo start test programs with the runner, which takes the tests with VirtualBox there. Sets $bed.
enter_virtualbox() {
  local target
  bed=$1
  target=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  export "CARGO_TARGET_${target}_RUNNER=$PWD/tests/virtualbox/bed/runner"
}

# test_virtualbox ARGUMENT…: runs them; arguments go to the test program. One after the other: an interpreted machine needs a core of its own.
test_virtualbox() {
  LAB_TEST_BED=$bed cargo test --locked --features virtualbox-tests --test virtualbox --no-fail-fast -- \
    --include-ignored --test-threads 1 "$@"
}
