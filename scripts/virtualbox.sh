# Sourced by the scripts beside it, after packages.sh: where the tests with the real VirtualBox run.

# prepare_virtualbox: this computer's own where it can start machines, else one in a bed of Debian's newest packages, into which cargo
# then takes these tests. Fails with 3 where Debian's archive does not supply VirtualBox on that day, with another code where
# the bed cannot be made for another reason.
prepare_virtualbox() {
  local target
  if [ -c /dev/vboxdrv ] && VBoxManage list hostinfo >/dev/null 2>&1; then return; fi
  LAB_TEST_BED=$(tests/virtualbox/bed/build) || return
  target=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  export LAB_TEST_BED "CARGO_TARGET_${target}_RUNNER=$PWD/tests/virtualbox/bed/runner"
}
