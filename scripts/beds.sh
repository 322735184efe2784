# Sourced by scripts/test, after packages.sh and virtualbox.sh: the beds, which are what tests need beside compiled programs. Each is made
# once and kept in a cache, by a process of its own beside whatever else goes on.

# The beds, the one that most depends on first, and the minutes that one core takes to make each on a slow computer.
beds=(demo:15 debian:6 virtualbox:4)
# What the tests of all beds take together, in minutes.
tests_take=25

# $made/BED holds what the bed's tests have to know; $made/BED.out says why there is none; $made/failed is there if one could not be made.
made=$(mktemp -d)
lanes=()

# make_bed BED: prints what goes into $made/BED. Exit code 3: it cannot be had today, and nothing is wrong here.
make_bed() {
  case $1 in
    demo) boxes/demo/build --kernel small ;;
    debian) for flavour in ifupdown networkd cloud; do tests/guests/debian12/build "$flavour" || return; done ;;
    virtualbox) virtualbox_bed ;;
  esac
}

# make_beds BED:MINUTES…: one after the other. LAB_TEST_MINUTES, if set, is how long all may take that is counted in $SECONDS: a bed is
# left out, with all those after it, where that time would not be enough to make it and to run the tests.
make_beds() {
  local bed minutes code out=
  for bed; do
    minutes=${bed#*:} bed=${bed%:*} code=0
    if [ -z "$out" ] && [ $((SECONDS / 60 + minutes + tests_take)) -gt "${LAB_TEST_MINUTES:-1000000}" ]; then
      out="There was no time to make it: minute $((SECONDS / 60)) of $LAB_TEST_MINUTES."
    fi
    if [ -n "$out" ]; then
      echo "$out" >"$made/$bed.out"
      continue
    fi
    make_bed "$bed" >"$made/$bed.new" || code=$?
    case $code in
      0) mv "$made/$bed.new" "$made/$bed" ;;
      3) echo "Debian's archive does not supply it today." >"$made/$bed.out" ;;
      *) echo "It could not be made, see above." | tee "$made/failed" >"$made/$bed.out" ;;
    esac
  done
}

# begin_beds: begins to make all of them in two processes, since the first takes as long as the others together.
begin_beds() {
  as_root true # where a password has to be typed, here, since nobody can type it for a process beside
  set -m # a process group for each, which stop_beds ends
  make_beds "${beds[0]}" & lanes+=($!)
  make_beds "${beds[@]:1}" & lanes+=($!)
  set +m
}

# has BED: whether it is there. line NUMBER BED: what its tests have to know.
has() { [ -e "$made/$1" ]; }
line() { sed -n "$1p" "$made/$2"; }

# await BED…: waits until it is known of all of them whether they can be had; tells whether they can.
await() {
  local bed
  for bed; do until has "$bed" || [ -e "$made/$bed.out" ]; do sleep 1; done; done
  for bed; do has "$bed" || return 1; done
}

# stop_beds: for the end of the script.
stop_beds() {
  local lane
  for lane in ${lanes[@]+"${lanes[@]}"}; do kill -- "-$lane" 2>/dev/null || true; done
  rm -rf "$made"
}

# left_out: a line for each bed that there is not. Fails where one could not be made.
left_out() {
  local bed
  for bed in "${beds[@]}"; do
    bed=${bed%:*}
    has "$bed" || say "LEFT OUT: the tests that need the bed $bed. $(cat "$made/$bed.out")"
  done
  [ ! -e "$made/failed" ]
}
