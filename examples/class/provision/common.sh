#!/bin/sh
# On every machine, first: what all of them need.
#
# Teaches: a provisioner is a shell script that runs as root, once. `set -eu` makes it end at the first command that
# fails, and at the first variable that was never set; without it a script goes on and reports success.
set -eu

# The class's scripts work with what the box brings. Say so here, and not in the middle of something.
for program in python3 nginx; do
  command -v "$program" >/dev/null || { echo "this box has no $program: use the demo box" >&2; exit 1; }
done

# Shown at every login.
echo "You are on $(hostname), a machine of the class." >/etc/motd
