//! What real consoles say, and what it means.

use super::*;

/// A console's text, and words of the cause's sentence (none: no cause) and of the line that shows it.
const CONSOLES: &[(&str, &str, &str)] = &[
    // Linux 5.10 without the disk's driver.
    (
        "[    0.541708] VFS: Cannot open root device \"vda\" or unknown-block(0,0): error -6\n\
         [    0.542035] Please append a correct \"root=\" boot option; here are the available partitions:\n\
         [    0.542562] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n\
         [    0.543001] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 5.10.0 #1\n\
         [    0.560101] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---\n",
        "root disk",
        "Cannot open root device \"vda\"",
    ),
    // initramfs-tools of Debian 12.
    (
        "Begin: Waiting for root file system ... Begin: Running /scripts/local-block ... done.\n\
         done.\nGave up waiting for root file system device.  Common problems:\n - Boot args (cat /proc/cmdline)\n\
         \x20  - Check rootdelay= (did the system wait long enough?)\n - Missing modules (cat /proc/modules; ls /dev)\n\
         ALERT!  UUID=5c1e7a7a-1f0e does not exist.  Dropping to a shell!\n\n\n\
         BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) built-in shell (ash)\n\
         Enter 'help' for a list of built-in commands.\n\n(initramfs) ",
        "root disk",
        "Gave up waiting for root file system device",
    ),
    // dracut of CentOS 7.
    (
        "[  185.316310] dracut-initqueue[250]: Warning: dracut-initqueue timeout - starting timeout scripts\n\
         [  186.018123] dracut-initqueue[250]: Warning: Could not boot.\n\
         \x20        Starting Dracut Emergency Shell...\nWarning: /dev/mapper/centos-root does not exist\n\n\
         Generating \"/run/initramfs/rdsosreport.txt\"\n\nEntering emergency mode. Exit the shell to continue.\n\
         Type \"journalctl\" to view system logs.\ndracut:/# ",
        "root disk",
        "dracut-initqueue timeout",
    ),
    // systemd's fsck, in its colours.
    (
        "[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start \u{1b}[0;1;39mFile System Check on /dev/sda1\u{1b}[0m.\r\n\
         [\u{1b}[0;1;33mDEPEND\u{1b}[0m] Dependency failed for \u{1b}[0;1;39mLocal File Systems\u{1b}[0m.\r\n\
         You are in emergency mode. After logging in, type \"journalctl -xb\" to view\r\n\
         Give root password for maintenance\r\n(or press Control-D to continue): ",
        "repair by hand",
        "[FAILED] Failed to start File System Check on /dev/sda1.",
    ),
    // fsck in an initramfs of Ubuntu 16.04.
    (
        "/dev/sda1 contains a file system with errors, check forced.\n\
         Inodes that were part of a corrupted orphan linked list found.\n\n\
         /dev/sda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\n\t(i.e., without -a or -p options)\n\
         fsck exited with status code 4\nThe root filesystem on /dev/sda1 requires a manual fsck\n\n\
         BusyBox v1.22.1 (Ubuntu 1:1.22.0-15ubuntu1) built-in shell (ash)\n(initramfs) ",
        "repair by hand",
        "RUN fsck MANUALLY",
    ),
    // mountall of Ubuntu 10.04 and 12.04.
    (
        "fsck from util-linux-ng 2.17.2\nThe disk drive for /data is not ready yet or not present.\nContinue to wait, or Press S to skip mounting or M for manual recovery\n",
        "fstab",
        "/data",
    ),
    // A share in fstab.
    (
        "[ TIME ] Timed out waiting for device /dev/sdb1.\n[DEPEND] Dependency failed for /data.\n\
         [DEPEND] Dependency failed for Local File Systems.\nYou are in emergency mode. After logging in, type\n\
         Cannot open access to console, the root account is locked.\n",
        "fstab",
        "/dev/sdb1",
    ),
    // A root device that systemd in the initramfs waits for.
    (
        "[ TIME ] Timed out waiting for device /dev/mapper/rhel-root.\n[DEPEND] Dependency failed for /sysroot.\n",
        "root disk",
        "rhel-root",
    ),
    (
        "[    1.9] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n",
        "kernel panicked",
        "kill init",
    ),
    (
        "Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug\n",
        "kernel panicked",
        "IO-APIC",
    ),
    (
        "[    1.2] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.\n",
        "no program to start",
        "No working init found",
    ),
    (
        "[28663.625375] Kernel panic - not syncing: Out of memory and no killable processes...\n",
        "out of memory while it booted",
        "no killable",
    ),
    (
        "[    0.713] Initramfs unpacking failed: write error\nKernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n",
        "out of memory",
        "unpacking failed",
    ),
    (
        "[   12.3] Out of memory: Killed process 312 (apt-check) total-vm:101024kB, anon-rss:61220kB\nDebian GNU/Linux 12 web1 ttyS0\n",
        "ran out of memory",
        "Killed process 312",
    ),
    (
        "SeaBIOS (version 1.16.2-debian-1.16.2-1)\nBooting from Hard Disk...\nBoot failed: not a bootable disk\n\nNo bootable device.\n",
        "nothing to boot",
        "not a bootable disk",
    ),
    (
        "SeaBIOS (version 1.16.2-debian-1.16.2-1)\niPXE (http://ipxe.org) 00:03.0 CA00\n\n\nBooting from Hard Disk...\n",
        "nothing came of it",
        "Booting from Hard Disk",
    ),
    (
        "BdsDxe: failed to load Boot0001 \"UEFI QEMU HARDDISK QM00001 \" from PciRoot(0x0): Not Found\n\
         BdsDxe: No bootable option or device was found.\n",
        "nothing to boot",
        "failed to load Boot0001",
    ),
    ("FATAL: No bootable medium found! System halted.\n", "nothing to boot", "medium"),
    (
        "GRUB loading.\nWelcome to GRUB!\n\nerror: no such device: 5c1e7a7a-1f0e.\nEntering rescue mode...\ngrub rescue> ",
        "boot loader",
        "no such device",
    ),
    (
        "This kernel requires an x86-64 CPU, but only detected an i686 CPU.\nUnable to boot - please use a kernel appropriate for your CPU.\n",
        "processor",
        "x86-64",
    ),
    ("Please enter passphrase for disk QEMU_HARDDISK (sda5_crypt): ", "passphrase", "sda5_crypt"),
    (
        "DHCPDISCOVER on eth0 to 255.255.255.255 port 67 interval 14\nNo DHCPOFFERS received.\n\
         No working leases in persistent database - sleeping.\n",
        "no address",
        "No DHCPOFFERS",
    ),
    ("udhcpc: sending discover\nudhcpc: no lease, failing\n", "no address", "no lease"),
    ("[FAILED] Failed to start Raise network interfaces.\n", "no address", "Raise network"),
    (
        "eth0: ERROR while getting interface flags: No such device\nFailed to bring up eth0.\n",
        "no address",
        "eth0",
    ),
    (
        "[***   ] A start job is running for Wait for Network to be Configured (1min 3s / no limit)\r",
        "no address",
        "Wait for Network",
    ),
    (
        "[FAILED] Failed to start OpenBSD Secure Shell server.\nweb1 login: ",
        "sshd did not start",
        "Secure Shell",
    ),
    ("[FAILED] Failed to start sshd.service - OpenSSH server daemon.\n", "sshd did not start", "OpenSSH"),
    (
        "/etc/ssh/sshd_config: line 88: Bad configuration option: PermitRootLogn\n/etc/ssh/sshd_config: terminating, 1 bad configuration options\n",
        "sshd did not start",
        "line 88",
    ),
    (
        "[FAILED] Failed to start Initial cloud-init job (metadata service crawler).\n",
        "cloud-init",
        "Initial cloud-init",
    ),
    (
        "[   21.1] cloud-init[612]: 2026-01-01 util.py[WARNING]: Failed loading yaml blob. Invalid format at line 3\n",
        "cloud-init",
        "yaml",
    ),
    (
        "rsyslogd: file '/var/log/syslog': write error: No space left on device\nweb1 login: ",
        "disk is full",
        "syslog",
    ),
    ("[  200.1] blk_update_request: I/O error, dev vda, sector 2048\n", "disk has errors", "dev vda"),
    ("[   40.2] watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [systemd:1]\n", "too busy", "soft lockup"),
    (
        "[ ***  ] A start job is running for Hold until boot process finishes up (2min 3s / no limit)\r",
        "one of its services",
        "Hold until",
    ),
    ("Ubuntu 10.04.4 LTS lucid32 ttyS0\n\nlucid32 login: ", "asks for a login", "lucid32 login:"),
    // Nothing that is known.
    ("", "", ""),
    ("[    0.000000] Linux version 6.1.0\n[    3.1] systemd[1]: Reached target Basic System.\n", "", ""),
    // What a boot before the last one said has been got over.
    (
        "[    0.0] Linux version 6.1.0\nKernel panic - not syncing: x\nSeaBIOS (version 1.16)\nBooting from Hard Disk...\n[    0.0] Linux version 6.1.0\n[    2.0] Freeing unused kernel memory\n",
        "",
        "",
    ),
    (
        "SeaBIOS (version 1.16)\nBooting from Hard Disk...\nBoot failed: not a bootable disk\nSeaBIOS (version 1.16)\nBooting from DVD/CD...\n",
        "",
        "",
    ),
];

