//! Why a machine does not come up, as far as its console tells: from what firmware, boot loaders, kernels, initramfs
//! and init print to a cause with a line as its witness.
//!
//! The words are those of SeaBIOS and OVMF, VirtualBox's BIOS, GRUB 2, Linux 2.6 to 6.x, initramfs-tools, dracut,
//! e2fsprogs, sysvinit, upstart, systemd, dhclient, udhcpc, OpenSSH and cloud-init.

/// How much of a console's end is looked at, in bytes: many boots.
pub const LOOKED_AT: usize = 256 << 10;
/// The longest line that is shown, in characters.
const SHOWN: usize = 160;

/// Why a machine does not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// In one sentence without a full stop, of the machine: "its kernel does not find its root disk".
    pub what: &'static str,
    /// The console's line that says so.
    pub line: String,
    /// What to do.
    pub hint: &'static str,
}

/// A cause, and the lines that give it away: each a list of words that stand in the line in this order.
struct Sign {
    what: &'static str,
    hint: &'static str,
    lines: &'static [&'static [&'static str]],
}

/// In the order of how telling they are: what comes first is the reason for what comes later.
const SIGNS: &[Sign] = &[
    Sign {
        what: "its kernel is not made for this processor",
        hint: "a 64-bit system needs a 64-bit machine: look at the box's architecture, and at the machine's `cpu` settings",
        lines: &[
            &["This kernel requires", "CPU"],
            &["This kernel requires the following features not present"],
            &["please use a kernel appropriate for your CPU"],
        ],
    },
    Sign {
        what: "it ran out of memory while it booted",
        hint: "give the machine more `memory` in the Labfile, then `lab reload`",
        lines: &[
            &["Out of memory and no killable processes"],
            &["System is deadlocked on memory"],
            &["Kernel panic", "ut of memory"],
            &["Initramfs unpacking failed: write error"],
            &["error: out of memory."],
            &["Insufficient memory"],
        ],
    },
    Sign {
        what: "its disk is encrypted and waits for a passphrase",
        hint: "nobody can type it in for lab: take a box with a plain disk",
        lines: &[
            &["Please enter passphrase for disk"],
            &["Please unlock disk"],
            &["Enter passphrase for /dev/"],
        ],
    },
    Sign {
        what: "a file system of its disk is damaged and waits for a repair by hand",
        hint: "`lab reset` goes back to the snapshot, or `lab destroy` and `lab up` make it anew",
        lines: &[
            &["RUN fsck MANUALLY"],
            &["requires a manual fsck"],
            &["fsck exited with status code", "4"],
            &["Failed to start", "File System Check on"],
            &["An automatic file system check (fsck) of the root filesystem failed"],
            &["Errors were found while checking the disk drive"],
            &["xfs_repair"],
        ],
    },
    Sign {
        what: "its kernel does not find its root disk",
        hint: "the box may want another disk controller than it got (IDE, SATA, virtio), or its kernel command line names a \
               disk that is not there",
        lines: &[
            &["Unable to mount root fs"],
            &["Cannot open root device"],
            &["ALERT!", "does not exist"],
            &["Gave up waiting for root"],
            &["dracut-initqueue", "timeout"],
            &["dracut", "Could not boot"],
            &["Timed out waiting for device", "root"],
            &["Dependency failed for", "/sysroot"],
            &["Failed to mount /sysroot"],
            &["mounting", "on /root failed"],
            &["Waiting for root device", "..."],
            &["No root device found"],
            &["Unable to find root device"],
            &["Mounting root failed"],
        ],
    },
    Sign {
        what: "its kernel found no program to start as init",
        hint: "the box's disk is not a whole system: is it the right disk, and is it undamaged? `lab box verify` looks",
        lines: &[
            &["No working init found"],
            &["No init found"],
            &["Requested init", "failed"],
            &["Target filesystem doesn't have requested"],
            &["Failed to execute /init"],
            &["Failed to switch root"],
        ],
    },
    Sign {
        what: "its kernel panicked",
        hint: "a machine with one processor and without extras may get further: `cpus = 1`; else look for the line on the net, \
               with the box's name",
        lines: &[&["Kernel panic - not syncing"], &["Kernel panic:"], &["end Kernel panic"]],
    },
    Sign {
        what: "its boot loader does not find the system",
        hint: "the box's disk is damaged or was packed without its boot partition: `lab box verify` looks; try another box",
        lines: &[
            &["grub rescue>"],
            &["error: no such device"],
            &["error: unknown filesystem"],
            &["error: no such partition"],
            &["error: file `", "not found"],
            &["error: you need to load the kernel first"],
            &["Minimal BASH-like line editing is supported"],
            &["GRUB Hard Disk Error"],
            &["GRUB Geom Error"],
            &["No DEFAULT or UI configuration directive found"],
            &["Could not find kernel image"],
        ],
    },
    Sign {
        what: "its firmware finds nothing to boot on its disk",
        hint: "the disk may be made for UEFI (an EFI partition and no boot sector), or hold no system: take a box that boots \
               with a BIOS, or tell the provider to use EFI",
        lines: &[
            &["No bootable device"],
            &["Boot failed: not a bootable disk"],
            &["Boot failed: could not read"],
            &["No bootable medium found"],
            &["No bootable option or device was found"],
            &["BdsDxe: failed to load"],
            &["BdsDxe: No bootable"],
            &["Non-system disk"],
            &["Missing operating system"],
            &["Operating system not found"],
            &["Operating System not found"],
            &["Operating system load error"],
            &["UEFI Interactive Shell"],
        ],
    },
    Sign {
        what: "its disk holds an installer, not an installed system",
        hint: "take an installed image (a box, or a cloud image): an installer asks questions that nobody answers",
        lines: &[
            &["ISOLINUX "],
            &["installer boot menu"],
            &["anaconda", "starting installer"],
            &["subiquity"],
        ],
    },
    Sign {
        what: "a file system of its fstab cannot be mounted",
        hint: "a disk or share that /etc/fstab names is not there: give the line there `nofail`, or take it out of the box",
        lines: &[
            &["Dependency failed for Local File Systems"],
            &["Dependency failed for", "local-fs.target"],
            &["Failed to mount /"],
            &["Timed out waiting for device"],
            &["The disk drive for", "is not ready yet or not present"],
            &["An error occurred while mounting"],
        ],
    },
    Sign {
        what: "its disk is full",
        hint: "make room in the box, or give it a larger disk",
        lines: &[&["No space left on device"], &["Disk quota exceeded"]],
    },
    Sign {
        what: "it stopped in an emergency shell",
        hint: "what comes before the line says why: `lab logs` shows all of it",
        lines: &[
            &["Give root password for maintenance"],
            &["You are in emergency mode"],
            &["Welcome to emergency mode"],
            &["You are in rescue mode"],
            &["Entering emergency mode"],
            &["Press Enter for maintenance"],
            &["Cannot open access to console, the root account is locked"],
            &["dropping you to a shell"],
            &["Dropping to a shell"],
            &["Entering rescue mode"],
            &["(initramfs)"],
            &["dracut:/#"],
            &["can't access tty; job control turned off"],
        ],
    },
    Sign {
        what: "its sshd did not start",
        hint: "look at its sshd_config and its host keys (`ssh-keygen -A` makes new ones)",
        lines: &[
            &["Failed to start", "Secure Shell server"],
            &["Failed to start", "OpenSSH"],
            &["Failed to start", "ssh.service"],
            &["Failed to start", "sshd.service"],
            &["sshd: no hostkeys available"],
            &["Missing privilege separation directory"],
            &["sshd_config", "Bad configuration option"],
            &["sshd_config: terminating"],
            &["Starting sshd:", "FAILED"],
            &["Starting OpenBSD Secure Shell server: sshd", "failed"],
            &["Could not load host key"],
        ],
    },
    Sign {
        what: "its network has no address: it was given none by DHCP, or the card that it looks for is not there",
        hint: "the box's first card must use DHCP, whatever its MAC address and name: look for udev's persistent-net rules, netplan \
               and /etc/network/interfaces in the box",
        lines: &[
            &["No DHCPOFFERS received"],
            &["No working leases in persistent database"],
            &["no lease, failing"],
            &["no lease, forking to background"],
            &["Failed to start", "Raise network interfaces"],
            &["Failed to start", "networking.service"],
            &["Failed to bring up"],
            &["Determining IP information for", "failed"],
            &["ERROR while getting interface flags: No such device"],
            &["Cannot find device \"e"],
            &["Device", "does not seem to be present, delaying initialization"],
            &["Failed to start", "Wait for Network to be Configured"],
            &["Failed to start", "Network Manager Wait Online"],
            &["start job is running for", "Wait for Network to be Configured"],
            &["start job is running for", "Raise network interfaces"],
            &["start job is running for", "LSB: Raise network"],
            &["Waiting up to", "seconds for network configuration"],
            &["Waiting for network configuration..."],
            &["ipconfig: no devices to configure"],
            &["dhcpcd", "timed out"],
        ],
    },
    Sign {
        what: "cloud-init failed, which lets us in",
        hint: "`lab logs` shows what it said; `lab destroy` and `lab up` give it its settings anew",
        lines: &[
            &["Failed to start", "loud-init"],
            &["cloud-init", "Traceback"],
            &["util.py[WARNING]: Failed loading yaml"],
            &["Failed loading yaml blob"],
            &["No instance datasource found"],
            &["Used fallback datasource"],
            &["Can not apply stage"],
        ],
    },
    Sign {
        what: "it ran out of memory",
        hint: "give the machine more `memory` in the Labfile, then `lab reload`",
        lines: &[&["Out of memory: Kill"], &["invoked oom-killer"], &["Memory cgroup out of memory"]],
    },
    Sign {
        what: "its disk has errors",
        hint: "look whether this computer's disk is full or failing; `lab destroy` and `lab up` make the machine anew",
        lines: &[
            &["I/O error, dev"],
            &["EXT4-fs error"],
            &["EXT3-fs error"],
            &["Remounting filesystem read-only"],
            &["XFS", "Corruption"],
            &["BTRFS error"],
        ],
    },
    Sign {
        what: "its processors were kept waiting: this computer is too busy for it",
        hint: "start fewer machines at once (`lab up --jobs 1`), close other programs, or give it more time with `boot_timeout`",
        lines: &[
            &["soft lockup"],
            &["self-detected stall"],
            &["blocked for more than", "seconds"],
            &["detected stalls on CPUs"],
        ],
    },
];

/// What a console says of a boot that does not end: the most telling cause in its last boot; `None` where nothing in it is
/// known. `console` is its text, escape sequences and all.
pub fn cause(console: &str) -> Option<Cause> {
    let start = console.len().saturating_sub(LOOKED_AT);
    let start = (start..=console.len()).find(|at| console.is_char_boundary(*at))?;
    let lines = lines(console.get(start..)?);
    let lines = last_boot(&lines);
    SIGNS
        .iter()
        .find_map(|sign| {
            let said = |line: &&String| sign.lines.iter().any(|words| stands_in(line, words));
            lines.iter().find(said).map(|line| found(sign.what, line, sign.hint))
        })
        .or_else(|| at_the_end(lines))
}

/// What the last line alone says: the boot has got there, and no further.
fn at_the_end(lines: &[String]) -> Option<Cause> {
    let line = lines.last()?;
    if line.contains("Booting from Hard Disk") {
        return Some(found(
            "its firmware started the disk, and nothing came of it",
            line,
            "the disk may be made for UEFI (an EFI partition and an empty boot sector): take a box that boots with a BIOS, or \
             tell the provider to use EFI",
        ));
    }
    if line.contains("start job is running for") || line.contains("stop job is running for") {
        return Some(found(
            "it still waits for one of its services",
            line,
            "give it more time with `boot_timeout`, or take the service out of the box",
        ));
    }
    if line.trim_end().ends_with("login:") {
        return Some(found(
            "it has booted and asks for a login, and its ssh does not answer",
            line,
            "the box needs openssh-server, and a first card that uses DHCP; a firewall must let port 22 in",
        ));
    }
    None
}

fn found(what: &'static str, line: &str, hint: &'static str) -> Cause {
    let mut shown: String = line.trim().chars().take(SHOWN).collect();
    if shown.len() < line.trim().len() {
        shown.push('…');
    }
    Cause { what, line: shown, hint }
}

/// Whether `words` stand in `line` in this order.
fn stands_in(line: &str, words: &[&str]) -> bool {
    let mut rest = line;
    words.iter().all(|word| match rest.split_once(word) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// The lines since the machine was last started: what was before has been got over.
fn last_boot(lines: &[String]) -> &[String] {
    const KERNEL: &str = "Linux version ";
    const FIRMWARE: &[&str] = &["SeaBIOS (version", "UEFI firmware (version", "BdsDxe: loading"];
    let firmware = lines.iter().rposition(|line| FIRMWARE.iter().any(|sign| line.contains(sign)));
    let mut kernels =
        lines.iter().enumerate().rev().filter(|(_, line)| line.contains(KERNEL)).map(|(at, _)| at);
    let (last, before) = (kernels.next(), kernels.next());
    // Firmware and the kernel that it starts are one boot.
    let start = match (firmware, before) {
        (Some(firmware), Some(before)) if firmware < before => last,
        (Some(firmware), _) => Some(firmware),
        (None, _) => last,
    };
    lines.get(start.unwrap_or(0)..).unwrap_or_default()
}

/// The lines of `text` that are not empty, without escape sequences and control characters. A carriage return begins a
/// line, too: progress is written over itself.
fn lines(text: &str) -> Vec<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\r' => plain.push('\n'),
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Passes over the rest of an escape sequence (ECMA-48, 5.4 and 8.3.89): `ESC [ … letter`, `ESC ] … BEL` or `ESC \`, else
/// intermediate characters and one more.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while let Some(c) = chars.peek() {
                let last = ('@'..='~').contains(c);
                if c.is_control() {
                    return;
                }
                chars.next();
                if last {
                    return;
                }
            }
        }
        Some(']' | 'P' | '_' | '^') => {
            while let Some(c) = chars.next() {
                match c {
                    '\u{7}' | '\n' => return,
                    '\u{1b}' => {
                        chars.next();
                        return;
                    }
                    _ => {}
                }
            }
        }
        Some(' '..='/') => {
            chars.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