#[test]
fn real_consoles_name_their_cause() {
    for (text, what, line) in CONSOLES {
        match cause(text) {
            None => assert_eq!(*what, "", "{text}"),
            Some(cause) => {
                assert!(!what.is_empty() && cause.what.contains(what), "{text}: {cause:?}");
                assert!(cause.line.contains(line), "{text}: {cause:?}");
            }
        }
    }
}

#[test]
fn each_sign_has_a_hint_and_can_be_found() {
    for sign in SIGNS {
        assert!(!sign.hint.is_empty() && !sign.hint.ends_with('.'), "{}", sign.what);
        for words in sign.lines {
            let line = words.join(" ");
            assert!(cause(&line).is_some(), "{line}");
        }
    }
}

#[test]
fn hostile_text_is_read_to_its_end() {
    for text in [
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}[31",
        "\u{1b}]0;title",
        "\u{1b}]0;title\u{1b}",
        "\u{1b}(",
        "\u{1b}P\u{1b}",
    ] {
        assert_eq!(cause(text), None, "{text:?}");
        assert!(cause(&format!("{text}\nKernel panic - not syncing: x")).is_some(), "{text:?}");
    }
    let long = format!("{}Kernel panic - not syncing: {}", "ü\n".repeat(400_000), "y".repeat(10_000));
    let cause = cause(&long).unwrap();
    assert_eq!(cause.line.chars().count(), SHOWN + 1);
}
